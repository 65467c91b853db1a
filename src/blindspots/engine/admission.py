"""Before pairs start: which go together, what the model says of their sources, who cannot."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import isnan

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import ActiveBatch, Pair, Slot, TraversalResult, to_8bit
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.look import Look
from blindspots.methods.method import RUNNING, Method, Problem, as_stored, code
from blindspots.methods.repairs import back_at_source
from blindspots.schema import Ending


@dataclass(frozen=True)
class Admission:
    """Looks at each source once, in fp32: what is kept of it, how surely, and whether it starts."""

    evaluator: Evaluator
    method: Method

    def groups(self, pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
        """What is traversed together: a pair, or the pairs of a group in the order of their ids."""
        if not self.method.grouped:
            yield from ([pair] for pair in pairs)
            return
        for _, group in groupby(pairs, key=lambda pair: pair.group or pair.id):
            yield sorted(group, key=lambda pair: pair.id)

    def look(self, groups: list[list[Pair]]) -> tuple[list[Slot], Problem, list[Ending | None]]:
        """What the model says of the sources, and why some pairs cannot start."""
        started_at = time.perf_counter()
        device = self.evaluator.model.device
        source = torch.stack([group[0].source for group in groups]).to(device)
        score, answer = self.evaluator.score, self.evaluator.exact.logits(source)
        label = score.label(
            answer, torch.tensor([group[0].label for group in groups], device=device)
        )
        kept = score.keep(answer, label)
        p_source = score(answer, kept)
        target = torch.stack([torch.stack([pair.target for pair in group]) for group in groups])
        target = (target if self.method.grouped else target.squeeze(1)).to(device)
        share = (time.perf_counter() - started_at) / len(groups)
        points = self.method.points(len(groups[0]))
        slots = [
            Slot(group, y, p, points, share)
            for group, y, p in zip(groups, label.tolist(), p_source.tolist(), strict=True)
        ]
        endings = [
            self._why_not(slot, right)
            for slot, right in zip(slots, score.starts(answer, label).tolist(), strict=True)
        ]
        height, floor = (score.height_at(p) for p in (p_source, p_source - self.method.delta))
        return slots, Problem(source, target, kept, p_source, height, floor), endings

    def _why_not(self, slot: Slot, right: bool) -> Ending | None:
        if isnan(slot.p_source):
            return Ending.FAILED
        if not right:
            return Ending.SOURCE_MISCLASSIFIED
        vacuous = slot.p_source - self.method.delta <= self.evaluator.score.lowest
        return Ending.DELTA_VACUOUS if vacuous else None


LOOKS = 8  # at what is cut again and again: by then .85 of its way is left at most


@dataclass(frozen=True)
class SegmentScores:
    evaluator: Evaluator

    def check_finished(self, method: Method, batch: ActiveBatch) -> None:
        """Before pairs end, what they would return is looked at where their method asks for it.

        Rounded to 8 bits, as it is stored; what the method changes is looked at again.
        """
        sweep = method.sweep()
        if sweep is None:
            return
        ending = batch.tensors[1].ending
        rows = ((ending != RUNNING) & (ending != code(Ending.FAILED))).nonzero().flatten()
        for _ in range(LOOKS):
            if not len(rows):
                return
            rows = self._looked(method, sweep, batch, rows)
        batch.replace(rows, back_at_source(*batch.part(rows)))

    def _looked(self, method: Method, sweep: Tensor, batch: ActiveBatch, rows: Tensor) -> Tensor:
        """Take over what the method makes of a look; the rows that are to be looked at again."""
        problem, state = batch.part(rows)
        stored = as_stored(state.found)
        last = state.steps >= method.max_steps
        look = Look(self.evaluator, problem, stored, sweep.to(stored), method.delta, last)
        surface = method.surface(stored.shape[1]).to(stored)
        after = method.looked(problem, state, look.take(surface))
        batch.replace(rows, after)
        for row, images in zip(rows.tolist(), look.asked.tolist(), strict=True):
            batch.slots[row].looked += images
        changed = (after.found != stored).flatten(1).any(dim=1)
        return rows[changed & (after.ending != RUNNING)]

    def along(
        self, t: Tensor, source: Tensor, found: Tensor, kept: Tensor
    ) -> Float[Tensor, "points"]:
        parts = t.to(source).view(-1, 1, 1, 1).split(self.evaluator.chunk or len(t))
        answers = [self.evaluator.exact.logits(torch.lerp(source, found, part)) for part in parts]
        return self.evaluator.score(torch.cat(answers), kept.expand(len(t), *kept.shape))


@dataclass(frozen=True)
class Completion:
    """p_found in fp32, and for methods whose path is straight the snapshots of the segment.

    `straight`: of the method; `snapshots`: about how many, 0: none.
    """

    evaluator: Evaluator
    segments: SegmentScores
    straight: bool
    snapshots: int

    def complete(self, results: list[TraversalResult]) -> list[TraversalResult]:
        return [self._with_path(result) for result in self._in_fp32(results)]

    def _in_fp32(self, results: list[TraversalResult]) -> list[TraversalResult]:
        if self.evaluator.precision == "fp32" or not results:
            return results
        device = self.evaluator.model.device
        found = torch.stack([result.found for result in results]).to(device)
        scores = self.evaluator.exact.scores(found, self._kept(results)).tolist()
        return [replace(out, p_found=score) for out, score in zip(results, scores, strict=True)]

    def _kept(self, results: Sequence[TraversalResult]) -> Tensor:
        sources = torch.stack([result.pair.source for result in results])
        labels = torch.tensor([result.label for result in results])
        return self.evaluator.exact.kept(sources, labels)

    def _with_path(self, result: TraversalResult) -> TraversalResult:
        """With snapshots of the segment, where the method's path is straight."""
        if not (self.straight and self.snapshots and result.ending.started):
            return result
        t = torch.linspace(0, 1, max(2, self.snapshots))
        device = self.evaluator.model.device
        ends = (result.pair.source.to(device), result.found.to(device))
        path = torch.lerp(result.pair.source, result.found, t.view(-1, 1, 1, 1))
        return replace(
            result,
            path=to_8bit(path).numpy(),
            path_step=(100 * t).round().int().tolist(),
            path_confidence=self.segments.along(t, *ends, self._kept([result])[0]).tolist(),
        )
