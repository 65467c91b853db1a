"""Measures what was found: distances, confidence over segments and triangles, 8-bit safety.

Beside it the nulls, what a found image is held against: no change at all, the straight line from
the source towards the target, and the target itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, tee
from math import isnan
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import TraversalResult, generator
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.measure.hulls import (
    STRIDE,
    Corners,
    Hull,
    Image,
    Line,
    Segment,
    Simplex,
    point,
    segments,
    simplices,
    straight_lines,
    triangles,
)
from blindspots.measure.metrics import Lpips, linf, rmse, ssim
from blindspots.methods.method import as_stored
from blindspots.models.classifier import Classifier
from blindspots.schema import (
    LPIPS_SMALLEST,
    SEGMENT_POINTS,
    SIMPLEX_SAMPLES,
    TRIANGLE_DROPS,
    TRIANGLE_STEPS,
    Ending,
    PlannedPair,
)

Columns = dict[str, Any]
Images = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True)
class Measurer:
    """The measured columns of `pairs`, `triangles`, `simplices` and `nulls` for one model.

    `delta`: the drop inside which segments, simplices and lines count. `lpips`: None where its
    weights are not on the machine; its columns are then missing, and null in the row, as they are
    for images below its smallest size. All is measured in fp32, whatever the evaluator's precision.
    """

    model: Classifier
    evaluator: Evaluator
    delta: float
    lpips: Lpips | None = None

    def found(self, outcomes: Sequence[TraversalResult]) -> list[Columns]:
        if not outcomes:
            return []
        found = torch.stack([outcome.found for outcome in outcomes])
        target = torch.stack([outcome.pair.target for outcome in outcomes])
        source = torch.stack([outcome.pair.source for outcome in outcomes])
        columns = {
            **self._distances("", found, target),
            **self._distances("source_", found, source),
            "p_found_8bit": self.scores(as_stored(found), outcomes),
        }
        return [
            {name: values[i] for name, values in columns.items()} | line
            for i, line in enumerate(self._segments(outcomes))
        ]

    def scores(self, images: Images, outcomes: Sequence[TraversalResult]) -> list[float]:
        evaluator, device = self.evaluator.exact, self.model.device
        sources = torch.stack([outcome.pair.source for outcome in outcomes])
        labels = torch.tensor([outcome.label for outcome in outcomes])
        with self.model.frozen():
            kept = evaluator.kept(sources, labels)
            return evaluator.scores(images.to(device), kept).tolist()

    def triangles(self, corners: Iterable[Corners]) -> Iterator[Columns]:
        """The columns about each triangle (source, found, other found), in one stream."""
        return map(self.triangle, triangles(self.evaluator.exact, corners, TRIANGLE_STEPS))

    def triangle(self, hull: Hull) -> Columns:
        """The columns about a triangle."""
        return {
            "p_source": hull.p_source,
            "mean": hull.mean,
            **{f"fraction_{drop}": hull.fraction(drop) for drop in TRIANGLE_DROPS},
            "fraction": hull.fraction(self.delta),
            "drop": self.delta,
            "confidence": hull.confidence.tolist(),
        }

    def simplices(
        self, corners: Iterable[tuple[str, Corners]], seed: int, samples: int = SIMPLEX_SAMPLES
    ) -> Iterator[Columns]:
        """The columns about each simplex (source id, (source, *found)), in one stream.

        Its samples are keyed by the run's `seed` and the source's id.
        """
        return map(self.simplex, self.clouds(corners, seed, samples))

    def clouds(
        self, corners: Iterable[tuple[str, Corners]], seed: int, samples: int
    ) -> Iterator[Simplex]:
        """The samples that the same columns are about."""
        seeded = ((c, generator(seed, source).initial_seed()) for source, c in corners)
        return simplices(self.evaluator.exact, seeded, samples)

    def simplex(self, cloud: Simplex) -> Columns:
        """The columns about a simplex."""
        low, high = cloud.interval(self.delta)
        return {
            "p_source": cloud.p_source,
            "samples": len(cloud.confidence) - 1,
            "fraction": cloud.fraction(self.delta),
            "low": low,
            "high": high,
            "drop": self.delta,
            "mean": cloud.mean,
        }

    def nulls(self, ends: Iterable[Corners]) -> Iterator[Columns]:
        """The columns about each straight line (source, target), in one stream of forwards."""
        ahead, behind = tee(ends)
        lines = straight_lines(self.evaluator.exact, ahead, self.delta)
        for line, pair in zip(lines, behind, strict=True):
            yield self.null(pair, line)

    def null(self, ends: Corners, line: Line) -> Columns:
        """The columns about one line (source, target).

        The distances are the source's and that of the last point inside, both to the target.
        """
        source, target = ends.images
        both = torch.stack((source, point(ends, line.last)))
        distances = self._distances("", both, target.expand_as(both))
        return {
            **{f"random_pair_{name}": values[0] for name, values in distances.items()},
            "interpolation_t": line.t,
            "interpolation_mean": sum(line.coarse) / len(line.coarse),
            **{f"interpolation_{name}": values[1] for name, values in distances.items()},
            "interpolation_confidence": line.coarse,
            "p_interpolation": line.p_last,
            "p_target": line.coarse[-1],
        }

    def _distances(self, prefix: str, found: Images, other: Images) -> dict[str, list[float]]:
        large = min(found.shape[-2:]) >= LPIPS_SMALLEST
        lpips = self.lpips if large else None
        metrics = {"rmse": rmse, "linf": linf, "ssim": ssim, "lpips": lpips}
        return {
            f"{prefix}{name}": metric(found, other).tolist()
            for name, metric in metrics.items()
            if metric is not None
        }

    def _segments(self, outcomes: Sequence[TraversalResult]) -> list[Columns]:
        ends = [Corners((o.pair.source, o.found), o.label) for o in outcomes]
        lines = segments(self.evaluator.exact, ends, SEGMENT_POINTS)
        return [self._line(*both) for both in zip(lines, outcomes, strict=True)]

    def _line(self, line: Segment, outcome: TraversalResult) -> Columns:
        return {
            "segment_mean": float(line.confidence[::STRIDE].double().mean()),
            "segment_min": line.minimum,
            "segment_inside": line.minimum >= outcome.p_source - self.delta,
            "segment_confidence": line.confidence.tolist(),
        }


Row = dict[str, Any]


class Ends(NamedTuple):
    """A pair with the ends of its straight line: the source and the target themselves."""

    pair: PlannedPair
    images: tuple[Image, Image]

    def corners(self) -> Corners:
        return Corners(self.images, self.pair.label)


class Traversed(NamedTuple):
    source: Image
    found: Sequence[tuple[PlannedPair, Image]]

    @property
    def source_id(self) -> str:
        return self.found[0][0].source_id

    def simplex(self) -> Corners:
        """The source and all found images, in the order of the targets' ids."""
        ordered = sorted(self.found, key=lambda one: one[0].target_id)
        return self._corners(*(image for _, image in ordered))

    def triangles(self) -> Iterator[Corners]:
        """The source with every two found images, in the order of the pairs."""
        for (_, first), (_, second) in combinations(self.found, 2):
            yield self._corners(first, second)

    def _corners(self, *found: Image) -> Corners:
        return Corners((self.source, *found), self.found[0][0].label)


