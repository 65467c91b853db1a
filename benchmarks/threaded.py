"""A crew of one worker in a thread of this process: nothing but units is added to the work."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.leader import Leader
from blindspots.study.backends.messages import Word
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker import Worker, WorkerConfig
from blindspots.study.backends.worker_pool import Heard, WorkerHandle


@dataclass
class Threaded:
    """A backend, and its own crew: units and words go by queues."""

    name: ClassVar[str] = "thread"
    workers: ClassVar[int] = 1

    _orders: list[WorkerConfig] = field(default_factory=list)
    _units: "queue.Queue[Unit | None]" = field(default_factory=queue.Queue)
    _words: "queue.Queue[Word]" = field(default_factory=queue.Queue)

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        Leader(job, self).run()

    def __enter__(self) -> "Threaded":
        return self

    def __exit__(self, *_error: object) -> None:
        """The thread waits for units that never come, and ends with the process."""

    def prepare(self, orders: WorkerConfig) -> None:
        """Keep the orders."""
        self._orders = [orders]

    def start(self) -> WorkerHandle:
        """Start the thread."""
        hand = Worker(self._orders[0], self._units.get, self._words.put)
        threading.Thread(target=hand.run, daemon=True).start()
        return 0

    def send(self, worker: WorkerHandle, unit: Task | None) -> None:  # noqa: ARG002
        """Queue a unit."""
        self._units.put(unit)

    def receive(self, seconds: float) -> Sequence[Heard]:
        """The next word."""
        try:
            return [(0, self._words.get(timeout=seconds))]
        except queue.Empty:
            return []

    def stop(self, worker: WorkerHandle) -> None:
        """Nobody is left to be let go."""
