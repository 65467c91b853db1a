"""Measures what was found: distances, confidence over segments and triangles, 8-bit safety."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.flight import Outcome, from_8bit, to_8bit
from blindspots.hulls import segment, triangle
from blindspots.metrics import Lpips, linf, rmse, ssim
from blindspots.models.classifier import Classifier
from blindspots.oracle import Oracle
from blindspots.records import (
    SEGMENT_POINTS,
    SLIDES_SEGMENT_POINTS,
    TRIANGLE_DROPS,
    TRIANGLE_STEPS,
)

Columns = dict[str, Any]
Images = Float[Tensor, "batch channel height width"]
SLIDES_STRIDE = (SEGMENT_POINTS - 1) // (SLIDES_SEGMENT_POINTS - 1)


@dataclass(frozen=True)
class Measurer:
    """The measured columns of `pairs` and `triangles` for one model.

    `delta`: the drop inside which a segment counts. `lpips`: None where its weights are not on
    the machine; its columns are then missing, and null in the row.
    """

    model: Classifier
    oracle: Oracle
    delta: float
    lpips: Lpips | None = None

    def found(self, outcomes: Sequence[Outcome]) -> list[Columns]:
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
            {name: values[i] for name, values in columns.items()} | self._segment(outcome)
            for i, outcome in enumerate(outcomes)
        ]

    def scores(self, images: Images, outcomes: Iterable[Outcome]) -> list[float]:
        """The score of an image for each outcome's label."""
        device = self.model.device
        labels = torch.tensor([outcome.label for outcome in outcomes], device=device)
        with self.model.frozen():
            return self.oracle.scores(images.to(device), labels).tolist()

    def triangle(self, source: Tensor, label: int, found: Tensor, other: Tensor) -> Columns:
        """The columns about the triangle of a source and two found images."""
        corners = (source, found, other)
        hull = triangle(self.model, *corners, label, TRIANGLE_STEPS, oracle=self.oracle)
        return {
            "p_source": hull.p_source,
            "mean": hull.mean,
            **{f"fraction_{drop}": hull.fraction(drop) for drop in TRIANGLE_DROPS},
            "confidence": hull.confidence.tolist(),
        }

    def _distances(self, prefix: str, found: Images, other: Images) -> dict[str, list[float]]:
        metrics = {"rmse": rmse, "linf": linf, "ssim": ssim, "lpips": self.lpips}
        return {
            f"{prefix}{name}": metric(found, other).tolist()
            for name, metric in metrics.items()
            if metric is not None
        }

    def _segment(self, outcome: Outcome) -> Columns:
        ends = (outcome.pair.source, outcome.found)
        line = segment(self.model, *ends, outcome.label, SEGMENT_POINTS, oracle=self.oracle)
        return {
            "segment_mean": float(line.confidence[::SLIDES_STRIDE].double().mean()),
            "segment_min": line.minimum,
            "segment_inside": line.minimum >= outcome.p_source - self.delta,
            "segment_confidence": line.confidence.tolist(),
        }
