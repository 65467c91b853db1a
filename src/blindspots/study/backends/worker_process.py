"""A process of this machine that works, and the pipe to it. Torch is imported in that process only.

So what stands between it and the leader, on another node of a cluster, stays small.
"""

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Literal, NamedTuple

from blindspots.study.backends.tasks import Task


class Ready(NamedTuple):
    pass


class Started(NamedTuple):
    """A task is started, so another one is wanted, or the message that there is none for now."""

    number: int


class Done(NamedTuple):
    """A task is finished: its rows and files are stored."""

    number: int


class Progress(NamedTuple):
    """So many evaluations were done, or saved, since the last such message; perhaps none yet."""

    evaluations: float


class Warned(NamedTuple):
    """Something the user should know of, in a sentence; the work goes on."""

    text: str


class Failed(NamedTuple):
    """The worker cannot go on. `error`: nobody foresaw it, so another worker may try."""

    kind: Literal["refused", "failed", "error"]
    why: str


class Died(NamedTuple):
    """A worker is no more, nor is what it had not reported; said by what stands between."""

    why: str


Message = Ready | Started | Done | Progress | Warned | Failed


_DIE_WITH_PARENT = 1
_MAIN = "__main__"
# A process that a driver of the system holds cannot be ended, and is not waited for.
_ENDS = 10.0


@dataclass(frozen=True)
class WorkerProcess:
    """A process that is a `Worker`, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def send(self, task: Task | None) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def message(self) -> Message | Died:
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(1)
            return Died(f"its process was ended, with status {self.process.exitcode}")

    def end(self) -> None:
        self.process.kill()
        self.process.join(_ENDS)
        self.pipe.close()


def start_process(config: bytes, threads: int) -> WorkerProcess:
    """A process that works with so many threads and dies with this one.

    `config`: pickled `WorkerConfig`, which are not opened here.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    given = (there, config, threads, os.getpid())
    process = context.Process(target=_work, args=given, daemon=True)
    with contextlib.nullcontext() if _MAIN.encode() in config else without_script():
        process.start()
    there.close()
    return WorkerProcess(process, here)


@contextlib.contextmanager
def without_script() -> Iterator[None]:
    """Inside, processes that are started do not import the user's script.

    It would start the run anew in each of them where it has no `if __name__ == "__main__"`.
    """
    script = sys.modules[_MAIN]
    sys.modules[_MAIN] = ModuleType(_MAIN)
    try:
        yield
    finally:
        sys.modules[_MAIN] = script


def _work(pipe: Connection, config: bytes, threads: int, parent: int) -> None:
    """What a process does until it is stopped or nobody listens any more."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from blindspots.study.backends.worker import Worker

    torch.set_num_threads(threads)
    tell = _one_by_one(pipe.send)
    with contextlib.suppress(EOFError, BrokenPipeError), warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: tell(Warned(str(message)))
        Worker(pickle.loads(config), pipe.recv, tell).run()


def _one_by_one(send: Callable[[Message], None]) -> Callable[[Message], None]:
    """`send` for several threads, any of which may have something to warn of."""
    lock = threading.Lock()

    def tell(message: Message) -> None:
        with lock:
            send(message)

    return tell


def _die_with(parent: int) -> None:
    """Let the system kill this process when its parent dies, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


LISTENS = 0.5


class Actor:
    """Passes tasks in and messages out, so that its methods answer at once.

    Its process is its own, because torch's threads are slow to wake outside the main one where they
    are as many as the cores (libgomp spins no longer then), and Ray has that itself.
    """

    def __init__(self, config: bytes, threads: int) -> None:
        self._process = start_process(config, threads)

    def send(self, task: Task | None) -> None:
        self._process.send(task)

    def messages(self) -> list[Message | Died]:
        """All that was said since the last call; waits a little for a first message."""
        said: list[Message | Died] = []
        while self._process.pipe.poll(0 if said else LISTENS):
            said.append(self._process.message())
            if isinstance(said[-1], Died):
                break
        return said
