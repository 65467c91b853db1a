"""A pool of one worker in a thread of this process: nothing but tasks is added to the work."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.leader import Leader, Received, WorkerHandle
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker import Worker, WorkerConfig
from blindspots.study.backends.worker_process import Message


@dataclass
class Threaded:
    """A backend, and its own pool: tasks and messages go by queues."""

    name: ClassVar[str] = "thread"
    workers: ClassVar[int] = 1

    _config: list[WorkerConfig] = field(default_factory=list)
    _tasks: "queue.Queue[Task | None]" = field(default_factory=queue.Queue)
    _messages: "queue.Queue[Message]" = field(default_factory=queue.Queue)

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        Leader(job, self).run()

    def __enter__(self) -> "Threaded":
        return self

    def __exit__(self, *_error: object) -> None:
        """The thread waits for tasks that never come, and ends with the process."""

    def prepare(self, config: WorkerConfig) -> None:
        """Keep the config."""
        self._config = [config]

    def start(self) -> WorkerHandle:
        """Start the thread."""
        hand = Worker(self._config[0], self._tasks.get, self._messages.put)
        threading.Thread(target=hand.run, daemon=True).start()
        return 0

    def send(self, worker: WorkerHandle, task: Task | None) -> None:  # noqa: ARG002
        """Queue a task."""
        self._tasks.put(task)

    def receive(self, seconds: float) -> Sequence[Received]:
        """The next message."""
        try:
            return [(0, self._messages.get(timeout=seconds))]
        except queue.Empty:
            return []

    def stop(self, worker: WorkerHandle) -> None:
        """Nobody is left to be let go."""
