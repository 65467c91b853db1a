"""`blindspots explore --run` on a run directory that lies: opened, asked as by its page, ended."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from blindspots.cli.main import call
from tests.support.explorer_client import Client, serving

# Done, refused, not there, busy: never an error of the server's own.
ANSWERS = (200, 400, 404, 503)
MOST_IMAGES, MOST_PAIRS, SHORT = 3, 2, {"max_steps": 2}


def explore(words: Sequence[str], tried: Counter[str]) -> int:
    """The status of the command, whose server a visitor asks for everything and then ends.

    `tried` counts the questions by their status.
    """
    wrong: list[str] = []

    def serve(hub: Any, connection: Any, said: Callable[[str], None], **_: Any) -> None:
        with serving(hub, connection) as client:
            said(client.url)
            for path, status, answer in visit(client):
                tried[f"explorer's answers {status}"] += 1
                if status not in ANSWERS:
                    wrong.append(f"{path}: {status} {answer[:200]!r}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.explorer.serve.serve", serve)
        status = call(["explore", "--port", "0", "--no-open", *words])
    assert not wrong, "; ".join(wrong)
    return status


def visit(client: Client) -> Iterator[tuple[str, int, bytes]]:
    """Page, images, pairs, a traversal, then a case and a report of each that was found."""
    yield "/", *client.ask("GET", "/")[:2]
    status, start, _ = client.ask("GET", "/api/start")
    yield "/api/start", status, start
    for name in client.images[:MOST_IMAGES]:
        yield name, *client.ask("GET", f"/api/images/{name}")[:2]
    found = []
    for row in json.loads(start)["run"]["pairs"][:MOST_PAIRS] if status == 200 else []:
        opened = _post(client, f"pairs/{row['pair_id']}", {})
        found += [json.loads(opened[2])["id"]] if opened[1] == 200 else []
        yield opened
    found += _traversed(client)
    for name in found:
        for what in ("cases", "reports"):
            yield _post(client, what, {"found": [name]})


def _traversed(client: Client) -> list[str]:
    if len(client.images) < 2:
        return []
    source, target = client.images[:2]
    events = client.traverse(source, [target], settings=SHORT)
    assert "error" not in {event["kind"] for event in events}, events
    return [event["id"] for event in events if event["kind"] == "result"]


def _post(client: Client, what: str, data: Any) -> tuple[str, int, bytes]:
    path, body = f"/api/{what}", json.dumps(data).encode()
    return path, *client.ask("POST", path, body, Content_Type="application/json")[:2]
