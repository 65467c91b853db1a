"""Judges pairs and their witnesses by forwards alone, in fp32: no gradient, no method.

A source is asked about once, a straight line to a target until it leaves, a witness's whole
segment. That is all that a claim of blindness needs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import from_8bit
from blindspots.engine.device import batch_size, lay_out
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import UsageError
from blindspots.images import ImageSet
from blindspots.leaderboard.numbers import LEVELS
from blindspots.leaderboard.protocol import COARSE, DIGITS, Protocol
from blindspots.leaderboard.witnesses import MARGIN_PLACES, PLACES, Judgement
from blindspots.measure.hulls import Corners, last_inside, measure_hulls
from blindspots.methods.method import segment_weights
from blindspots.models.classifier import Classifier
from blindspots.scores import Confidence
from blindspots.store.reader import Pixels

TOGETHER = 64  # pairs whose images are in memory at once, at most
BATCHES = 128  # at once: more tell of progress less often, fewer leave more batches half full


class Witness(NamedTuple):
    """A candidate for a pair: its 8-bit image, the SHA-256 of its PNG, and who found it."""

    pixels: Pixels
    sha256: str
    by: str


class Candidates(NamedTuple):
    """A pair of the protocol, by its place, with what was spent on it and what was found."""

    pair: int
    evaluations: float
    witnesses: Sequence[Witness]


class Answer(NamedTuple):
    """What the model says of a source."""

    named: bool
    p: float
    margin: float


def find_pictures(protocol: Protocol, images: ImageSet) -> dict[int, int]:
    """The place in a set of images of every picture, by its content; refused where one lacks."""
    known = {content: place for place, content in enumerate(images.contents)}
    lost = [one.name for one in protocol.pictures if one.sha256 not in known]
    if lost:
        raise UsageError(
            f"{images.spec} lacks {len(lost)} of the {len(protocol.pictures)} images of "
            f"{protocol.name}, such as {lost[0]}; expected files of that very content: "
            f"{protocol.obtain or 'ask who drew the protocol'}"
        )
    return {number: known[one.sha256] for number, one in enumerate(protocol.pictures)}


@dataclass(frozen=True)
class ProtocolImages:
    """The pictures of a protocol as a model sees them, found by their content."""

    images: ImageSet
    places: Mapping[int, int]

    @classmethod
    def find(cls, protocol: Protocol, images: ImageSet) -> "ProtocolImages":
        """Refused where one lacks, or is of another class than the protocol says."""
        places = find_pictures(protocol, images)
        labels, classes = images.labels.tolist(), images.source_labels
        for number, place in places.items():
            one = protocol.pictures[number]
            if labels[place] < 0 or classes[place] != one.label:
                raise UsageError(
                    f"{one.name} is of class {classes[place]} in {images.spec} and {one.label} in "
                    f"{protocol.name}; give it the class {one.label} there, which the model must "
                    "have too"
                )
        return cls(images, places)

    def pixels(self, picture: int) -> Pixels:
        return self.images.uint8(self.places[picture])

    def label(self, picture: int) -> int:
        return int(self.images.labels[self.places[picture]])


def judging(model: Classifier, batch: int | None = None) -> Evaluator:
    """What a judge asks: the model in the layout that is faster for it, in full batches."""
    model = lay_out(model)
    return Evaluator(model, Confidence(), chunk=batch or batch_size(model.size, model.device))


@dataclass(frozen=True)
class Judge:
    """A model that is asked about the pairs of a protocol.

    `pixels`: a picture of the protocol as the model sees it, (height, width, 3) in 8 bits;
    `label`: the class to keep of it.
    """

    evaluator: Evaluator
    protocol: Protocol
    pixels: Callable[[int], Pixels]
    label: Callable[[int], int]
    _known: dict[int, Answer] = field(default_factory=dict)

    def judge(self, candidates: Iterable[Candidates]) -> Iterator[list[Judgement]]:
        """The lines of each pair: one per witness, or one that names none."""
        waiting = iter(candidates)
        fill = BATCHES * (self.evaluator.chunk or TOGETHER) // self.protocol.points
        while together := list(islice(waiting, min(max(fill, 1), TOGETHER))):
            yield from self._judge(together)

    def answers(self, sources: Sequence[int]) -> list[Answer]:
        """What the model says of these pictures; each is asked about once."""
        new = [one for one in dict.fromkeys(sources) if one not in self._known]
        for start in range(0, len(new), TOGETHER):
            self._ask(new[start : start + TOGETHER])
        return [self._known[one] for one in sources]

    def _ask(self, sources: Sequence[int]) -> None:
        labels = torch.tensor([self.label(one) for one in sources])
        images = torch.stack([as_image(self.pixels(one)) for one in sources])
        with self.evaluator.model.frozen():
            logits = self.evaluator.logits(images)
        kept = labels.to(logits.device)
        p, margin = self.evaluator.score(logits, kept), self.evaluator.score.height(logits, kept)
        said = zip((logits.argmax(1) == kept).tolist(), p.tolist(), margin.tolist(), strict=True)
        for source, (named, one, height) in zip(sources, said, strict=True):
            self._known[source] = Answer(
                named, round(one, PLACES), round(max(-1e6, min(1e6, height)), MARGIN_PLACES)
            )

    def _judge(self, candidates: Sequence[Candidates]) -> Iterator[list[Judgement]]:
        ends = [self.protocol.pairs[one.pair] for one in candidates]
        answers = self.answers([source for source, _ in ends])
        images = {one: as_image(self.pixels(one)) for pair in ends for one in pair}
        named = [place for place, answer in enumerate(answers) if answer.named]
        lines = dict(zip(named, self._lines([ends[place] for place in named], images), strict=True))
        found = [(place, one) for place in named for one in candidates[place].witnesses]
        lowest = self._lowest([(ends[place][0], one) for place, one in found], images)
        looked: dict[int, list[dict]] = {}
        for (place, one), low in zip(found, lowest, strict=True):
            looked.setdefault(place, []).append(self._witness(ends[place][1], one, *low))
        for place, one in enumerate(candidates):
            line = lines.get(place, (0.0, 0.0))
            shared = self._pair(one, answers[place], line)
            yield [Judgement(**shared, **own) for own in looked.get(place, [_NONE])]

    def _lines(
        self, pairs: Sequence[Sequence[int]], images: Mapping[int, Tensor]
    ) -> Iterator[tuple[float, ...]]:
        """How far each straight line to the target holds at each level: a share of the way."""
        points = self.protocol.points
        weights = segment_weights(points)
        corners = [
            Corners((images[source], images[target]), self.label(source))
            for source, target in pairs
        ]
        looked = measure_hulls(self.evaluator, ((one, weights[::COARSE]) for one in corners))
        coarse = [(one.confidence, one.height) for one in looked]
        until = [COARSE * min(max(self._last(*one)) + 1, len(one[0]) - 1) for one in coarse]
        finer = [[one for one in range(last) if one % COARSE] for last in until]
        asked = measure_hulls(
            self.evaluator, ((one, weights[some]) for one, some in zip(corners, finer, strict=True))
        )
        for rough, some, last, fine in zip(coarse, finer, until, asked, strict=True):
            known = torch.empty(2, last + 1)
            known[:, ::COARSE] = torch.stack(rough)[:, : last // COARSE + 1]
            known[:, some] = torch.stack((fine.confidence, fine.height))
            yield tuple(one / (points - 1) for one in self._last(*known))

    def _last(self, confidence: Tensor, height: Tensor) -> tuple[int, ...]:
        """The last point up to which every one is inside, at each level; 0 is the source."""
        floors = {"delta": self.protocol.delta, "margin": float(height[0])}
        values = {"delta": confidence.tolist(), "margin": height.tolist()}
        return tuple(last_inside(values[level], floors[level]) for level in LEVELS)

    def _lowest(
        self, found: Sequence[tuple[int, Witness]], images: Mapping[int, Tensor]
    ) -> Iterator[tuple[float, float]]:
        """The lowest confidence and margin over the segment to each witness."""
        weights = segment_weights(self.protocol.points)
        hulls = (
            (Corners((images[source], as_image(one.pixels)), self.label(source)), weights)
            for source, one in found
        )
        for answers in measure_hulls(self.evaluator, hulls):
            yield float(answers.confidence.min()), float(answers.height.min())

    def _witness(self, target: int, one: Witness, lowest: float, margin: float) -> dict:
        return {
            "witness": one.sha256,
            "lowest": round(lowest, PLACES),
            "lowest_margin": round(max(-1e6, margin), MARGIN_PLACES),
            "rmse": distance(one.pixels, self.pixels(target)),
            "by": one.by,
        }

    def _pair(self, one: Candidates, answer: Answer, line: tuple[float, ...]) -> dict:
        source, target = self.protocol.pairs[one.pair]
        return {
            "pair": one.pair,
            "source": self.protocol.pictures[source].sha256[:DIGITS],
            "target": self.protocol.pictures[target].sha256[:DIGITS],
            "named": answer.named,
            "p_source": answer.p,
            "margin": answer.margin,
            "apart": distance(self.pixels(source), self.pixels(target)),
            "line": round(line[0], PLACES),
            "line_margin": round(line[1], PLACES),
            "evaluations": one.evaluations,
        }


_NONE = {"witness": "", "lowest": None, "lowest_margin": None, "rmse": None, "by": ""}


def distance(one: Pixels, other: Pixels) -> float:
    """RMSE of two 8-bit images in [0, 1] units, the same on every machine."""
    gap = one.astype(np.int64) - other
    return round(float(np.sqrt(np.square(gap).mean()) / 255), PLACES)


def as_image(pixels: Pixels) -> Float[Tensor, "3 height width"]:
    return from_8bit(torch.from_numpy(pixels.copy())).permute(2, 0, 1)
