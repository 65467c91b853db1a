"""Files on their way to an object store, several at once, beside the work. No torch here."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from blindspots.files import write_bytes
from blindspots.places import Place

AT_ONCE, MOST_WAITING = 8, 64


class Uploads:
    """Writes files in threads; `settle` waits for all that were begun."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
        self._begun: list[Future[Place]] = []

    def write(self, path: Place, content: bytes) -> None:
        """Begin to write a file; where many wait, not before they are written."""
        if len(self._begun) >= MOST_WAITING:
            self.settle()
        self._begun.append(self._threads.submit(write_bytes, path, content))

    def settle(self) -> None:
        """Wait for all; OSError where one of them could not be written."""
        begun: Sequence[Future[Place]] = self._begun
        self._begun = []
        for upload in begun:
            upload.result()
