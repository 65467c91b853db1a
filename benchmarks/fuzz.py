"""What comes from outside, changed at random: no command ends in a traceback or writes elsewhere.

    python -m benchmarks.fuzz --count 1000 --seed 0

Each mutation is made of one seed, which is printed where it fails: `--seed N --count 1` makes it
again. Single files are an entry of `FILES` in `benchmarks.fuzz_files`, where thousands are read a
second; `--keep FOLDER` keeps those that fail. Run directories (`FORMATS` in `benchmarks.fuzz_runs`)
are read by whole commands, and by the explorer and its page; `--commands 99` is all of them. Beside
each input lie a canary and other files of the user; links, ids and names of the mutations point to
them, and a snapshot of them must be the same afterwards. Counts are printed.
"""

import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from benchmarks.fuzz_explorer import explore
from benchmarks.fuzz_files import FILES, fuzz_file
from benchmarks.fuzz_runs import CANARY, FORMATS, Format
from blindspots.cli.main import call
from blindspots.errors import visible
from blindspots.reporting import publish

# A disk takes three times as long to write a file anew as any parser to read it.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STATUSES = (0, 1, 2, 3)
CHANGED, FAR, PATIENCE = "files outside that changed", 10**9, 120.0


@dataclass(frozen=True)
class Failure:
    """A mutation that a command did not take as it should."""

    seed: int
    change: str
    command: str
    reason: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.change}; {self.command}: {self.reason}"


def fuzz(
    kind: Format,
    clean: Path,
    seeds: Sequence[int],
    commands: int | None = 4,
    tried: Counter[str] | None = None,
) -> Iterator[Failure]:
    """Every failure of a format; `commands`: how many of its commands read each mutation, or all.

    Nothing outside of the mutation may change: the user's files around it, or the clean input.
    `tried` counts inputs, commands, the explorer's answers and files outside that changed.
    """
    tried = Counter() if tried is None else tried
    for seed in seeds:
        rng = random.Random(seed)
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            around = Path(folder)
            (around / CANARY).write_text("a file of the user's")
            (around / "others").mkdir()
            (around / "others" / "pairs.parquet").write_bytes(b"another one")
            copy = shutil.copytree(clean, around / "input" / "run")
            change = "; ".join(kind.change(copy, rng) for _ in range(rng.choice((1, 1, 1, 2, 3))))
            before = _snapshot((around, clean.parent), copy.parent)
            offered = kind.commands(copy, clean)
            tried["inputs"] += 1
            tried["files beside them"] += len(before)
            for command in rng.sample(list(offered), min(commands or FAR, len(offered))):
                with chdir(around / "others"), _bounded(f"seed {seed}: {change}; {command[0]}"):
                    reason = _run(command, tried)
                after = _snapshot((around, clean.parent), copy.parent)
                changed = [name for name in before | after if before.get(name) != after.get(name)]
                tried[CHANGED] += len(changed)
                if changed:
                    reason += f" {', '.join(changed)} outside of it changed"
                if reason:
                    yield Failure(seed, change, command[0], reason.strip())


@contextmanager
def _bounded(what: str) -> Iterator[None]:
    """End everything, saying what hangs, where this takes too long: nothing else ends it."""

    def hangs() -> None:
        print(f"{what}: nothing came for {PATIENCE:.0f} seconds", file=sys.__stderr__, flush=True)
        os._exit(1)

    timer = threading.Timer(PATIENCE, hangs)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _run(command: list[str], tried: Counter[str]) -> str:
    """Why a command failed; empty where it did not."""
    try:
        with redirect_stdout(StringIO()) as shown, redirect_stderr(StringIO()) as said:
            explores = command[0] == "explore"
            status = explore(command[1:], tried) if explores else call(command)
            name = " ".join(command[: 1 + (command[0] == "leaderboard")])
            tried[f"{name}: {'refused' if status else 'done'}"] += 1
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    if status not in STATUSES or "Traceback" in said.getvalue():
        return f"status {status}, {said.getvalue()[-300:]}"
    text = shown.getvalue() + said.getvalue()
    return "" if visible(text) == text else f"steers the terminal: {text[-300:]!r}"


def _snapshot(folders: Sequence[Path], own: Path) -> dict[str, str]:
    """The content of every file in the folders that is not the input's own."""
    files = (file for folder in folders for file in sorted(folder.rglob("*")))
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and not file.is_relative_to(own)
    }


def main() -> None:
    """Fuzz the formats that are asked for, and print what failed."""
    parser = argparse.ArgumentParser(description="Commands on inputs that are changed at random.")
    parser.add_argument("--count", type=int, default=1000, help="mutations of each format")
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation")
    parser.add_argument("--format", choices=[*FORMATS, *FILES], action="append", help="else all")
    parser.add_argument("--commands", type=int, default=4, help="those that read a run directory")
    parser.add_argument("--keep", type=Path, help="a folder for files that fail")
    asked = parser.parse_args()
    seeds, failed = range(asked.seed, asked.seed + asked.count), 0
    warnings.simplefilter("ignore")  # what decoders say of damage
    # They take longer than all the rest.
    publish.write_figures = lambda *_: []
    for name in asked.format or [*FILES, *FORMATS]:
        print(f"{name}: seeds {seeds.start} to {seeds.stop - 1}", end="", flush=True)
        began, before = time.monotonic(), failed
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            for failure in _failures(name, Path(folder), seeds, asked):
                failed += 1
                print(f"\n{failure}", file=sys.stderr)
        rate = 60 * len(seeds) / (time.monotonic() - began)
        print(f"; {failed - before} failures, {rate:,.0f} a minute", flush=True)
    print(f"{failed} failures")
    sys.exit(failed > 0)


def _failures(name: str, folder: Path, seeds: range, asked: argparse.Namespace) -> Iterator[object]:
    keep: Path | None = asked.keep
    if name in FORMATS:
        tried = Counter({CHANGED: 0})
        yield from fuzz(FORMATS[name], FORMATS[name].make(folder), seeds, asked.commands, tried)
        print("".join(f"\n  {what}: {count}" for what, count in sorted(tried.items())), end="")
        return
    for seed, file, reason in fuzz_file(FILES[name], folder, seeds):
        if keep:
            (keep / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / file, keep / name / f"{seed}-{file}")
        yield f"{name} seed {seed}: {file}: {reason}"


if __name__ == "__main__":
    main()
