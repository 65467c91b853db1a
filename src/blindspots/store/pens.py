"""How files are written: at once to a disk, several beside the work to a store. No torch here."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, runtime_checkable

from blindspots.store.atomic import write_bytes
from blindspots.store.paths import Place, is_remote

AT_ONCE, MOST_WAITING = 8, 64


@runtime_checkable
class Writer(Protocol):
    """Writes files; what was given to `write` is there when `settle` returns."""

    def write(self, path: Place, content: bytes) -> object:
        """Write a file, or begin to."""
        ...

    def flush(self) -> None:
        """Wait for all; OSError where one of them could not be written."""
        ...


class SyncWriter:
    """Writes a file when it is given."""

    def write(self, path: Place, content: bytes) -> None:
        """Write it, whole."""
        write_bytes(path, content)

    def flush(self) -> None:
        """Nothing is ever waited for."""


class UploadWriter:
    """Writes files in threads; `settle` waits for all that were begun."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
        self._begun: list[Future[Place]] = []

    def write(self, path: Place, content: bytes) -> None:
        """Begin to write a file; where many wait, not before they are written."""
        if len(self._begun) >= MOST_WAITING:
            self.flush()
        self._begun.append(self._threads.submit(write_bytes, path, content))

    def flush(self) -> None:
        """Wait for all; OSError where one of them could not be written."""
        begun: Sequence[Future[Place]] = self._begun
        self._begun = []
        for upload in begun:
            upload.result()


def writer_for(place: Place) -> Writer:
    """What suits a disk, or an object store, whose answers take long."""
    return UploadWriter() if is_remote(place) else SyncWriter()
