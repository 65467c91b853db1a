"""Memory, open files and waits over pairs, traversals and uploads; for `benchmarks.torture`."""

import gc
import io
import logging
import random
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, redirect_stderr, suppress
from dataclasses import dataclass, field
from itertools import count as counted
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from PIL import Image

from benchmarks.torture_rows import Row
from blindspots.explorer.serve import ADDRESS
from blindspots.store.writer import Store
from tests.explorer.test_hostile import half_an_upload, upload_head
from tests.images.material import encoded, noise
from tests.support import tiny
from tests.support.explorer_client import Client, explorer, wait_until
from tests.support.sleeping_model import model_spec, save_pictures

# Memory that Arrow and the C library keep for later comes and goes by this much.
NOISE_MIB = 25.0
ROUNDS, MOST_DELAY, MOST_HELD = 3, 0.1, 220


@dataclass
class Memory:
    """This process's memory, in MiB, and its open files, looked at again and again."""

    mib: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self) -> None:
        gc.collect()
        me = psutil.Process()
        self.mib.append(me.memory_info().rss / 2**20)
        self.files.append(me.num_fds())

    def row(self, what: str, count: int) -> Row:
        """The second half against the first, of which the beginning is left out."""
        tenth, half = len(self.mib) // 10, len(self.mib) // 2
        early, late = max(self.mib[tenth:half]), max(self.mib[half:])
        row = Row(what, f"≤ {NOISE_MIB:.0f} MiB more", count)
        row.wrong += ["memory grew"] if late > early + NOISE_MIB else []
        grew = max(self.files[half:]) > max(self.files[:half]) + 8
        row.wrong += ["files stay open"] if grew else []
        row.reached = f"{early:.0f} MiB in the first half, {late:.0f} in the second; "
        row.reached += f"{max(self.files)} open files at most"
        return row


