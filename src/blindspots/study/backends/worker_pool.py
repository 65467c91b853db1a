"""Workers somewhere else, as whoever leads them sees them."""

from collections.abc import Hashable, Sequence
from typing import Protocol, runtime_checkable

from blindspots.study.backends.messages import Died, Word
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker import WorkerConfig

WorkerHandle = Hashable
Heard = tuple[WorkerHandle, Word | Died]


@runtime_checkable
class WorkerPool(Protocol):
    """Workers, each of them a `Hand`.

    A worker that was hired says `Ready` as soon as it can work, which may be never where the
    machines have no room for it; it is given units only then.
    """

    @property
    def workers(self) -> int:
        """How many there are when all are hired."""
        ...

    def prepare(self, orders: WorkerConfig) -> None:
        """Make ready for `hire`; refused where the machines cannot hold the workers."""
        ...

    def start(self) -> WorkerHandle:
        """A new worker."""
        ...

    def send(self, worker: WorkerHandle, unit: Task | None) -> None:
        """Give a worker a unit, or the word that there is none for now; it takes them in turn."""
        ...

    def receive(self, seconds: float) -> Sequence[Heard]:
        """What workers said; nothing where none said anything for so long."""
        ...

    def stop(self, worker: WorkerHandle) -> None:
        """Let a worker go, now."""
        ...
