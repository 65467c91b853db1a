"""Confidence over segments, triangles and simplices of images.

The paper's section 4 (star-like sets, linear interpolation) and the slides' table of triangles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.errors import Refused
from blindspots.geometry import (
    mix,
    reference_triangle_weights,
    segment_weights,
    triangle_weights,
)
from blindspots.machine import batch_size
from blindspots.models.classifier import Classifier
from blindspots.objectives import margin
from blindspots.oracle import Oracle

Image = Float[Tensor, "channel height width"]
REFINED_POINTS = 21
NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class Hull:
    """The model's confidence at points of a convex hull whose first corner is the source.

    `weights` `(points, corners)`, its first row the source; `confidence` and `margin`
    `(points,)`. `strict`: inside means above p_source − d, not at least (the authors' script).
    """

    weights: Float[Tensor, "points corners"]
    confidence: Float[Tensor, "points"]
    margin: Float[Tensor, "points"]
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

        At a drop of 0 margins are compared, because rounding decides between equal confidences.
        """
        return float(self._inside(drop).double().mean())

    def _inside(self, drop: float) -> Tensor:
        values = self.margin if drop == 0 else self.confidence.double()
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

    def fraction(self, drop: float) -> float:
        """The share of the samples whose confidence is at least p_source − `drop`."""
        return float(self._inside(drop)[1:].double().mean())

    def interval(self, drop: float) -> tuple[float, float]:
        """The 95 % interval of `fraction(drop)`: Wilson's score interval (1927)."""
        return wilson(self.fraction(drop), len(self.confidence) - 1)


def segment(
    model: Classifier,
    source: Image,
    found: Image,
    label: int,
    points: int = 101,
    *,
    oracle: Oracle | None = None,
) -> Segment:
    """The confidence along the straight line source → found at `points` equally spaced points.

    Its `minimum` is refined by 21 further points around the worst. Images `(3, height, width)`
    in [0, 1]. Fewer than 2 points are refused.
    """
    if points < 2:
        raise Refused(f"points={points} was given; a segment needs at least 2, as in points=101")
    ask, corners = _asker(model, oracle), torch.stack((source, found))
    weights = segment_weights(points)
    confidence, margins = _measure(ask, corners, weights, label)
    around = _around(weights[:, 1], int(confidence.argmin()))
    refined, _ = _measure(ask, corners, torch.stack((1 - around, around), dim=1), label)
    lowest = min(float(confidence.min()), float(refined.min()))
    return Segment(weights, confidence, margins, lowest=lowest)


def triangle(
    model: Classifier,
    source: Image,
    found_1: Image,
    found_2: Image,
    label: int,
    steps: int = 10,
    *,
    grid: Literal["full", "reference"] = "full",
    oracle: Oracle | None = None,
) -> Hull:
    """The confidence over the triangle source, found 1, found 2 on the grid of step 1/steps.

    `grid="full"`: all (steps+1)(steps+2)/2 points, inside means at least p_source − d.
    `grid="reference"`: as the authors' script has it, 64 of 66 points and strictly above.
    """
    if steps < 1:
        raise Refused(f"steps={steps} was given; a triangle needs at least 1, as in steps=10")
    exact = grid == "full"
    weights = triangle_weights(steps) if exact else reference_triangle_weights(steps)
    corners = torch.stack((source, found_1, found_2))
    confidence, margins = _measure(_asker(model, oracle), corners, weights, label)
    return Hull(weights, confidence, margins, strict=not exact)


def simplex(
    model: Classifier,
    source: Image,
    found: Sequence[Image],
    label: int,
    samples: int = 2000,
    seed: int = 0,
    *,
    oracle: Oracle | None = None,
) -> Simplex:
    """The confidence at `samples` uniform points of the hull of the source and all found images.

    Weights are Dirichlet(1, …, 1), drawn on the CPU from `seed`; the source itself stands first
    and counts in no fraction. Fewer than one sample or no found image is refused.
    """
    if samples < 1 or len(found) < 1:
        raise Refused(
            f"samples={samples} and {len(found)} found images were given; a simplex needs at "
            "least 1 of each, as in samples=2000"
        )
    weights = _dirichlet(samples, len(found) + 1, seed)
    corners = torch.stack((source, *found))
    confidence, margins = _measure(_asker(model, oracle), corners, weights, label)
    return Simplex(weights, confidence, margins)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share observed in `count` trials."""
    z2 = NORMAL_975**2 / count
    centre = (share + z2 / 2) / (1 + z2)
    half = NORMAL_975 / (1 + z2) * sqrt(share * (1 - share) / count + z2 / (4 * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def _dirichlet(samples: int, corners: int, seed: int) -> Float[Tensor, "points corners"]:
    draws = torch.empty(samples, corners, dtype=torch.float64)
    draws.exponential_(generator=torch.Generator().manual_seed(seed))
    uniform = draws / draws.sum(dim=1, keepdim=True)
    return torch.cat((torch.eye(corners, dtype=torch.float64)[:1], uniform)).float()


def _asker(model: Classifier, oracle: Oracle | None) -> Oracle:
    return oracle or Oracle(model, chunk=batch_size(model.size, model.device))


def _measure(
    oracle: Oracle, corners: Tensor, weights: Tensor, label: int
) -> tuple[Float[Tensor, "points"], Float[Tensor, "points"]]:
    """Confidence and margin at the mixtures; points are mixed a chunk at a time."""
    device = oracle.model.device
    corners = corners.to(device)
    with oracle.model.frozen():
        parts = weights.to(device).split(oracle.chunk or len(weights))
        logits = torch.cat([oracle.logits(mix(part, corners)) for part in parts])
    labels = torch.full((len(logits),), label, device=device)
    return oracle.score(logits, labels).cpu(), margin(logits, labels).cpu()


def _around(t: Float[Tensor, "points"], worst: int) -> Float[Tensor, "refined"]:
    """Points between the neighbours of the worst one."""
    low, high = t[max(0, worst - 1)], t[min(len(t) - 1, worst + 1)]
    return low + (high - low) * torch.linspace(0, 1, REFINED_POINTS)
