"""Confidence over segments, triangles and simplices of images.

The paper's section 4 (star-like sets, linear interpolation) and the slides' table of triangles.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.methods.method import (
    mix,
    reference_triangle_weights,
    segment_weights,
    triangle_weights,
)
from blindspots.schema import SEGMENT_POINTS, SLIDES_SEGMENT_POINTS, wilson

Image = Float[Tensor, "channel height width"]
Images = Float[Tensor, "batch channel height width"]
Weights = Float[Tensor, "points corners"]


class Corners(NamedTuple):
    """The corners of a hull, the source first, and the label to keep (−1: none, for embeddings).

    Images float32 `(3, height, width)` in [0, 1], on any device.
    """

    images: tuple[Image, ...]
    label: int


class PointScores(NamedTuple):
    """What the model says at the points of a hull: the score held, and its height; on the CPU."""

    confidence: Float[Tensor, "points"]
    height: Float[Tensor, "points"]


def measure_hulls(
    evaluator: Evaluator, hulls: Iterable[tuple[Corners, Weights]]
) -> Iterator[PointScores]:
    """The answers at each hull's mixtures, hull after hull; half an evaluation a point.

    Hulls are taken from the iterable when their points are due, and may be of any number and
    mixed kinds. Batches hold `evaluator.chunk` images as it is then, the device's usual number
    where it is None; only the last one may be smaller. The model is frozen until the last answer.
    """
    ahead, behind = tee(hulls)
    parts, known = _one_behind(_parts(evaluator, ahead)), torch.empty(2, 0)
    for _, weights in behind:
        while known.shape[1] < len(weights):
            known = torch.cat((known, next(parts)), dim=1)
        mine, known = known[:, : len(weights)], known[:, len(weights) :]
        yield PointScores(*mine)
    deque(parts, maxlen=0)


class _Piece(NamedTuple):
    """Some points of one hull, on the model's device."""

    corners: Float[Tensor, "corners channel height width"]
    weights: Weights
    kept: Tensor

    def cut(self, most: int) -> "tuple[_Piece, _Piece | None]":
        """The first points, at most `most`, and the others."""
        rest = self._replace(weights=self.weights[most:]) if len(self.weights) > most else None
        return self._replace(weights=self.weights[:most]), rest


class _Queue:
    def __init__(self, pieces: Iterator[_Piece]) -> None:
        self._pieces = pieces
        self._rest: _Piece | None = None

    def take(self, most: int) -> list[_Piece]:
        """The next `most` points, fewer at the end."""
        taken: list[_Piece] = []
        while most and (piece := self._rest or next(self._pieces, None)):
            head, self._rest = piece.cut(most)
            taken.append(head)
            most -= len(head.weights)
        return taken


def _parts(
    evaluator: Evaluator, hulls: Iterable[tuple[Corners, Weights]]
) -> Iterator[Float[Tensor, "2 points"]]:
    """The answers of one batch after the other, still on the device."""
    model = evaluator.model
    usual = batch_size(model.size, model.device)
    queue = _Queue(_placed(evaluator, corners, weights) for corners, weights in hulls)
    images = torch.empty(0, 0, 0, 0)
    with model.frozen():
        # Asked anew each time, because the evaluator may have halved its chunk.
        while pieces := queue.take(evaluator.chunk or usual):
            images = _mixed(pieces, images)
            yield _ask(evaluator, pieces, images)


def _placed(evaluator: Evaluator, corners: Corners, weights: Weights) -> _Piece:
    device = evaluator.model.device
    images = torch.stack([image.detach().to(device) for image in corners.images])
    kept = evaluator.kept(images[:1], torch.tensor([corners.label]))
    return _Piece(images, weights.to(device), kept)


def _mixed(pieces: list[_Piece], memory: Tensor) -> Images:
    """The points' images, in the memory of the batch before where it fits: new pages are slow."""
    first, counts = pieces[0].corners, [len(piece.weights) for piece in pieces]
    shape = (sum(counts), *first.shape[1:])
    images = memory if memory.shape == shape else first.new_empty(shape)
    for piece, place in zip(pieces, images.flatten(1).split(counts), strict=True):
        torch.mm(piece.weights, piece.corners.flatten(1), out=place)
    return images


