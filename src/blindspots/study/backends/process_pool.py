"""A crew of processes on this machine: one per device, or several that share its cores."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import ClassVar

from blindspots.engine.evaluator import find_device
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.leader import Leader
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker import WorkerConfig
from blindspots.study.backends.worker_pool import Heard, WorkerHandle
from blindspots.study.backends.worker_process import WorkerProcess, start_process


@dataclass(frozen=True)
class Processes:
    """The backend of several processes. `devices`: one each; the processor's cores are shared."""

    name: ClassVar[str] = "processes"
    devices: Sequence[str]

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        Leader(job, ProcessWorkerPool(self.devices)).run()


def share(device: str, workers: int | None) -> list[str]:
    """The same device so many times; unless said, one for two cores, or once where it is a GPU."""
    usual = max(1, (os.cpu_count() or 1) // 2) if find_device(device).type == "cpu" else 1
    return [device] * (workers or usual)


@dataclass
class ProcessWorkerPool:
    """Processes started afresh, each with a pipe."""

    devices: Sequence[str]
    _orders: list[WorkerConfig] = field(default_factory=list)
    _free: list[str] = field(default_factory=list)
    _workers: dict[int, WorkerProcess] = field(default_factory=dict)
    _devices: dict[int, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """One per device."""
        return len(self.devices)

    def prepare(self, orders: WorkerConfig) -> None:
        """Keep the orders for those who are hired."""
        self._orders, self._free = [orders], list(self.devices)

    def start(self) -> WorkerHandle:
        """A new process on a device that has none; its process id."""
        device = self._free.pop(0)
        machine = replace(self._orders[0].request.machine, device=device)
        request = replace(self._orders[0].request, machine=machine)
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        orders = pickle.dumps(replace(self._orders[0], request=request))
        started = start_process(orders, threads)
        pid = started.process.pid or 0
        self._workers[pid], self._devices[pid] = started, device
        return pid

    def send(self, worker: WorkerHandle, unit: Task | None) -> None:
        """Send a unit; a process that is gone is heard of soon."""
        self._workers[worker].send(unit)  # type: ignore[index]

    def receive(self, seconds: float) -> Sequence[Heard]:
        """What has come through the pipes."""
        by_pipe = {one.pipe: pid for pid, one in self._workers.items()}
        ready = wait(list(by_pipe), seconds)
        told = ((by_pipe[pipe], self._workers[by_pipe[pipe]]) for pipe in ready)  # type: ignore[index]
        return [(pid, process.word()) for pid, process in told]

    def stop(self, worker: WorkerHandle) -> None:
        """Kill it; its device is free then."""
        self._workers.pop(worker).end()  # type: ignore[arg-type]
        self._free.append(self._devices.pop(worker))  # type: ignore[arg-type]

    def __enter__(self) -> "ProcessWorkerPool":
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in list(self._workers):
            self.stop(worker)
