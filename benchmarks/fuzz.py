"""What comes from outside, changed at random: no command ends in a traceback or writes elsewhere.

    python -m benchmarks.fuzz --count 1000 --seed 0

Each mutation is made of one seed, which is printed where it fails: `--seed N --count 1` makes it
again. Single files are an entry of `FILES` in `benchmarks.fuzz_files`, where thousands are read a
second; `--keep FOLDER` keeps those that fail. A format of `FORMATS` is read by whole commands: how
its clean input is made, how one is changed, and which commands read it. Beside each input lie a
canary and other files of the user; links, ids and names of the mutations point to them, and a
snapshot of them must be the same afterwards.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fuzz_files import FILES, fuzz_file
from blindspots.cli.main import call
from blindspots.reporting import publish

# A disk takes three times as long to write a file anew as any parser to read it.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STATUSES = (0, 1, 2, 3)
CANARY, FAR = "canary.txt", 10**9
TEXTS = ("", "x" * 5000, "../../canary", "..", "a/b", "\x00", "\u202e", "$\\frac{$", "[red]")
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**63, 10**400, 0.5, -0.0, 1e308, [], {}, [None], {"a": [1]}),
    *TEXTS,
)


@dataclass(frozen=True)
class Format:
    """A kind of input: `make` writes a clean one, `change` changes a copy and says how.

    `commands` read the copy, some of them beside the clean one.
    """

    make: Callable[[Path], Path]
    change: Callable[[Path, random.Random], str]
    commands: Callable[[Path, Path], Sequence[list[str]]]


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
    kind: Format, clean: Path, seeds: Sequence[int], commands: int | None = 4
) -> Iterator[Failure]:
    """Every failure of a format; `commands`: how many of its commands read each mutation, or all.

    Nothing outside of the mutation may change: the user's files around it, or the clean input.
    """
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
            for command in rng.sample(list(offered), min(commands or FAR, len(offered))):
                reason = _run(command)
                after = _snapshot((around, clean.parent), copy.parent)
                if reason or (reason := _changed(before, after)):
                    yield Failure(seed, change, command[0], reason)


def _run(command: list[str]) -> str:
    """Why a command failed; empty where it did not."""
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
            status = call(command)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    if status not in STATUSES or "Traceback" in said.getvalue():
        return f"status {status}, {said.getvalue()[-300:]}"
    return ""


def _snapshot(folders: Sequence[Path], own: Path) -> dict[str, str]:
    """The content of every file in the folders that is not the input's own."""
    files = (file for folder in folders for file in sorted(folder.rglob("*")))
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and not file.is_relative_to(own)
    }


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    names = [name for name in before | after if before.get(name) != after.get(name)]
    return f"{', '.join(names)} outside of it changed" if names else ""


def change_run(run: Path, rng: random.Random) -> str:
    """Change a run directory in one place, and say which."""
    return rng.choice((_json, _json, _table, _table, _bytes, _link, _lost, _manifest))(run, rng)


def _json(run: Path, rng: random.Random) -> str:
    file = run / "run.json"
    try:
        whole = json.loads(file.read_text() if file.is_file() else "")
    except (OSError, ValueError):
        return "run.json as it is"
    at = parent = whole
    path: list[Any] = []
    while isinstance(at, dict | list) and at and (not path or rng.random() < 0.7):
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        path.append(key)
        parent, at = at, at[key]
    value = rng.choice(ODD)
    if path:
        parent[path[-1]] = value
    file.unlink(missing_ok=True)
    file.write_text(json.dumps(whole))
    return f"run.json {path} = {str(value)[:40]!r}"


def _table(run: Path, rng: random.Random) -> str:
    tables = [file for file in _files(run) if file.parent == run and file.suffix == ".parquet"]
    file = rng.choice(tables or [run / "none.parquet"])
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException):
        return f"{file.name} as it is"
    how = rng.choice(("value", "value", "value", "drop", "type", "double", "empty", "other"))
    name = rng.choice(table.column_names)
    if how == "other":
        shutil.copy(rng.choice(tables), run / "other")
        (run / "other").replace(file)
    else:
        pq.write_table(_other(table, name, how, rng), file)
    return f"{file.name} {name}: {how}"


def _other(table: pa.Table, name: str, how: str, rng: random.Random) -> pa.Table:
    """The table with its rows or one of its columns changed."""
    if how in ("double", "empty"):
        return pa.concat_tables([table, table]) if how == "double" else table.slice(0, 0)
    if how == "drop":
        return table.drop_columns([name])
    values, kind = table[name].to_pylist(), table.schema.field(name).type
    every, one = rng.random() < 0.3, rng.randrange(len(values) or 1)
    if how == "type":
        values, kind = [str(value) for value in values], pa.string()
    else:
        changed = (every or index == one for index in range(len(values)))
        values = [_odd(kind, rng) if odd else v for v, odd in zip(values, changed, strict=True)]
    return table.set_column(table.column_names.index(name), name, pa.array(values, kind))


