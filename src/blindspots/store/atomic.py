"""Files that are whole or absent, here and in object stores. No torch here."""

import errno
import os
import re
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from blindspots.store.paths import Place, is_remote, put, upload

PARTIAL, _DIGITS = ".partial", 12
_LEFTOVER = re.compile(rf".+\.[0-9a-f]{{{_DIGITS}}}{re.escape(PARTIAL)}")


def write_whole(path: Place, write: Callable[[Path], object]) -> Place:
    """Let `write` fill a file aside, sync it to the disk, then give it the name.

    A kill at any moment leaves the old file, the new one, or a leftover ending in `.partial`
    that no reader looks at. What `write` raises is passed on and the leftover removed. In an object
    store the file is put in one go, which leaves no leftover.
    """
    if not isinstance(path, Path):
        upload(path, write)
        return path
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:_DIGITS]}{PARTIAL}")
    try:
        write(aside)
        _sync(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return path


def write_bytes(path: Place, content: bytes) -> Place:
    if isinstance(path, Path):
        return write_whole(path, lambda aside: aside.write_bytes(content))
    put(path, content)
    return path


def write_text(path: Place, text: str) -> Place:
    """Write a UTF-8 text file, whole."""
    return write_bytes(path, text.encode(errors="backslashreplace"))


def sweep(folder: Place, of: str = "") -> None:
    """Remove what interrupted writers left behind in a folder, and nothing else.

    `of`: how the names of their files begin.
    """
    if not isinstance(folder, Path) or not folder.is_dir():
        return
    for file in folder.iterdir():
        if is_leftover(file.name) and file.name.startswith(of):
            file.unlink(missing_ok=True)


def is_leftover(name: str) -> bool:
    """Whether a file of that name is one that `write_whole` had not finished."""
    return _LEFTOVER.fullmatch(name) is not None


def _sync(path: Path) -> None:
    # Windows syncs only what is open for writing.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_failure(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full"
    return f"a file cannot be read or written ({error.strerror or error})"


AT_ONCE, MOST_WAITING = 8, 64


class SyncWriter:
    def write(self, path: Place, content: bytes) -> None:
        """Write a file, or begin to; it is there when `flush` returns."""
        write_bytes(path, content)

    def flush(self) -> None:
        """Wait for all; OSError where one of them could not be written."""


class UploadWriter(SyncWriter):
    """Writes files in threads, because stores take long to answer."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
        self._begun: list[Future[Place]] = []

    def write(self, path: Place, content: bytes) -> None:
        """Begin to write a file; where many wait, not before they are written."""
        if len(self._begun) >= MOST_WAITING:
            self.flush()
        self._begun.append(self._threads.submit(write_bytes, path, content))

    def flush(self) -> None:
        """Wait for all that were begun; OSError where one of them could not be written."""
        begun: Sequence[Future[Place]] = self._begun
        self._begun = []
        for one in begun:
            one.result()


def writer_for(place: Place) -> SyncWriter:
    """What suits a disk, or an object store, whose answers take long."""
    return UploadWriter() if is_remote(place) else SyncWriter()
