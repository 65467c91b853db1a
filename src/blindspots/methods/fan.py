"""Fan: found images of one source, chosen together, whose whole simplex stays inside.

The paper's triangles (Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, section 4
and figure 4) have corners that were found one by one. This method chooses the k corners x₁ … x_k
of one source together, so that all points s + Σᵢ wᵢ (xᵢ − s), wᵢ ≥ 0, Σᵢ wᵢ ≤ 1, are held: see
`hull` for its steps. A point w moves corner i by wᵢ/Σw² of its Newton step.

Each step evaluates the k corners, the worst point known, jittered, a fresh one on each corner's
segment, spread by a golden-ratio sequence, and k + 1 anywhere: squared
exponentials, normalised, so Dirichlet(1, …, 1) drawn towards the faces and edges, of which a
uniform sample sees little and where the segments lie.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.methods.hull import GOLDEN, LEAST_T, HullMethod
from blindspots.methods.method import check_settings

TOWARDS_EDGES = 2  # exponent of the draws: 1 sees the middle, more the edges and corners


@dataclass(frozen=True, kw_only=True)
class Fan(HullMethod):
    """Holds the simplex of a source and all found images of its targets together.

    The settings are `Star`'s. `max_steps` m: steps of 3 k + 2 evaluations each, for k targets,
    shared equally between them: 3 + 2/k a target and step. `tolerance`: the RMSE that every corner
    must have. `clearance`: the most that κ may be, which is also half of what the corners have:
    a face sags between its corners, and those of an unsure source are surer than itself. What
    is returned are the last corners whose sampled hull was inside; where there were none, the last
    that were inside themselves; else the source.
    """

    max_steps: int = 60
    tolerance: float = 3e-3
    clearance: float = 3.0
    memory: int = 12

    name: ClassVar[str] = "fan"
    relax: ClassVar[float] = 0.95
    sag: ClassVar[float] = 0.5
    grouped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        names = ("tolerance", "clearance", "aim", "pull", "last_pull", "memory")
        check_settings(self, positive=names)

    def samples(self, corners: int) -> int:
        """One on every corner's segment, and as many and one more anywhere."""
        return 2 * corners + 1

    def draw(self, corners: int, generator: torch.Generator) -> Float[Tensor, "steps samples k"]:
        """The weights of every step's samples; the share of the source is what is left to 1."""
        draws = torch.empty(self.max_steps + 1, self.samples(corners) + 1, corners + 1)
        draws = draws.exponential_(generator=generator) ** TOWARDS_EDGES
        weights = (draws / draws.sum(dim=2, keepdim=True))[..., 1:]
        turns = torch.arange(self.max_steps + 1)[:, None]
        t = (torch.rand(corners, generator=generator) + GOLDEN * turns) % 1
        weights[:, :corners] = torch.diag_embed(t.clamp(min=LEAST_T))
        return weights
