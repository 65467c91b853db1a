"""Runs any method over any number of pairs: a fixed number of slots, refilled as pairs end.

Memory depends on the number of slots, never on the number of pairs. One turn of the loop is one
forward and one input gradient for every occupied slot.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import isnan

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.flight import Flight, Outcome, Pair, Slot
from blindspots.methods.base import Evaluation, Method, Problem, State, code
from blindspots.oracle import Oracle
from blindspots.records import Ending


@dataclass(frozen=True)
class Engine:
    """Continuous batching of traversals.

    `slots`: pairs in flight at once. `snapshots`: about how many images of each path to keep,
    the first and the last included; 0: none. `seed` and a pair's id key its random draws.
    `tick` hears the evaluations of every turn.
    """

    oracle: Oracle
    method: Method
    slots: int = 8
    snapshots: int = 0
    seed: int = 0
    tick: Callable[[int], None] = lambda _evaluations: None

    def run(self, pairs: Iterable[Pair]) -> Iterator[list[Outcome]]:
        """The outcomes, a list each time some pairs end, in the order in which they end."""
        queue, flight = iter(pairs), Flight(self._snapshot_interval())
        with self.oracle.model.frozen():
            while waiting := self._next(queue, flight):
                yield from filter(None, (self._board(flight, waiting), self._advance(flight)))

    def _next(self, queue: Iterator[Pair], flight: Flight) -> bool | list[Pair]:
        """Pairs for the free slots; true without any while others are still in flight."""
        return list(islice(queue, self.slots - len(flight))) or len(flight) > 0

    def _board(self, flight: Flight, waiting: bool | list[Pair]) -> list[Outcome]:
        """Start what can start; the outcomes of what cannot."""
        if isinstance(waiting, bool):
            return []
        slots, problem, endings = self._triage(waiting)
        starting = [i for i, ending in enumerate(endings) if ending is None]
        if starting:
            boarding = problem.select(torch.tensor(starting, device=problem.label.device))
            generators = [generator(self.seed, waiting[i].id) for i in starting]
            state = self.method.init(boarding, generators)
            flight.board([slots[i] for i in starting], boarding, state)
        return [slot.unstarted(end) for slot, end in zip(slots, endings, strict=True) if end]

    def _triage(self, pairs: list[Pair]) -> tuple[list[Slot], Problem, list[Ending | None]]:
        """What the model says of the sources, and why some pairs cannot start."""
        started_at = time.perf_counter()
        device = self.oracle.model.device
        source = torch.stack([pair.source for pair in pairs]).to(device)
        logits = self.oracle.logits(source)
        named = logits.argmax(dim=1)
        given = torch.tensor([pair.label for pair in pairs], device=device)
        label = torch.where(given < 0, named, given)
        p_source = self.oracle.score(logits, label)
        target = torch.stack([pair.target for pair in pairs]).to(device)
        share = (time.perf_counter() - started_at) / len(pairs)
        slots = [
            Slot(pair, y, p, share)
            for pair, y, p in zip(pairs, label.tolist(), p_source.tolist(), strict=True)
        ]
        endings = [
            self._cannot_start(slot, right)
            for slot, right in zip(slots, (named == label).tolist(), strict=True)
        ]
        return slots, Problem(source, target, label, p_source), endings

    def _cannot_start(self, slot: Slot, right: bool) -> Ending | None:
        if isnan(slot.p_source):
            return Ending.FAILED
        if not right:
            return Ending.SOURCE_MISCLASSIFIED
        return Ending.DELTA_VACUOUS if slot.p_source <= self.method.delta else None

    def _advance(self, flight: Flight) -> list[Outcome]:
        """One turn for every occupied slot; the outcomes of the pairs that ended."""
        if not len(flight):
            return []
        started_at = time.perf_counter()
        problem, state = flight.tensors
        evaluation = self.oracle.evaluate(state.proposal, problem.label, self.method.differentiates)
        state = _failing(self.method.step(problem, state, evaluation), evaluation)
        self.tick(len(flight))
        share = (time.perf_counter() - started_at) / len(flight)
        flight.record(state, share)
        return flight.land()

    def _snapshot_interval(self) -> int | None:
        """Steps between two snapshots."""
        if self.snapshots == 0:
            return None
        return max(1, -(-self.method.max_steps // max(1, self.snapshots - 1)))


def generator(seed: int, pair_id: str) -> torch.Generator:
    """The CPU generator of a pair's random draws: the same in any batch and in any order."""
    digest = hashlib.sha256(f"{seed}:{pair_id}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def pair_hash(source: Tensor, target: Tensor, label: int) -> str:
    """The id of a pair that has none: 16 hex digits over both images and the label."""
    digest = hashlib.sha256(str(label).encode())
    for image in (source, target):
        digest.update(image.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _failing(state: State, evaluation: Evaluation) -> State:
    """The state, with the pairs ended for which the model returned a number that is not finite."""
    finite = evaluation.score.isfinite() & _finite(evaluation.gradient)
    return replace(state, ending=torch.where(finite, state.ending, code(Ending.FAILED)))


def _finite(gradient: Float[Tensor, "batch channel height width"]) -> Tensor:
    return gradient.isfinite().flatten(1).all(dim=1)
