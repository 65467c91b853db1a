"""Fan: found images of one source, chosen together, whose whole simplex stays inside.

The paper's triangles (Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023, section 4
and figure 4) have corners that were found one by one. This method chooses the k corners x₁ … x_k
of one source together, so that all points s + Σᵢ wᵢ (xᵢ − s), wᵢ ≥ 0, Σᵢ wᵢ ≤ 1, are held: see
`hull` for its steps. A point w moves corner i by wᵢ/Σw² of its Newton step.

Each step evaluates the k corners, the worst point known, jittered, a fresh one on each corner's
segment, spread by a golden-ratio sequence, and k + 1 anywhere, spread as evenly: random draws leave
gaps in which a dip stays unseen. Those of three and more corners are drawn towards the faces and
edges, of which an even sample sees little and where the segments lie.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from blindspots.methods.hull import GOLDEN, LEAST_T, HullMethod, HullState
from blindspots.methods.method import Problem, check_settings, choose
from blindspots.methods.planes import Corners

LOOKED = 20  # points per corner in a look at the hull: more see smaller dips, and cost a half each
EARLY = 1  # steps whose planes count until a hull was held: more misleads where gradients turn fast
ROUNDS = 60  # of a fixed point that gains a digit in two
TOWARDS_EDGES = 2.0  # largest exponent of the draws: 1 sees the middle, more the edges and corners


@dataclass(frozen=True, kw_only=True)
class Fan(HullMethod):
    """Holds the simplex of a source and all found images of its targets together.

    The settings are `Star`'s. `max_steps` m: steps of 3 k + 2 evaluations each, for k targets,
    shared equally between them: 3 + 2/k a target and step. `tolerance`: the RMSE that every corner
    must have. `clearance`: the most that κ may be before a look finds more missing; it is also
    half of what the corners have: a face sags between its corners, and those of an unsure source
    are surer than itself. What is returned are the last corners whose sampled hull was inside,
    rounded to 8 bits; where there were none, the last that were inside themselves; else the source.
    A segment that leaves then is cut.
    """

    max_steps: int = 60
    tolerance: float = 3e-3
    memory: int = 12

    name: ClassVar[str] = "fan"
    sag: ClassVar[float] = 0.5
    trusts_promises: ClassVar[bool] = False
    grouped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        names = ("tolerance", "clearance", "aim", "pull", "last_pull", "memory")
        check_settings(self, positive=names)

    def samples(self, corners: int) -> int:
        """One on every corner's segment, and as many and one more anywhere."""
        return 2 * corners + 1

    def surface(self, targets: int) -> Float[Tensor, "points targets"]:
        """Points of the simplex, and of the face that is opposite to the source."""
        if targets == 1:
            return super().surface(targets)
        start = torch.full((targets,), 0.5)
        inner = spread_evenly(LOOKED * targets, start)[:, 1:]
        far = spread_evenly(LOOKED * targets // 4, start[1:])
        return torch.cat((inner, far)).float()

    def repairs(self) -> int:
        """Three times as many: a hull has more places to mend than a segment."""
        return 3 * super().repairs()

    def trusted(self, now: HullState) -> Bool[Tensor, "batch planes"]:
        """Until a hull was held the newest planes alone: its corners have come far since older."""
        recent = torch.arange(now.plane_scale.shape[1], device=now.ever.device)
        newest = recent < EARLY * self.points(now.corners.shape[1])
        return (now.plane_scale > 0) & (now.ever[:, None] | newest)

    def behind(self, problem: Problem, now: HullState) -> Corners:
        """The last corners that were held; nearer to the source few come back in time."""
        return choose(now.ever, now.found, super().behind(problem, now))

    def draw(self, corners: int, generator: torch.Generator) -> Float[Tensor, "steps samples k"]:
        """The weights of every step's samples; the share of the source is what is left to 1."""
        steps, others = self.max_steps + 1, self.samples(corners) + 1 - corners
        spread = spread_evenly(steps * others, torch.rand(corners, generator=generator))
        draws = spread ** min(max(corners / 2, 1.0), TOWARDS_EDGES)
        shares = (draws / draws.sum(dim=1, keepdim=True)).float()
        t = (torch.rand(corners, generator=generator) + GOLDEN * torch.arange(steps)[:, None]) % 1
        segments = torch.diag_embed(t.clamp(min=LEAST_T))
        return torch.cat((segments, shares[:, 1:].reshape(steps, others, corners)), dim=1)


def spread_evenly(points: int, start: Float[Tensor, "k"]) -> Float[Tensor, "points vertices"]:
    """Barycentric coordinates of a simplex, as uniform as random ones, but without their gaps.

    The gaps between sorted numbers of a Kronecker sequence, whose turns are powers of the number
    that is the golden ratio in one dimension (Roberts, The unreasonable effectiveness of
    quasirandom sequences, 2018).
    """
    root = 2.0
    for _ in range(ROUNDS):
        root = (1 + root) ** (1 / (len(start) + 1))
    turns = torch.tensor([root**-n for n in range(1, len(start) + 1)], dtype=torch.float64)
    placed = (start.double() + turns * torch.arange(points)[:, None]) % 1
    ends = torch.zeros(points, 1, dtype=torch.float64)
    return torch.cat((ends, placed.sort(dim=1).values, ends + 1), dim=1).diff(dim=1)
