"""Projections, mixtures and barycentric grids: no model, no input or output."""

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "batch channel height width"]


def dot(a: Images, b: Images) -> Float[Tensor, "batch 1 1 1"]:
    """The inner product of each image of `a` with its partner in `b`, kept broadcastable."""
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)


def project_out(direction: Images, normal: Images) -> Images:
    """The part of `direction` orthogonal to `normal`; all of it where `normal` is zero.

    d − (n·d / n·n) n, the tangential step of the paper's algorithm. `normal` is brought to unit
    maximum first: its length does not change the result, but its square may leave float32.
    """
    largest = normal.abs().amax(dim=(1, 2, 3), keepdim=True)
    is_zero = largest == 0
    unit = normal / torch.where(is_zero, 1.0, largest)
    length = dot(unit, unit)
    along = dot(unit, direction) / torch.where(is_zero, 1.0, length)
    return direction - along * unit


def choose(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` where the mask of the batch holds, else `no`; a NaN in the other one cannot leak."""
    return torch.where(mask.view(-1, *[1] * (yes.dim() - 1)), yes, no)


def mix(
    weights: Float[Tensor, "points corners"], corners: Float[Tensor, "corners channel height width"]
) -> Float[Tensor, "points channel height width"]:
    """The points Σᵢ wᵢ cᵢ of the corners' convex hull, one a row of weights."""
    return torch.einsum("pc,cxyz->pxyz", weights, corners)


def segment_weights(points: int) -> Float[Tensor, "points 2"]:
    """Weights (1 − t, t) for `points` equally spaced t from 0 to 1, both ends included."""
    t = torch.arange(points, dtype=torch.float64) / (points - 1)
    return torch.stack((1 - t, t), dim=1).float()


def triangle_weights(steps: int = 10) -> Float[Tensor, "points 3"]:
    """The barycentric grid of step 1/steps: (steps+1)(steps+2)/2 points (66 for the slides' 10).

    Rows are (source, found 1, found 2), built from integers, so no rounding can drop a point.
    """
    rows = [(steps - i - j, i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return torch.tensor(rows, dtype=torch.float64).div(steps).float()


def reference_triangle_weights(steps: int = 10) -> Float[Tensor, "points 3"]:
    """The grid as the authors' script has it: a float test drops (.8, .2) and (.9, .1) of 66.

    The test is 1 − t₁ − t₂ < 0 in double precision, t from a grid of multiples of 1/steps.
    """
    ticks = [i / steps for i in range(steps + 1)]
    rows = [(1 - a - b, a, b) for a in ticks for b in ticks if not 1 - a - b < 0]
    return torch.tensor(rows, dtype=torch.float64).clamp(0, 1).float()
