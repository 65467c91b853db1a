"""Level Set Traversal as printed.

Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, arXiv 2310.19889, Algorithm 1.

    symbol   name          what it is
    η        step_size     share of the remaining way walked in a step
    ε        epsilon       bound of the correction, a pixel, in [0, 1]
    δ        delta         allowed drop of confidence below the source's
    m        max_steps     iterations at most
    g        gradient      ∇ₓ CE(f(x), y) = −(1 − f(x)[y]) ∇m(x), m the margin
    x_∥      correction    the accumulated step back up, clamped to ±ε

Start: x = x_s, x_∥ = 0. One iteration, with Δx = x_t − x:
    Δx_⊥  = η (Δx − (g·Δx / g·g) g)
    x_∥   ← clamp(x_∥ − ε g, −ε, ε)
    x_new = clamp(x + Δx_⊥ + x_∥, 0, 1)
    return x where f(x_s)[y] − f(x_new)[y] > δ, else x ← x_new

The margin is differentiated and g made from it: the same vector, exact also where the softmax
saturates and the float32 gradient of the cross-entropy is zero or noise. Of another score, g is the
gradient of its loss, made from that of its height.
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
)
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated


@dataclass(frozen=True)
class PaperState(State):
    correction: Float[Tensor, "batch channel height width"]


@dataclass(frozen=True, kw_only=True)
class Paper(Method):
    """The paper's Algorithm 1. Defaults are its main values (section 5).

    `step_size` η, `epsilon` ε, `delta` δ, `max_steps` m. Settings at or below 0 are refused.
    """

    step_size: float = 1e-2
    epsilon: float = 2e-3
    delta: float = 0.2
    max_steps: int = 400

    name: ClassVar[str] = "paper"
    differentiates: ClassVar[Differentiated] = "height"

    def __post_init__(self) -> None:
        check_settings(self, positive=("step_size", "epsilon"))

    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> PaperState:  # noqa: ARG002
        """Every pair at its source; nothing is drawn."""
        return PaperState(**self.at_source(problem), correction=torch.zeros_like(problem.source))

    def step(  # type: ignore[override]
        self, problem: Problem, state: PaperState, evaluation: Evaluation
    ) -> PaperState:
        """One iteration of the table above."""
        left = problem.p_source - evaluation.score > self.delta
        found = choose(left, state.found, state.proposal)
        gradient = evaluation.slope.view(-1, 1, 1, 1) * evaluation.gradient
        correction = (state.correction - self.epsilon * gradient).clamp(-self.epsilon, self.epsilon)
        tangent = project_out(problem.target - found, evaluation.gradient)
        return PaperState(
            proposal=(found + self.step_size * tangent + correction).clamp(0, 1),
            found=found,
            score=choose(left, state.score, evaluation.score),
            steps=state.steps + 1,
            ending=self._ending(state, left),
            correction=correction,
        )

    def _ending(self, state: PaperState, left: Tensor) -> Tensor:
        finished = state.steps + 1 >= self.max_steps
        ending = torch.where(finished, code(Ending.FINISHED), RUNNING)
        return torch.where(left, code(Ending.LEFT_LEVEL_SET), ending)
