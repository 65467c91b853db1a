"""Runs hurt in every way a machine has; each must come out as if nothing had happened.

    python -m benchmarks.torture [--kills 100] [--seed 0] [--page docs/scaling.md]

Kills strike at random writes and at random moments of a run, its archives, its workers, `merge` and
`report`; then the same command goes on, until one ends by itself and is held against a run that
nothing disturbed. The disk is full from each write of a run on, and each rename of it fails, by
counting them. Drivers and workers are stopped. Memory and open files are watched over many pairs
and traversals; every command reads run directories that lie. Prints a table; exit status 1 where
something is wrong. A seed makes the same again.
"""

import argparse
import gc
import io
import os
import random
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from PIL import Image

import blindspots as bs
from benchmarks.fuzz import FORMATS, fuzz
from benchmarks.hardware import hardware
from benchmarks.results import fill
from blindspots.engine.evaluator import find_device
from blindspots.store.reader import Run
from blindspots.store.writer import Store
from tests.explorer.test_hostile import half_an_upload
from tests.process.drivers import Driver, serving
from tests.process.runs import (
    BACKENDS,
    Site,
    assert_not_redone,
    assert_same,
    ended,
    found,
    make_site,
    wait_for,
    wait_until_gone,
    worker_processes,
)
from tests.process.sabotage import How, sabotaged
from tests.support import tiny
from tests.support.explorer_client import Client, explorer
from tests.support.sleeping_model import model_spec, save_pictures

SOURCES, ROUNDS, FAR, PATIENCE = 3, 3, 10**9, 120.0
ARCHIVES = {"blindspots.settings.ARCHIVES_ABOVE": 1}
# Memory that Arrow and the C library keep for later comes and goes by this much.
NOISE_MIB = 25.0


@dataclass
class Row:
    """What was done, how often, and what came of it."""

    what: str
    asked: str = "nothing wrong"
    count: int = 0
    wrong: list[str] = field(default_factory=list)
    reached: str = ""

    def check(self, label: str, holds: Callable[[], object]) -> None:
        """Note what does not hold."""
        try:
            holds()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.wrong.append(
                f"{label}: {type(error).__name__} {' '.join(str(error).split())[:200]}"
            )

    def __str__(self) -> str:
        return f"| {self.what} | {self.count} | {self.asked} | {self.reached or self.said} |"

    @property
    def said(self) -> str:
        return "; ".join(self.wrong[:3]) or "nothing wrong"


@dataclass
class Victim:
    """A command that is killed and typed again until it ends; `fresh` lays what it begins with."""

    name: str
    site: Site
    whole: Path
    arguments: list[str]
    out: Path
    settings: dict[str, object] = field(default_factory=dict)
    fresh: Callable[[], object] = lambda: None

    def start(self, **how: object) -> Driver:
        return self.site.drive(*self.arguments, settings=self.settings, **how)

    def begin_anew(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        self.fresh()


def victims(folder: Path) -> list[Victim]:
    """A run in one process, with archives and with workers; `merge`; `report`."""
    site = make_site(folder, sources=SOURCES)
    whole = folder / "whole"
    site.finish(whole)
    shards = [folder / f"shard-{number}" for number in (1, 2)]
    for number, shard in enumerate(shards, 1):
        site.finish(shard, "--shard", f"{number}/2")
    runs = {
        "run": ([], {}),
        "run, archives": ([], ARCHIVES),
        "run, workers": (BACKENDS["processes"], {}),
    }
    made = []
    for name, (options, settings) in runs.items():
        out = folder / name.replace(", ", "-")
        made.append(Victim(name, site, whole, site.arguments(out, *options), out, settings))
    merged, copy = folder / "merged", folder / "copy"
    line = ["merge", *map(str, shards), "--out", str(merged), "--quiet"]
    made.append(Victim("merge", site, whole, line, merged))
    report = ["report", str(copy), "--quiet"]
    made.append(
        Victim("report", site, whole, report, copy, {}, lambda: shutil.copytree(whole, copy))
    )
    return made


def kills(folder: Path, count: int, rng: random.Random) -> Row:
    """Kill −9, at a random write of the driver or at a random moment of its time."""
    row, struck, finished = Row(""), Counter[str](), 0
    hurt = victims(folder)
    for one in hurt:
        one.begin_anew()
    usual = {one.name: _usual(one) for one in hurt}
    while sum(struck.values()) < count:
        victim = rng.choice(hurt)
        killed = _hurt(victim, row, rng, *usual[victim.name])
        struck[victim.name] += killed
        if not killed or rng.random() < 0.3:
            row.check(victim.name, lambda one=victim: _finish(one))
            finished += 1
    row.count = count
    row.what = f"kill −9 of {', '.join(f'{name} {many}' for name, many in sorted(struck.items()))}"
    row.reached = f"{row.said}; {finished} then ended and verified"
    return row


def _hurt(victim: Victim, row: Row, rng: random.Random, writes: int, seconds: float) -> bool:
    before = found(victim.out) if victim.out.exists() else {}
    driver = _kill(victim, rng, writes, seconds)
    row.check(f"{victim.name} goes on", lambda: _expected(driver))
    row.check(f"{victim.name} is read", lambda: _read(victim.out))
    row.check(f"{victim.name} is not redone", lambda: assert_not_redone(victim.out, before))
    return driver.returncode == -signal.SIGKILL


def _expected(driver: Driver) -> None:
    assert driver.returncode in (0, -signal.SIGKILL), driver.communicate()


def _finish(victim: Victim) -> None:
    """Let it end, hold it against the undisturbed one, and begin anew."""
    try:
        ended(victim.start())
        assert_same(victim.out, victim.whole)
        victim.site.verify(victim.out)
        _swept(victim.out)
    finally:
        victim.begin_anew()


def _usual(victim: Victim) -> tuple[int, float]:
    """How many writes the whole command makes, at least, and how many seconds it takes."""
    victim.site.go(0)
    began = time.monotonic()
    ended(victim.start())
    seconds, files = time.monotonic() - began, sum(1 for file in victim.out.rglob("*"))
    victim.begin_anew()
    return 3 * files, seconds


def _kill(victim: Victim, rng: random.Random, writes: int, seconds: float) -> Driver:
    """Kill it, unless it ends before that."""
    own: list[int] = []
    if rng.random() < 0.5:
        driver = victim.start(sabotage=(str(victim.out), "kill", rng.randint(1, writes)))
    else:
        driver = victim.start()
        driver._wait(rng.uniform(0, 1.2 * seconds))
        with suppress(psutil.Error, ProcessLookupError):
            own = worker_processes([driver.pid], "processes")
            driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=PATIENCE)
    wait_until_gone(own)
    return driver


