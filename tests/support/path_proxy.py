"""A proxy that puts a server below a path, as Jupyter's does: /proxy/1/api/start is /api/start."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/proxy/1"


class _Forward(BaseHTTPRequestHandler):
    """Hands requests on with the headers they came with, Host too, and answers piece by piece."""

    server: "PathProxy"

    def do_GET(self) -> None:
        if not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404)
            return
        length = int(self.headers.get("Content-Length", 0))
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        path, body = self.path.removeprefix(PREFIX), self.rfile.read(length)
        behind.request(self.command, path, body, dict(self.headers))
        answer = behind.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while piece := answer.read1():
            self.wfile.write(piece)
            self.wfile.flush()
        behind.close()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class PathProxy(ThreadingHTTPServer):
    """`behind`: the port of the server that it stands before."""

    daemon_threads = True
    behind = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def path_proxy() -> Iterator[PathProxy]:
    """A proxy that runs."""
    with PathProxy(("127.0.0.1", 0), _Forward) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join(timeout=20)
