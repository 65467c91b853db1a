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
    _workers: dict[int, "_Process"] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """One a device."""
        return len(self.devices)

    def start(self, orders: Orders) -> None:
        """Keep the orders for those who are hired."""
        self._orders, self._free = [orders], list(self.devices)

    def hire(self) -> Worker:
        """A new process on a device that has none; its process id."""
        device, context = self._free.pop(0), multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        process = context.Process(
            target=_work, args=(there, self._orders[0], device, threads, os.getpid()), daemon=True
        )
        process.start()
        there.close()
        self._workers[process.pid or 0] = _Process(process, here, device)
        return process.pid or 0

    def give(self, worker: Worker, unit: Unit | None) -> None:
        """Send a unit; a process that is gone is heard of soon."""
        with contextlib.suppress(OSError):
            self._workers[worker].pipe.send(unit)  # type: ignore[index]

    def hear(self, seconds: float) -> Sequence[Heard]:
        """What has come through the pipes."""
        by_pipe = {one.pipe: pid for pid, one in self._workers.items()}
        ready = wait(list(by_pipe), seconds)
        return [(by_pipe[pipe], self._word(by_pipe[pipe])) for pipe in ready]  # type: ignore[index]

    def _word(self, pid: int) -> Word | Gone:
        one = self._workers[pid]
        try:
            return one.pipe.recv()
        except (EOFError, OSError):
            one.process.join(1)
            return Gone(f"its process was ended, with status {one.process.exitcode}")

    def dismiss(self, worker: Worker) -> None:
        """Kill it; its device is free then."""
        one = self._workers.pop(worker)  # type: ignore[arg-type]
        one.process.kill()
        one.process.join()
        one.pipe.close()
        self._free.append(one.device)

    def __enter__(self) -> "ProcessCrew":
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in list(self._workers):
            self.dismiss(worker)


@dataclass
class _Process:
    process: BaseProcess
    pipe: Connection
    device: str


def _work(pipe: Connection, orders: Orders, device: str, threads: int, parent: int) -> None:
    """What a process does until it is dismissed or nobody listens any more."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    machine = replace(orders.request.machine, device=device)
    orders = replace(orders, request=replace(orders.request, machine=machine))

    with contextlib.suppress(EOFError, BrokenPipeError), warnings.catch_warnings():
        Hand(orders, pipe.recv, pipe.send).run()


def _die_with(parent: int) -> None:
    """Let the system kill this process when its parent dies, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
