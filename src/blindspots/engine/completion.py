"""What is added to the result of a pair when its traversal has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from blindspots.engine.batch import to_8bit
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.pair import TraversalResult
from blindspots.engine.segment_scores import SegmentScores


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
        """The results with what was not known on the way."""
        return [self._with_path(result) for result in self._in_fp32(results)]

    def _in_fp32(self, results: list[TraversalResult]) -> list[TraversalResult]:
        """With p_found in fp32, where the traversal's own arithmetic is another."""
        if self.evaluator.precision == "fp32" or not results:
            return results
        device = self.evaluator.model.device
        found = torch.stack([result.found for result in results]).to(device)
        scores = self.evaluator.exact.scores(found, self._kept(results)).tolist()
        return [replace(out, p_found=score) for out, score in zip(results, scores, strict=True)]

    def _kept(self, results: Sequence[TraversalResult]) -> Tensor:
        """What of their sources is kept."""
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
