"""What `Star` and `Fan` share: a hull of the source and found images that is held inside.

The paper's star-like sets (Exploring Geometry of Blind Spots in Vision Models, NeurIPS 2023,
section 4) ask that every point s + Σᵢ wᵢ (xᵢ − s), wᵢ ≥ 0, Σᵢ wᵢ ≤ 1, stays in the superlevel
set. Then the straight way to each found image lies inside as well, so no other path is needed:
the corners start at the targets themselves and are bent until the hull is inside.

    symbol   name           what it is
    xᵢ, tᵢ   corners        the found images to be, and the targets they start from
    w        weights        a point of the hull; one corner and Σw = t for a segment
    κ        clear          logits above the floor that an evaluated point must have: what rounding
                            to 8 bits can take, at most `clearance` (see `clearance_needed`; Fan:
                            or half of what its corners have, at most `clearance` too); more
                            where a look found more missing
    a        aim            logits above the floor that the next corners aim at, at first at most 8
                            times what the source itself has
    η        pull           share of the way back to the targets walked in a step, by corners that
                            are farther away than `tolerance`
    r        radius         largest change of a pixel in a step: the trust region
    m        max_steps      steps at most; η falls from `pull` to `last_pull` over them

One step, after the points w of the present corners were evaluated (height m_w of the score, for the
confidence the margin; gradient g_w):
    r  ← 2 r where the corners' margins rose by more than half of what the planes had promised,
         r / 2 where by less than a quarter of it
    a  ← 0.9 a where every point was κ above the floor, at most 1.5 times what the
         corners have where promises are kept; else 1.15 a where they are not (Fan: always, since
         what was missed is a dip that no plane knew of); at least 1.5 κ
    remember the planes  m_w + Σᵢ wᵢ g_w·(x′ᵢ − xᵢ)  of the last `memory` steps (Fan: of the last
         one until all points were held once: what was said of corners far away misleads)
    x′ = clamp(argmin Σᵢ ‖x′ᵢ − (xᵢ + η (tᵢ − xᵢ))‖²  with every plane at least a above the floor),
         what that bends the corners limited to r a pixel
For one point and one plane this is Newton's step, and a corner moves by wᵢ/Σw² of it. Both κ and
a count fully at Σw = 1; towards the source they fade to what the source itself has. Planes of
points nearer to it than t = 0.03, which would move a corner more than 33-fold, are left out.
Where the worst shortfall has not become smaller for six steps, gradients there lead nowhere: the
corners go back to 0.8 of their way from the source, a to where it began, and η is 0.7 of what it
was from then on: the pairs that lost their way to a strong pull keep it with a gentler one.
Evaluated next: the corners, the point that the planes say is the worst, and fresh samples.

Before it ends, the corners are rounded to 8 bits, as they are stored, and the segment to every one
is looked at, at 201 points; those that the heights nearby leave no doubt about are not asked for
(see `engine.look`). So are, for Fan, points all over the hull. What is outside is bent further, at
the worst points, whose planes are known then, and with a κ larger by a quarter of what was missing
(by all of it where that has not helped), while steps are left (the last four are kept for that,
Fan: twelve; in the last four one held step is enough for a look). Then the end of a segment that
leaves goes back to the last t up to which everything is inside and where at most half of δ is lost,
is rounded and looked at again; one that left in eight looks is the source. So every segment that is
returned is inside at all 201 points, unless one is more than three times as steep between two that
were asked for as anywhere near.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.methods.method import (
    RUNNING,
    Evaluation,
    LookResult,
    Method,
    Problem,
    as_stored,
    choose,
    clearance_needed,
    code,
    least_multipliers,
    mixtures,
    rms,
)
from blindspots.methods.planes import (
    KEPT,
    LEAST_RADIUS,
    Corners,
    PlanesState,
    gram,
    heights,
    learn,
    promising,
    with_corners,
    within,
)
from blindspots.methods.repairs import (
    cut_back,
    depth_below,
    is_inside,
    lowest_points,
    replaced,
)
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated

# What each trades; `benchmarks.sensitivity` shows what comes of halving and doubling it.
RELAX = 0.9  # the aim's fall after a held step: slower ends farther away, faster is outside oftener
DEEPER = 1.15  # the aim's growth after a broken promise: inside sooner, but farther from the target
NEAR = 1.5  # the most times its corners' depth that an aim may be: larger is slower to come near
LARGEST_AIM = 60.0  # logits; without it, an aim that no gradient can meet would grow for ever
PATIENCE = 6  # steps without progress before a retreat, each of which costs a few steps' way
PROGRESS = 0.25  # logits that count as progress: less waits for noise, more retreats too soon
GENTLER = 0.7  # what a retreat leaves of the pull: less ends far away, more loses the way again
RETREAT = 0.8  # the share of the way that a retreat keeps: less is surer to help and costs more
GOLDEN = (5**0.5 - 1) / 2  # the turn that spreads the points of a segment most evenly
LEAST_T = 0.03  # nearer to the source a point would move its corner more than 33-fold
LEAST_AIM = 1.5  # the least aim, in κ: the nearer to 1 the nearer the end, and the oftener outside
SOURCE_TIMES = 8.0  # the first aim at most, in what the source has above the floor
WORST_SHARE = 0.9  # of the worst point, the rest is drawn: less knows more places less well
CONFIRMATIONS = 4  # steps held in a row before an end: each costs a step, and spares failed looks
LOOK = 201  # points of a segment that are held
MISSED = 0.25  # of what a first look finds missing, what κ grows by: more ends farther away
REPAIRS = 4  # steps that are kept: more mend more, and leave fewer to come near in

BUDGET = code(Ending.BUDGET)
Weights = Float[Tensor, "batch points corners"]
Held = TypeVar("Held", bound="HullState")


@dataclass(frozen=True)
class HullState(PlanesState):
    """The planes' state, with what steers the next step.

    `aim` a, `clear` κ. `missing`: the least that κ is after a look that found something outside:
    what it had been held with, and a share of how far below the floor that was. `held`: steps in
    a row in which every evaluated point was inside with its clearance; `ever`: whether one was.
    `shortfall`: the smallest that the worst point's has been since the corners last went back, ∞
    where they were held since; `stalled`: steps since then. `pull_share`: what retreats left.
    `draws`: sample weights of every step, the last of each to jitter the worst point.
    """

    aim: Float[Tensor, "batch"]
    clear: Float[Tensor, "batch"]
    missing: Float[Tensor, "batch"]
    held: Int[Tensor, "batch"]
    ever: Bool[Tensor, "batch"]
    shortfall: Float[Tensor, "batch"]
    stalled: Int[Tensor, "batch"]
    pull_share: Float[Tensor, "batch"]
    draws: Float[Tensor, "batch steps samples corners"]

    @property
    def draw(self) -> Float[Tensor, "batch samples corners"]:
        """The weights of the next step."""
        rows = torch.arange(len(self.aim), device=self.aim.device)
        return self.draws[rows, self.steps.clamp(max=self.draws.shape[1] - 1)]


@dataclass(frozen=True, kw_only=True)
class HullMethod(Method):
    """Holds the hull of a source and its found images; `Star` and `Fan` say which points."""

    delta: float = 0.2
    max_steps: int = 24
    tolerance: float = 3e-3
    clearance: float = 1.0
    aim: float = 6.0
    pull: float = 0.35
    last_pull: float = 0.1
    memory: int = 6

    sag: ClassVar[float] = 0.0
    straight: ClassVar[bool] = True
    trusts_promises: ClassVar[bool] = True
    differentiates: ClassVar[Differentiated] = "height"

    @abstractmethod
    def samples(self, corners: int) -> int: ...

    @abstractmethod
    def draw(self, corners: int, generator: torch.Generator) -> Float[Tensor, "steps samples k"]:
        """The weights of every step's samples, and of one more a step; on the CPU."""

    def points(self, targets: int = 1) -> int:
        return targets + 1 + self.samples(targets)

    def repairs(self) -> int:
        """The last steps, kept for what the look finds wanting."""
        return REPAIRS

    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> HullState:
        """Every corner at its target; found is the source, whose hull is a point."""
        source = problem.source[:, None]
        corners = problem.target.reshape(len(source), -1, *source.shape[2:])
        k, count = corners.shape[1], problem.counts(RUNNING)
        draws = torch.stack([self.draw(k, generator) for generator in generators]).to(source)
        weights = with_corners(draws[:, 0], k)
        empty = source.new_zeros(len(source), self.memory * self.points(k), k)
        per_pair = self._first_aim(problem)
        return HullState(
            proposal=mixtures(problem.source, corners, weights),
            found=source.expand_as(corners),
            score=problem.p_source[:, None].expand(-1, k),
            steps=count,
            ending=count,
            corners=corners,
            weights=weights,
            plane_normal=empty[..., 0, None].expand(-1, -1, source[0].numel()),
            plane_weights=empty,
            plane_scale=empty[..., 0],
            plane_offset=empty[..., 0],
            radius=torch.full_like(per_pair, LEAST_RADIUS),
            margins=source.new_zeros(len(source), k),
            promised=source.new_zeros(len(source), k),
            kept=torch.zeros_like(per_pair),
            aim=per_pair,
            clear=torch.zeros_like(per_pair),
            missing=torch.zeros_like(per_pair),
            held=torch.zeros_like(count),
            ever=torch.zeros_like(count, dtype=torch.bool),
            shortfall=torch.full_like(per_pair, torch.inf),
            stalled=torch.zeros_like(count),
            pull_share=torch.ones_like(per_pair),
            draws=draws,
        )

    def step(  # type: ignore[override]
        self, problem: Problem, state: HullState, evaluation: Evaluation
    ) -> HullState:
        """Learn from the evaluated points, judge them, move the corners."""
        state = replace(state, clear=self._clearance(problem, state, evaluation))
        now = self._judged(problem, learn(state, evaluation), evaluation)
        moved = self._moved(problem, now)
        worst = self._worst(problem, now, moved)
        proposed = replace(promising(now, moved), corners=moved)
        return self.propose(problem, proposed, worst, now.draw)

    def propose(self, problem: Problem, now: Held, worst: Tensor, draw: Tensor) -> Held:
        """The corners, the jittered worst point and the samples as the next proposal."""
        jittered = WORST_SHARE * worst + (1 - WORST_SHARE) * draw[:, -1]
        weights = with_corners(torch.cat((jittered[:, None], draw[:, :-1]), 1), draw.shape[-1])
        proposal = mixtures(problem.source, now.corners, weights)
        return replace(now, weights=weights, proposal=proposal)

    def wanted(
        self, problem: Problem, weights: Weights, height: Tensor, of_source: float
    ) -> Float[Tensor, "batch points"]:
        """The margin asked for at points of the hull: `height` above the floor at Σw = 1.

        Towards the source it fades to the share `of_source` of what the source itself has.
        """
        floor = problem.floor[:, None]
        own = problem.height[:, None] - floor
        share = weights.sum(dim=2)
        return floor + share * height + (1 - share) * torch.minimum(of_source * own, height)

    def required(
        self, problem: Problem, state: HullState, weights: Weights
    ) -> Float[Tensor, "batch points"]:
        return self.wanted(problem, weights, state.clear[:, None], of_source=0.5)

    def _clearance(
        self, problem: Problem, state: HullState, evaluation: Evaluation
    ) -> Float[Tensor, "batch"]:
        """How far above the floor all corners must be for the one that rounding costs the most.

        Or, where that is more, the share `sag` of what the corners have, up to the clearance.
        """
        k = state.corners.shape[1]
        own = (problem.height - problem.floor).repeat_interleave(k)
        corners, gradient = state.corners.flatten(0, 1), evaluation.gradient[:, :k].flatten(0, 1)
        needed = clearance_needed(self.clearance, own, corners, gradient).view(-1, k).amax(dim=1)
        deep = evaluation.objective[:, :k].amin(dim=1) - problem.floor
        return needed.maximum((self.sag * deep).clamp(max=self.clearance)).maximum(state.missing)

    def _first_aim(self, problem: Problem) -> Float[Tensor, "batch"]:
        return (SOURCE_TIMES * (problem.height - problem.floor)).clamp(max=self.aim)

    def _judged(self, problem: Problem, state: HullState, evaluation: Evaluation) -> HullState:
        """Take over the corners where their whole sampled hull is inside."""
        required = self.required(problem, state, state.weights)
        shortfall = (required - evaluation.objective).amax(dim=1)
        short = shortfall > 0
        score = evaluation.score[:, : state.corners.shape[1]]
        inside = (problem.p_source[:, None] - score <= self.delta).all(dim=1)
        taken = ~short | (inside & ~state.ever)
        now = replace(
            state,
            found=torch.where(taken.view(-1, 1, 1, 1, 1), state.corners, state.found),
            score=torch.where(taken[:, None], score, state.score),
            steps=state.steps + 1,
            aim=self._aim(problem, state, short),
            held=torch.where(short, 0, state.held + 1),
            ever=state.ever | ~short,
        )
        return self._retreated(problem, replace(now, ending=self.ended(problem, now)), shortfall)

    def _aim(self, problem: Problem, state: HullState, short: Tensor) -> Float[Tensor, "batch"]:
        """Higher where points were short and promises broken; lower where all were held."""
        deep = state.margins.amin(dim=1) - problem.floor
        depth = deep.maximum(state.clear)
        kept = state.kept > KEPT
        lower = torch.minimum(state.aim * RELAX, torch.where(kept, NEAR * depth, torch.inf))
        higher = state.aim * torch.where(kept & self.trusts_promises, 1.0, DEEPER)
        least = LEAST_AIM * state.clear
        return torch.where(short, higher, lower).clamp(max=LARGEST_AIM).maximum(least)

    def _retreated(self, problem: Problem, now: HullState, shortfall: Tensor) -> HullState:
        """Corners nearer to the source where the shortfall has not become smaller for a while."""
        held = shortfall <= 0
        nearer = held | (shortfall < now.shortfall - PROGRESS)
        stalled = torch.where(nearer, 0, now.stalled + 1)
        back = stalled >= PATIENCE
        forgotten = held | back
        return replace(
            now,
            corners=choose(back, self.behind(problem, now), now.corners),
            aim=torch.where(back, self._first_aim(problem), now.aim),
            stalled=torch.where(back, 0, stalled),
            pull_share=torch.where(back, now.pull_share * GENTLER, now.pull_share),
            shortfall=torch.where(forgotten, torch.inf, torch.minimum(shortfall, now.shortfall)),
        )

    def behind(self, problem: Problem, now: HullState) -> Corners:
        """Where corners retreat to."""
        return torch.lerp(problem.source[:, None], now.corners, RETREAT)

    def ended(self, problem: Problem, now: HullState) -> Int[Tensor, "batch"]:
        """Close enough and held several times in a row, or out of steps."""
        close = self.close(problem, now.found).all(dim=1)
        held, left = now.held >= CONFIRMATIONS, self.max_steps - now.steps
        late = (left <= self.repairs()) & held
        if self.max_steps > self.repairs():
            late = late | ((left <= REPAIRS) & (now.held > 0))
        over = late | (left <= 0)
        ending = torch.where(over, BUDGET, RUNNING)
        return torch.where(close & held, code(Ending.REACHED), ending)

    def sweep(self) -> Float[Tensor, "look"]:
        """201 equally spaced points, both ends included."""
        return torch.linspace(0, 1, LOOK)

    def looked(  # type: ignore[override]
        self, problem: Problem, state: HullState, look: LookResult
    ) -> HullState:
        """Go on where a point leaves the level set; without steps left, cut segments there."""
        inside = is_inside(problem, look.segments, self.delta)
        whole, fall = inside.flatten(1).all(dim=1), depth_below(problem, look.hull)
        again = ~(whole & (fall == 0)) & (state.steps < self.max_steps)
        share = torch.where(state.missing > 0, 1.0, MISSED)
        missing = torch.where(fall > 0, state.clear + share * fall, 0.0)
        stored = replace(state, found=look.found, score=look.segments[..., -1])
        cut = cut_back(problem, stored, look.segments, inside, self.delta)
        deeper = replace(
            replaced(cut, again, state),
            ending=torch.where(again, RUNNING, torch.where(whole, state.ending, BUDGET)),
            held=torch.where(again, 0, state.held),
            aim=torch.where(again, state.aim * DEEPER, state.aim),
            missing=state.missing.maximum(missing).clamp(max=LARGEST_AIM),
        )
        surface = self.surface(look.found.shape[1]).to(look.hull)
        lowest = lowest_points(look, surface, state.draw)
        return self.propose(problem, deeper, lowest[:, 0], lowest[:, 1:])

    def _moved(self, problem: Problem, now: HullState) -> Corners:
        """The corners nearest to the pulled ones with every plane at the aim."""
        pulled = self._pulled(problem, now)
        goal = self.wanted(problem, now.plane_weights, now.aim[:, None], of_source=1.0)
        lacking = goal / now.plane_scale - heights(now, pulled)
        counts = (now.plane_weights.square().sum(dim=2) > LEAST_T**2) & self.trusted(now)
        need = torch.where(counts, lacking, -torch.inf)
        multipliers = least_multipliers(gram(now), need)
        bend = torch.einsum(
            "bpk,bpd->bkd", multipliers[..., None] * now.plane_weights, now.plane_normal
        )
        bent = pulled + within(now.radius, bend.view_as(pulled))
        return bent.clamp(0, 1)

    def _pulled(self, problem: Problem, now: HullState) -> Corners:
        pulls = _pulls(self.pull, self.last_pull, self.max_steps).to(now.corners)
        share = pulls[now.steps.clamp(max=self.max_steps)] * now.pull_share
        share = ~self.close(problem, now.corners) * share[:, None]
        way = problem.target.reshape(now.corners.shape) - now.corners
        return now.corners + share[..., None, None, None] * way

    def close(self, problem: Problem, corners: Corners) -> Bool[Tensor, "batch corners"]:
        """Which are within the tolerance, as they would be stored."""
        return rms(as_stored(corners) - problem.target.reshape(corners.shape)) <= self.tolerance

    def trusted(self, now: HullState) -> Bool[Tensor, "batch planes"]:
        """The planes that bend the corners: all that are remembered."""
        return now.plane_scale > 0

    def _worst(self, problem: Problem, now: HullState, moved: Corners) -> Tensor:
        """The remembered point, corners apart, that the planes say is lowest at new corners."""
        required = self.required(problem, now, now.plane_weights)
        surplus = now.plane_scale * heights(now, moved) - required
        corner = now.plane_weights.amax(dim=2) == 1
        unknown = (now.plane_scale == 0) | corner
        lowest = torch.where(unknown, torch.inf, surplus).argmin(dim=1)
        return now.plane_weights[torch.arange(len(lowest), device=lowest.device), lowest]


@cache
def _pulls(first: float, last: float, steps: int) -> Float[Tensor, "steps"]:
    """The pull of every step; a tensor's power would round by its place among the pairs."""
    return torch.tensor([first * (last / first) ** (step / steps) for step in range(steps + 1)])