def _odd(kind: pa.DataType, rng: random.Random) -> Any:
    """A value of a column's type that no run writes."""
    if pa.types.is_list(kind):
        return rng.choice((None, [], [_odd(kind.value_type, rng)] * rng.choice((1, 3, 101))))
    if pa.types.is_boolean(kind):
        return rng.choice((None, True, False))
    if pa.types.is_string(kind):
        return rng.choice((None, *TEXTS, "finished", "nonsense"))
    if pa.types.is_integer(kind):
        return rng.choice((None, 0, -1, 1, 99, 2**31 - 1))
    return rng.choice((None, 0.0, -1.0, 2.0, 1e300, float("nan"), float("inf")))


def _files(run: Path) -> list[Path]:
    return sorted(file for file in run.rglob("*") if file.is_file() and not file.is_symlink())


def _bytes(run: Path, rng: random.Random) -> str:
    file = rng.choice(_files(run))
    content = bytearray(file.read_bytes())
    if rng.random() < 0.4 or not content:
        content = content[: rng.randrange(len(content) + 1)]
    else:
        for _ in range(rng.choice((1, 1, 8))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.unlink()
    file.write_bytes(content)
    return f"{file.relative_to(run)} damaged"


def _link(run: Path, rng: random.Random) -> str:
    """A link out of the run, or what is no file, in the place of a file or folder."""
    names = [file.relative_to(run) for file in _files(run)]
    name = rng.choice([*names, *map(Path, ("images", "found", "tables", "figures"))])
    place, around = run / name, run.parents[1]
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    how = rng.choice(("canary", "others", "nowhere", "itself", "pipe", "folder"))
    if how == "pipe":
        os.mkfifo(place)
    elif how == "folder":
        place.mkdir()
    else:
        aims = {"canary": around / CANARY, "others": around / "others", "itself": place}
        place.symlink_to(aims.get(how, around / "nowhere"))
    return f"{name} is a {how}"


def _lost(run: Path, rng: random.Random) -> str:
    place = rng.choice([*_files(run), run / "images", run / "found", run / "path"])
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    return f"{place.relative_to(run)} lost"


def _manifest(run: Path, rng: random.Random) -> str:
    name = rng.choice(("../../canary.txt", "images/../../../canary.txt", "x", ""))
    line = f"{'0' * 64}  {name}\n"
    (run / "manifest.sha256").unlink(missing_ok=True)
    (run / "manifest.sha256").write_text(line)
    return f"manifest {line.split()[-1]}"


def reading(run: Path, clean: Path) -> list[list[str]]:
    """The commands that read a run directory."""
    from tests.support.tiny import MODEL, REFERENCE

    trusted = ["--quiet", "--trust-run-code"]
    model = ["--model", MODEL, "--images", f"folder:{clean.with_name('images')}"]
    merged = str(run.with_name("merged"))
    return [
        ["table", str(run)],
        ["check", str(run), "--max", "rmse=1"],
        ["report", str(run), "--quiet"],
        ["verify", str(run), *trusted],
        ["compare", str(run), str(clean)],
        ["compare", str(clean), str(run), "--html", str(run.with_name("compared.html"))],
        ["transfer", str(run), *trusted],
        ["widths", str(run), "--directions", "2", "--points", "3", *trusted],
        ["plot", str(run), "--figure", "curves"],
        ["merge", str(run), "--out", merged, "--quiet"],
        ["run", *model, "--out", str(run), "--quiet", *REFERENCE, *FEW],
    ]


FEW = ("--sources", "4", "--targets-per-source", "2", "--keep", "path")


def make_run(folder: Path) -> Path:
    """A run of a tiny model on tiny images."""
    from tests.support.tiny import run, without_figures, write_images

    images = write_images(folder / "images", 3)
    with without_figures():
        assert run(f"folder:{images}", folder / "run", *FEW) == 0
    return folder / "run"


FORMATS = {"run": Format(make_run, change_run, reading)}


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
        yield from fuzz(FORMATS[name], FORMATS[name].make(folder), seeds, asked.commands)
        return
    for seed, file, reason in fuzz_file(FILES[name], folder, seeds):
        if keep:
            (keep / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / file, keep / name / f"{seed}-{file}")
        yield f"{name} seed {seed}: {file}: {reason}"


if __name__ == "__main__":
    main()
