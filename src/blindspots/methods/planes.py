"""What a hull's gradients said: planes that stand for the margin, and how far to trust them.

A bundle of linear models, as bundle methods keep one, within a trust region whose radius follows
what the model promised and what came (Conn, Gould, Toint, Trust-Region Methods, 2000, algorithm
6.1.1): networks trained adversarially keep such promises over steps a hundred times as long.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.methods.method import Evaluation, State, norm, started

# What each trades; `benchmarks.sensitivity` shows what comes of halving and doubling it.
LEAST_RADIUS = 0.03  # change of a pixel that a curved model allows: less needs more steps
LARGEST_RADIUS = 1.0  # all that a pixel can change
WIDER, NARROWER = 2.0, 0.5  # how fast the radius follows: faster adapts sooner and swings more
KEPT, BROKEN = 0.5, 0.25  # shares of a promise that count as kept and broken: between, all stays
WORTH_JUDGING = 0.5  # logits promised that are judged: smaller ones drown in curvature

Corners = Float[Tensor, "batch corners channel height width"]
Learnt = TypeVar("Learnt", bound="PlanesState")


@dataclass(frozen=True)
class PlanesState(State):
    """The common state, with corners, planes and the trust region.

    `corners` belong to the proposal and `weights` say which points of their hull it holds, the
    corners themselves first. A plane is `plane_normal` (length 1), its point's `plane_weights`, its
    gradient's length `plane_scale` and `plane_offset`: m ≈ scale · (offset + Σᵢ wᵢ normal·xᵢ).
    `radius`: most change of a pixel in a step. `promised`: what the newest planes say of the
    margins at the corners proposed, `margins` what was measured at those before; `kept`: the share
    of the rise promised last that came, 0 at first.
    """

    corners: Corners
    weights: Float[Tensor, "batch points corners"]
    plane_normal: Float[Tensor, "batch planes pixels"]
    plane_weights: Float[Tensor, "batch planes corners"]
    plane_scale: Float[Tensor, "batch planes"]
    plane_offset: Float[Tensor, "batch planes"]
    radius: Float[Tensor, "batch"]
    margins: Float[Tensor, "batch corners"]
    promised: Float[Tensor, "batch corners"]
    kept: Float[Tensor, "batch"]


def learn(state: Learnt, evaluation: Evaluation) -> Learnt:
    """The state that knows the evaluation: its planes, and a radius that follows the last promise.

    Only rises of more than half a logit are judged, because small ones drown in curvature.
    """
    margins = evaluation.objective[:, : state.corners.shape[1]]
    hoped = state.promised - state.margins
    judged = (hoped > WORTH_JUDGING) & started(state.steps)[:, None]
    came = ((margins - state.margins) * judged).sum(dim=1)
    share = came / torch.where(judged, hoped, 0.0).sum(dim=1).clamp(min=WORTH_JUDGING)
    kept = torch.where(judged.any(dim=1), share, state.kept)
    factor = torch.where(kept > KEPT, WIDER, torch.where(kept < BROKEN, NARROWER, 1.0))
    changed = (state.radius * factor).clamp(LEAST_RADIUS, LARGEST_RADIUS)
    radius = torch.where(judged.any(dim=1), changed, state.radius)
    return replace(_remembering(state, evaluation), margins=margins, kept=kept, radius=radius)


def promising(state: Learnt, corners: Corners) -> Learnt:
    k = corners.shape[1]
    return replace(state, promised=(state.plane_scale * heights(state, corners))[:, :k])


def heights(state: PlanesState, corners: Corners) -> Float[Tensor, "batch planes"]:
    along = torch.einsum("bpd,bkd->bpk", state.plane_normal, corners.flatten(2))
    return state.plane_offset + (state.plane_weights * along).sum(dim=2)


def gram(state: PlanesState) -> Float[Tensor, "batch planes planes"]:
    """Inner products of the planes' normals in the space of all corners together."""
    weights = torch.einsum("bpk,bqk->bpq", state.plane_weights, state.plane_weights)
    return weights * torch.einsum("bpd,bqd->bpq", state.plane_normal, state.plane_normal)


def within(radius: Float[Tensor, "batch"], change: Corners) -> Corners:
    most = radius.view(-1, 1, 1, 1, 1)
    return torch.maximum(torch.minimum(change, most), -most)


def with_corners(
    weights: Float[Tensor, "batch others corners"], corners: int
) -> Float[Tensor, "batch points corners"]:
    """Weights of the corners themselves, then these."""
    own = torch.eye(corners, device=weights.device, dtype=weights.dtype)
    return torch.cat((own.expand(len(weights), -1, -1), weights), dim=1)


def _remembering(state: Learnt, evaluation: Evaluation) -> Learnt:
    scale = norm(evaluation.gradient.flatten(0, 1)).view(evaluation.objective.shape)
    safe = torch.where(scale == 0, 1.0, scale)
    normal = evaluation.gradient.flatten(2) / safe[..., None]
    along = torch.einsum("bpd,bkd->bpk", normal, state.corners.flatten(2))
    offset = evaluation.objective / safe - (state.weights * along).sum(dim=2)
    left = state.plane_scale.shape[1] - scale.shape[1]

    def pushed(new: Tensor, old: Tensor) -> Tensor:
        return torch.cat((new, old[:, :left]), dim=1)

    return replace(
        state,
        plane_normal=pushed(normal, state.plane_normal),
        plane_weights=pushed(state.weights, state.plane_weights),
        plane_scale=pushed(scale, state.plane_scale),
        plane_offset=pushed(offset, state.plane_offset),
    )
