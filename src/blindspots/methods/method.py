"""What every traversal is: frozen settings with `init` and `step`; the engine has the loop.

A step is told what the model says at the last proposal and answers with the next one, so the
forward that verifies a step is the one whose gradient the next step uses.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import pairwise
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.errors import UsageError
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated

Part = TypeVar("Part", bound="Batched")
RUNNING = -1
ENDINGS = tuple(Ending)


def code(ending: Ending) -> int:
    """The number that stands for an ending in a state's tensor."""
    return ENDINGS.index(ending)


class Batched:
    """A dataclass of tensors whose first axis is the batch of pairs."""

    def select(self: Part, index: Int[Tensor, "kept"] | Bool[Tensor, "batch"]) -> Part:
        """The entries at `index`, in its order."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})  # type: ignore[arg-type]

    def put(self: Part, rows: Int[Tensor, "some"], part: Part) -> Part:
        """These entries, with those at `rows` replaced by the part's."""
        changed = {f.name: getattr(self, f.name).clone() for f in fields(self)}  # type: ignore[arg-type]
        for name, tensor in changed.items():
            tensor[rows] = getattr(part, name)
        return type(self)(**changed)

    def join(self: Part, other: Part) -> Part:
        names = [f.name for f in fields(self)]  # type: ignore[arg-type]
        return type(self)(**{n: torch.cat((getattr(self, n), getattr(other, n))) for n in names})


@dataclass(frozen=True)
class Problem(Batched):
    """What stays fixed for a batch of pairs; of groups, for methods that take a source's targets.

    `target` has an axis for the targets of a source where the method is `grouped`. `kept`: what of
    the source the score compares with, its label or its embedding. `p_source`: its score, and
    `height`, the height of that (see `scores`); `floor`: the height at p_source − delta.
    """

    source: Float[Tensor, "batch channel height width"]
    target: Float[Tensor, "batch *targets channel height width"]
    kept: Int[Tensor, "batch"] | Float[Tensor, "batch features"]
    p_source: Float[Tensor, "batch"]
    height: Float[Tensor, "batch"]
    floor: Float[Tensor, "batch"]

    def counts(self, start: int) -> Int[Tensor, "batch"]:
        return torch.full_like(self.p_source, start, dtype=torch.long)


@dataclass(frozen=True)
class Evaluation(Batched):
    """What the model says at the proposals: the score held, and the objective with its gradient.

    The objective is what the method `differentiates`; `slope`, the loss's derivative with respect
    to it. `points`: an axis for methods that propose several images of a pair at once.
    """

    score: Float[Tensor, "batch *points"]
    objective: Float[Tensor, "batch *points"]
    slope: Float[Tensor, "batch *points"]
    gradient: Float[Tensor, "batch *points channel height width"]


@dataclass(frozen=True)
class State(Batched):
    """Where the traversals are.

    `proposal`: the image to evaluate next, or several; `found`: the last accepted one (one a
    target, where the method is `grouped` or holds hulls) and its `score`; `steps`: steps done, −1
    before the start itself was evaluated; `ending`: RUNNING or a code.
    """

    proposal: Float[Tensor, "batch *points channel height width"]
    found: Float[Tensor, "batch *targets channel height width"]
    score: Float[Tensor, "batch *targets"]
    steps: Int[Tensor, "batch"]
    ending: Int[Tensor, "batch"]


@dataclass(frozen=True)
class LookResult:
    """What would be returned, rounded to 8 bits: scores along its segments, heights of its hull.

    `hull`: of the lowest point of every segment first, then of the points of `Method.surface`.
    """

    found: Float[Tensor, "batch targets channel height width"]
    segments: Float[Tensor, "batch targets look"]
    hull: Float[Tensor, "batch points"]


class Method(ABC):
    """A traversal algorithm: frozen settings, `init` and `step`.

    `differentiates`: the height of the score, or its loss (see `scores`). `grouped`: it works on
    all targets of a source together. `straight`: its path is the segment
    source → found, not the images it tried. `sweep`: the points t of that segment at which what
    it would return, rounded to 8 bits, is looked at before it ends, in one forward each, as are the
    points of its hull that `surface` names; None: no such look, and what is found is not rounded.
    """

    name: ClassVar[str]
    differentiates: ClassVar[Differentiated]
    grouped: ClassVar[bool] = False
    straight: ClassVar[bool] = False
    max_steps: int
    delta: float

    def at_source(self, problem: Problem) -> dict[str, Tensor]:
        """The common state's fields of pairs that start at their sources, by name."""
        count = problem.counts(RUNNING)
        return {
            "proposal": problem.source,
            "found": problem.source,
            "score": problem.p_source,
            "steps": count,
            "ending": count,
        }

    def points(self, targets: int = 1) -> int:
        del targets
        return 1

    def most_evaluations(self, targets: int = 1) -> int:
        return (self.max_steps + 1) * self.points(targets)

    def sweep(self) -> Float[Tensor, "look"] | None:
        """Where to look at segments before their pairs end; None: nowhere."""
        return None

    def surface(self, targets: int) -> Float[Tensor, "points targets"]:
        """Which other points of the hull are looked at as well, by their weights; none."""
        return torch.zeros(0, targets)

    def looked(self, problem: Problem, state: State, look: LookResult) -> State:
        """The state after the look at what pairs that were about to end would return."""
        del problem
        return replace(state, found=look.found, score=look.segments[..., -1])

    @abstractmethod
    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> State:
        """The states before anything was evaluated; `proposal` is where each pair starts.

        `generators`: one CPU generator per pair, the only source of random draws.
        """

    @abstractmethod
    def step(self, problem: Problem, state: State, evaluation: Evaluation) -> State:
        """Accept or refuse the evaluated proposal, then make the next one."""


