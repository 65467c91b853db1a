"""A crew of processes on this machine: one a device, or several that share its cores."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import ClassVar

import torch

from blindspots.backends.base import Job
from blindspots.backends.crew import Gone, Heard, Worker
from blindspots.backends.foreman import Foreman
from blindspots.backends.hand import Hand, Orders, Word
from blindspots.backends.units import Unit
from blindspots.machine import find_device

_DIE_WITH_PARENT = 1


@dataclass(frozen=True)
class Processes:
    """The backend of several processes. `devices`: one each; the processor's cores are shared."""

    name: ClassVar[str] = "processes"
    devices: Sequence[str]

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, job: Job) -> None:
        """Traverse and measure all that is missing."""
        Foreman(job, ProcessCrew(self.devices)).run()


def share(device: str, workers: int | None) -> list[str]:
    """The same device so many times; unless said, one for two cores, or once where it is a GPU."""
    usual = max(1, (os.cpu_count() or 1) // 2) if find_device(device).type == "cpu" else 1
    return [device] * (workers or usual)


@dataclass
class ProcessCrew:
    """Processes started afresh, each with a pipe."""

    devices: Sequence[str]
    _orders: list[Orders] = field(default_factory=list)
    _free: list[str] = field(default_factory=list)
    _workers: dict[int, "WorkerProcess"] = field(default_factory=dict)
    _devices: dict[int, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """One a device."""
        return len(self.devices)

    def start(self, orders: Orders) -> None:
        """Keep the orders for those who are hired."""
        self._orders, self._free = [orders], list(self.devices)

    def hire(self) -> Worker:
        """A new process on a device that has none; its process id."""
        device = self._free.pop(0)
        machine = replace(self._orders[0].request.machine, device=device)
        request = replace(self._orders[0].request, machine=machine)
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        started = start_process(replace(self._orders[0], request=request), threads)
        pid = started.process.pid or 0
        self._workers[pid], self._devices[pid] = started, device
        return pid

    def give(self, worker: Worker, unit: Unit | None) -> None:
        """Send a unit; a process that is gone is heard of soon."""
        self._workers[worker].give(unit)  # type: ignore[index]

    def hear(self, seconds: float) -> Sequence[Heard]:
        """What has come through the pipes."""
        by_pipe = {one.pipe: pid for pid, one in self._workers.items()}
        ready = wait(list(by_pipe), seconds)
        told = ((by_pipe[pipe], self._workers[by_pipe[pipe]]) for pipe in ready)  # type: ignore[index]
        return [(pid, process.word()) for pid, process in told]

    def dismiss(self, worker: Worker) -> None:
        """Kill it; its device is free then."""
        self._workers.pop(worker).end()  # type: ignore[arg-type]
        self._free.append(self._devices.pop(worker))  # type: ignore[arg-type]

    def __enter__(self) -> "ProcessCrew":
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in list(self._workers):
            self.dismiss(worker)


@dataclass(frozen=True)
class WorkerProcess:
    """A process that is a `Hand`, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def give(self, unit: Unit | None) -> None:
        """Send a unit; a process that is gone is heard of soon."""
        with contextlib.suppress(OSError):
            self.pipe.send(unit)

    def word(self) -> Word | Gone:
        """The next word, waited for."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(1)
            return Gone(f"its process was ended, with status {self.process.exitcode}")

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def start_process(orders: Orders, threads: int) -> WorkerProcess:
    """A process that works with so many threads and dies with this one."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    given = (there, orders, threads, os.getpid())
    process = context.Process(target=_work, args=given, daemon=True)
    process.start()
    there.close()
    return WorkerProcess(process, here)


def _work(pipe: Connection, orders: Orders, threads: int, parent: int) -> None:
    """What a process does until it is dismissed or nobody listens any more."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    with contextlib.suppress(EOFError, BrokenPipeError), warnings.catch_warnings():
        Hand(orders, pipe.recv, pipe.send).run()


def _die_with(parent: int) -> None:
    """Let the system kill this process when its parent dies, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
