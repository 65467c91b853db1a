"""Runs hurt in every way a machine has; each must come out as if nothing had happened.

    python -m benchmarks.torture all|kills|full|… [--first 0] [--count 20] [--page docs/scaling.md]

Kills strike at random writes and at random moments of a run, its archives, its workers, `merge` and
`report`; then the same command goes on, until one ends by itself and is held against a run that
nothing disturbed. The disk is full from each write of a run on, and each rename of it fails, by
counting them. Drivers and workers are stopped. Memory and open files are watched over many pairs
and traversals; every command reads run directories that lie.

What comes of it is kept in `--results`, and `--page` writes the table of that alone, so it can be
done in pieces: `kills --first 3 --count 20` are twenty by the seed 3, `full --first 40 --count 40`
are the writes 41 to 80. Without a part the page alone is written. Exit status 1 where something is
wrong.
"""

import argparse
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import blindspots as bs
from benchmarks.fuzz import FORMATS, fuzz
from benchmarks.results import fill, known
from benchmarks.torture_load import leavers, many_pairs, many_traversals, slow_uploads, uploads
from benchmarks.torture_rows import Row, keep, table
from blindspots.store.reader import Run
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

SOURCES, FAR, PATIENCE = 3, 10**9, 120.0
ARCHIVES = {"blindspots.settings.ARCHIVES_ABOVE": 1}


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


def kills(folder: Path, seed: int, count: int) -> Row:
    """Kill −9, at a random write of the driver or at a random moment of its time."""
    rng, row = random.Random(seed), Row("kill −9 of a command, which then goes on")
    hurt = victims(folder)
    for one in hurt:
        one.begin_anew()
    usual = {one.name: _usual(one) for one in hurt}
    while row.count < count:
        victim = rng.choice(hurt)
        killed = _hurt(victim, row, rng, *usual[victim.name])
        row.count += killed
        row.counts[f"`{victim.name}`"] += killed
        row.counts["in the final join"] += killed and _joining(victim.out)
        if not killed or rng.random() < 0.3:
            row.check(victim.name, lambda one=victim: _finish(one))
            row.counts["then ended and verified"] += 1
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


def _joining(out: Path) -> bool:
    """Whether the joined tables were being written, with parts still beside them."""
    joined = any(out.glob("pairs.parquet*"))
    return joined and any(out.glob("parts/*.parquet"))


def _swept(out: Path) -> None:
    left = [file.name for file in out.rglob("*.partial")]
    assert not left, f"{', '.join(left)} is left"


def failing(folder: Path, how: How, first: int, count: int, step: int = 1) -> Row:
    """The disk is full from a write on, or a rename fails: `count` of them from the `first`."""
    said = {"full": "disk is full", "rename": "Input/output error"}[how]
    images, pairs = f"folder:{tiny.write_images(folder / 'images', 2)}", folder / "pairs.csv"
    source, *others = bs.load_images(images, bs.load_model(tiny.MODEL)).ids
    lines = [f"{source},{target}" for target in others[-3:]]
    pairs.write_text("\n".join(["source,target", *lines, ""]))

    def run(out: Path) -> int:
        return tiny.run(images, out, "--pairs", str(pairs), "--keep", "path")

    whole = folder / "whole"
    with sabotaged(whole, how, FAR) as counted:
        assert run(whole) == 0
    what = {
        "full": "disk full from write N on, N = 1, 2, …",
        "rename": "rename N fails, N = 1, 2, …",
    }
    row = Row(what[how], f"nothing wrong, each of {counted.seen}")
    for at in range(first + 1, min(counted.seen, first + count) + 1, step):
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
    return row


def stops(folder: Path, victims: Sequence[str] = ("driver", "worker")) -> Row:
    """A driver that is stopped for longer than its workers may be silent, then a worker that is."""
    row = Row("SIGSTOP of the driver, of a worker")
    site, whole = make_site(folder), folder / "whole"
    site.finish(whole)
    for name in victims:
        row.count += 1
        silence = {"driver": 4.0, "worker": 6.0}[name]
        site.go(0.02)
        patient = {"blindspots.study.backends.leader.SILENCE": silence}
        driver = site.start(folder / name, *BACKENDS["processes"], settings=patient)
        wait_for(folder / name, driver, 4)
        stopped = driver.pid
        if name == "worker":
            stopped, *_ = worker_processes([driver.pid], "processes")
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


def hostile(folder: Path, name: str, first: int, count: int) -> Row:
    """Every command on run directories that lie; a canary and the user's other files lie beside."""
    row, kind = Row(f"directories that lie to every command: {name}", count=count), FORMATS[name]
    seeds = range(first, first + count)
    row.wrong = [*map(str, fuzz(kind, kind.make(folder), seeds, None, row.counts))]
    return row


# What is done, how often unless said, from the so-many-th on; its rows.
Part = tuple[int, Callable[[Path, int, int], Iterator[Row] | Row]]
PARTS: dict[str, Part] = {
    "kills": (100, kills),
    "stops": (2, lambda folder, *_: stops(folder)),
    "full": (FAR, lambda folder, *which: failing(folder, "full", *which)),
    "rename": (FAR, lambda folder, *which: failing(folder, "rename", *which)),
    "pairs": (10_000, lambda folder, _, count: many_pairs(folder, count)),
    "traversals": (500, lambda folder, _, count: many_traversals(folder, count)),
    "uploads": (3, lambda folder, _, count: uploads(folder, count)),
    "leavers": (500, lambda folder, *which: leavers(folder, *which)),
    "slow": (250, lambda folder, _, count: slow_uploads(folder, count)),
    **{
        f"lies-{name}": (200, lambda folder, *which, name=name: hostile(folder, name, *which))
        for name in FORMATS
    },
}


def torture(name: str, first: int, count: int | None) -> Iterator[Row]:
    """The rows of one part."""
    usual, part = PARTS[name]
    quiet = redirect_stdout(io.StringIO())
    with tempfile.TemporaryDirectory() as folder, tiny.without_figures(), quiet:
        done = part(Path(folder), first, usual if count is None else count)
        rows = [done] if isinstance(done, Row) else list(done)
    yield from rows


def main() -> None:
    """Torture, keep and print what came of it, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="all|" + "|".join(PARTS))
    parser.add_argument("--first", type=int, default=0, help="the seed, or the first that is tried")
    parser.add_argument("--count", type=int, help="how many; all unless given")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/torture.json"))
    parser.add_argument("--page", type=Path, help="write the table of all that is kept there")
    given, failed = parser.parse_args(), False
    if unknown := {*given.parts} - {"all", *PARTS}:
        parser.error(f"{', '.join(unknown)}: no part")
    with serving() if given.parts else nullcontext():
        for name in PARTS if "all" in given.parts else given.parts:
            for row in torture(name, given.first, given.count):
                keep(given.results, given.first, row)
                print(row, *row.wrong, sep="\n", flush=True)
                failed = failed or bool(row.wrong)
    if given.page:
        fill(given.page, table(known(given.results)), "torture")
    sys.exit(failed)


if __name__ == "__main__":
    main()
