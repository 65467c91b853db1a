"""Numerical continuation along the level set: long steps, corrected until they are inside.

Predictor and corrector as in Allgower and Georg, Numerical Continuation Methods (1990), for the
superlevel set of Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, section 3.

    symbol   name           what it is
    η        step_size      share of the remaining way walked in a step, at first; then adapted
    δ        delta          allowed drop of confidence below the source's
    m        max_steps      evaluations after the first, at most
    κ        needed         logits above the floor that what is returned keeps: what rounding to
                            8 bits can take, at most `clearance` (see `clearance_needed`)
    a        aim            logits above the floor that a correction aims at, at first; then adapted
    m(x)     objective      the score's height: for the confidence the margin, logit f(x)[y]
    g        gradient       ∇m at the base
    b        base           where the next proposal starts: the last proposal, inside or not

    floor      = the height at f(x_s)[y] − δ
    rise       = floor + a − m(b)
    walk       = η (x_t − b) projected onto {v : g·v ≥ min(0, rise)}
    correction = max(0, rise) g / (g·g), at most 4 · 0.75 η mean|x_t − b| a pixel
    x_new      = clamp(b + walk + correction, 0, 1)

A proposal outside is not thrown away: its gradient is known, so it is corrected from where it is
(with 0.3 η in place of η), at most four times; only then does the base go back to the last image
inside, and η is halved. After a step that was inside at once, η grows by 1.25. The aim shrinks by
0.8, down to κ, after a proposal that was κ inside, and grows by 1.15, up to where it began, after
any other. Five evaluations without coming 2 % nearer halve η as well, and then only what is κ
inside is left by a whole step: so nothing can cycle.

Eight end the walk if an image was κ inside and none inside was 10 % nearer, as do the last 40 of a
budget of 80 or more; and the pair settles. For 40 evaluations it climbs on a ball around the
target, as the attack FMN does (Pintor et al., NeurIPS 2021), from the last image inside; c falls
from 1 to .01 along a cosine:

    ρ     ← 0.92ᶜ min(ρ, ρ of the nearest that was κ inside) after a proposal that was, else 1.08ᶜ ρ
    x_new = clamp(x_t + (x − x_t + c ρ g / |g|, onto the ball where it is outside), 0, 1)

Steps become a hundred times shorter, so what rounding has moved on the way comes together again
where walks ended near the same nearest image. What is returned is the nearest image that
was κ inside; what is passed on the way must only be inside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.methods.method import (
    RUNNING,
    Evaluation,
    Method,
    Problem,
    State,
    check_settings,
    choose,
    clearance_needed,
    code,
    newton,
    project_in,
    rms,
    started,
    unit,
)
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated

# What each trades; `benchmarks.sensitivity` shows what comes of halving and doubling it.
GROW, SHRINK = 1.25, 0.5  # of η after success and failure: faster is fewer steps, more of them lost
LONGEST = 0.5  # of the way in a step: longer ones land where gradients no longer hold
SHORTEST = 0.005  # of the way; a pair whose steps are shorter ends: less is nearer and dearer
LOWER, HIGHER = 0.8, 1.15  # of the aim after a clear image and any other: near soon, or surely
CORRECTIONS = 4  # before a step is given up: fewer shorten η for what one more would have mended
PULL = 0.3  # of η while correcting: more is nearer to the target and longer outside
LIMIT, LEAST_LIMIT = 3.0, 0.004  # change of a pixel: in η times the mean way, and in [0, 1]
PATIENCE, NEARER = 5, 0.98  # evaluations without 2 % nearer before η is halved
RESERVE = 4  # the last evaluations, in which only what is κ inside is left by a whole step
TIRED = 8  # evaluations without 2 % nearer before a walk ends: fewer end before one is corrected
NEARLY = 1.1  # a walk ends once what is κ inside is nearly as near as anything inside
SETTLING = 40  # evaluations on the ball: more are nearer, and dearer
STRIDE = 1.0  # of ρ, at first: more leaves shallow hollows, and settles later
CLOSER = 0.08  # of ρ, at first: more is nearer sooner, and oftener outside
LEAST_PACE = 0.01  # of both, at last


@dataclass(frozen=True)
class AdaptiveState(State):
    """The common state; what was found; the walk and its history.

    `found`: the last image accepted, until the pair ends: then `best`, the nearest that kept the
    clearance, where there is one; `distance` is its RMSE to the target, ∞ where there is none.
    `margin`, `gradient`: at the last image accepted; `nearest`: the smallest RMSE of those.
    `aim` a, `step_size` η. `fresh`: the proposal is a predictor's, not a correction's; `refused`:
    proposals since the last accepted one; `stalled`: evaluations since one came nearer; `settled`:
    evaluations on the ball, 0 while the pair walks; `radius` ρ, an RMSE.
    """

    best: Float[Tensor, "batch channel height width"]
    best_score: Float[Tensor, "batch"]
    distance: Float[Tensor, "batch"]
    margin: Float[Tensor, "batch"]
    gradient: Float[Tensor, "batch channel height width"]
    nearest: Float[Tensor, "batch"]
    needed: Float[Tensor, "batch"]
    aim: Float[Tensor, "batch"]
    step_size: Float[Tensor, "batch"]
    fresh: Bool[Tensor, "batch"]
    refused: Int[Tensor, "batch"]
    stalled: Int[Tensor, "batch"]
    settled: Int[Tensor, "batch"]
    radius: Float[Tensor, "batch"]


@dataclass(frozen=True, kw_only=True)
class Adaptive(Method):
    """Long steps towards the target, corrected back into the superlevel set.

    `delta` δ. `max_steps` m: proposals at most (`budget`). `tolerance`: the RMSE to the target, in
    [0, 1] units, at which a pair has `reached` it. `clearance`, in logits: the most that κ
    may be; a larger one costs distance. `aim` a, in
    logits: how far inside the first corrections aim; linear models overestimate what a step gains,
    so it is larger. `step_size` η. A pair that has settled, or whose steps have become shorter than
    0.005 of the way, is `stationary`. Settings at or below 0 are refused.
    """

    delta: float = 0.2
    max_steps: int = 120
    tolerance: float = 5.5e-3
    clearance: float = 5.0
    aim: float = 20.0
    step_size: float = 0.4

    name: ClassVar[str] = "adaptive"
    differentiates: ClassVar[Differentiated] = "height"

    def __post_init__(self) -> None:
        check_settings(self, positive=("tolerance", "clearance", "aim", "step_size"))

    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> AdaptiveState:  # noqa: ARG002
        """Every pair at its source; nothing is drawn."""
        zero = problem.counts(0)
        unknown = torch.full_like(problem.p_source, torch.inf)
        return AdaptiveState(
            **self.at_source(problem),
            best=problem.source,
            best_score=problem.p_source,
            distance=unknown,
            margin=torch.zeros_like(problem.p_source),
            gradient=torch.zeros_like(problem.source),
            nearest=unknown,
            needed=torch.zeros_like(problem.p_source),
            aim=torch.full_like(problem.p_source, self.aim),
            step_size=torch.full_like(problem.p_source, self.step_size),
            fresh=torch.ones_like(zero, dtype=torch.bool),
            refused=zero,
            stalled=zero,
            settled=zero,
            radius=unknown,
        )

    def step(  # type: ignore[override]
        self, problem: Problem, state: AdaptiveState, evaluation: Evaluation
    ) -> AdaptiveState:
        """Accept the proposal, correct it from where it is, or go back; then the next one."""
        inside = problem.p_source - evaluation.score <= self.delta
        accepted = inside | ~started(state.steps)
        refused = torch.where(accepted, 0, state.refused + 1)
        back = refused > CORRECTIONS
        own = problem.height - problem.floor
        needed = clearance_needed(self.clearance, own, state.proposal, evaluation.gradient)
        clear = accepted & (evaluation.objective >= problem.floor + needed)
        state = replace(state, needed=needed)
        now = self._accepting(problem, state, evaluation, accepted, clear, back)
        now = replace(now, fresh=accepted | back, refused=torch.where(back, 0, refused))
        base = Evaluation(
            choose(back, now.score, evaluation.score),
            choose(back, now.margin, evaluation.objective),
            evaluation.slope,
            choose(back, now.gradient, evaluation.gradient),
        )
        walked = self._walked(problem, now, choose(back, now.found, state.proposal), base)
        walking = replace(now, proposal=walked)
        return self._ended(self._settling(problem, state, walking, evaluation, clear))

    def _accepting(
        self,
        problem: Problem,
        state: AdaptiveState,
        evaluation: Evaluation,
        accepted: Bool[Tensor, "batch"],
        clear: Bool[Tensor, "batch"],
        back: Bool[Tensor, "batch"],
    ) -> AdaptiveState:
        """What is known after the evaluation, and the step length and the aim that follow."""
        far = rms(state.proposal - problem.target)
        best = clear & (far < state.distance)
        nearer = accepted & (far < NEARER * state.nearest) | best & (far < NEARER * state.distance)
        stalled = torch.where(nearer, 0, state.stalled + 1)
        tired = (stalled > 0) & (stalled % PATIENCE == 0)
        return replace(
            state,
            found=choose(accepted, state.proposal, state.found),
            score=choose(accepted, evaluation.score, state.score),
            steps=state.steps + 1,
            best=choose(best, state.proposal, state.best),
            best_score=choose(best, evaluation.score, state.best_score),
            distance=choose(best, far, state.distance),
            margin=choose(accepted, evaluation.objective, state.margin),
            gradient=choose(accepted, evaluation.gradient, state.gradient),
            nearest=choose(accepted, torch.minimum(far, state.nearest), state.nearest),
            aim=self._adapted_aim(state, clear),
            step_size=_adapted_step(state, accepted & (stalled < PATIENCE), back | tired),
            stalled=stalled,
        )

    def _adapted_aim(
        self, state: AdaptiveState, clear: Bool[Tensor, "batch"]
    ) -> Float[Tensor, "batch"]:
        lower = torch.maximum(LOWER * state.aim, state.needed)
        return torch.where(clear, lower, (HIGHER * state.aim).clamp(max=self.aim))

    def _walked(
        self, problem: Problem, now: AdaptiveState, start: Tensor, base: Evaluation
    ) -> Float[Tensor, "batch channel height width"]:
        """The next proposal: from `start`, along the tangent, and corrected."""
        shallow = now.margin < problem.floor + now.needed
        late = (self.max_steps - now.steps <= RESERVE) | (now.stalled >= PATIENCE)
        settling = late | (rms(start - problem.target) <= self.tolerance)
        forward = now.fresh & ~(settling & shallow)
        share = now.step_size * torch.where(forward, 1.0, PULL)
        rise = problem.floor + now.aim - base.objective
        straight = share.view(-1, 1, 1, 1) * (problem.target - start)
        walk = project_in(straight, base.gradient, slack=(-rise).clamp(min=0))
        size = (problem.target - now.found).abs().mean(dim=(1, 2, 3))
        limit = (LIMIT * now.step_size * size).clamp(min=LEAST_LIMIT).view(-1, 1, 1, 1)
        correction = newton(rise.clamp(min=0), base.gradient).clamp(-limit, limit)
        return (start + walk + correction).clamp(0, 1)

    def _settling(
        self,
        problem: Problem,
        before: AdaptiveState,
        now: AdaptiveState,
        evaluation: Evaluation,
        clear: Bool[Tensor, "batch"],
    ) -> AdaptiveState:
        """The next proposal on the ball, of pairs that have begun to settle or begin to."""
        done = (now.stalled >= TIRED) & (now.distance <= NEARLY * now.nearest)
        late = (self.max_steps - now.steps <= SETTLING) & (self.max_steps >= 2 * SETTLING)
        ends = done | late
        settling = (before.settled > 0) | (ends & now.distance.isfinite())
        settled = torch.where(settling, before.settled + 1, 0)
        first, paces = settled <= 1, _paces().to(now.radius)[settled.clamp(max=SETTLING)]
        pace, shrink, grow = paces.unbind(1)
        shrunk = torch.minimum(before.radius, now.distance) * shrink
        radius = torch.where(clear, shrunk, before.radius * grow)
        radius = torch.where(first, now.distance, radius)
        start = choose(first, now.found, before.proposal)
        gradient = choose(first, now.gradient, evaluation.gradient)
        climbed = _climbed(problem, start, gradient, STRIDE * pace * radius, radius)
        proposal = choose(settling, climbed, now.proposal)
        return replace(now, settled=settled, radius=radius, proposal=proposal)

    def _ended(self, now: AdaptiveState) -> AdaptiveState:
        """With the ending of pairs that end here, and their best image as what they found."""
        still = (now.step_size < SHORTEST) & (now.settled == 0)
        over = still | (now.settled > SETTLING)
        ending = torch.where(over, code(Ending.STATIONARY), RUNNING)
        ending = torch.where(now.steps >= self.max_steps, code(Ending.BUDGET), ending)
        ending = torch.where(now.distance <= self.tolerance, code(Ending.REACHED), ending)
        taken = (ending != RUNNING) & now.distance.isfinite()
        return replace(
            now,
            ending=ending,
            found=choose(taken, now.best, now.found),
            score=choose(taken, now.best_score, now.score),
        )


def _adapted_step(
    state: AdaptiveState, accepted: Bool[Tensor, "batch"], given_up: Bool[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    """Longer after a step that was inside at once, shorter where one was given up."""
    grown = (state.step_size * GROW).clamp(max=LONGEST)
    longer = torch.where(accepted & state.fresh & started(state.steps), grown, state.step_size)
    return torch.where(given_up, state.step_size * SHRINK, longer)


def _climbed(
    problem: Problem,
    start: Float[Tensor, "batch channel height width"],
    gradient: Float[Tensor, "batch channel height width"],
    step: Float[Tensor, "batch"],
    radius: Float[Tensor, "batch"],
) -> Float[Tensor, "batch channel height width"]:
    """Up the gradient by an RMSE of `step`, then onto the ball around the target if outside."""
    climb = step.view(-1, 1, 1, 1) * unit(gradient) * math.sqrt(gradient[0].numel())
    away = start - problem.target + climb
    onto = (radius / rms(away)).clamp(max=1).view(-1, 1, 1, 1)
    return (problem.target + onto * away).clamp(0, 1)


def _paces() -> Float[Tensor, "counts 3"]:
    """Per step on the ball: c, from 1 to `LEAST_PACE`, and what ρ shrinks and grows by.

    From a list, because a tensor's power is rounded by its place among the pairs.
    """
    waves = [(1 + math.cos(math.pi * i / SETTLING)) / 2 for i in range(SETTLING + 1)]
    paces = [LEAST_PACE + (1 - LEAST_PACE) * wave for wave in waves]
    return torch.tensor([(c, (1 - CLOSER) ** c, (1 + CLOSER) ** c) for c in paces])