@dataclass(frozen=True)
class RowMaker:
    """Makes one model's rows; `seed`: of the run."""

    subject: Subject
    measurer: Measurer
    seed: int

    def pairs(self, ended: Sequence[tuple[PlannedPair, TraversalResult]]) -> list[Row]:
        traversed = [outcome for _, outcome in ended if outcome.ending.started]
        measured = iter(self.measurer.found(traversed))
        return [
            {**self._identity(pair), **course(outcome)}
            | (next(measured) if outcome.ending.started else {})
            for pair, outcome in ended
        ]

    def unreadable(self, pair: PlannedPair) -> Row:
        return {**self._identity(pair), **nothing_done(Ending.UNREADABLE)}

    def triangles(self, sources: Iterable[Traversed]) -> Iterator[list[Row]]:
        """For each source a row for every two of its found images.

        All are measured in one stream, which takes sources a batch ahead of their rows.
        """
        ahead, behind = tee(sources)
        measured = self.measurer.triangles(three for one in ahead for three in one.triangles())
        for one in behind:
            pairs = (pair for pair, _ in one.found)
            yield [self._triangle(*two) | next(measured) for two in combinations(pairs, 2)]

    def simplices(self, sources: Iterable[Traversed]) -> Iterator[list[Row]]:
        """For each source the row of the simplex of all its found images, streamed likewise."""
        ahead, behind = tee(sources)
        measured = self.measurer.simplices(
            ((one.source_id, one.simplex()) for one in ahead),
            self.seed,
        )
        for one in behind:
            yield [self._simplex(one) | next(measured)]

    def nulls(self, sources: Iterable[Sequence[Ends]]) -> Iterator[list[Row]]:
        """For each source a row for every pair: what its found image is held against."""
        ahead, behind = tee(sources)
        measured = self.measurer.nulls(ends.corners() for one in ahead for ends in one)
        for one in behind:
            yield [self._null(ends.pair) | next(measured) for ends in one]

    def _null(self, pair: PlannedPair) -> Row:
        return {
            "model": self.subject.name,
            "source_id": pair.source_id,
            "target_id": pair.target_id,
        }

    def _triangle(self, first: PlannedPair, second: PlannedPair) -> Row:
        return {
            "model": self.subject.name,
            "source_id": first.source_id,
            "target_1": first.target_id,
            "target_2": second.target_id,
        }

    def _simplex(self, one: Traversed) -> Row:
        return {"model": self.subject.name, "source_id": one.source_id, "k": len(one.found)}

    def _identity(self, pair: PlannedPair) -> Row:
        return {
            "model": self.subject.name,
            "pair_id": pair.pair_id,
            "source_id": pair.source_id,
            "target_id": pair.target_id,
            "source_class": known_class(pair.label),
            "target_class": known_class(pair.target_label),
            "source_name": class_name(self.subject, pair.label, pair.source_id),
            "target_name": class_name(self.subject, pair.target_label, pair.target_id),
        }


def nothing_done(ending: Ending) -> Row:
    return {
        "steps": 0,
        "evaluations": 0.0,
        "check_evaluations": 0.0,
        "seconds": 0.0,
        "ending": str(ending),
    }


def class_name(subject: Subject, label: int, image_id: str) -> str:
    if label < 0:
        images = subject.images
        return PurePosixPath(images.names[images.find(image_id)]).stem
    names = subject.model.class_names or subject.images.class_names
    return names[label] if names and label < len(names) else f"class {label}"


def known_class(label: int) -> int | None:
    """The class as a row stores it: None where it is not known."""
    return label if label >= 0 else None


def course(outcome: TraversalResult) -> Row:
    row: Row = {
        "p_source": None if isnan(outcome.p_source) else outcome.p_source,
        "steps": outcome.steps,
        "evaluations": outcome.evaluations,
        "check_evaluations": outcome.check_evaluations,
        "seconds": outcome.seconds,
        "ending": str(outcome.ending),
    }
    if outcome.ending.started:
        row |= {
            "p_found": outcome.p_found,
            "p_path_min": outcome.p_path_min,
            "path_step": outcome.path_step or None,
            "path_confidence": outcome.path_confidence or None,
        }
    return row
