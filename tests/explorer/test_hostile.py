"""Hostile requests against a real server: every one is refused with a status and one sentence."""

import io
import json
import socket
import struct
import time
import zlib

import pytest
from PIL import Image

from blindspots.explorer import guard, image_catalog, serve
from blindspots.explorer.model_thread import WENT_WRONG
from blindspots.explorer.serve import ADDRESS
from tests.support.explorer_client import ZOO, explorer, wait_until


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with explorer(tmp_path_factory.mktemp("cases"), images="sample:shapes?n=4") as running:
        yield running


@pytest.fixture
def traversal(client):
    """A request that the server would take."""
    source, target = client.images[:2]
    settings = {"max_steps": 3}
    return {
        "models": [ZOO],
        "source": source,
        "targets": [target],
        "method": "star",
        "settings": settings,
    }


def raw(client, text):
    """What the server answers to these bytes, until it closes the connection or falls silent."""
    with socket.create_connection((ADDRESS, client.port), timeout=10) as connection:
        connection.sendall(text)
        connection.settimeout(2)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil"]
)
def test_another_host_name_is_no_way_in(client, host):
    status, answer = client.get("/api/start", Host=host.format(port=client.port))
    assert status == 403
    assert "address" in answer["error"]


def test_two_host_names_or_none_are_refused(client):
    for hosts in ("", f"Host: 127.0.0.1:{client.port}\r\nHost: evil.example\r\n"):
        answer = raw(client, f"GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
        assert status_of(answer) in (400, 403)


def test_localhost_is_a_name_of_this_server(client):
    assert client.get("/api/start", Host=f"localhost:{client.port}")[0] == 200


def test_a_named_address_is_a_way_in_and_no_other_is_beside_it():
    gate = guard.Guard(lambda *_: None, 8327, ["http://localhost:9000"])

    def refused(method="GET", **headers):
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return gate.refusal(method, "/api/start", given)

    assert refused(Host="localhost:9000") is None
    assert refused("POST", Host="localhost:9000", Origin="http://localhost:9000") is None
    assert refused(Host="localhost:8327") is None
    for host in ("localhost:9001", "evil.example:9000", "localhost"):
        status, said = refused(Host=host)
        assert status == 403
        assert "ssh -L 8327:localhost:8327" in said
        assert "--origin" in said
    assert refused("POST", Host="localhost:9000", Origin="http://evil.example:9000")[0] == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
def test_pages_of_other_sites_may_not_ask(client, traversal, origin):
    assert client.post("/api/traversals", traversal, Origin=origin)[0] == 403
    assert client.get("/api/start", Origin=origin or "null")[0] == 403
    assert client.hub.workers[ZOO].tasks == 0


def test_a_post_without_an_origin_is_refused(client):
    body = b"{}"
    text = (
        f"POST /api/known HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    assert status_of(raw(client, text)) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_open_the_page_and_nothing_else(client, site):
    headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate"}
    assert client.ask("GET", "/", **headers)[0] == 200
    assert client.ask("GET", "/api/start", **headers)[0] == 403
    assert client.ask("GET", "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403


def test_no_answer_is_for_other_sites(client):
    for path in ("/", "/api/start", "/static/main.js", "/api/images/none", "/nothing"):
        _, _, headers = client.ask("GET", path)
        assert not any(name.lower().startswith("access-control") for name in headers)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == guard.POLICY
        assert "Server" not in headers
    status, _, headers = client.ask("OPTIONS", "/api/traversals", Origin="https://evil.example")
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers


def test_what_the_page_makes_itself_may_be_shown_and_nothing_else():
    rules = dict(rule.split(" ", 1) for rule in guard.POLICY.split("; "))
    assert {name for name, allowed in rules.items() if "blob:" in allowed} == {"img-src"}
    assert all(allowed in ("'none'", "'self'", "'self' blob:") for allowed in rules.values())


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/../../web/__init__.py",
        "/static/__init__.py",
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/index.html%00.js",
        "/api/images/..%2f..%2f..%2fetc%2fpasswd",
        "/api/images/%2fetc%2fpasswd",
        "/../../../../etc/passwd",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_reaches_the_file_system(client, path):
    text = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nConnection: close\r\n\r\n"
    answer = raw(client, text.encode())
    assert status_of(answer) == 404
    assert b"root:" not in answer
    assert b"import" not in answer


def test_no_field_of_a_request_is_a_path(client, traversal):
    for place in ("/etc/passwd", "../../etc/passwd", "folder:/etc"):
        for change in ({"source": place}, {"targets": [place]}, {"models": [place]}):
            assert client.post("/api/traversals", {**traversal, **change})[0] == 404
    assert client.post("/api/cases", {"found": ["../../x"]})[0] == 404
    assert list(client.hub.out.iterdir()) == []


def test_a_huge_upload_is_refused_before_it_is_read(client):
    text = (
        f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nOrigin: {client.origin}"
        "\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {10**12}\r\n\r\n--x\r\n"
    )
    answer = raw(client, text.encode())
    assert status_of(answer) == 413
    assert b"MB" in answer


def test_an_upload_that_does_not_say_how_long_it_is_is_cut_off(client):
    head = (
        f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nOrigin: {client.origin}"
        "\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    piece = b"a" * 2**20
    with socket.create_connection((ADDRESS, client.port), timeout=20) as connection:
        connection.sendall(head + chunk(start))
        answer = b""
        try:
            for _ in range(20):
                connection.sendall(chunk(piece))
            answer = connection.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert not answer or status_of(answer) == 413
    assert client.get("/api/start")[0] == 200


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_a_huge_question_is_refused(client):
    status, answer = client.post("/api/known", {"images": ["x" * 10**5]})
    assert status == 413
    assert "larger" in answer["error"]


def bomb(width, height):
    """A PNG of a few hundred bytes that says it is that large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [8000, 20000, 60000])
def test_a_decompression_bomb_is_refused_unopened(client, side):
    status, answer = client.upload(bomb(side, side), "bomb.png")
    assert status == 400
    assert "million pixels" in answer["error"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file",
        b"\x89PNG\r\n\x1a\nnothing more",
        b"GIF89a",
        bomb(100, 100),
    ],
    ids=["empty", "svg", "html", "postscript", "png head", "gif head", "torn png"],
)
def test_what_is_no_image_is_refused(client, content):
    status, answer = client.upload(content, "a.png")
    assert status == 400
    assert "image" in answer["error"]


def test_of_a_polyglot_only_the_pixels_stay(client):
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "GIF")
    script = b"<script>alert(document.domain)</script>"
    status, kept = client.upload(out.getvalue() + script, 'x"><script>.gif')
    assert status == 200
    assert "<" not in kept["id"]
    status, content, headers = client.ask("GET", f"/api/images/{kept['id']}")
    assert status == 200
    assert headers["Content-Type"] == "image/png"
    assert content.startswith(b"\x89PNG")
    assert script not in content


def gif(frames):
    """A GIF of one pixel and so many frames, 23 bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    frame = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\x02\x02D\x01\0"
    return head + frames * frame + b";"


def test_a_strip_is_refused_unopened(client):
    for size in ((49_000_000, 1), (1, 49_000_000), (20_000, 100)):
        status, answer = client.upload(bomb(*size), "strip.png")
        assert (status, "times as many one way as the other" in answer["error"]) == (400, True)


def test_a_film_of_half_a_million_frames_is_a_picture_at_once(client):
    began = time.monotonic()
    assert client.upload(gif(500_000), "film.gif")[0] == 200
    assert time.monotonic() - began < 5


def upload_head(client, length):
    """The head of an upload, and of the file in it."""
    return (
        f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nOrigin: {client.origin}"
        "\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {length}\r\n\r\n--x\r\nContent-Disposition: form-data; "
        'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    ).encode()


def half_an_upload(client, length=10**6):
    """A connection on which the first bytes of an upload have come."""
    connection = socket.create_connection((ADDRESS, client.port), timeout=20)
    connection.sendall(upload_head(client, length))
    return connection


def test_a_visitor_who_leaves_in_the_middle_of_an_upload_is_not_reported(client, caplog):
    for _ in range(3):
        half_an_upload(client).close()
    assert client.upload(gif(1), "plain.gif")[0] == 200
    assert caplog.text == ""


def test_slow_uploads_are_ended_and_no_more_than_a_few_come_at_once(client, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS_A_BODY", 1.0)
    monkeypatch.setattr(guard, "MOST_UPLOADS_AT_ONCE", 2)
    slow = [half_an_upload(client) for _ in range(5)]
    statuses = sorted(status_of(connection.recv(65536)) for connection in slow)
    assert statuses == [408, 408, 503, 503, 503]
    for connection in slow:
        connection.close()
    assert client.upload(gif(1), "plain.gif")[0] == 200


def test_connections_are_bounded_and_closed_where_nothing_is_asked(client, monkeypatch):
    monkeypatch.setattr(serve, "MOST_CONNECTIONS", 4)
    monkeypatch.setattr(serve, "SECONDS_TO_ASK", 0.5)
    idle = [socket.create_connection((ADDRESS, client.port), timeout=20) for _ in range(8)]
    for connection in idle:
        assert connection.recv(1) == b""
        connection.close()
    assert client.get("/api/start")[0] == 200


def test_uploads_are_forgotten_before_they_fill_the_memory(client, monkeypatch):
    monkeypatch.setattr(image_catalog, "MOST_UPLOADS", 2)
    ids = []
    for colour in ("red", "green", "blue"):
        out = io.BytesIO()
        Image.new("RGB", (20, 20), colour).save(out, "PNG")
        ids.append(client.upload(out.getvalue(), "a.png")[1]["id"])
    known = client.post("/api/known", {"images": ids})[1]
    assert [known[name] is None for name in ids] == [True, False, False]
    assert client.post("/api/looks", {"model": ZOO, "image": ids[0]})[0] == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 20000, b'{"models": 1}', b'"' + b"x" * 9999],
)
def test_bad_json_is_refused_without_an_echo(client, body):
    status, content, _ = client.ask(
        "POST", "/api/traversals", body, Content_Type="application/json"
    )
    assert status == 400
    answer = json.loads(content)
    assert answer.keys() == {"error"}
    assert len(answer["error"]) < 300
    assert "Traceback" not in answer["error"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(client, traversal, number):
    for field in ("delta", "clearance"):
        given = json.dumps({**traversal, "settings": {field: 0.2}}).replace("0.2", number)
        status, content, _ = client.ask(
            "POST", "/api/traversals", given.encode(), Content_Type="application/json"
        )
        assert status == 400
        assert b"error" in content
    status, _, _ = client.ask(
        "POST",
        "/api/points",
        f'{{"found": ["a"], "weights": [{number}, 0.5]}}'.encode(),
        Content_Type="application/json",
    )
    assert status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"delta": 0}},
        {"settings": {"delta": 1.5}},
        {"settings": {"clearance": -1}},
        {"settings": {"max_steps": 0}},
        {"settings": {"max_steps": 10**9}},
        {"settings": {"max_steps": 2.5}},
        {"settings": {"memory": 10**9}},
        {"method": "Traversal"},
        {"models": []},
        {"targets": []},
        {"targets": ["a"] * 50},
        {"more": 1},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(client, traversal, change):
    status, answer = client.post("/api/traversals", {**traversal, **change})
    assert status == 400
    assert answer["error"]


def test_an_image_against_itself_is_refused(client, traversal):
    source = traversal["source"]
    status, answer = client.post("/api/traversals", {**traversal, "targets": [source]})
    assert (status, "twice" in answer["error"]) == (400, True)


def test_unknown_ids_are_not_found(client, traversal):
    for path, data in (
        ("/api/looks", {"model": ZOO, "image": "none"}),
        ("/api/looks", {"model": "none", "image": client.images[0]}),
        ("/api/points", {"found": ["none"], "weights": [0.5, 0.5]}),
        ("/api/triangles", {"triangles": [["none", "none"]]}),
        ("/api/cases", {"found": ["none"]}),
        ("/api/pairs/none", {}),
        ("/api/jobs/none/pause", {}),
        ("/api/jobs/none/explode", {}),
    ):
        status, answer = client.post(path, data)
        assert (path, status) == (path, 404)
        assert answer.keys() == {"error"}


def test_weights_that_are_none_are_refused(client, traversal):
    events = list(client.events("/api/traversals", traversal))
    (name,) = [event["id"] for event in events if event["kind"] == "result"]
    for weights in ([0.5, 0.6], [-1, 2], [0.2, 0.3, 0.5]):
        status, answer = client.post("/api/points", {"found": [name], "weights": weights})
        assert (status, "weights" in answer["error"]) == (400, True)


def test_too_much_work_is_answered_with_busy(client, traversal):
    asked = {**traversal, "method": "reference", "settings": {"max_steps": 5000}}
    most = client.hub.workers[ZOO]._most[0]
    streams = [client.events("/api/traversals", asked) for _ in range(most)]
    for stream in streams:
        next(stream)
    status, answer = client.post("/api/traversals", asked)
    assert status == 503
    assert "busy" in answer["error"]
    for stream in streams:
        stream.close()
    wait_until(lambda: client.hub.workers[ZOO].tasks == 0)
    assert next(client.events("/api/traversals", traversal))["kind"] == "job"


def test_what_goes_wrong_inside_is_not_shown(client, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(client.hub.gallery, "known", broken)
    status, answer = client.post("/api/known", {"images": ["x"]})
    assert (status, answer) == (500, {"error": WENT_WRONG})
    wait_until(lambda: "secret of the inside" in caplog.text)


def test_what_goes_wrong_in_long_work_is_not_shown(client, traversal, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("secret of the model")

    monkeypatch.setattr(client.hub.subjects[ZOO].evaluator, "evaluate", broken)
    events = list(client.events("/api/traversals", traversal))
    assert {"kind": "error", "error": WENT_WRONG} in events
    assert "secret" not in json.dumps(events)
    assert "secret of the model" in caplog.text


def test_a_websocket_is_refused(client):
    text = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n\r\n"
    )
    assert status_of(raw(client, text.encode())) == 403
