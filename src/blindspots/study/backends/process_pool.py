"""A pool of processes on this machine: one per device, or several that share its cores."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import ClassVar

from blindspots.engine.device import find_device
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.leader import Leader, Received, WorkerHandle
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker import WorkerConfig
from blindspots.study.backends.worker_process import WorkerProcess, start_process


@dataclass(frozen=True)
class Processes:
    """The backend of several processes. `devices`: one each; the processor's cores are shared."""

    name: ClassVar[str] = "processes"
    devices: Sequence[str]

    def check(self) -> None: ...

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        Leader(job, ProcessWorkerPool(self.devices)).run()


def share(device: str, workers: int | None) -> list[str]:
    """The same device so many times; unless said, one for two cores, or once where it is a GPU."""
    usual = max(1, (os.cpu_count() or 1) // 2) if find_device(device).type == "cpu" else 1
    return [device] * (workers or usual)


@dataclass
class ProcessWorkerPool:
    devices: Sequence[str]
    _config: list[WorkerConfig] = field(default_factory=list)
    _free: list[str] = field(default_factory=list)
    _workers: dict[int, WorkerProcess] = field(default_factory=dict)
    _devices: dict[int, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        return len(self.devices)

    def prepare(self, config: WorkerConfig) -> None:
        self._config, self._free = [config], list(self.devices)

    def start(self) -> WorkerHandle:
        device = self._free.pop(0)
        machine = replace(self._config[0].request.machine, device=device)
        request = replace(self._config[0].request, machine=machine)
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        config = pickle.dumps(replace(self._config[0], request=request))
        started = start_process(config, threads)
        pid = started.process.pid or 0
        self._workers[pid], self._devices[pid] = started, device
        return pid

    def send(self, worker: WorkerHandle, task: Task | None) -> None:
        self._workers[worker].send(task)  # type: ignore[index]

    def receive(self, seconds: float) -> Sequence[Received]:
        by_pipe = {one.pipe: pid for pid, one in self._workers.items()}
        ready = wait(list(by_pipe), seconds)
        told = ((by_pipe[pipe], self._workers[by_pipe[pipe]]) for pipe in ready)  # type: ignore[index]
        return [(pid, process.message()) for pid, process in told]

    def stop(self, worker: WorkerHandle) -> None:
        self._workers.pop(worker).end()  # type: ignore[arg-type]
        self._free.append(self._devices.pop(worker))  # type: ignore[arg-type]

    def __enter__(self) -> "ProcessWorkerPool":
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in list(self._workers):
            self.stop(worker)
