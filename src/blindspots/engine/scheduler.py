"""Runs any method over any number of pairs: a fixed number of slots, refilled as pairs end.

Memory depends on the number of slots, never on the number of pairs. One turn of the loop is one
forward and one input gradient for every occupied slot.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import groupby, islice
from typing import NamedTuple

import torch

from blindspots.engine.admission import Admission, Completion, SegmentScores
from blindspots.engine.batch import ActiveBatch, Pair, TraversalResult, generator, group_id
from blindspots.engine.evaluator import Evaluator
from blindspots.methods.method import RUNNING, Evaluation, Method, Problem, State, choose, code
from blindspots.schema import Ending


class TurnRecord(NamedTuple):
    """What the model was asked in a turn, and what it said.

    A row is an active pair (a group, for methods that take them), in the order in which they
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

    `slots`: images evaluated at once; active pairs are as many as that allows, one at least.
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

        A group's outcomes are in the same list. Groups that follow each other are traversed
        together if they have the same number of targets.
        """
        return (turn.outcomes for turn in self.turns(pairs) if turn.outcomes)

    def turns(self, pairs: Iterable[Pair]) -> Iterator[Turn]:
        """The same work, handed over after every turn, so that it can be watched or put aside.

        With a `look` of several turns only the last of them is shown.
        """
        with self.evaluator.model.frozen():
            for targets, groups in groupby(self._admission.groups(pairs), key=len):
                yield from self._traverse(groups, targets)

    def _traverse(self, queue: Iterator[list[Pair]], targets: int) -> Iterator[Turn]:
        batch = ActiveBatch(self._snapshot_interval())
        room = max(1, self.slots // self.method.points(targets))
        while waiting := list(islice(queue, room - len(batch))) or len(batch) > 0:
            unable = self._start(batch, waiting)
            if unable:
                yield Turn(unable)
            if len(batch):
                yield self._advance(batch)

    def _start(self, batch: ActiveBatch, waiting: bool | list[list[Pair]]) -> list[TraversalResult]:
        if isinstance(waiting, bool):
            return []
        slots, problem, endings = self._admission.look(waiting)
        able = [i for i, ending in enumerate(endings) if ending is None]
        if able:
            starting = problem.select(torch.tensor(able, device=problem.source.device))
            generators = [generator(self.seed, group_id(waiting[i])) for i in able]
            batch.add([slots[i] for i in able], starting, self.method.init(starting, generators))
        unable = [(slot, end) for slot, end in zip(slots, endings, strict=True) if end]
        return [result for slot, end in unable for result in slot.unstarted(end)]

    def _advance(self, batch: ActiveBatch) -> Turn:
        """Some turns for every occupied slot, with the outcomes of the pairs that ended."""
        started_at = time.perf_counter()
        for _ in range(self._turns_to_look - 1):
            self._turn(batch)
        problem, asked = batch.tensors
        evaluation = self._turn(batch)
        self._segments.check_finished(self.method, batch)
        batch.add_time(time.perf_counter() - started_at)
        self.tick(self._turns_to_look * evaluation.score.numel())
        results = self._completion.complete(batch.pop_finished())
        return Turn(results, TurnRecord(problem, asked, evaluation))

    @cached_property
    def _admission(self) -> Admission:
        return Admission(self.evaluator, self.method)

    @cached_property
    def _segments(self) -> SegmentScores:
        return SegmentScores(self.evaluator)

    @cached_property
    def _completion(self) -> Completion:
        return Completion(self.evaluator, self._segments, self.method.straight, self.snapshots)

    @property
    def _turns_to_look(self) -> int:
        return self.look or (1 if self.evaluator.model.device.type == "cpu" else 4)

    def _turn(self, batch: ActiveBatch) -> Evaluation:
        problem, state = batch.tensors
        evaluation = self._evaluate(problem, state)
        after = _failing(_stepped(self.method, problem, state, evaluation), evaluation)
        batch.record(after if self._turns_to_look == 1 else _waiting(state, after))
        return evaluation

    def _evaluate(self, problem: Problem, state: State) -> Evaluation:
        shape, image = state.proposal.shape[:-3], state.proposal.shape[-3:]
        kept = problem.kept.repeat_interleave(shape[1:].numel(), dim=0)
        images = state.proposal.reshape(-1, *image)
        said = self.evaluator.evaluate(images, kept, self.method.differentiates)
        numbers = (said.score.view(shape), said.objective.view(shape), said.slope.view(shape))
        return Evaluation(*numbers, said.gradient.view(*shape, *image))

    def _snapshot_interval(self) -> int | None:
        """Steps between two snapshots on the way; None where there are none."""
        if self.snapshots == 0 or self.method.straight:
            return None
        return max(1, -(-self.method.max_steps // max(1, self.snapshots - 1)))


def _stepped(method: Method, problem: Problem, state: State, evaluation: Evaluation) -> State:
    """The method's next step, which rounds a pair alike whether it is alone or not.

    Products and sums of one pair have kernels of their own, so a pair alone is stepped beside
    itself; that costs what a second pair costs, without what the model would.
    """
    if len(state.steps) > 1 or state.steps.device.type != "cpu":
        return method.step(problem, state, evaluation)
    twice = torch.zeros(2, dtype=torch.long)
    both = method.step(problem.select(twice), state.select(twice), evaluation.select(twice))
    return both.select(twice[:1])


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
