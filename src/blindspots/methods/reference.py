"""Level Set Traversal as the authors' released script runs it, to compare number with number.

Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, arXiv 2310.19889, Algorithm 1;
where the script differs from the printed algorithm, the script is followed.

    symbol   name          what it is
    η        step_size     share of the remaining way walked in a step
    ε        epsilon       bound of the correction, a pixel, in [0, 1]
    δ        delta         allowed drop of confidence below the clean source's
    m        max_steps     iterations, all of them done
    g        gradient      ∇ₓ CE(f(x), y) at the last accepted image, or the score's loss
    acc      correction    the accumulated step back up, subtracted whole at every iteration
    x_new    proposal

One iteration:
    acc   ← clamp(acc + (ε/2) g, −ε, ε)                  also after a refused step
    x_new = clamp(x + η (Δx − (g·Δx / g·g) g) − acc, 0, 1)     with Δx = x_t − x
    x     ← x_new  where  p_source − f(x_new)[y] < δ,  else x
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.methods.method import (
    RUNNING,
    Evaluation,
    Method,
    Problem,
    State,
    check_settings,
    choose,
    code,
    project_out,
    started,
)
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated


@dataclass(frozen=True)
class ReferenceState(State):
    """The common state, the gradient at `found`, and the correction of the last proposal."""

    gradient: Float[Tensor, "batch channel height width"]
    correction: Float[Tensor, "batch channel height width"]


@dataclass(frozen=True, kw_only=True)
class Reference(Method):
    """The authors' script. Defaults are the paper's main values (section 5).

    `step_size` η, `epsilon` ε, `delta` δ, `max_steps` m; `jitter`: the start is
    clamp(x_s + U(±jitter)), in [0, 1] units; 0 starts at the source itself. Settings at or
    below 0 are refused.
    """

    step_size: float = 1e-2
    epsilon: float = 2e-3
    delta: float = 0.2
    max_steps: int = 400
    jitter: float = 2 / 255

    name: ClassVar[str] = "reference"
    differentiates: ClassVar[Differentiated] = "loss"

    def __post_init__(self) -> None:
        check_settings(self, positive=("step_size", "epsilon"))

    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> ReferenceState:
        """Every pair at its jittered source."""
        start = (problem.source + self.jitter * _uniform(problem.source, generators)).clamp(0, 1)
        count = problem.counts(RUNNING)
        zero = torch.zeros_like(start)
        return ReferenceState(
            proposal=start,
            found=start,
            score=problem.p_source,
            steps=count,
            ending=count,
            gradient=zero,
            correction=zero,
        )

    def step(  # type: ignore[override]
        self, problem: Problem, state: ReferenceState, evaluation: Evaluation
    ) -> ReferenceState:
        """One iteration of the table above; the start is taken as it is."""
        drop = problem.p_source - evaluation.score
        accepted = ~started(state.steps) | (drop < self.delta)
        found = choose(accepted, state.proposal, state.found)
        gradient = choose(accepted, evaluation.gradient, state.gradient)
        correction = (state.correction + self.epsilon / 2 * gradient).clamp(
            -self.epsilon, self.epsilon
        )
        tangent = project_out(problem.target - found, gradient)
        return ReferenceState(
            proposal=(found + self.step_size * tangent - correction).clamp(0, 1),
            found=found,
            score=choose(accepted, evaluation.score, state.score),
            steps=state.steps + 1,
            ending=self._ending(state, ~accepted & _unchanged(correction, state.correction)),
            gradient=gradient,
            correction=correction,
        )

    def _ending(self, state: ReferenceState, stuck: Tensor) -> Tensor:
        """Stuck: the same proposal would be refused again in every iteration that is left."""
        finished = state.steps + 1 >= self.max_steps
        ending = torch.where(stuck, code(Ending.STATIONARY), RUNNING)
        return torch.where(finished, code(Ending.FINISHED), ending)


def _uniform(images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    draws = [torch.rand(images.shape[1:], generator=generator) for generator in generators]
    return (2 * torch.stack(draws) - 1).to(images.device)


def _unchanged(now: Tensor, before: Tensor) -> Tensor:
    return (now == before).flatten(1).all(dim=1)