def _ask(evaluator: Evaluator, pieces: list[_Piece], images: Images) -> Float[Tensor, "2 points"]:
    answer = evaluator.logits(images)
    kept = torch.cat([p.kept.repeat_interleave(len(p.weights), dim=0) for p in pieces])
    return torch.stack((evaluator.score(answer, kept), evaluator.score.height(answer, kept)))


def _one_behind(parts: Iterator[Tensor]) -> Iterator[Tensor]:
    """Each part on the CPU, but only when the next one was asked for.

    So the device computes while the host reads the next images.
    """
    waiting: deque[Tensor] = deque()
    for part in parts:
        waiting.append(part)
        if len(waiting) > 1:
            yield waiting.popleft().cpu()
    yield from (part.cpu() for part in waiting)


REFINED_POINTS = 21


@dataclass(frozen=True)
class Hull:
    """The model's confidence at points of a convex hull whose first corner is the source.

    `weights` `(points, corners)`, its first row the source; `confidence`, the score held, and its
    `height` (for the confidence the margin) `(points,)`. `strict`: inside means above
    p_source − d, not at least (the authors' script).
    """

    weights: Float[Tensor, "points corners"]
    confidence: Float[Tensor, "points"]
    height: Float[Tensor, "points"]
    strict: bool = False

    @property
    def p_source(self) -> float:
        return float(self.confidence[0])

    @property
    def mean(self) -> float:
        return float(self.confidence.double().mean())

    @property
    def minimum(self) -> float:
        return float(self.confidence.min())

    def fraction(self, drop: float) -> float:
        """The share of points whose confidence is at least p_source − `drop`.

        At a drop of 0 heights are compared, because rounding decides between equal confidences.
        """
        return float(self._inside(drop).double().mean())

    def _inside(self, drop: float) -> Tensor:
        values = self.height if drop == 0 else self.confidence.double()
        floor = values[0] - drop
        return values > floor if self.strict else values >= floor


@dataclass(frozen=True)
class Segment(Hull):
    """The segment source → found; `lowest` also counts points refined around the worst."""

    lowest: float = 1.0

    @property
    def minimum(self) -> float:
        """The lowest confidence over the points and the refinement around the worst of them."""
        return self.lowest


@dataclass(frozen=True)
class Simplex(Hull):
    """Uniform samples of the hull of the source and k found images, behind the source itself."""

    @property
    def mean(self) -> float:
        return float(self.confidence[1:].double().mean())

    def fraction(self, drop: float) -> float:
        """The share of the samples whose confidence is at least p_source − `drop`."""
        return float(self._inside(drop)[1:].double().mean())

    def interval(self, drop: float) -> tuple[float, float]:
        """The 95 % interval of `fraction(drop)`: Wilson's score interval (1927)."""
        return wilson(self.fraction(drop), len(self.confidence) - 1)


def segments(evaluator: Evaluator, ends: Sequence[Corners], points: int = 101) -> list[Segment]:
    """The segments between many (source, found), in full batches.

    Confidence at `points` equally spaced points; `lowest` refined by 21 more around the worst.
    """
    weights = segment_weights(points)
    coarse = list(measure_hulls(evaluator, ((pair, weights) for pair in ends)))
    worst = [int(answers.confidence.argmin()) for answers in coarse]
    refined = measure_hulls(
        evaluator, ((pair, _around(weights, w)) for pair, w in zip(ends, worst, strict=True))
    )
    return [
        Segment(weights, *answers, lowest=float(torch.cat((answers[0], around[0])).min()))
        for answers, around in zip(coarse, refined, strict=True)
    ]


def triangles(
    evaluator: Evaluator,
    corners: Iterable[Corners],
    steps: int = 10,
    *,
    grid: Literal["full", "reference"] = "full",
) -> Iterator[Hull]:
    """The triangles over many (source, found 1, found 2), in full batches.

    `steps` and `grid` as `blindspots.triangle` says. Corners are taken when their points are due.
    """
    exact = grid == "full"
    weights = triangle_weights(steps) if exact else reference_triangle_weights(steps)
    for answers in measure_hulls(evaluator, ((three, weights) for three in corners)):
        yield Hull(weights, *answers, strict=not exact)


