"""Measures what was found: distances, confidence over segments and triangles, 8-bit safety.

Beside it the nulls, what a found image is held against: no change at all, the straight line from
the source towards the target, and the target itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import from_8bit, to_8bit
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.pair import TraversalResult, generator
from blindspots.measure.baselines import STRIDE, Line, point, straight_lines
from blindspots.measure.batched_hulls import Corners
from blindspots.measure.hulls import Hull, Segment, Simplex, segments, simplices, triangles
from blindspots.measure.metrics import Lpips, linf, rmse, ssim
from blindspots.models.classifier import Classifier
from blindspots.schema import (
    LPIPS_SMALLEST,
    SEGMENT_POINTS,
    SIMPLEX_SAMPLES,
    TRIANGLE_DROPS,
    TRIANGLE_STEPS,
)

Columns = dict[str, Any]
Images = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True)
class Measurer:
    """The measured columns of `pairs`, `triangles`, `simplices` and `nulls` for one model.

    `delta`: the drop inside which segments, simplices and lines count. `lpips`: None where its
    weights are not on the machine; its columns are then missing, and null in the row, as they are
    for images below its smallest size. All is measured in fp32, whatever the evaluator's precision.
    """

    model: Classifier
    evaluator: Evaluator
    delta: float
    lpips: Lpips | None = None

    def found(self, outcomes: Sequence[TraversalResult]) -> list[Columns]:
        """The columns about the found images of pairs that were traversed."""
        if not outcomes:
            return []
        found = torch.stack([outcome.found for outcome in outcomes])
        target = torch.stack([outcome.pair.target for outcome in outcomes])
        source = torch.stack([outcome.pair.source for outcome in outcomes])
        columns = {
            **self._distances("", found, target),
            **self._distances("source_", found, source),
            "p_found_8bit": self.scores(from_8bit(to_8bit(found)), outcomes),
        }
        return [
            {name: values[i] for name, values in columns.items()} | line
            for i, line in enumerate(self._segments(outcomes))
        ]

    def scores(self, images: Images, outcomes: Sequence[TraversalResult]) -> list[float]:
        """The score of an image for each outcome's source and label."""
        evaluator, device = self.evaluator.exact, self.model.device
        sources = torch.stack([outcome.pair.source for outcome in outcomes])
        labels = torch.tensor([outcome.label for outcome in outcomes])
        with self.model.frozen():
            kept = evaluator.kept(sources, labels)
            return evaluator.scores(images.to(device), kept).tolist()

    def triangles(self, corners: Iterable[Corners]) -> Iterator[Columns]:
        """The columns about each triangle (source, found, other found), in one stream."""
        return map(self.triangle, triangles(self.evaluator.exact, corners, TRIANGLE_STEPS))

    def triangle(self, hull: Hull) -> Columns:
        """The columns about a triangle."""
        return {
            "p_source": hull.p_source,
            "mean": hull.mean,
            **{f"fraction_{drop}": hull.fraction(drop) for drop in TRIANGLE_DROPS},
            "fraction": hull.fraction(self.delta),
            "drop": self.delta,
            "confidence": hull.confidence.tolist(),
        }

    def simplices(self, corners: Iterable[tuple[str, Corners]], seed: int) -> Iterator[Columns]:
        """The columns about each simplex (source id, (source, *found)), in one stream.

        Its samples are keyed by the run's `seed` and the source's id.
        """
        seeded = ((c, generator(seed, source).initial_seed()) for source, c in corners)
        return map(self.simplex, simplices(self.evaluator.exact, seeded, SIMPLEX_SAMPLES))

    def simplex(self, cloud: Simplex) -> Columns:
        """The columns about a simplex."""
        low, high = cloud.interval(self.delta)
        return {
            "p_source": cloud.p_source,
            "samples": SIMPLEX_SAMPLES,
            "fraction": cloud.fraction(self.delta),
            "low": low,
            "high": high,
            "drop": self.delta,
            "mean": cloud.mean,
        }

    def nulls(self, ends: Iterable[Corners]) -> Iterator[Columns]:
        """The columns about each straight line (source, target), in one stream of forwards."""
        ahead, behind = tee(ends)
        lines = straight_lines(self.evaluator.exact, ahead, self.delta)
        for line, pair in zip(lines, behind, strict=True):
            yield self.null(pair, line)

    def null(self, ends: Corners, line: Line) -> Columns:
        """The columns about one line (source, target).

        The distances are the source's and that of the last point inside, both to the target.
        """
        source, target = ends.images
        both = torch.stack((source, point(ends, line.last)))
        distances = self._distances("", both, target.expand_as(both))
        return {
            **{f"random_pair_{name}": values[0] for name, values in distances.items()},
            "interpolation_t": line.t,
            "interpolation_mean": sum(line.coarse) / len(line.coarse),
            **{f"interpolation_{name}": values[1] for name, values in distances.items()},
            "interpolation_confidence": line.coarse,
            "p_interpolation": line.p_last,
            "p_target": line.coarse[-1],
        }

    def _distances(self, prefix: str, found: Images, other: Images) -> dict[str, list[float]]:
        large = min(found.shape[-2:]) >= LPIPS_SMALLEST
        lpips = self.lpips if large else None
        metrics = {"rmse": rmse, "linf": linf, "ssim": ssim, "lpips": lpips}
        return {
            f"{prefix}{name}": metric(found, other).tolist()
            for name, metric in metrics.items()
            if metric is not None
        }

    def _segments(self, outcomes: Sequence[TraversalResult]) -> list[Columns]:
        ends = [Corners((o.pair.source, o.found), o.label) for o in outcomes]
        lines = segments(self.evaluator.exact, ends, SEGMENT_POINTS)
        return [self._line(*both) for both in zip(lines, outcomes, strict=True)]

    def _line(self, line: Segment, outcome: TraversalResult) -> Columns:
        return {
            "segment_mean": float(line.confidence[::STRIDE].double().mean()),
            "segment_min": line.minimum,
            "segment_inside": line.minimum >= outcome.p_source - self.delta,
            "segment_confidence": line.confidence.tolist(),
        }
