"""The SHA-256 of each file of a finished run, as `sha256sum -c` reads it. No torch here.

It is written last, so where it is there, all that it names was written before; report, tables and
figures, which are drawn from the rest, are added when they are made. A run that is gone on with has
none until it is finished again; runs of earlier versions never had one.
"""

import re
from collections.abc import Iterable, Iterator
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
# What is drawn from the rest, and may be drawn anew.
REPORT, SHOWN = "report.html", ("tables", "figures")
_LINE = re.compile(rf"([0-9a-f]{{64}})  (?:({'|'.join((*PICTURES, *SHOWN))})/)?([^/]+)")
_FOLDERS = tuple(f"{folder}/" for folder in PICTURES)
_TABLES = tuple(f"{table}.parquet" for table in ALL_TABLES)


def write_manifest(run: Place) -> Place:
    """Write the manifest of a finished run, whole.

    In an object store it names the tables and `run.json` alone: pictures would be fetched again.
    """
    names = _stored(run, pictures=isinstance(run, Path))
    return _write(run, dict(zip(names, _digests(run, names), strict=True)))


def drop_manifest(run: Place) -> None:
    (run / MANIFEST).unlink(missing_ok=True)


def renew_entries(run: Place, names: Iterable[str]) -> None:
    """Write the manifest again with files that were added or replaced, where one can be read."""
    if not (run / MANIFEST).is_file():
        return
    names = list(names)
    with suppress(ValueError):  # what is wrong with it, `verify` tells
        _write(run, {**read_manifest(run), **dict(zip(names, _digests(run, names), strict=True))})


def list_shown(run: Place, files: Iterable[Place]) -> None:
    """Add what was drawn of a run to its manifest, as far as it lies in the run's directory."""
    own, names = run.resolve(), []
    for file in (file.resolve() for file in files):
        if file.parent == own and file.name == REPORT:
            names.append(REPORT)
        elif file.parent.parent == own and file.parent.name in SHOWN:
            names.append(f"{file.parent.name}/{file.name}")
    if names:
        renew_entries(run, names)


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
    within = any(name.startswith(_FOLDERS) for name in listed)
    stored = [*_stored(run, pictures=within), *(name for name in _shown(run) if name in listed)]
    yield from (f"{name} is missing, and {MANIFEST} lists it" for name in listed.keys() - stored)
    yield from (f"{name} is not listed in {MANIFEST}" for name in stored if name not in listed)
    parts = sorted(file.name for file in children(run / "parts") if file.suffix == ".parquet")
    yield from (f"parts/{name} is not listed in {MANIFEST}" for name in parts)
    kept = [name for name in stored if name in listed]
    names = [name for name in kept if pictures or not name.startswith(_FOLDERS)]
    for name, digest in zip(names, _digests(run, names), strict=True):
        if digest != listed[name]:
            yield f"{name} has another SHA-256 than {MANIFEST} lists"


def unlisted(run: Place) -> list[str]:
    """What is shown of a run and stands in no manifest that can be read: nothing proves it."""
    with suppress(OSError, ValueError):
        listed = read_manifest(run)
        return [name for name in _shown(run) if name not in listed]
    return []


def _write(run: Place, digests: dict[str, str]) -> Place:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    return write_text(run / MANIFEST, "".join(lines))


def _stored(run: Place, pictures: bool) -> list[str]:
    own = [name for name in (INFO_FILE, *_TABLES) if (run / name).is_file()]
    folders = PICTURES if pictures else ()
    return sorted([*own, *_within(run, folders)])


def _shown(run: Place) -> list[str]:
    return [name for name in (REPORT, *_within(run, SHOWN)) if (run / name).is_file()]


def _within(run: Place, folders: Iterable[str]) -> list[str]:
    names = [f"{folder}/{file.name}" for folder in folders for file in children(run / folder)]
    return [name for name in names if not is_leftover(name) and Path(name).name[0] != "."]


def _digests(run: Place, names: list[str]) -> Iterator[str]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="sha256") as pool:
        yield from pool.map(lambda name: file_digest(run / name), names)
