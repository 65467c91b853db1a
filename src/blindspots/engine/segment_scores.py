"""The score along segments source → found, asked in fp32 whatever the traversal's arithmetic is."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import ActiveBatch
from blindspots.engine.evaluator import Evaluator
from blindspots.methods.method import RUNNING, Method, code
from blindspots.schema import Ending


@dataclass(frozen=True)
class SegmentScores:
    """Scores at points of segments."""

    evaluator: Evaluator

    def check_finished(self, method: Method, batch: ActiveBatch) -> None:
        """Before pairs end, what they would return is looked at where their method asks for it."""
        sweep = method.sweep()
        if sweep is None:
            return
        problem, state = batch.tensors
        ended = (state.ending != RUNNING) & (state.ending != code(Ending.FAILED))
        rows = ended.nonzero().flatten()
        if not len(rows):
            return
        asked, about = problem.select(rows), state.select(rows)
        looks = zip(asked.source, about.found.flatten(0, 1), asked.kept, strict=True)
        score = torch.stack([self.along(sweep, *look) for look in looks])
        batch.replace(rows, method.swept(asked, about, score))
        for row in rows.tolist():
            batch.slots[row].looked += len(sweep)

    def along(
        self, t: Tensor, source: Tensor, found: Tensor, kept: Tensor
    ) -> Float[Tensor, "points"]:
        """The score at points of the segment source → found, in fp32."""
        parts = t.to(source).view(-1, 1, 1, 1).split(self.evaluator.chunk or len(t))
        answers = [self.evaluator.exact.logits(torch.lerp(source, found, part)) for part in parts]
        return self.evaluator.score(torch.cat(answers), kept.expand(len(t), *kept.shape))
