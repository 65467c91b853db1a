"""Run directories changed at random, and the commands that read them; for `benchmarks.fuzz`."""

import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from blindspots.cli.main import call
from blindspots.store.archives import PICTURES, Archives

CANARY = "canary.txt"
TEXTS = (
    *("", "x" * 5000, "../../canary", "..", "a/b"),
    *("\x00", "\u202e", "$\\frac{$", "[red]", "\x1b[2J"),
)
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


def change_run(run: Path, rng: random.Random) -> str:
    """Change a run directory in one place, and say which."""
    changes = (_json, _json, _table, _table, _bytes, _link, _lost, _manifest, _archive, _archive)
    return rng.choice(changes)(run, rng)


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


def _archive(run: Path, rng: random.Random) -> str:
    """The pictures in archives, as runs of more than `settings.ARCHIVES_ABOVE` pairs have them."""
    for folder in PICTURES:
        archives = Archives(run / folder)
        if folder in {file.parent.name for file in run.glob("*/*") if not file.is_file()}:
            continue  # a pipe, which no run that is opened has: it would be waited for
        try:
            archives.pack(archives.loose())
        except OSError:
            return f"{folder} as it is"
    how, packed = rng.choice(("whole", *ZIPS)), sorted(run.glob("*/*.zip"))
    for file in rng.sample(packed, rng.randint(0, len(packed))) if how != "whole" else ():
        try:
            _spoil(file, how, rng)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            continue
    return f"archives: {how}"


ZIPS = ("deflate", "bzip2", "lzma", "bomb", "lost", "double", "comment", "header", "header")


def _spoil(file: Path, how: str, rng: random.Random) -> None:
    """The archive with members that no run packs, or with other bytes in what describes them."""
    with zipfile.ZipFile(file) as whole:
        members, comment = {name: whole.read(name) for name in whole.namelist()}, whole.comment
        start = whole.start_dir
    one = rng.choice(sorted(members))
    content = bytearray(file.read_bytes())
    if how == "header":  # of the directory at the end, or of the first member
        begin, end = rng.choice(((start, len(content)), (0, 60)))
        content[rng.randrange(begin, end)] = rng.choice((0, 1, 8, 0xFF))
    file.unlink()
    if how == "header":
        file.write_bytes(content)
        return
    if how == "comment":
        comment = rng.choice((b"", b"\xff\xfe", b"../../canary", b"\n" * 9, comment + b"\nmore"))
    elif how == "lost":
        del members[one]
    elif how == "bomb":
        members[one] = bytes(10**8)
    kinds = {"deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    kind = zipfile.ZIP_DEFLATED if how == "bomb" else kinds.get(how, zipfile.ZIP_STORED)
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.comment = comment
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, kind)
        if how == "double":
            archive.writestr(f"../{one}", b"")
            archive.writestr(one, b"another")


def _manifest(run: Path, rng: random.Random) -> str:
    name = rng.choice(("../../canary.txt", "images/../../../canary.txt", "x", ""))
    line = f"{'0' * 64}  {name}\n"
    (run / "manifest.sha256").unlink(missing_ok=True)
    (run / "manifest.sha256").write_text(line)
    return f"manifest {line.split()[-1]}"


def reading(run: Path, clean: Path) -> list[list[str]]:
    """The commands that read a run directory."""
    from tests.support.tiny import REFERENCE

    trusted, model = ["--quiet", "--trust-run-code"], _drawn(clean.parent)
    again = ["--out", str(run.with_name("again"))]
    predictions = [*again, "--predictions", str(run / "predictions.parquet")]
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
        ["run", *model, "--out", str(run), "--quiet", *REFERENCE, *FEW],
        ["run", *model, *predictions, "--quiet", *REFERENCE, *FEW],
        ["explore", "--run", str(run), "--out", str(run.with_name("cases")), *trusted],
    ]


FEW = ("--sources", "4", "--targets-per-source", "2", "--keep", "path")


def make_run(folder: Path) -> Path:
    """A run of a tiny model on tiny images."""
    from tests.support.tiny import run, without_figures, write_images

    images = write_images(folder / "images", 3)
    with without_figures():
        assert run(f"folder:{images}", folder / "run", *FEW) == 0
    return folder / "run"


def joining(shard: Path, clean: Path) -> list[list[str]]:
    """What reads a shard: `merge`, beside the other one, which is clean, before it and after."""
    names, out = (str(shard), str(clean.with_name("other"))), str(shard.with_name("merged"))
    again = str(shard.with_name("again"))
    return [
        ["merge", *names, "--out", out, "--quiet"],
        ["merge", *names[::-1], "--out", again, "--quiet"],
        ["table", str(shard)],
    ]


def make_shard(folder: Path) -> Path:
    """The first of two shards; beside it lies the other."""
    from tests.support.tiny import run, write_images

    images = write_images(folder / "images", 3)
    for number, name in enumerate(("run", "other"), 1):
        assert run(f"folder:{images}", folder / name, *FEW, "--shard", f"{number}/2") == 0
    return folder / "run"


def submitting(run: Path, clean: Path) -> list[list[str]]:
    """What reads the run of a leaderboard's protocol."""
    rules, entry = _protocol(clean.parent), str(run.with_name("x.json"))
    trusted = ["--trust-run-code", *rules]
    return [
        ["leaderboard", "submit", str(run), "--name", "x", "--entry", entry, *trusted],
        ["leaderboard", "run", *_drawn(clean.parent), *rules, "--out", str(run)],
    ]


def make_protocol_run(folder: Path) -> Path:
    """A run of a protocol's five pairs."""
    from tests.support.tiny import write_images

    write_images(folder / "images", 2)
    images = _drawn(folder)[-1]
    fixed = ["tiny-v1", "--images", images, "--sources", "5", "--targets-per-source", "1"]
    drawn = ["draw", *fixed, "--out", str(folder / "protocol.json"), "--quiet"]
    ran = ["run", *_drawn(folder), *_protocol(folder), "--out", str(folder / "run")]
    assert [call(["leaderboard", *words]) for words in (drawn, ran)] == [0, 0]
    return folder / "run"


def _protocol(folder: Path) -> list[str]:
    return ["--protocol", str(folder / "protocol.json"), "--quiet"]


def _drawn(folder: Path) -> list[str]:
    from tests.support.tiny import MODEL

    return ["--model", MODEL, "--images", f"folder:{folder / 'images'}"]


FORMATS = {
    "protocol": Format(make_protocol_run, change_run, submitting),
    "run": Format(make_run, change_run, reading),
    "shard": Format(make_shard, change_run, joining),
}
