"""Who may ask the server, how much they may send, and what a browser may do with the answer.

Listening on 127.0.0.1 is not enough: a page of another site can send requests here from the
visitor's own browser, and can give this address a name of its own (DNS rebinding).

| check | against |
|---|---|
| `Host` is 127.0.0.1 or localhost with our port, or that of `--origin`, once | DNS rebinding |
| `Origin` is ours where it is given, and given with every POST | drive-by requests |
| `Sec-Fetch-Site` is no other site, but for opening the page | the same without an origin |
| the body's length, as said and as it comes | uploads that fill the memory |
| the seconds that a body takes; how many uploads come at once | slow ones that hold files open |
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blindspots.explorer.upload_decoder import MOST_BYTES

MOST_BODY = 64 * 2**10
UPLOADS = "/api/uploads"
MOST_UPLOADS_AT_ONCE, SECONDS_A_BODY = 8, 30.0
_MULTIPART = 2**16
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

Refusal = tuple[int, str]


class Guard:
    def __init__(self, app: ASGIApp, port: int, origins: Sequence[str] = ()) -> None:
        self._app, self._port = app, port
        own = [f"http://{name}:{port}" for name in ("127.0.0.1", "localhost")]
        self._origins = {*own, *origins}
        self._hosts = {origin.partition("://")[2] for origin in self._origins}
        self._uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal := self.refusal(scope["method"], scope["path"], scope["headers"]):
            await _refuse(send, *refusal)
        elif scope["path"] == UPLOADS:
            await self._upload(scope, receive, send)
        else:
            await self._app(scope, _limited(receive, MOST_BODY), _protected(send))

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._uploading >= MOST_UPLOADS_AT_ONCE:
            await _refuse(send, 503, f"{self._uploading} images are coming in already; wait a bit")
            return
        self._uploading += 1
        try:
            await self._app(scope, _limited(receive, most_body(UPLOADS)), _protected(send))
        finally:
            self._uploading -= 1

    def refusal(self, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> Refusal | None:
        given = _by_name(headers)
        if len(given.get("host", ())) != 1 or given["host"][0] not in self._hosts:
            return 403, (
                "this server answers only under the address that it printed; through a tunnel, use "
                f"its own port on both sides (ssh -L {self._port}:localhost:{self._port} HOST), or "
                "start it with --origin and the address in your browser's bar, as in --origin "
                "http://localhost:9000"
            )
        if not self._own(method, path, given):
            return 403, "this server answers only to its own page"
        lengths = [int(text) for text in given.get("content-length", ()) if text.isdecimal()]
        if any(length > most_body(path) for length in lengths):
            return 413, too_large(path)
        return None

    def _own(self, method: str, path: str, given: Mapping[str, list[str]]) -> bool:
        origins, fewest = given.get("origin", []), 0 if method in ("GET", "HEAD") else 1
        if not set(origins) <= self._origins or not fewest <= len(origins) <= 1:
            return False
        foreign = set(given.get("sec-fetch-site", ())) - {"same-origin", "none"}
        opening = method == "GET" and path == "/" and given.get("sec-fetch-mode") == ["navigate"]
        return opening or not foreign


def most_body(path: str) -> int:
    return MOST_BYTES + _MULTIPART if path == UPLOADS else MOST_BODY


def too_large(path: str) -> str:
    if path == UPLOADS:
        return f"the file has more than {MOST_BYTES >> 20} MB; scale the image down first"
    return "the request is larger than any that this page sends"


def _by_name(headers: list[tuple[bytes, bytes]]) -> Mapping[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in headers:
        given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return given


def _limited(receive: Receive, most: int) -> Receive:
    came, until, whole = 0, asyncio.get_running_loop().time() + SECONDS_A_BODY, False

    async def counted() -> Message:
        nonlocal came, whole
        try:
            # Afterwards it is asked whether the visitor has left, which may be never.
            async with asyncio.timeout_at(None if whole else until):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "the request took too long to come") from error
        came += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if came > most:
            raise HTTPException(413, "the request is larger than it may be")
        return message

    return counted


def _protected(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _with_ours(message.get("headers", []))}
        await send(message)

    return with_headers


def _with_ours(headers: Any) -> list[tuple[bytes, bytes]]:
    ours = {name for name, _ in HEADERS}
    return [*((n, v) for n, v in headers if n.lower() not in ours), *HEADERS]


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
