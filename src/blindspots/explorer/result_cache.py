"""What traversals found, kept for the tabs that look at it: hulls, saved cases, hovering."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from blindspots.engine.batch import TraversalResult
from blindspots.errors import UsageError
from blindspots.explorer.refusals import Missing
from blindspots.methods.method import Method

MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class CachedResult:
    """A pair that was traversed, with all that a run would store of it.

    `columns`: the measured ones. `aim`: the class of the target and its name. `company`: the
    targets traversed together, where the method does so. `id`: unguessable, so tabs do not meet.
    """

    model: str
    source: str
    target: str
    method: Method
    outcome: TraversalResult
    columns: dict[str, Any]
    aim: tuple[int, str]
    company: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def bytes(self) -> int:
        """Roughly how much memory it takes."""
        images = 3 * self.outcome.found.numel() * self.outcome.found.element_size()
        return images + (0 if self.outcome.path is None else self.outcome.path.nbytes)


class ResultCache:
    """The latest found images of all tabs, up to so many bytes; the longest unused go first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[str, CachedResult] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, found: CachedResult) -> str:
        """Keep it; its id."""
        with self._lock:
            self._kept[found.id] = found
            self._bytes += found.bytes
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].bytes
        return found.id

    def get(self, name: str) -> CachedResult:
        """The one with this id; refused where it is no longer, or never was, here."""
        with self._lock:
            if name not in self._kept:
                raise Missing("this result is no longer kept here; start its traversal again")
            self._kept.move_to_end(name)
            return self._kept[name]

    def hull(self, names: Sequence[str]) -> list[CachedResult]:
        """Found images of one model and one source; refused where they are of several."""
        found = [self.get(name) for name in names]
        if len({(one.model, one.source, one.outcome.label) for one in found}) > 1:
            raise UsageError(
                "these results are of several sources or models; a hull has one of each"
            )
        return found
