"""A real server of the explorer on a thread, and an HTTP client that speaks as its page does."""

import http.client
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindspots.explorer.app_state import AppState, ExplorerConfig, load
from blindspots.explorer.serve import ADDRESS, listen, server

ZOO = "zoo:shapes-resnet"
SHAPES = "sample:shapes?n=12"


@dataclass(frozen=True)
class Client:
    """Requests to a server that runs here; `hub` is what it serves."""

    port: int
    hub: AppState

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.port}/"

    @property
    def origin(self) -> str:
        """What the page's own requests name as their origin."""
        return f"http://{ADDRESS}:{self.port}"

    def open(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """The response, not yet read, and the connection that it comes on."""
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            given = {"Origin": self.origin, **given}
        connection.request(method, path, body, given)
        return connection.getresponse(), connection

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """The status, the body's bytes and the headers of an answer."""
        response, connection = self.open(method, path, body, **headers)
        content = response.read()
        connection.close()
        return response.status, content, response.headers

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """The status and the JSON of a GET."""
        status, content, _ = self.ask("GET", path, **headers)
        return status, json.loads(content)

    def post(self, path: str, data: Any, **headers: str) -> tuple[int, Any]:
        """The status and the JSON of a POST."""
        given = {"Content_Type": "application/json", **headers}
        status, content, _ = self.ask("POST", path, json.dumps(data).encode(), **given)
        return status, json.loads(content) if content else None

    def upload(self, content: bytes, name: str = "photo.jpg") -> tuple[int, Any]:
        """The status and the JSON after a file was dropped."""
        boundary = secrets.token_hex(8)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + content
        body += f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        status, answer, _ = self.ask("POST", "/api/uploads", body, Content_Type=kind)
        return status, json.loads(answer)

    def events(self, path: str, data: Any) -> Iterator[dict[str, Any]]:
        """The events of long work, as they come; leaving the loop closes the tab."""
        body, kind = json.dumps(data).encode(), "application/json"
        response, connection = self.open("POST", path, body, Content_Type=kind)
        try:
            if response.status != 200:
                raise AssertionError((response.status, response.read()))
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[len(b"data: ") :])
        finally:
            connection.close()
            response.close()

    def traverse(self, source: str, targets: Sequence[str], **more: Any) -> list[dict[str, Any]]:
        """All events of a traversal."""
        asked = {"models": list(self.hub.subjects), "source": source, "targets": list(targets)}
        return list(self.events("/api/traversals", {**asked, "method": "star", **more}))

    @property
    def images(self) -> list[str]:
        """The ids of the images to pick from."""
        return [entry["id"] for entry in self.hub.gallery.listing()["images"]]


@contextmanager
def explorer(out: Path, origins: Sequence[str] = (), **wanted: Any) -> Iterator[Client]:
    """A running server."""
    given = {"models": [ZOO], "images": SHAPES, "out": out, **wanted}
    with serving(load(ExplorerConfig(**given)), listen(0), origins) as client:
        yield client


@contextmanager
def serving(
    hub: AppState, connection: socket.socket, origins: Sequence[str] = ()
) -> Iterator[Client]:
    """The server of what is loaded, on a thread, until the visit is over."""
    running = server(hub, connection, origins)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [connection]}, daemon=True)
    thread.start()
    wait_until(lambda: running.started)
    try:
        yield Client(connection.getsockname()[1], hub)
    finally:
        running.should_exit = True
        thread.join(timeout=20)


def wait_until(holds, seconds: float = 20.0) -> None:
    """Come back when it holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("it did not come to hold in time")
        time.sleep(0.01)
