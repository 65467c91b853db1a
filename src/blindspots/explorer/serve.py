"""Starts the server: a socket on 127.0.0.1 first, so that a taken port is refused at once."""

import asyncio
import re
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from blindspots.errors import UsageError
from blindspots.explorer.app_state import AppState
from blindspots.explorer.web_app import create_app

ADDRESS = "127.0.0.1"
MOST_CONNECTIONS = 200
SECONDS_TO_CLOSE, SECONDS_TO_ASK = 2, 20.0


class Connection(H11Protocol):
    """A visitor's connection, closed where there are too many or where nothing is asked on it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= MOST_CONNECTIONS:
            transport.abort()
            return
        super().connection_made(transport)
        self.loop.call_later(SECONDS_TO_ASK, self._close_unasked)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            super().connection_lost(exc)

    def _close_unasked(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.abort()


def listen(port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise UsageError(f"--port {port} was given; expected 0 (any free one) to 65535")
    # With its protocol named, asyncio turns Nagle's algorithm off; else an answer in two writes
    # waits 40 ms for an acknowledgement.
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        connection.bind((ADDRESS, port))
        connection.listen()
    except OSError as error:
        connection.close()
        raise UsageError(
            f"--port {port} cannot be used ({error.strerror or error}); type --port 0 for any free "
            "one"
        ) from error
    return connection


def address(connection: socket.socket) -> str:
    return f"http://{ADDRESS}:{connection.getsockname()[1]}/"


def check_origin(text: str) -> str:
    if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", text.rstrip("/")):
        raise UsageError(
            f"--origin {text} was given; expected the address in the browser's bar without its "
            "path, as in --origin http://localhost:9000"
        )
    return text.rstrip("/")


def server(hub: AppState, connection: socket.socket, origins: Sequence[str] = ()) -> uvicorn.Server:
    app = create_app(hub, connection.getsockname()[1], origins)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=SECONDS_TO_CLOSE,
            ws="none",
        )
    )


def serve(
    hub: AppState,
    connection: socket.socket,
    said: Callable[[str], None],
    *,
    show: bool,
    origins: Sequence[str] = (),
) -> None:
    url = address(connection)
    said(url)
    if show:
        threading.Timer(0.3, webbrowser.open, [url]).start()
    try:
        server(hub, connection, origins).run(sockets=[connection])
    except KeyboardInterrupt:
        return
