"""Where a run lies: in a folder of this machine, or in an object store. No torch here.

A place of an object store is a universal_pathlib path; every other one a `pathlib.Path`.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fsspec import available_protocols
from pyarrow.fs import LocalFileSystem
from upath import UPath

from blindspots.errors import UsageError, plain_text

Place = Path | UPath
# No separators, no control characters, and neither hidden nor `..`; RE2 reads it too. Their number
# is asked for apart, because RE2 takes milliseconds to read a bounded repetition.
FILE_NAME = re.compile(r"[^/\\.\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")
LONGEST_NAME = 251
PACKAGES = {
    "s3": "'blindspots[s3]'",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}


def find_place(text: str | Place) -> Place:
    """The place that a path, or an address such as s3://bucket/run, names.

    Refused where the address is of a kind that cannot be written to from here.
    """
    if not isinstance(text, str) or "://" not in text:
        return Path(text) if isinstance(text, str) else text
    scheme = text.partition("://")[0]
    if scheme in ("file", "local"):
        return Path(text.partition("://")[2])
    if scheme not in available_protocols():
        raise UsageError(
            f"{text} was given; expected a directory, or an address as s3://bucket/run"
        )
    try:
        # What other processes wrote since must be seen, so listings are not remembered.
        place = UPath(text, use_listings_cache=False)
        place.fs  # noqa: B018  (imports what the scheme needs)
    except ImportError as error:
        package = PACKAGES.get(scheme, "what its scheme needs")
        raise UsageError(f"{text} was given ({error}); type pip install {package}") from error
    return place


def is_remote(place: Place) -> bool:
    return not isinstance(place, Path)


def connect(place: Place) -> Place:
    """The place, once its store has answered; refused, saying why, where it does not."""
    if not is_remote(place):
        return place
    try:
        place.exists()
    except Exception as error:
        raise UsageError(
            f"{place} cannot be reached ({_words(error)}); expected credentials and an address of "
            "its store in the environment, as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"
        ) from error
    return place


def check_reachable(place: UPath) -> None:
    """Refuse a place of an object store that does not answer, or whose bucket is not there."""
    # Asked about a bucket, a store that does not answer seems to have none.
    connect(place)
    bucket = place.parents[-1] if place.parents else place
    if not bucket.exists():
        raise UsageError(f"{place} was given, and there is no bucket {bucket}; make it first")


def check_writable(path: Place | str) -> None:
    """Refuse a directory in which nothing can be written, or a file in its place."""
    path = find_place(path)
    if not isinstance(path, Path):
        check_reachable(path)
        return
    if path.parts and path.parts[0].endswith(":") and not path.drive:
        raise UsageError(
            # A path has lost one of the slashes that were typed.
            f"{path.as_posix().replace('/', '//', 1)} was given; expected a directory of this "
            "machine, as in --out found"
        )
    nearest = next(parent for parent in (path, *path.parents) if parent.exists())
    if not nearest.is_dir():
        raise UsageError(
            f"{path} cannot be a run directory: {nearest} is a file; name another --out"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written to: {nearest} is read-only; name another --out")


def upload(place: UPath, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file of this machine and put it in the store in one go.

    A store shows an object whole or not at all. OSError where it does not take it.
    """
    with tempfile.TemporaryDirectory(prefix="blindspots-") as folder:
        aside = Path(folder) / place.name
        write(aside)
        with _told(place):
            place.fs.put_file(str(aside), place.path)


def put(place: UPath, content: bytes) -> None:
    """A file of these bytes in an object store, whole or absent."""
    with _told(place):
        place.fs.pipe_file(place.path, content)


def create(place: UPath, content: bytes) -> bool:
    """Make an object unless there is one; whether it was made, by one of many who try."""
    try:
        with _told(place):
            place.fs.pipe_file(place.path, content, mode="create")
    except FileExistsError:
        return False
    return True


def move(file: Place, to: Place) -> None:
    if isinstance(file, Path) and isinstance(to, Path):
        file.replace(to)
    else:
        to.write_bytes(file.read_bytes())
        file.unlink()


def make_folder(place: Place) -> Place:
    """The folder, which is there now; stores have none and need none."""
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)
    return place


def inside(folder: Place, name: str) -> Place:
    """A file of that name in a folder; refused where the name would lead out of it."""
    if not is_file_name(name):
        raise UsageError(
            f"{name!r} is no name of a file, so it cannot lie in {folder}; expected a name without "
            "/ and \\; the run that names it was changed by hand: name another one"
        )
    return folder / name


def is_file_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME and FILE_NAME.fullmatch(text) is not None


def refuse_foreign(run: Place, names: Sequence[str], folders: Sequence[str]) -> None:
    """Refuse a run directory with links that lead out of it, or with what is no file.

    What lies there may come from a stranger: a link would show a file of the user's, or have it
    written to. `names`: what is looked at in the directory; `folders`: of which all is.
    """
    if not isinstance(run, Path):
        return
    root = os.path.realpath(run)
    entries = [entry for entry in _entries(run) if entry.name in names]
    for entry in (*entries, *(one for name in folders for one in _entries(run / name))):
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
            raise UsageError(_foreign(entry.path, "a link that leads out of the run"))
        if not entry.is_file() and not entry.is_dir():
            raise UsageError(_foreign(entry.path, "neither a file nor a folder"))


def check_made_here(out: Place, names: Sequence[str], mark: str) -> None:
    """Refuse a directory that holds anything but what the same command wrote there before.

    `names`: what it writes; the first of them holds `mark`.
    """
    found = sorted(file.name for file in children(out) if not file.name.endswith(".partial"))
    foreign = [name for name in found if name not in names]
    if found and (names[0] not in found or mark.encode() not in (out / names[0]).read_bytes()):
        foreign += found
    if foreign:
        raise UsageError(
            f"{out} is not empty, and {foreign[0]} in it is not what this command writes there; "
            f"expected a new directory, or one of the same command; type --out {_unused(out)}"
        )


def _unused(folder: Place) -> Place:
    names = ("new", *(f"new-{number}" for number in range(2, len(children(folder)) + 3)))
    return next(folder / name for name in names if not (folder / name).exists())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _foreign(path: str, what: str) -> str:
    return (
        f"{path} is {what}; expected the files that blindspots run wrote: remove it, or put a copy "
        "of what it leads to in its place"
    )


def children(folder: Place) -> list[Place]:
    return list(folder.iterdir()) if folder.is_dir() else []


@contextlib.contextmanager
def for_arrow(place: Place, mode: str = "rb") -> Iterator[tuple[Any, Any]]:
    """What pyarrow opens a file by: its path and file system; alone `a:b` were an address.

    It takes UTF-8 alone, so of another path the opened file itself.
    """
    if not isinstance(place, Path):
        yield place.path, place.fs
    elif (name := str(place.absolute())).isascii() or plain_text(name) == name:
        yield name, LocalFileSystem()
    else:
        with place.open(mode) as file:
            yield file, None


@contextlib.contextmanager
def _told(place: UPath) -> Iterator[None]:
    """Stores have errors of their own; what writes files knows those of the system alone."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{place} cannot be written: {_words(error)}") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