def _read(out: Path) -> None:
    """Rows can be read at any moment, however a run was left."""
    if (out / "run.json").exists():
        Run(out).pair_rows()


def _swept(out: Path) -> None:
    assert not list(out.rglob("*.partial"))


def failing(folder: Path, how: How, step: int) -> Row:
    """From each write on the disk is full; or each rename fails. Every `step`-th is tried."""
    said = {"full": "disk is full", "rename": "Input/output error"}[how]
    row = Row({"full": "disk full from write N on", "rename": "rename N fails"}[how])
    images, pairs = f"folder:{tiny.write_images(folder / 'images', 2)}", folder / "pairs.csv"
    source, *others = bs.load_images(images, bs.load_model(tiny.MODEL)).ids
    lines = [f"{source},{target}" for target in others[-3:]]
    pairs.write_text("\n".join(["source,target", *lines, ""]))

    def run(out: Path) -> int:
        return tiny.run(images, out, "--pairs", str(pairs), "--keep", "path")

    whole = folder / "whole"
    with sabotaged(whole, how, FAR) as counted:
        assert run(whole) == 0
    for at in range(1, counted.seen + 1, step):
        row.count += 1
        out, text = folder / "hurt", io.StringIO()
        shutil.rmtree(out, ignore_errors=True)

        def refused(out: Path = out, at: int = at, text: io.StringIO = text) -> None:
            with sabotaged(out, how, at), redirect_stderr(text):
                assert run(out) == 1
            assert said in " ".join(text.getvalue().split()), text.getvalue()
            _swept(out)

        def resumed(out: Path = out) -> None:
            assert run(out) == 0
            one, two = ({r["pair_id"]: r for r in Run(path).pair_rows()} for path in (out, whole))
            assert one.keys() == two.keys()
            for name, own in two.items():
                assert one[name]["rmse"] == pytest.approx(own["rmse"], abs=1e-3)

        row.check(f"{how} {at}", refused)
        row.check(f"resumed after {how} {at}", resumed)
    row.what += f", {counted.seen} in all"
    return row


def stops(folder: Path) -> Row:
    """A driver that is stopped for longer than its workers may be silent, then a worker that is."""
    row = Row("SIGSTOP of the driver, of a worker")
    site, whole = make_site(folder), folder / "whole"
    site.finish(whole)
    for name, silence, victim in (("driver", 4.0, None), ("worker", 6.0, 0)):
        row.count += 1
        site.go(0.02)
        patient = {"blindspots.study.backends.leader.SILENCE": silence}
        driver = site.start(folder / name, *BACKENDS["processes"], settings=patient)
        wait_for(folder / name, driver, 4)
        stopped = driver.pid
        if victim is not None:
            stopped = worker_processes([driver.pid], "processes")[victim]
        os.kill(stopped, signal.SIGSTOP)
        site.go(0)
        time.sleep(1.5 * silence)
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)
        row.check(name, lambda own=driver, name=name: _told(ended(own), name))
        row.check(name, lambda name=name: assert_same(folder / name, whole))
    return row


def _told(error: str, name: str) -> None:
    assert ("nothing was heard of it" in error) == (name == "worker"), error


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
        wrong = ["memory grew"] if late > early + NOISE_MIB else []
        wrong += ["files stay open"] if max(self.files[half:]) > max(self.files[:half]) + 8 else []
        reached = f"{early:.0f} MiB in the first half, {late:.0f} in the second; "
        reached += f"{max(self.files)} open files at most"
        asked = f"≤ {NOISE_MIB:.0f} MiB more"
        return Row(what, asked, count, wrong, "; ".join([reached, *wrong]))


