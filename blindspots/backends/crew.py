"""Workers somewhere else, as whoever leads them sees them."""

from collections.abc import Hashable, Sequence
from typing import Protocol, runtime_checkable

from blindspots.backends.hand import Orders
from blindspots.backends.units import Unit
from blindspots.backends.words import Gone, Word

Worker = Hashable
Heard = tuple[Worker, Word | Gone]


@runtime_checkable
class Crew(Protocol):
    """Workers, each of them a `Hand`.

    A worker that was hired says `Ready` as soon as it can work, which may be never where the
    machines have no room for it; it is given units only then.
    """

    @property
    def workers(self) -> int:
        """How many there are when all are hired."""
        ...

    def start(self, orders: Orders) -> None:
        """Make ready for `hire`; refused where the machines cannot hold the workers."""
        ...

    def hire(self) -> Worker:
        """A new worker."""
        ...

    def give(self, worker: Worker, unit: Unit | None) -> None:
        """Give a worker a unit, or the word that there is none for now; it takes them in turn."""
        ...

    def hear(self, seconds: float) -> Sequence[Heard]:
        """What workers said; nothing where none said anything for so long."""
        ...

    def dismiss(self, worker: Worker) -> None:
        """Let a worker go, now."""
        ...