def check_settings(method: Method, *, positive: tuple[str, ...]) -> None:
    """Refuse settings that cannot work: any of `positive` not above 0, or no step at all."""
    for name in (*positive, "delta"):
        if not getattr(method, name) > 0:
            raise UsageError(
                f"{name}={getattr(method, name)} was given to {method.name}; "
                f"it must be above 0, as in --set {name}={_default(method, name)}"
            )
    if method.max_steps < 1:
        raise UsageError(
            f"max_steps={method.max_steps} was given to {method.name}; it must be at least 1, "
            f"as in --set max_steps={_default(method, 'max_steps')}"
        )


def started(steps: Tensor) -> Bool[Tensor, "batch"]:
    return steps >= 0


def _default(method: Method, name: str) -> object:
    return next(f.default for f in fields(method) if f.name == name)  # type: ignore[arg-type]


Images = Float[Tensor, "batch channel height width"]
LARGE = 1e30
ROUNDS = 10


def dot(a: Images, b: Images) -> Float[Tensor, "batch 1 1 1"]:
    """The inner product of each image of `a` with its partner in `b`, kept broadcastable."""
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)


def norm(a: Images) -> Float[Tensor, "batch 1 1 1"]:
    """The Euclidean length of each image, kept broadcastable; no square leaves float32."""
    largest = a.abs().amax(dim=(1, 2, 3), keepdim=True)
    safe = torch.where(largest == 0, 1.0, largest)
    return largest * dot(a / safe, a / safe).sqrt()


def unit(a: Images) -> Images:
    """Each image scaled to length 1; zero stays zero."""
    length = norm(a)
    return a / torch.where(length == 0, 1.0, length)


def rms(a: Float[Tensor, "*batch channel height width"]) -> Float[Tensor, "*batch"]:
    """The root mean square over the pixels of each image."""
    return a.square().mean(dim=(-3, -2, -1)).sqrt()


def project_out(direction: Images, normal: Images) -> Images:
    """The part of `direction` orthogonal to `normal`; all of it where `normal` is zero.

    d − (n·d / n·n) n, the tangential step of the paper's algorithm. `normal` is brought to unit
    maximum first: its length does not change the result, but its square may leave float32.
    """
    largest = normal.abs().amax(dim=(1, 2, 3), keepdim=True)
    is_zero = largest == 0
    unit = normal / torch.where(is_zero, 1.0, largest)
    length = dot(unit, unit)
    along = dot(unit, direction) / torch.where(is_zero, 1.0, length)
    return direction - along * unit


def project_in(
    direction: Images, normal: Images, slack: Float[Tensor, "batch"] | float = 0.0
) -> Images:
    """`direction` projected onto the half-space {v : n·v ≥ −slack}; all of it where `normal` is 0.

    To first order, a scalar with the gradient `normal` falls by no more than `slack`, at least 0:
    only what is beyond goes, and what raises the scalar stays.
    """
    lowered = dot(direction, normal).flatten() + slack
    return direction - newton(lowered.clamp(max=0), normal)


def newton(rise: Float[Tensor, "batch"], gradient: Images) -> Images:
    """The shortest change that raises a scalar by `rise`, to first order: rise g / (g·g).

    Zero where the gradient is zero.
    """
    length = norm(gradient)
    ratio = rise.view(-1, 1, 1, 1) / torch.where(length == 0, torch.inf, length)
    return ratio.clamp(-LARGE, LARGE) * unit(gradient)


