"""The SHA-256 of each file of a finished run, as `sha256sum -c` reads it. No torch here.

It is written last, so where it is there, all that it names was written before. A run that is gone
on with has none until it is finished again; runs of earlier versions never had one.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from blindspots.schema import ALL_TABLES
from blindspots.store.archives import PICTURES
from blindspots.store.atomic import is_leftover, write_text
from blindspots.store.parquet import file_digest
from blindspots.store.paths import Place, children, is_file_name
from blindspots.store.run_info import INFO_FILE

MANIFEST = "manifest.sha256"
THREADS = 4
_LINE = re.compile(r"([0-9a-f]{64})  (?:(images|found|path)/)?([^/]+)")
_TABLES = tuple(f"{table}.parquet" for table in ALL_TABLES)


def write_manifest(run: Place) -> Place:
    """Write the manifest of a finished run, whole.

    In an object store it names the tables and `run.json` alone: pictures would be fetched again.
    """
    names = _stored(run, pictures=isinstance(run, Path))
    return _write(run, dict(zip(names, _digests(run, names), strict=True)))


def drop_manifest(run: Place) -> None:
    (run / MANIFEST).unlink(missing_ok=True)


def renew_entry(run: Place, name: str) -> None:
    """Write the manifest again with a file that was added or replaced, where one can be read."""
    if not (run / MANIFEST).is_file():
        return
    with suppress(ValueError):  # what is wrong with it, `verify` tells
        _write(run, {**read_manifest(run), name: file_digest(run / name)})


def read_manifest(run: Place) -> dict[str, str]:
    """The SHA-256 of each file, by its path in the run; ValueError where a line is none of one."""
    found = {}
    for number, line in enumerate((run / MANIFEST).read_text(encoding="utf-8").splitlines(), 1):
        entry = _LINE.fullmatch(line)
        if entry is None or not is_file_name(entry[3]):
            raise ValueError(f"line {number} of {MANIFEST} is no SHA-256 with the name of a file")
        found[line[66:]] = entry[1]
    return found


def check_manifest(run: Place, pictures: bool = True) -> Iterator[str]:
    """Where the files of a run disagree with its manifest, a line for each file.

    `pictures`: hash pictures too; else it is only looked whether they are there.
    """
    try:
        listed = read_manifest(run)
    except (OSError, ValueError) as error:
        yield f"{MANIFEST} cannot be read ({error})"
        return
    within = any("/" in name for name in listed)
    stored = _stored(run, pictures=within)
    yield from (f"{name} is missing, and {MANIFEST} lists it" for name in listed.keys() - stored)
    yield from (f"{name} is not listed in {MANIFEST}" for name in stored if name not in listed)
    parts = sorted(file.name for file in children(run / "parts") if file.suffix == ".parquet")
    yield from (f"parts/{name} is not listed in {MANIFEST}" for name in parts)
    names = [name for name in stored if name in listed and (pictures or "/" not in name)]
    for name, digest in zip(names, _digests(run, names), strict=True):
        if digest != listed[name]:
            yield f"{name} has another SHA-256 than {MANIFEST} lists"


def _write(run: Place, digests: dict[str, str]) -> Place:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    return write_text(run / MANIFEST, "".join(lines))


def _stored(run: Place, pictures: bool) -> list[str]:
    own = [name for name in (INFO_FILE, *_TABLES) if (run / name).is_file()]
    folders = PICTURES if pictures else ()
    names = [f"{folder}/{file.name}" for folder in folders for file in children(run / folder)]
    shown = [name for name in names if not is_leftover(name) and Path(name).name[0] != "."]
    return sorted([*own, *shown])


def _digests(run: Place, names: list[str]) -> Iterator[str]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="sha256") as pool:
        yield from pool.map(lambda name: file_digest(run / name), names)
