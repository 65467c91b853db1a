"""A look by forwards alone at what a pair would return: its segments and its hull.

Segments are asked about at many points where there is doubt, at few where there is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import max_pool1d

from blindspots.engine.evaluator import Evaluator
from blindspots.methods.method import LookResult, Problem, mixtures
from blindspots.methods.repairs import is_inside
from blindspots.schema import LOOK_STRIDE as STRIDE

# How many times as steep as its surroundings a segment may be where nothing is asked: on what
# `star` and `fan` find, 1.5 to 4 cost 26 to 27 images and none of them misses a dip.
STEEPER = 3.0


@dataclass
class Look:
    """Scores at the points t of every segment from a source to its found images.

    Every `STRIDE`th point is asked for, then the middle of every two where all between might not
    be inside: where a line `STEEPER` times as steep as any nearby would come below the floor. What
    leaves no doubt is interpolated. A row with a point outside that is `last`, because nothing will
    mend it, is asked for all of its points, so what is cut hangs on nothing that was not asked.
    """

    evaluator: Evaluator
    problem: Problem
    found: Float[Tensor, "batch corners channel height width"]
    t: Float[Tensor, "points"]
    delta: float
    last: Bool[Tensor, "batch"]
    score: Float[Tensor, "segments points"] = field(init=False)
    _height: Float[Tensor, "segments points"] = field(init=False)
    _asked: Bool[Tensor, "segments points"] = field(init=False)
    _others: Int[Tensor, "batch"] = field(init=False)

    def __post_init__(self) -> None:
        batch, corners = self.found.shape[:2]
        self._height = self.problem.floor.new_zeros(batch * corners, len(self.t))
        self.score, self._asked = self._height.clone(), self._height.bool()
        self._others = self.problem.kept.new_zeros(batch, dtype=torch.long)

    @property
    def asked(self) -> Int[Tensor, "batch"]:
        """How many images each row has cost."""
        return self._asked.view(len(self.found), -1).sum(dim=1) + self._others

    def take(self, surface: Float[Tensor, "points corners"]) -> LookResult:
        """All that is asked for; `surface`: the weights of the points of the hull."""
        segments = self.along()
        lowest = self._height.view_as(segments).amin(dim=2)
        return LookResult(self.found, segments, torch.cat((lowest, self._over(surface)), dim=1))

    def _over(self, surface: Float[Tensor, "points corners"]) -> Float[Tensor, "batch points"]:
        """The heights of the hull's points; ∞ where what is `last` is not asked for them."""
        height = self.found.new_full((len(self.found), len(surface)), torch.inf)
        asked = ~self.last[:, None].expand(height.shape)
        for row, point in self._parts(*asked.nonzero(as_tuple=True)):
            weights = surface[point][:, None]
            images = mixtures(self.problem.source[row], self.found[row], weights)[:, 0]
            height[row, point] = self._tell(images, row)[1]
        self._others += asked.sum(dim=1)
        return height

    def along(self) -> Float[Tensor, "batch corners points"]:
        """The scores along the segments: asked for until nothing is in doubt."""
        floor = self.problem.floor.repeat_interleave(self.found.shape[1])[:, None]
        self._ask(self._every(slice(None, None, STRIDE)))
        for stride in (STRIDE >> turn for turn in range(STRIDE.bit_length() - 1)):
            between = slice(stride // 2, None, stride)
            for told in (self.score, self._height):
                at = told[:, ::stride]
                told[:, between] = torch.where(
                    self._asked[:, between], told[:, between], (at[:, :-1] + at[:, 1:]) / 2
                )
            where = self._every(between)
            where[:, between] = doubtful(self._height[:, ::stride] - floor)
            self._ask(where)
        segments = self.score.view(*self.found.shape[:2], -1)
        inside = is_inside(self.problem, segments, self.delta).flatten(1).all(dim=1)
        outside = self.last & ~inside
        self._ask(outside.repeat_interleave(self.found.shape[1])[:, None].expand_as(self._asked))
        return segments

    def _every(self, points: slice) -> Bool[Tensor, "segments points"]:
        where = torch.zeros_like(self._asked)
        where[:, points] = True
        return where

    def _ask(self, where: Bool[Tensor, "segments points"]) -> None:
        """The model's answers at these points, those that were asked for before apart."""
        for some, place in self._parts(*(where & ~self._asked).nonzero(as_tuple=True)):
            row, t = some // self.found.shape[1], self.t[place].view(-1, 1, 1, 1)
            images = torch.lerp(self.problem.source[row], self.found.flatten(0, 1)[some], t)
            self.score[some, place], self._height[some, place] = self._tell(images, row)
            self._asked[some, place] = True

    def _parts(self, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """As many at once as the evaluator takes; of nothing, no part."""
        if not len(tensors[0]):
            return iter(())
        size = self.evaluator.chunk or len(self.t)
        return zip(*(tensor.split(size) for tensor in tensors), strict=True)

    def _tell(self, images: Tensor, row: Int[Tensor, "batch"]) -> tuple[Tensor, Tensor]:
        """Score and height of images of these rows' pairs."""
        answer, kept = self.evaluator.exact.logits(images), self.problem.kept[row]
        return self.evaluator.score(answer, kept), self.evaluator.score.height(answer, kept)


def doubtful(above: Float[Tensor, "segments points"]) -> Bool[Tensor, "segments gaps"]:
    """Between which neighbours a line `STEEPER` times as steep as nearby would come below 0."""
    rise = above.diff(dim=1).abs()
    steep = max_pool1d(rise[:, None], 3, stride=1, padding=1)[:, 0]
    return ~((above[:, :-1] + above[:, 1:]) / 2 >= STEEPER * steep / 2)
