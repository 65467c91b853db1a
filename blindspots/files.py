"""Files that are whole or absent: written aside, synced, renamed. No torch here."""

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

PARTIAL = ".partial"


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a file beside `path`, sync it to the disk, then give it the name.

    A kill at any moment leaves the old file, the new one, or a leftover ending in `.partial`
    that no reader looks at. What `write` raises is passed on and the leftover removed.
    """
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{PARTIAL}")
    try:
        write(aside)
        _sync(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 text file, whole."""
    return write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def sweep(directory: Path) -> None:
    """Remove what interrupted writers left behind in a directory and those below it."""
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
