"""Counts what this process writes below a folder, and at one of those ends it or lets it fail.

Python's audit hooks see every file that is opened, renamed or removed before it happens, so no
write is missed because a test does not know of it. What Arrow writes itself is seen when its file
is opened again to be synced, and when it is renamed.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

How = Literal["kill", "full", "rename"]
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OTHERS = ("os.remove", "os.mkdir", "os.rmdir", "os.link")


@dataclass
class Sabotage:
    """`kill`: the process is killed before write number `at`. `full`: from
    write number `at` on none succeeds, as on a full disk. `rename`: rename number `at` fails.
    """

    folder: str
    how: How
    at: int = 0
    seen: int = 0
    on: bool = True

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        if self.on and self._concerns(event, given):
            self.seen += 1
            if self.seen == self.at and self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.seen == self.at and self.how == "rename":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if self.seen >= self.at and self.how == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _concerns(self, event: str, given: tuple[Any, ...]) -> bool:
        place = given[0] if given else None
        if not isinstance(place, str | os.PathLike) or not self._is_below(os.fspath(place)):
            return False
        if event == "os.rename":
            return True
        if event == "open":
            writes = isinstance(given[2], int) and bool(given[2] & _WRITING)
            return self.how != "rename" and (writes or str(place).endswith(".partial"))
        return event in _OTHERS and self.how == "kill"

    def _is_below(self, place: str | bytes) -> bool:
        return isinstance(place, str) and Path(place).absolute().is_relative_to(self.folder)


def arm(folder: str, how: How, at: int = 0) -> Sabotage:
    """Sabotage this process from now on; a hook cannot be taken away, only switched `on` or off."""
    hook = Sabotage(folder, how, at)
    sys.addaudithook(hook)
    return hook


_armed: list[Sabotage] = []


@contextmanager
def sabotaged(folder: Path, how: How, at: int = 0) -> Iterator[Sabotage]:
    """The same inside alone; one hook serves for all."""
    if not _armed:
        _armed.append(arm("", "kill"))
    (hook,) = _armed
    hook.folder, hook.how, hook.at, hook.seen, hook.on = str(folder.absolute()), how, at, 0, True
    try:
        yield hook
    finally:
        hook.on = False