def many_pairs(folder: Path, count: int) -> Row:
    """Quick pairs in one process, two targets for each source."""
    images = save_pictures(folder / "photos", count // 2 + 2)
    lines = [f"{i},{i + 1 + j}" for i in range(count // 2) for j in range(2)]
    (folder / "pairs.csv").write_text("\n".join(["source,target", *lines, ""]))
    memory, append = Memory(), Store.append
    appended = counted()

    def watched(store: Store, table: str, rows: list) -> None:
        append(store, table, rows)
        if next(appended) % 25 == 0:
            memory.look()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "append", watched)
        plan = ("--pairs", str(folder / "pairs.csv"), "--keep", "none", "--batch-size", "16")
        how = ("--method", "reference", "--set", "max_steps=2")
        assert tiny.run(images, folder / "run", *plan, *how, models=(model_spec(),)) == 0
    return memory.row("quick pairs with their triangles and nulls", count)


def many_traversals(folder: Path, count: int) -> Row:
    """Traversals in one explorer, whose kept results are bounded to what a few of them take."""
    memory = Memory()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "blindspots.explorer.result_cache.ResultCache.__init__.__defaults__", (2**22,)
        )
        with _tiny_explorer(folder) as client:
            source, *targets = client.images
            for number in range(count):
                target = targets[number % len(targets)]
                client.traverse(source, [target], settings={"max_steps": 2 + number % 7})
                memory.look()
    return memory.row("explorer traversals", count)


def _tiny_explorer(folder: Path) -> AbstractContextManager[Client]:
    images = folder / "images"
    if not images.exists():
        tiny.write_images(images, 4)
    return explorer(folder / "cases", models=[tiny.MODEL], images=f"folder:{images}")


def uploads(folder: Path, rounds: int = ROUNDS) -> Iterator[Row]:
    """How long another visitor's questions and frames wait while one brings the largest picture."""
    large = io.BytesIO()
    Image.new("RGBA", (7000, 7000), "teal").save(large, "PNG", compress_level=1)
    with _tiny_explorer(folder) as client:
        client.upload(large.getvalue(), "first.png")
        for what, wait in (("answer", _answers), ("frame", _frames)):
            yield _delay(client, large.getvalue(), f"{what} of another", wait, rounds)


def slow_uploads(folder: Path, count: int) -> Row:
    """The files that a server holds while many uploads come slowly."""
    with _tiny_explorer(folder) as client:
        files = psutil.Process().num_fds()
        held = list(_held(client, count))
        time.sleep(1)
        own = psutil.Process().num_fds() - files - len(held)
        for connection in held:
            connection.close()
    row = Row("slow uploads at once: files that the server holds", f"≤ {MOST_HELD}", count)
    row.reached, row.wrong = f"{own}", ["too many"] if own > MOST_HELD else []
    return row


def leavers(folder: Path, seed: int, count: int) -> Row:
    """Visitors who leave somewhere in an upload, with and without a word; what the server says."""
    row = Row("visitors who leave in the middle of an upload", "no word in the terminal")
    rng, said = random.Random(seed), io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    with _tiny_explorer(folder) as client, redirect_stderr(said):
        content = encoded(noise(600, 400))
        for _ in range(count):
            _leave(client, content, rng)
            row.count += 1
        row.check("one who stays", lambda: _answered(client, content))
    logging.getLogger().removeHandler(handler)
    row.wrong += [f"it says {line}" for line in said.getvalue().splitlines()[:3]]
    return row


def _leave(client: Client, content: bytes, rng: random.Random) -> None:
    """Send a part of an upload, from one byte of its head to all but the last of its body."""
    whole = upload_head(client, 2 * len(content)) + content
    connection = socket.create_connection((ADDRESS, client.port), timeout=20)
    connection.sendall(whole[: rng.randrange(1, len(whole))])
    if rng.random() < 0.5:
        # The other side gets a reset instead of an end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _answered(client: Client, content: bytes) -> None:
    # Those who left hold their places until the server has seen it.
    wait_until(lambda: client.upload(content, "picture.png")[0] == 200, 5.0)


def _held(client: Client, count: int) -> Iterator[socket.socket]:
    for _ in range(count):
        with suppress(OSError):
            yield half_an_upload(client)


# Waits for one thing after the other, as long as asked to, and gives the seconds of each.
Waits = Callable[[Client, Callable[[], bool]], list[float]]


def _delay(client: Client, picture: bytes, what: str, waits: Waits, rounds: int) -> Row:
    longest = [(_alone(client, waits), _beside(client, picture, waits)) for _ in range(rounds)]
    alone, beside = (statistics.median(side) for side in zip(*longest, strict=True))
    what = f"7,000 × 7,000 pixels uploaded: the longest wait for an {what}".replace("an f", "a f")
    row = Row(what, f"≤ {1000 * MOST_DELAY:.0f} ms more", rounds)
    row.wrong = ["too long"] if beside - alone > MOST_DELAY else []
    row.reached = f"{1000 * beside:.0f} ms, {1000 * alone:.0f} without (medians)"
    return row


def _alone(client: Client, waits: Waits) -> float:
    until = time.monotonic() + 1.0
    return max(waits(client, lambda: time.monotonic() < until))


def _beside(client: Client, picture: bytes, waits: Waits) -> float:
    sending = threading.Thread(target=client.upload, args=(picture, "large.png"))
    sending.start()
    longest = max(waits(client, sending.is_alive))
    sending.join()
    return longest


def _answers(client: Client, going: Callable[[], bool]) -> list[float]:
    asked = {"model": next(iter(client.hub.subjects)), "image": client.images[0]}
    seconds = []
    while going() or not seconds:
        began = time.monotonic()
        assert client.post("/api/looks", asked)[0] == 200
        seconds.append(time.monotonic() - began)
    return seconds


def _frames(client: Client, going: Callable[[], bool]) -> list[float]:
    """From each frame of a traversal to the next, in one traversal after the other."""
    source, target = client.images[:2]
    seconds: list[float] = []
    while going() or not seconds:
        asked = {"models": list(client.hub.subjects), "source": source, "targets": [target]}
        how = {"method": "reference", "settings": {"max_steps": 5000}}
        stream = client.events("/api/traversals", {**asked, **how})
        shown = []
        for event in stream:
            shown += [time.monotonic()] if event["kind"] == "frame" else []
            if len(shown) > 1 and not going():
                break
        stream.close()
        seconds += [after - before for before, after in pairwise(shown)]
    return seconds
