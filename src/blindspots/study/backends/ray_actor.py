"""What Ray runs on a node: it stands between the leader and a process there. No torch here."""

from blindspots.study.backends.messages import Died, Word
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker_process import start_process

LISTENS = 0.5


class Actor:
    """Passes units in and words out, so that its methods answer at once.

    Its process is its own, because torch's threads are slow to wake outside the main one where they
    are as many as the cores (libgomp spins no longer then), and Ray has that itself.
    """

    def __init__(self, orders: bytes, threads: int) -> None:
        self._process = start_process(orders, threads)

    def send(self, unit: Task | None) -> None:
        """A unit for it, or none for now."""
        self._process.send(unit)

    def words(self) -> list[Word | Died]:
        """All that was said since the last call; waits a little for a first word."""
        said: list[Word | Died] = []
        while self._process.pipe.poll(0 if said else LISTENS):
            said.append(self._process.word())
            if isinstance(said[-1], Died):
                break
        return said
