"""How quickly the explorer answers: first frame, frames per second, hover; asked as its page asks.

Type `python -m benchmarks.explorer`; `--page docs/benchmark-explorer.md` fills the tables in.
"""

import argparse
import http.client
import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.hardware import hardware
from benchmarks.results import fill
from blindspots.models.catalog import ZOO

METHODS = ("star", "fan", "adaptive", "reference")
ADDRESS, REPEATS, HOVERS = "127.0.0.1", 5, 60
Row = dict[str, Any]


class Page:
    """A tab: it asks as the page does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept = http.client.HTTPConnection(ADDRESS, port)

    def get(self, path: str) -> Row:
        """An answer to a GET."""
        self._kept.request("GET", path)
        return json.loads(self._kept.getresponse().read())

    def post(self, path: str, data: Row) -> Row:
        """An answer, on a connection that stays open."""
        self._kept.request("POST", path, json.dumps(data), self._headers())
        return json.loads(self._kept.getresponse().read())

    def events(self, path: str, data: Row) -> Generator[Row, None, None]:
        """The events of long work."""
        connection = http.client.HTTPConnection(ADDRESS, self._port)
        connection.request("POST", path, json.dumps(data), self._headers())
        response = connection.getresponse()
        try:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            response.close()
            connection.close()

    def _headers(self) -> dict[str, str]:
        return {
            "Origin": f"http://{ADDRESS}:{self._port}",
            "Content-Type": "application/json",
        }


@contextmanager
def running(models: list[str]) -> Iterator[int]:
    """The port of a server that was started as a person starts it."""
    words = [word for name in models for word in ("--model", name)]
    command = [sys.executable, "-m", "blindspots", "explore", "--no-open", "--json", "--port", "0"]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        try:
            yield int(json.loads(served.stdout.readline())["url"].rstrip("/").rpartition(":")[2])
        finally:
            served.send_signal(signal.SIGINT)


def watched(page: Page, asked: Row) -> tuple[float, float, list[Row]]:
    """Seconds to the first frame, frames per second of one model and target, and the results."""
    began, times, results = time.perf_counter(), [], []
    streams = len(asked["models"]) * len(asked["targets"])
    for event in page.events("/api/traversals", asked):
        if event["kind"] == "frame":
            times.append(time.perf_counter() - began)
        elif event["kind"] == "result":
            results.append(event)
    spans = times[-1] - times[0]
    return times[0], (len(times) - streams) / spans / streams, results


def frames(page: Page, images: list[str], models: list[str], method: str) -> tuple[Row, list[Row]]:
    """The medians of some traversals, and the last one's results."""
    told, results = [], []
    for i in range(REPEATS):
        asked = {
            "models": models,
            "source": images[i],
            "targets": [images[i + 1]],
            "method": method,
        }
        first, rate, results = watched(page, asked)
        told.append((first, rate))
    return {
        "models": " beside ".join(models),
        "method": method,
        "first frame, ms": f"{1000 * statistics.median(t for t, _ in told):.0f}",
        "worst, ms": f"{1000 * max(t for t, _ in told):.0f}",
        "frames per second": f"{statistics.median(r for _, r in told):.0f}",
        "fewest": f"{min(r for _, r in told):.0f}",
    }, results


def hovers(port: int, result: Row, busy: int) -> Row:
    """How long the confidence under the pointer takes, one question at a time."""
    page, times = Page(port), []
    for i in range(HOVERS):
        share = (i + 1) / (HOVERS + 1)
        began = time.perf_counter()
        page.post("/api/points", {"found": [result["id"]], "weights": [1 - share, share]})
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    times.sort()
    return {
        "model": result["model"],
        "others' traversals": busy,
        "median, ms": f"{statistics.median(times):.1f}",
        "90 %, ms": f"{times[int(0.9 * HOVERS)]:.1f}",
        "worst, ms": f"{times[-1]:.1f}",
    }


def hovers_while(port: int, result: Row, images: list[str], busy: int) -> Row:
    """The same while that many other tabs traverse with the same model."""
    asked = {
        "models": [result["model"]],
        "source": images[0],
        "targets": [images[1]],
        "method": "reference",
        "settings": {"max_steps": 5000},
    }
    streams = [Page(port).events("/api/traversals", asked) for _ in range(busy)]
    stop = threading.Event()
    readers = [threading.Thread(target=_read, args=(stream, stop)) for stream in streams]
    for reader in readers:
        reader.start()
    time.sleep(0.5)
    row = hovers(port, result, busy)
    stop.set()
    for reader in readers:
        reader.join()
    return row


def _read(stream: Generator[Row, None, None], stop: threading.Event) -> None:
    for _ in stream:
        if stop.is_set():
            break
    stream.close()


def measure() -> tuple[list[Row], list[Row]]:
    """The rows of both tables."""
    shown, asked, results = [], [], []
    zoo = [f"zoo:{name}" for name in ZOO]
    with running(zoo) as port:
        page = Page(port)
        images = [entry["id"] for entry in page.get("/api/start")["gallery"]["images"]]
        frames(page, images, zoo[:1], "star")  # buffers are set up once
        for models in [[name] for name in zoo]:
            for method in METHODS:
                row, results = frames(page, images, models, method)
                shown.append(row)
                print(row, flush=True)
            for busy in (0, 2):
                asked.append(hovers_while(port, results[0], images, busy))
                print(asked[-1], flush=True)
        shown.append(frames(page, images, zoo[:2], "star")[0])
        shown.append(frames(page, images, zoo[:2], "reference")[0])
    return shown, asked


def table(rows: list[Row]) -> str:
    """A markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(row[key]) for key in head] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Measure, print, and fill the page where one is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", type=Path)
    page = parser.parse_args().page
    measured_on = hardware(torch.device("cpu"))
    shown, asked = measure()
    text = f"Measured on: {measured_on}.\n\n{table(shown)}\n\n{table(asked)}"
    print(text)
    if page is not None:
        fill(page, text)


if __name__ == "__main__":
    main()
