"""A crew of one worker in a thread of this process: nothing but units is added to the work."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from blindspots.backends.base import Job
from blindspots.backends.crew import Heard, Worker
from blindspots.backends.foreman import Foreman
from blindspots.backends.hand import Hand, Orders
from blindspots.backends.units import Unit
from blindspots.backends.words import Word


@dataclass
class Threaded:
    """A backend, and its own crew: units and words go by queues."""

    name: ClassVar[str] = "thread"
    workers: ClassVar[int] = 1

    _orders: list[Orders] = field(default_factory=list)
    _units: "queue.Queue[Unit | None]" = field(default_factory=queue.Queue)
    _words: "queue.Queue[Word]" = field(default_factory=queue.Queue)

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, job: Job) -> None:
        """Traverse and measure all that is missing."""
        Foreman(job, self).run()

    def __enter__(self) -> "Threaded":
        return self

    def __exit__(self, *_error: object) -> None:
        """The thread waits for units that never come, and ends with the process."""

    def start(self, orders: Orders) -> None:
        """Keep the orders."""
        self._orders = [orders]

    def hire(self) -> Worker:
        """Start the thread."""
        hand = Hand(self._orders[0], self._units.get, self._words.put)
        threading.Thread(target=hand.run, daemon=True).start()
        return 0

    def give(self, worker: Worker, unit: Unit | None) -> None:  # noqa: ARG002
        """Queue a unit."""
        self._units.put(unit)

    def hear(self, seconds: float) -> Sequence[Heard]:
        """The next word."""
        try:
            return [(0, self._words.get(timeout=seconds))]
        except queue.Empty:
            return []

    def dismiss(self, worker: Worker) -> None:
        """Nobody is left to be let go."""
