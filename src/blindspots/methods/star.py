"""Star: a found image whose whole segment from the source stays inside.

The paper calls the set of images that a source reaches along segments inside its superlevel set
star-like (Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, section 4). This
method asks for the segment itself, {x_s + t (x − x_s) : 0 ≤ t ≤ 1}: see `hull` for its steps. A
point at t moves the end x by its Newton step / t.

Each step evaluates the end (t = 1), the worst t known, jittered, and two fresh ones, one in each
half, that a golden-ratio sequence spreads evenly over the steps. Before it ends, a pair's segment
is looked at, at 201 points. A segment that leaves the level set there is bent further at its
worst point while steps are left (the last four are kept for that); then its end goes back to the
last t up to which everything is inside. So what `Star` returns is inside at all 201 points.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from blindspots.methods.hull import CONFIRMATIONS, DEEPER, HullMethod, HullState, mixtures
from blindspots.methods.method import RUNNING, Problem, check_settings, code
from blindspots.schema import Ending

SAMPLES = 2
LOOK = 201
REPAIRS = 4
GOLDEN = (5**0.5 - 1) / 2
LEAST_T = 0.03


@dataclass(frozen=True, kw_only=True)
class Star(HullMethod):
    """Holds the whole segment source → found inside, and returns no other.

    `delta` δ. `max_steps` m: steps of four evaluations each at most (`budget`). `tolerance`: the
    RMSE to the target, in [0, 1] units, at which a pair that is held has `reached` it.
    `clearance`, in logits: the most that κ may be. `aim` a, in logits: how far inside the first
    corrections aim; then it adapts. `pull`, `last_pull`: the share of the way
    back to the target in the first and the last step. `memory`: steps whose gradients are still
    used. Settings at or below 0 are refused.
    """

    max_steps: int = 32
    tolerance: float = 4e-3

    name: ClassVar[str] = "star"

    def __post_init__(self) -> None:
        names = ("tolerance", "clearance", "aim", "pull", "last_pull", "memory")
        check_settings(self, positive=names)

    def samples(self, corners: int) -> int:  # noqa: ARG002
        """Two, one in each half of the segment."""
        return SAMPLES

    def draw(self, corners: int, generator: torch.Generator) -> Float[Tensor, "steps samples 1"]:  # noqa: ARG002
        """Points t of every step: a golden-ratio sequence from a random start."""
        start = torch.rand(2, generator=generator)
        turns = torch.arange(self.max_steps + 1)[:, None]
        halves = (start[0] + GOLDEN * turns + torch.arange(SAMPLES)) / SAMPLES % 1
        jitter = (start[1] + GOLDEN * turns) % 1
        return torch.cat((halves, jitter), dim=1).clamp(min=LEAST_T)[..., None]

    def ended(self, problem: Problem, now: HullState) -> Int[Tensor, "batch"]:
        """As every hull, but a held one already when only the steps for repairs are left."""
        late = (now.steps >= self.max_steps - REPAIRS) & (now.held >= CONFIRMATIONS)
        ending = super().ended(problem, now)
        return torch.where(late & (ending == RUNNING), code(Ending.BUDGET), ending)

    def sweep(self) -> Float[Tensor, "look"]:
        """201 equally spaced points, both ends included."""
        return torch.linspace(0, 1, LOOK)

    def swept(  # type: ignore[override]
        self, problem: Problem, state: HullState, score: Float[Tensor, "batch look"]
    ) -> HullState:
        """Go on where the segment leaves the level set; without steps left, cut it there."""
        inside = problem.p_source[:, None] - score <= self.delta
        whole = inside.all(dim=1)
        again = ~whole & (state.steps < self.max_steps)
        cut = self._cut(problem, state, score, ~whole & ~again)
        deeper = replace(
            cut,
            ending=torch.where(again, RUNNING, state.ending),
            held=torch.where(again, 0, state.held),
            aim=torch.where(again, state.aim * DEEPER, state.aim),
        )
        worst = self.sweep().to(score)[score.argmin(dim=1)]
        rows = torch.arange(len(worst), device=worst.device)
        draw = state.draws[rows, state.steps.clamp(max=self.max_steps)]
        return self.propose(problem, deeper, worst[:, None], draw)

    def _cut(self, problem: Problem, state: HullState, score: Tensor, which: Tensor) -> HullState:
        """The end back at the last t up to which all is inside, for the pairs in `which`."""
        inside = problem.p_source[:, None] - score <= self.delta
        last = inside.cumprod(dim=1).sum(dim=1).clamp(min=1) - 1
        t = self.sweep().to(score)[last].view(-1, 1, 1)
        shorter = mixtures(problem.source, state.found, t)
        there = score.gather(1, last[:, None])
        return replace(
            state,
            found=torch.where(which.view(-1, 1, 1, 1, 1), shorter, state.found),
            score=torch.where(which[:, None], there, state.score),
        )
