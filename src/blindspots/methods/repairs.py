"""After a look at what a hull method would return: what was outside, how deep, what to ask next.

The look itself, forwards alone, is the engine's (`engine.look`); `HullMethod.looked` decides.
"""

from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from blindspots.methods.method import LookResult, Problem, State, as_stored, choose

LEAST_CUT = 0.02  # of the way: less may round to the same image, more costs distance
CUT_SHARE = 0.5  # of δ that the end of a cut segment may have lost: room for rounding to 8 bits

Held = TypeVar("Held", bound=State)
Scores = Float[Tensor, "batch corners look"]


def is_inside(
    problem: Problem, score: Float[Tensor, "batch *points"], delta: float
) -> Bool[Tensor, "batch *points"]:
    """Which scores are within δ of their source's; NaN is not."""
    source = problem.p_source.view(-1, *[1] * (score.dim() - 1))
    return source - score <= delta


def depth_below(problem: Problem, height: Float[Tensor, "batch points"]) -> Float[Tensor, "batch"]:
    """How far the lowest point is below the floor, in logits; 0 where none is, ∞ for NaN."""
    below = (problem.floor[:, None] - height).clamp(min=0).nan_to_num(nan=torch.inf)
    return torch.cat((torch.zeros_like(problem.floor)[:, None], below), dim=1).amax(dim=1)


def cut_back(
    problem: Problem,
    state: Held,
    score: Scores,
    inside: Bool[Tensor, "batch corners look"],
    delta: float,
) -> Held:
    """Every end back at the last t up to which all is inside, with room below it; or as it is.

    By `LEAST_CUT` at least: what rounding has moved outside it might move there again.
    """
    roomy = is_inside(problem, score, CUT_SHARE * delta)
    within = inside.cumprod(dim=2) == 1
    places = torch.arange(score.shape[2], device=score.device)
    back = within & roomy & (places <= (1 - LEAST_CUT) * places[-1])
    kept = torch.where(within.all(dim=2, keepdim=True), places == places[-1], back)
    last = torch.where(kept, places, 0).amax(dim=2)
    t = (last / places[-1]).to(score)[..., None, None, None]
    shorter = torch.lerp(problem.source[:, None], state.found, t)
    return replace(state, found=shorter, score=score.gather(2, last[..., None])[..., 0])


def back_at_source(problem: Problem, state: Held) -> Held:
    """Every end that was cut and is not as stored yet at its source, whose segment is a point."""
    cut = (state.found != as_stored(state.found)).flatten(2).any(dim=2)
    source = problem.source[:, None]
    return replace(
        state,
        found=torch.where(cut[..., None, None, None], source, state.found),
        score=torch.where(cut, problem.p_source[:, None], state.score),
    )


def replaced(state: Held, mask: Bool[Tensor, "batch"], other: Held) -> Held:
    """The state, with what was found as in the other one where the mask holds."""
    found, score = (
        choose(mask, getattr(other, name), getattr(state, name)) for name in ("found", "score")
    )
    return replace(state, found=found, score=score)


def lowest_points(
    look: LookResult,
    surface: Float[Tensor, "points corners"],
    draw: Float[Tensor, "batch samples corners"],
) -> Float[Tensor, "batch more corners"]:
    """The lowest point of every segment, the lowest of the hull, then the next samples.

    As many as the draw has and one more; the last of the draw stays the last.
    """
    score, at = look.segments.min(dim=2)
    corners, rows = score.shape[1], torch.arange(len(score), device=score.device)
    t = at.to(score) / (look.segments.shape[2] - 1)
    worst = torch.diag_embed(t)[rows[:, None], score.argsort(dim=1)]
    most = min(len(surface), draw.shape[1] - corners)
    over = surface[look.hull[:, corners:].topk(most, dim=1, largest=False).indices]
    return torch.cat((worst, over, draw[:, corners + most - 1 :]), dim=1)
