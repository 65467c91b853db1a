"""What the model says of sources before their pairs start, and why some pairs cannot."""

import time
from dataclasses import dataclass
from math import isnan

import torch

from blindspots.engine.batch import Slot
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.pair import Pair
from blindspots.methods.method import Method, Problem
from blindspots.schema import Ending


@dataclass(frozen=True)
class Admission:
    """Looks at each source once, in fp32: what is kept of it, how surely, and whether it starts."""

    evaluator: Evaluator
    method: Method

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
