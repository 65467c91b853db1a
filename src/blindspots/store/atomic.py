"""Files that are whole or absent, here and in object stores. No torch here."""

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from blindspots.store.paths import Place, put, upload

PARTIAL = ".partial"


def write_whole(path: Place, write: Callable[[Path], object]) -> Place:
    """Let `write` fill a file aside, sync it to the disk, then give it the name.

    A kill at any moment leaves the old file, the new one, or a leftover ending in `.partial`
    that no reader looks at. What `write` raises is passed on and the leftover removed. In an object
    store the file is put in one go, which leaves no leftover.
    """
    if not isinstance(path, Path):
        upload(path, write)
        return path
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{PARTIAL}")
    try:
        write(aside)
        _sync(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return path


def write_bytes(path: Place, content: bytes) -> Place:
    """Write a file of these bytes, whole."""
    if isinstance(path, Path):
        return write_whole(path, lambda aside: aside.write_bytes(content))
    put(path, content)
    return path


def write_text(path: Place, text: str) -> Place:
    """Write a UTF-8 text file, whole."""
    return write_bytes(path, text.encode())


def sweep(directory: Place) -> None:
    """Remove what interrupted writers left behind in a directory and those below it."""
    if not isinstance(directory, Path):
        return
    for leftover in directory.rglob(f"*{PARTIAL}"):
        leftover.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_failure(error: OSError) -> str:
    """What an error of the file system means, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full"
    return f"a file cannot be read or written ({error.strerror or error})"