def simplices(
    evaluator: Evaluator, seeded: Iterable[tuple[Corners, int]], samples: int = 2000
) -> Iterator[Simplex]:
    """The simplices over many (source, *found), each with its seed, in full batches.

    As `blindspots.simplex` has them; corners are taken when their points are due.
    """
    ahead, behind = tee(
        (corners, _dirichlet(samples, len(corners.images), seed)) for corners, seed in seeded
    )
    for answers, (_, weights) in zip(measure_hulls(evaluator, ahead), behind, strict=True):
        yield Simplex(weights, *answers)


def _dirichlet(samples: int, corners: int, seed: int) -> Float[Tensor, "points corners"]:
    draws = torch.empty(samples, corners, dtype=torch.float64)
    draws.exponential_(generator=torch.Generator().manual_seed(seed))
    uniform = draws / draws.sum(dim=1, keepdim=True)
    return torch.cat((torch.eye(corners, dtype=torch.float64)[:1], uniform)).float()


def _around(weights: Float[Tensor, "points 2"], worst: int) -> Float[Tensor, "refined 2"]:
    t = weights[:, 1]
    low, high = t[max(0, worst - 1)], t[min(len(t) - 1, worst + 1)]
    around = low + (high - low) * torch.linspace(0, 1, REFINED_POINTS)
    return torch.stack((1 - around, around), dim=1)


STRIDE = (SEGMENT_POINTS - 1) // (SLIDES_SEGMENT_POINTS - 1)
_TOGETHER = 64  # lines whose images are in memory at once


class Line(NamedTuple):
    """A straight line (source, target): `coarse` confidences, and how far it holds.

    `coarse`: at 11 equally spaced points, the source first. `last`: the last of 101 points up to
    which every one is inside, 0 is the source; `p_last`: the confidence there.
    """

    coarse: list[float]
    last: int
    p_last: float

    @property
    def t(self) -> float:
        return self.last / (SEGMENT_POINTS - 1)


def straight_lines(evaluator: Evaluator, ends: Iterable[Corners], delta: float) -> Iterator[Line]:
    """The line of each (source, target), in full batches; inside: at least p_source − `delta`."""
    waiting = iter(ends)
    while together := list(islice(waiting, _TOGETHER)):
        yield from _lines(evaluator, together, delta)


def whole_lines(evaluator: Evaluator, ends: Iterable[Corners]) -> Iterator[list[float]]:
    """The confidence at all 101 points of each line, wherever it leaves."""
    weights = segment_weights(SEGMENT_POINTS)
    for answers in measure_hulls(evaluator, ((pair, weights) for pair in ends)):
        yield answers.confidence.tolist()


def last_inside(confidence: Sequence[float], delta: float) -> int:
    """The last point up to which every one is at least the first minus `delta`; 0 is the first."""
    outside = (i for i, value in enumerate(confidence) if not value >= confidence[0] - delta)
    return max(0, next(outside, len(confidence)) - 1)


def point(ends: Corners, number: int) -> Image:
    """The image at that of the 101 points of a line (source, target)."""
    return mix(segment_weights(SEGMENT_POINTS)[number][None], torch.stack(ends.images))[0]


def _lines(evaluator: Evaluator, ends: Sequence[Corners], delta: float) -> Iterator[Line]:
    weights = segment_weights(SEGMENT_POINTS)
    looked = measure_hulls(evaluator, ((pair, weights[::STRIDE]) for pair in ends))
    coarse = [answers.confidence for answers in looked]
    # A line that never leaves is asked about to its end; its last point is known already.
    until = [min(last_inside(c.tolist(), delta) + 1, len(c) - 1) * STRIDE for c in coarse]
    finer = [[one for one in range(points) if one % STRIDE] for points in until]
    asked = measure_hulls(
        evaluator, ((pair, weights[some]) for pair, some in zip(ends, finer, strict=True))
    )
    for rough, some, points, answers in zip(coarse, finer, until, asked, strict=True):
        known = torch.empty(points + 1)
        known[::STRIDE] = rough[: points // STRIDE + 1]
        known[some] = answers.confidence
        last = last_inside(known.tolist(), delta)
        yield Line(rough.tolist(), last, float(known[last]))
