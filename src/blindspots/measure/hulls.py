"""Confidence over segments, triangles and simplices of images.

The paper's section 4 (star-like sets, linear interpolation) and the slides' table of triangles.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.evaluator import Evaluator
from blindspots.measure.batched_hulls import Corners, measure_hulls
from blindspots.methods.geometry import (
    reference_triangle_weights,
    segment_weights,
    triangle_weights,
)

REFINED_POINTS = 21
NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class Hull:
    """The model's confidence at points of a convex hull whose first corner is the source.

    `weights` `(points, corners)`, its first row the source; `confidence`, the score held, and its
    `height` (for the confidence the margin) `(points,)`. `strict`: inside means above
    p_source − d, not at least (the authors' script).
    """

    weights: Float[Tensor, "points corners"]
    confidence: Float[Tensor, "points"]
    height: Float[Tensor, "points"]
    strict: bool = False

    @property
    def p_source(self) -> float:
        """The confidence at the source."""
        return float(self.confidence[0])

    @property
    def mean(self) -> float:
        """The mean confidence over the points."""
        return float(self.confidence.double().mean())

    @property
    def minimum(self) -> float:
        """The lowest confidence over the points."""
        return float(self.confidence.min())

    def fraction(self, drop: float) -> float:
        """The share of points whose confidence is at least p_source − `drop`.

        At a drop of 0 heights are compared, because rounding decides between equal confidences.
        """
        return float(self._inside(drop).double().mean())

    def _inside(self, drop: float) -> Tensor:
        values = self.height if drop == 0 else self.confidence.double()
        floor = values[0] - drop
        return values > floor if self.strict else values >= floor


@dataclass(frozen=True)
class Segment(Hull):
    """The segment source → found; `lowest` also counts points refined around the worst."""

    lowest: float = 1.0

    @property
    def minimum(self) -> float:
        """The lowest confidence over the points and the refinement around the worst of them."""
        return self.lowest


@dataclass(frozen=True)
class Simplex(Hull):
    """Uniform samples of the hull of the source and k found images, behind the source itself."""

    @property
    def mean(self) -> float:
        """The mean confidence over the samples."""
        return float(self.confidence[1:].double().mean())

    def fraction(self, drop: float) -> float:
        """The share of the samples whose confidence is at least p_source − `drop`."""
        return float(self._inside(drop)[1:].double().mean())

    def interval(self, drop: float) -> tuple[float, float]:
        """The 95 % interval of `fraction(drop)`: Wilson's score interval (1927)."""
        return wilson(self.fraction(drop), len(self.confidence) - 1)


def segments(evaluator: Evaluator, ends: Sequence[Corners], points: int = 101) -> list[Segment]:
    """The segments between many (source, found), in full batches.

    Confidence at `points` equally spaced points; `lowest` refined by 21 more around the worst.
    """
    weights = segment_weights(points)
    coarse = list(measure_hulls(evaluator, ((pair, weights) for pair in ends)))
    worst = [int(answers.confidence.argmin()) for answers in coarse]
    refined = measure_hulls(
        evaluator, ((pair, _around(weights, w)) for pair, w in zip(ends, worst, strict=True))
    )
    return [
        Segment(weights, *answers, lowest=float(torch.cat((answers[0], around[0])).min()))
        for answers, around in zip(coarse, refined, strict=True)
    ]


def triangles(
    evaluator: Evaluator,
    corners: Iterable[Corners],
    steps: int = 10,
    *,
    grid: Literal["full", "reference"] = "full",
) -> Iterator[Hull]:
    """The triangles over many (source, found 1, found 2), in full batches.

    `steps` and `grid` as `blindspots.triangle` says. Corners are taken when their points are due.
    """
    exact = grid == "full"
    weights = triangle_weights(steps) if exact else reference_triangle_weights(steps)
    for answers in measure_hulls(evaluator, ((three, weights) for three in corners)):
        yield Hull(weights, *answers, strict=not exact)


def simplices(
    evaluator: Evaluator, seeded: Iterable[tuple[Corners, int]], samples: int = 2000
) -> Iterator[Simplex]:
    """The simplices over many (source, *found), each with its seed, in full batches.

    As `blindspots.simplex` has them; corners are taken when their points are due.
    """
    ahead, behind = tee(
        (corners, _dirichlet(samples, len(corners.images), seed)) for corners, seed in seeded
    )
    for answers, (_, weights) in zip(measure_hulls(evaluator, ahead), behind, strict=True):
        yield Simplex(weights, *answers)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share observed in `count` trials; it holds the share."""
    z2 = NORMAL_975**2 / count
    centre = (share + z2 / 2) / (1 + z2)
    half = NORMAL_975 / (1 + z2) * sqrt(share * (1 - share) / count + z2 / (4 * count))
    # A bound at the share itself, as at 0 and 1, is rounded to either side of it.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _dirichlet(samples: int, corners: int, seed: int) -> Float[Tensor, "points corners"]:
    draws = torch.empty(samples, corners, dtype=torch.float64)
    draws.exponential_(generator=torch.Generator().manual_seed(seed))
    uniform = draws / draws.sum(dim=1, keepdim=True)
    return torch.cat((torch.eye(corners, dtype=torch.float64)[:1], uniform)).float()


def _around(weights: Float[Tensor, "points 2"], worst: int) -> Float[Tensor, "refined 2"]:
    """The weights of points between the neighbours of the worst one."""
    t = weights[:, 1]
    low, high = t[max(0, worst - 1)], t[min(len(t) - 1, worst + 1)]
    around = low + (high - low) * torch.linspace(0, 1, REFINED_POINTS)
    return torch.stack((1 - around, around), dim=1)
