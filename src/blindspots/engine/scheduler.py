"""Runs any method over any number of pairs: a fixed number of slots, refilled as pairs end.

Memory depends on the number of slots, never on the number of pairs. One turn of the loop is one
forward and one input gradient for every occupied slot.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby, islice
from math import isnan
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import ActiveBatch, Slot, to_8bit
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.pair import Pair, TraversalResult
from blindspots.methods.geometry import choose
from blindspots.methods.method import RUNNING, Evaluation, Method, Problem, State, code
from blindspots.schema import Ending


class TurnRecord(NamedTuple):
    """What the model was asked in a turn, and what it said.

    A row is a pair in flight (a group, for methods that take them), in the order in which they
    started. `asked` holds the proposals that were evaluated.
    """

    problem: Problem
    asked: State
    evaluation: Evaluation


class Turn(NamedTuple):
    """What one turn did: the pairs that ended, and what was seen.

    `seen`: None where the turn only found pairs that cannot start. A pair that ended is still seen
    in that turn, and in no later one.
    """

    outcomes: list[TraversalResult]
    seen: TurnRecord | None = None


@dataclass(frozen=True)
class Engine:
    """Continuous batching of traversals.

    `slots`: images evaluated at once; pairs in flight are as many as that allows, one at least.
    `snapshots`: about how many images of each path to keep, the first and the last included; 0:
    none. `seed` and a pair's id key its random draws. `tick` hears the evaluations of every turn.
    `look`: turns between two looks at what has ended; None: every turn on a CPU, every fourth
    elsewhere, because a look waits for the device. A pair that has ended waits unchanged.
    """

    evaluator: Evaluator
    method: Method
    slots: int = 8
    snapshots: int = 0
    seed: int = 0
    tick: Callable[[int], None] = lambda _evaluations: None
    look: int | None = None

    def run(self, pairs: Iterable[Pair]) -> Iterator[list[TraversalResult]]:
        """The outcomes, a list each time some pairs end, in the order in which they end.

        A group's outcomes are in the same list. Groups that follow each other fly together where
        they have the same number of targets.
        """
        return (turn.outcomes for turn in self.turns(pairs) if turn.outcomes)

    def turns(self, pairs: Iterable[Pair]) -> Iterator[Turn]:
        """The same work, handed over after every turn, so that it can be watched or put aside.

        With a `look` of several turns only the last of them is shown.
        """
        with self.evaluator.model.frozen():
            for targets, units in groupby(self._units(pairs), key=len):
                yield from self._fly(units, targets)

    def _units(self, pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
        """What is traversed together: a pair, or the pairs of a group in the order of their ids."""
        if not self.method.grouped:
            yield from ([pair] for pair in pairs)
            return
        for _, group in groupby(pairs, key=lambda pair: pair.group or pair.id):
            yield sorted(group, key=lambda pair: pair.id)

    def _fly(self, queue: Iterator[list[Pair]], targets: int) -> Iterator[Turn]:
        flight = ActiveBatch(self._snapshot_interval())
        room = max(1, self.slots // self.method.points(targets))
        while waiting := list(islice(queue, room - len(flight))) or len(flight) > 0:
            unable = self._board(flight, waiting)
            if unable:
                yield Turn(unable)
            if len(flight):
                yield self._advance(flight)

    def _board(
        self, flight: ActiveBatch, waiting: bool | list[list[Pair]]
    ) -> list[TraversalResult]:
        """Start what can start; the outcomes of what cannot."""
        if isinstance(waiting, bool):
            return []
        slots, problem, endings = self._triage(waiting)
        starting = [i for i, ending in enumerate(endings) if ending is None]
        if starting:
            boarding = problem.select(torch.tensor(starting, device=problem.source.device))
            generators = [generator(self.seed, _name(waiting[i])) for i in starting]
            state = self.method.init(boarding, generators)
            flight.add([slots[i] for i in starting], boarding, state)
        unable = [(slot, end) for slot, end in zip(slots, endings, strict=True) if end]
        return [outcome for slot, end in unable for outcome in slot.unstarted(end)]

    def _triage(self, units: list[list[Pair]]) -> tuple[list[Slot], Problem, list[Ending | None]]:
        """What the model says of the sources, and why some pairs cannot start."""
        started_at = time.perf_counter()
        device = self.evaluator.model.device
        source = torch.stack([unit[0].source for unit in units]).to(device)
        score, answer = self.evaluator.score, self.evaluator.exact.logits(source)
        label = score.label(answer, torch.tensor([unit[0].label for unit in units], device=device))
        kept = score.keep(answer, label)
        p_source = score(answer, kept)
        target = torch.stack([torch.stack([pair.target for pair in unit]) for unit in units])
        target = (target if self.method.grouped else target.squeeze(1)).to(device)
        share = (time.perf_counter() - started_at) / len(units)
        points = self.method.points(len(units[0]))
        slots = [
            Slot(unit, y, p, points, share)
            for unit, y, p in zip(units, label.tolist(), p_source.tolist(), strict=True)
        ]
        endings = [
            self._cannot_start(slot, right)
            for slot, right in zip(slots, score.starts(answer, label).tolist(), strict=True)
        ]
        height, floor = (score.height_at(p) for p in (p_source, p_source - self.method.delta))
        return slots, Problem(source, target, kept, p_source, height, floor), endings

    def _cannot_start(self, slot: Slot, right: bool) -> Ending | None:
        if isnan(slot.p_source):
            return Ending.FAILED
        if not right:
            return Ending.SOURCE_MISCLASSIFIED
        vacuous = slot.p_source - self.method.delta <= self.evaluator.score.lowest
        return Ending.DELTA_VACUOUS if vacuous else None

    def _advance(self, flight: ActiveBatch) -> Turn:
        """Some turns for every occupied slot, with the outcomes of the pairs that ended."""
        started_at = time.perf_counter()
        for _ in range(self._turns_to_look - 1):
            self._turn(flight)
        problem, asked = flight.tensors
        evaluation = self._turn(flight)
        self._look_at_segments(flight)
        flight.add_time(time.perf_counter() - started_at)
        outcomes = [self._with_path(outcome) for outcome in self._verified(flight.pop_finished())]
        return Turn(outcomes, TurnRecord(problem, asked, evaluation))

    def _verified(self, outcomes: list[TraversalResult]) -> list[TraversalResult]:
        """With p_found in fp32, where the traversal's own arithmetic is another."""
        if self.evaluator.precision == "fp32" or not outcomes:
            return outcomes
        device = self.evaluator.model.device
        found = torch.stack([outcome.found for outcome in outcomes]).to(device)
        scores = self.evaluator.exact.scores(found, self._kept(outcomes)).tolist()
        return [replace(out, p_found=score) for out, score in zip(outcomes, scores, strict=True)]

    @property
    def _turns_to_look(self) -> int:
        return self.look or (1 if self.evaluator.model.device.type == "cpu" else 4)

    def _turn(self, flight: ActiveBatch) -> Evaluation:
        """One evaluation of every proposal, and one step."""
        problem, state = flight.tensors
        evaluation = self._evaluate(problem, state)
        after = _failing(self.method.step(problem, state, evaluation), evaluation)
        flight.record(after if self._turns_to_look == 1 else _waiting(state, after))
        self.tick(state.proposal.shape[:-3].numel())
        return evaluation

    def _evaluate(self, problem: Problem, state: State) -> Evaluation:
        """All proposals of all pairs are evaluated in one batch."""
        shape, image = state.proposal.shape[:-3], state.proposal.shape[-3:]
        kept = problem.kept.repeat_interleave(shape[1:].numel(), dim=0)
        images = state.proposal.reshape(-1, *image)
        said = self.evaluator.evaluate(images, kept, self.method.differentiates)
        numbers = (said.score.view(shape), said.objective.view(shape), said.slope.view(shape))
        return Evaluation(*numbers, said.gradient.view(*shape, *image))

    def _look_at_segments(self, flight: ActiveBatch) -> None:
        """Before pairs end, what they would return is looked at where their method asks for it."""
        sweep = self.method.sweep()
        if sweep is None:
            return
        problem, state = flight.tensors
        ended = (state.ending != RUNNING) & (state.ending != code(Ending.FAILED))
        rows = ended.nonzero().flatten()
        if not len(rows):
            return
        asked, about = problem.select(rows), state.select(rows)
        looks = zip(asked.source, about.found.flatten(0, 1), asked.kept, strict=True)
        score = torch.stack([self._along(sweep, *look) for look in looks])
        flight.replace(rows, self.method.swept(asked, about, score))
        for row in rows.tolist():
            flight.slots[row].looked += len(sweep)

    def _along(
        self, t: Tensor, source: Tensor, found: Tensor, kept: Tensor
    ) -> Float[Tensor, "points"]:
        """The score at points of the segment source → found, in fp32."""
        parts = t.to(source).view(-1, 1, 1, 1).split(self.evaluator.chunk or len(t))
        answers = [self.evaluator.exact.logits(torch.lerp(source, found, part)) for part in parts]
        return self.evaluator.score(torch.cat(answers), kept.expand(len(t), *kept.shape))

    def _kept(self, outcomes: Sequence[TraversalResult]) -> Tensor:
        """What of their sources is kept."""
        sources = torch.stack([outcome.pair.source for outcome in outcomes])
        labels = torch.tensor([outcome.label for outcome in outcomes])
        return self.evaluator.exact.kept(sources, labels)

    def _with_path(self, outcome: TraversalResult) -> TraversalResult:
        """With snapshots of the segment, where the method's path is straight."""
        if not (self.method.straight and self.snapshots and outcome.ending.started):
            return outcome
        t = torch.linspace(0, 1, max(2, self.snapshots))
        device = self.evaluator.model.device
        ends = (outcome.pair.source.to(device), outcome.found.to(device))
        path = torch.lerp(outcome.pair.source, outcome.found, t.view(-1, 1, 1, 1))
        return replace(
            outcome,
            path=to_8bit(path).numpy(),
            path_step=(100 * t).round().int().tolist(),
            path_confidence=self._along(t, *ends, self._kept([outcome])[0]).tolist(),
        )

    def _snapshot_interval(self) -> int | None:
        """Steps between two snapshots on the way; None where there are none."""
        if self.snapshots == 0 or self.method.straight:
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


def _name(unit: Sequence[Pair]) -> str:
    return "+".join(pair.id for pair in unit)


def _waiting(before: State, after: State) -> State:
    """After a turn, but pairs that had ended before it stay as they were."""
    ended = before.ending != RUNNING
    names = [f.name for f in fields(before)]
    kept = {n: choose(ended, getattr(before, n), getattr(after, n)) for n in names}
    return type(before)(**kept)


def _failing(state: State, evaluation: Evaluation) -> State:
    """The state, with the pairs ended for which the model returned a number that is not finite."""
    batch = len(evaluation.score)
    scores = evaluation.score.isfinite().view(batch, -1).all(dim=1)
    finite = scores & evaluation.gradient.isfinite().flatten(1).all(dim=1)
    return replace(state, ending=torch.where(finite, state.ending, code(Ending.FAILED)))
