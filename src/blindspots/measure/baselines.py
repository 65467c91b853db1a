"""How far along the straight line from source to target the confidence holds: forwards alone.

The line is looked at coarsely first. Of its finer points only those before the first coarse one
that is outside are asked about, since the line has left there at the latest.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch

from blindspots.engine.evaluator import Evaluator
from blindspots.measure.batched_hulls import Corners, Image, measure_hulls
from blindspots.methods.geometry import mix, segment_weights
from blindspots.schema import SEGMENT_POINTS, SLIDES_SEGMENT_POINTS

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
        """The share of the line up to its last point inside."""
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
    finer = [_between(points) for points in until]
    asked = measure_hulls(
        evaluator, ((pair, weights[some]) for pair, some in zip(ends, finer, strict=True))
    )
    for rough, some, points, answers in zip(coarse, finer, until, asked, strict=True):
        known = torch.empty(points + 1)
        known[::STRIDE] = rough[: points // STRIDE + 1]
        known[some] = answers.confidence
        last = last_inside(known.tolist(), delta)
        yield Line(rough.tolist(), last, float(known[last]))


def _between(points: int) -> list[int]:
    """The numbers of the points below that are not among the coarse ones."""
    return [number for number in range(points) if number % STRIDE]