def many_pairs(folder: Path, count: int) -> Row:
    """Quick pairs in one process, two targets for each source."""
    images = save_pictures(folder / "photos", count // 2 + 2)
    lines = [f"{i},{i + 1 + j}" for i in range(count // 2) for j in range(2)]
    (folder / "pairs.csv").write_text("\n".join(["source,target", *lines, ""]))
    memory, append = Memory(), Store.append
    appended = iter(range(FAR))

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


def uploads(folder: Path, slow: int, rounds: int = ROUNDS) -> Iterator[Row]:
    """How long questions wait while one visitor brings the largest picture, and many slow ones."""
    with _tiny_explorer(folder) as client:
        if rounds:
            yield _delay(client, rounds)
        files = psutil.Process().num_fds()
        held = list(_held(client, slow))
        time.sleep(1)
        own = psutil.Process().num_fds() - files - len(held)
        for connection in held:
            connection.close()
        row = Row("slow uploads at once: files that the server holds", "≤ 220", slow)
        row.reached, row.wrong = f"{own}", ["too many"] if own > 220 else []
        yield row


def _delay(client: Client, rounds: int) -> Row:
    large = io.BytesIO()
    Image.new("RGBA", (7000, 7000), "teal").save(large, "PNG", compress_level=1)
    waits = [(_slowest(client), _beside(client, large.getvalue())) for _ in range(rounds)]
    alone, beside = (statistics.median(side) for side in zip(*waits, strict=True))
    row = Row("7,000 × 7,000 pixels uploaded: the longest wait of another", "≤ 100 ms more", rounds)
    row.wrong = ["too long"] if beside - alone > 0.1 else []
    row.reached = f"{1000 * beside:.0f} ms, {1000 * alone:.0f} without (medians)"
    return row


def _held(client: Client, count: int) -> Iterator[socket.socket]:
    for _ in range(count):
        with suppress(OSError):
            yield half_an_upload(client)


def _beside(client: Client, picture: bytes) -> float:
    sending = threading.Thread(target=client.upload, args=(picture, "large.png"))
    sending.start()
    longest = _slowest(client, sending)
    sending.join()
    return longest


def _slowest(client: Client, beside: threading.Thread | None = None) -> float:
    """The longest that a question about an image took, for a second or beside a thread."""
    until, longest = time.monotonic() + 1.0, 0.0
    asked = {"model": next(iter(client.hub.subjects)), "image": client.images[0]}
    while beside.is_alive() if beside else time.monotonic() < until:
        began = time.monotonic()
        assert client.post("/api/looks", asked)[0] == 200
        longest = max(longest, time.monotonic() - began)
    return longest


def hostile(folder: Path, count: int) -> Row:
    """Every command on run directories that lie; a canary and the user's other files lie beside."""
    clean, row = FORMATS["run"].make(folder), Row("run directories that lie, to every command")
    row.count = count
    row.wrong = [*map(str, fuzz(FORMATS["run"], clean, range(count), None))]
    row.reached = row.said if row.wrong else "nothing wrong, 0 files outside changed"
    return row


def torture(
    seed: int, kill: int, step: int, pairs: int, traversals: int, slow: int, lies: int
) -> Iterator[Row]:
    """Everything, row by row."""
    parts: list[Callable[[Path], Iterator[Row] | Row]] = [
        lambda folder: kills(folder, kill, random.Random(seed)),
        stops,
        lambda folder: failing(folder, "full", step),
        lambda folder: failing(folder, "rename", step),
        lambda folder: many_pairs(folder, pairs),
        lambda folder: many_traversals(folder, traversals),
        lambda folder: uploads(folder, slow),
        lambda folder: hostile(folder, lies),
    ]
    for part in parts:
        with tempfile.TemporaryDirectory() as folder, tiny.without_figures():
            with redirect_stdout(io.StringIO()):
                done = part(Path(folder))
                rows = [done] if isinstance(done, Row) else list(done)
            yield from rows


def main() -> None:
    """Torture, print, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--step", type=int, default=1, help="try every so-many-th write")
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--traversals", type=int, default=500)
    parser.add_argument("--slow", type=int, default=250)
    parser.add_argument("--lies", type=int, default=200, help="run directories that lie")
    parser.add_argument("--page", type=Path, help="write the table there, between its marks")
    given = vars(parser.parse_args())
    page, kill = given.pop("page"), given.pop("kills")
    head = f"Seed {given['seed']}. {hardware(find_device('cpu'))}"
    lines, failed = [head, "", "| what | how often | asked | reached |", "|---|---|---|---|"], False
    print("\n".join(lines), flush=True)
    with serving():
        for row in torture(kill=kill, **given):
            print(row, flush=True)
            print(*row.wrong, sep="\n", file=sys.stderr, end="\n" * bool(row.wrong))
            lines.append(str(row))
            failed = failed or bool(row.wrong)
            if page:  # after each row, so that what is cut short has shown what it did
                fill(page, "\n".join(lines), "torture")
    sys.exit(failed)


if __name__ == "__main__":
    main()
