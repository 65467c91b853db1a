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
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from blindspots.study.backends.messages import Died, Warned, Word
from blindspots.study.backends.tasks import Task

_DIE_WITH_PARENT = 1
# A process that a driver of the system holds cannot be ended, and is not waited for.
_ENDS = 10.0


@dataclass(frozen=True)
class WorkerProcess:
    """A process that is a `Worker`, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def send(self, unit: Task | None) -> None:
        """Send a unit; a process that is gone is heard of soon."""
        with contextlib.suppress(OSError):
            self.pipe.send(unit)

    def word(self) -> Word | Died:
        """The next word, waited for."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(1)
            return Died(f"its process was ended, with status {self.process.exitcode}")

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join(_ENDS)
        self.pipe.close()


def start_process(orders: bytes, threads: int) -> WorkerProcess:
    """A process that works with so many threads and dies with this one.

    `orders`: pickled `Orders`, which are not opened here.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    given = (there, orders, threads, os.getpid())
    process = context.Process(target=_work, args=given, daemon=True)
    process.start()
    there.close()
    return WorkerProcess(process, here)


def _work(pipe: Connection, orders: bytes, threads: int, parent: int) -> None:
    """What a process does until it is dismissed or nobody listens any more."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from blindspots.study.backends.worker import Worker

    torch.set_num_threads(threads)
    tell = _one_by_one(pipe.send)
    with contextlib.suppress(EOFError, BrokenPipeError), warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: tell(Warned(str(message)))
        Worker(pickle.loads(orders), pipe.recv, tell).run()


def _one_by_one(send: Callable[[Word], None]) -> Callable[[Word], None]:
    """`send` for several threads, any of which may have something to warn of."""
    lock = threading.Lock()

    def tell(word: Word) -> None:
        with lock:
            send(word)

    return tell


def _die_with(parent: int) -> None:
    """Let the system kill this process when its parent dies, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