def least_multipliers(
    gram: Float[Tensor, "batch planes planes"],
    need: Float[Tensor, "batch planes"],
    blocks: int = 6,
) -> Float[Tensor, "batch planes"]:
    """λ ≥ 0 for which v = Aᵀλ is the shortest v with A v ≥ need; `gram` is A Aᵀ.

    The dual of the quadratic programme, by Nesterov's accelerated projected gradient (FISTA, Beck
    and Teboulle 2009, SIAM J. Imaging Sci. 2) in `blocks` of ten rounds, with a restart after a
    block that ends uphill (O'Donoghue and Candès 2015): matrix products only, so nothing waits for
    the device. Planes of norm zero or a need of −∞ get none. Where no v meets every need, the
    multipliers are what the rounds reach.
    """
    size = gram.diagonal(dim1=1, dim2=2).sqrt()
    scale = torch.where(size == 0, 0.0, 1 / torch.where(size == 0, 1.0, size))
    normal = gram * scale[:, :, None] * scale[:, None, :]
    wanted = torch.where(need == -torch.inf, -LARGE, need * scale)[:, :, None]
    pace = 1 / normal.abs().sum(dim=2).amax(dim=1).clamp(min=1.0)[:, None, None]
    # Four operations a round on column vectors: for a small model more cost more than its forward.
    shrink = torch.eye(need.shape[1]).to(need) - pace * normal
    drift, drives = pace * wanted, _drives(blocks).to(need)
    now = ahead = left = change = torch.zeros_like(drift)
    block = torch.zeros(len(need), dtype=torch.long, device=need.device)
    for _ in range(blocks):
        for drive in drives[block].unbind(1):
            left, before = ahead, now
            now = torch.baddbmm(drift, shrink, left).clamp(min=0)
            change = now - before
            ahead = torch.addcmul(now, drive, change)
        goes_on = ((now - left) * change).sum(dim=(1, 2), keepdim=True) >= 0
        ahead = torch.where(goes_on, ahead, now)
        block = (block + 1) * goes_on.flatten()
    return torch.where(size == 0, 0.0, now[:, :, 0] * scale)


@cache
def _drives(blocks: int) -> Float[Tensor, "blocks rounds 1 1"]:
    """How far beyond its last change each round looks, by the blocks since the last restart."""
    momenta = [1.0]
    for _ in range(blocks * ROUNDS):
        momenta.append((1 + math.sqrt(1 + 4 * momenta[-1] ** 2)) / 2)
    drives = [(m - 1) / n for m, n in pairwise(momenta)]
    return torch.tensor(drives).view(blocks, ROUNDS, 1, 1)


LEVELS = 255
SOURCE_SHARE = 0.9  # of what a source has that is asked at most: 1 leaves an unsure one no room
LEAST_CLEARANCE = 0.05  # logits, where gradients vanish: for what float32 and a batch change
SPARE = 1.2  # times what an image's own rounding takes to first order: for the second


def clearance_needed(
    most: float, own: Float[Tensor, "batch"], images: Images, gradient: Images
) -> Float[Tensor, "batch"]:
    """How far above the floor an image must be so that rounding it to 8 bits keeps it inside.

    To first order, no rounding takes more than ‖g‖₁/510, and this image's own takes g·(x − its
    rounding). Asked for is the first, but not above `most`, nor above 0.9 of what the source has
    (`own`); or 1.2 times the second, where that is more.
    """
    worst = gradient.abs().sum(dim=(1, 2, 3)) / (2 * LEVELS)
    taken = -dot(gradient, as_stored(images) - images).flatten()
    asked = torch.minimum(worst.clamp(LEAST_CLEARANCE, most), SOURCE_SHARE * own)
    return torch.maximum(asked, SPARE * taken)


def as_stored(images: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Images in [0, 1] rounded to 8 bits, to the very numbers that a picture is read as.

    On CUDA a division by a plain number is a product with its reciprocal, which rounds otherwise.
    """
    levels = (images * LEVELS).round()
    return levels / levels.new_full((), LEVELS)


def choose(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` where the mask of the batch holds, else `no`; a NaN in the other one cannot leak."""
    return torch.where(mask.view(-1, *[1] * (yes.dim() - 1)), yes, no)


def mix(
    weights: Float[Tensor, "points corners"], corners: Float[Tensor, "corners channel height width"]
) -> Float[Tensor, "points channel height width"]:
    """The points Σᵢ wᵢ cᵢ of the corners' convex hull, one a row of weights."""
    return torch.einsum("pc,cxyz->pxyz", weights, corners)


def mixtures(source: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """The points s + Σᵢ wᵢ (xᵢ − s) of each pair's hull."""
    sides = (corners - source[:, None]).flatten(2)
    points = torch.einsum("bpk,bkd->bpd", weights, sides)
    return source[:, None] + points.view(*weights.shape[:2], *source.shape[1:])


def segment_weights(points: int) -> Float[Tensor, "points 2"]:
    """Weights (1 − t, t) for `points` equally spaced t from 0 to 1, both ends included."""
    t = torch.arange(points, dtype=torch.float64) / (points - 1)
    return torch.stack((1 - t, t), dim=1).float()


def triangle_weights(steps: int = 10) -> Float[Tensor, "points 3"]:
    """The barycentric grid of step 1/steps: (steps+1)(steps+2)/2 points (66 for the slides' 10).

    Rows are (source, found 1, found 2), built from integers, so no rounding can drop a point.
    """
    rows = [(steps - i - j, i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return torch.tensor(rows, dtype=torch.float64).div(steps).float()


def reference_triangle_weights(steps: int = 10) -> Float[Tensor, "points 3"]:
    """The grid as the authors' script has it: a float test drops (.8, .2) and (.9, .1) of 66.

    The test is 1 − t₁ − t₂ < 0 in double precision, t from a grid of multiples of 1/steps.
    """
    ticks = [i / steps for i in range(steps + 1)]
    rows = [(1 - a - b, a, b) for a in ticks for b in ticks if not 1 - a - b < 0]
    return torch.tensor(rows, dtype=torch.float64).clamp(0, 1).float()
