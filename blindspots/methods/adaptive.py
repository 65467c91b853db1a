"""Numerical continuation along the level set: long steps, corrected until they are inside.

Predictor and corrector as in Allgower and Georg, Numerical Continuation Methods (1990), for the
superlevel set of Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, section 3.

    symbol   name           what it is
    η        step_size      share of the remaining way walked in a step, at first; then adapted
    δ        delta          allowed drop of confidence below the source's
    m        max_steps      evaluations after the first, at most
    κ        clearance      logits above the floor that what is returned keeps
    a        aim            logits above the floor that a correction aims at
    m(x)     objective      the margin z_y − logsumexp of the other logits = logit f(x)[y]
    g        gradient       ∇m at the base
    b        base           where the next proposal starts: the last proposal, inside or not

    floor      = logit(f(x_s)[y] − δ)
    tangent    = Δ projected onto {v : g·v ≥ 0},                     Δ = x_t − b
    correction = max(0, floor + a − m(b)) g / (g·g), at most 4 · 0.75 η mean|Δ| a pixel
    x_new      = clamp(b + η tangent + correction, 0, 1)

A proposal outside is not thrown away: its gradient is known, so it is corrected from where it is
(with 0.3 η in place of η), at most four times; only then does the base go back to the last image
inside, and η is halved. After a step that was inside at once, η grows by 1.25. Near the target,
and when few evaluations are left, what is accepted must keep the clearance, so that it survives
rounding to 8 bits; further out it must only be inside, since what is passed on the way is not
returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.geometry import choose, newton, project_in, rms
from blindspots.methods.base import (
    RUNNING,
    Evaluation,
    Method,
    Problem,
    State,
    check_settings,
    code,
    started,
)
from blindspots.objectives import Objective, floor_margin, margin
from blindspots.records import Ending

GROW, SHRINK, LONGEST, SHORTEST = 1.25, 0.5, 0.5, 0.005
CORRECTIONS, PULL = 4, 0.3
LIMIT, LEAST_LIMIT = 4 * 0.75, 0.004
RESERVE = 4


@dataclass(frozen=True)
class AdaptiveState(State):
    """The common state; margin and gradient at `found`; the step length and its history.

    `fresh`: the proposal is a predictor's, not a correction's; `refused`: proposals since the last
    accepted one.
    """

    margin: Float[Tensor, "batch"]
    gradient: Float[Tensor, "batch channel height width"]
    step_size: Float[Tensor, "batch"]
    fresh: Bool[Tensor, "batch"]
    refused: Int[Tensor, "batch"]


@dataclass(frozen=True, kw_only=True)
class Adaptive(Method):
    """Long steps towards the target, corrected back into the superlevel set.

    `delta` δ. `max_steps` m: proposals at most (`budget`). `tolerance`: the RMSE to the target, in
    [0, 1] units, at which a pair has `reached` it. `clearance` κ, in logits: what is returned is
    that far inside, which rounding to 8 bits needs; a larger one costs distance. `aim` a, in
    logits: how far inside corrections aim; the linear model overestimates them, so it is larger.
    `step_size` η. A pair whose steps have become shorter than 0.005 of the way is `stationary`.
    Defaults are from trials on 12 pairs of a MobileNetV2. Settings at or below 0 are
    refused.
    """

    delta: float = 0.2
    max_steps: int = 120
    tolerance: float = 6e-3
    clearance: float = 4.0
    aim: float = 30.0
    step_size: float = 0.3

    name: ClassVar[str] = "adaptive"
    differentiates: ClassVar[Objective] = staticmethod(margin)

    def __post_init__(self) -> None:
        check_settings(self, positive=("tolerance", "clearance", "aim", "step_size"))

    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> AdaptiveState:  # noqa: ARG002
        """Every pair at its source; nothing is drawn."""
        count = torch.full_like(problem.label, RUNNING)
        return AdaptiveState(
            proposal=problem.source,
            found=problem.source,
            score=problem.p_source,
            steps=count,
            ending=count,
            margin=torch.zeros_like(problem.p_source),
            gradient=torch.zeros_like(problem.source),
            step_size=torch.full_like(problem.p_source, self.step_size),
            fresh=torch.ones_like(problem.label, dtype=torch.bool),
            refused=torch.zeros_like(problem.label),
        )

    def step(  # type: ignore[override]
        self, problem: Problem, state: AdaptiveState, evaluation: Evaluation
    ) -> AdaptiveState:
        """Accept the proposal, correct it from where it is, or go back; then the next one."""
        accepted = self._accepted(problem, state, evaluation)
        refused = torch.where(accepted, 0, state.refused + 1)
        back = refused > CORRECTIONS
        now = AdaptiveState(
            proposal=state.proposal,
            found=choose(accepted, state.proposal, state.found),
            score=choose(accepted, evaluation.score, state.score),
            steps=state.steps + 1,
            ending=state.ending,
            margin=choose(accepted, evaluation.objective, state.margin),
            gradient=choose(accepted, evaluation.gradient, state.gradient),
            step_size=_adapted(state, accepted, back),
            fresh=accepted | back,
            refused=torch.where(back, 0, refused),
        )
        base = Evaluation(
            choose(back, now.score, evaluation.score),
            choose(back, now.margin, evaluation.objective),
            choose(back, now.gradient, evaluation.gradient),
        )
        start = choose(back, now.found, state.proposal)
        return self._propose(problem, now, start, base)

    def _accepted(
        self, problem: Problem, state: AdaptiveState, evaluation: Evaluation
    ) -> Bool[Tensor, "batch"]:
        """Inside, and as far inside as is asked for here; or at least further than before."""
        inside = problem.p_source - evaluation.score <= self.delta
        clear = evaluation.objective >= self._floor(problem) + self.clearance
        better = evaluation.objective >= state.margin
        return ~started(state.steps) | (inside & (clear | better | ~self._late(problem, state)))

    def _propose(
        self, problem: Problem, now: AdaptiveState, start: Tensor, base: Evaluation
    ) -> AdaptiveState:
        way = problem.target - start
        shallow = now.margin < self._floor(problem) + self.clearance
        settling = self._close(start, problem) | (self.max_steps - now.steps <= RESERVE)
        forward = now.fresh & ~(settling & shallow)
        share = now.step_size * torch.where(forward, 1.0, PULL)
        walk = share.view(-1, 1, 1, 1) * project_in(way, base.gradient)
        rise = (self._floor(problem) + self.aim - base.objective).clamp(min=0)
        size = (problem.target - now.found).abs().mean(dim=(1, 2, 3))
        limit = (LIMIT * now.step_size * size).clamp(min=LEAST_LIMIT).view(-1, 1, 1, 1)
        correction = newton(rise, base.gradient).clamp(-limit, limit)
        return AdaptiveState(
            **{
                **vars(now),
                "proposal": (start + walk + correction).clamp(0, 1),
                "ending": self._ending(problem, now, shallow),
            }
        )

    def _ending(self, problem: Problem, now: AdaptiveState, shallow: Tensor) -> Tensor:
        ending = torch.where(now.step_size < SHORTEST, code(Ending.STATIONARY), RUNNING)
        ending = torch.where(now.steps >= self.max_steps, code(Ending.BUDGET), ending)
        reached = self._close(now.found, problem) & ~shallow
        return torch.where(reached, code(Ending.REACHED), ending)

    def _late(self, problem: Problem, state: AdaptiveState) -> Bool[Tensor, "batch"]:
        """Whether what is accepted may be what is returned."""
        return self._close(state.found, problem) | (self.max_steps - state.steps <= RESERVE)

    def _close(self, images: Tensor, problem: Problem) -> Bool[Tensor, "batch"]:
        return rms(images - problem.target) <= self.tolerance

    def _floor(self, problem: Problem) -> Float[Tensor, "batch"]:
        return floor_margin(problem.p_source, self.delta)


def _adapted(state: AdaptiveState, accepted: Tensor, back: Tensor) -> Float[Tensor, "batch"]:
    """Longer after a step that was inside at once, shorter after one that was given up."""
    grown = (state.step_size * GROW).clamp(max=LONGEST)
    longer = torch.where(accepted & state.fresh & started(state.steps), grown, state.step_size)
    return torch.where(back, state.step_size * SHRINK, longer)
