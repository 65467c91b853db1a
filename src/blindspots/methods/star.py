"""Star: a found image whose whole segment from the source stays inside.

The paper calls the set of images that a source reaches along segments inside its superlevel set
star-like (Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, section 4). This
method asks for the segment itself, {x_s + t (x − x_s) : 0 ≤ t ≤ 1}: see `hull` for its steps. A
point at t moves the end x by its Newton step / t.

Each step evaluates the end (t = 1), the worst t known, jittered, and two fresh ones, one in each
half, that a golden-ratio sequence spreads evenly over the steps.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.methods.hull import GOLDEN, LEAST_T, HullMethod
from blindspots.methods.method import check_settings

SAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class Star(HullMethod):
    """Holds the whole segment source → found inside, found rounded to 8 bits, and returns no other.

    `delta` δ. `max_steps` m: steps of four evaluations each at most (`budget`). `tolerance`: the
    RMSE to the target, in [0, 1] units, at which a pair that is held has `reached` it, and nearer
    than which no end is pulled. `clearance`, in logits: the most that κ may be, if no look finds
    more missing. `aim` a, in logits: how far inside the first corrections aim; then it adapts.
    `pull`, `last_pull`: the share of the way back to the target in the first and the last step.
    `memory`: steps whose gradients are still used. Settings at or below 0 are refused. On
    adversarially trained networks 32 steps end 1 to 6 % farther away than 48; twice the
    `last_pull` ends 1 % nearer on convolutional ones, and 5 % farther away on a transformer.
    """

    max_steps: int = 48
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
