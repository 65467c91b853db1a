"""From outcomes to rows of the run's tables: who a pair is, how it went, what it shows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, tee
from math import isnan
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from blindspots.engine.pair import TraversalResult
from blindspots.engine.subject import Subject
from blindspots.measure.batched_hulls import Corners, Image
from blindspots.measure.measurer import Measurer
from blindspots.schema import Ending, PlannedPair

Row = dict[str, Any]


class Ends(NamedTuple):
    """A pair with the ends of its straight line: the source and the target themselves."""

    pair: PlannedPair
    images: tuple[Image, Image]

    def corners(self) -> Corners:
        """The ends and the class to keep."""
        return Corners(self.images, self.pair.label)


class Traversed(NamedTuple):
    """A source and the found images of its pairs that were traversed."""

    source: Image
    found: Sequence[tuple[PlannedPair, Image]]

    @property
    def source_id(self) -> str:
        """The id of the source's image."""
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
    """Makes one model's rows.

    `label_of`: the class of a target, by its image's id. `seed`: of the run.
    """

    subject: Subject
    measurer: Measurer
    label_of: Callable[[str], int]
    seed: int

    def pairs(self, ended: Sequence[tuple[PlannedPair, TraversalResult]]) -> list[Row]:
        """The rows of pairs that ended together."""
        traversed = [outcome for _, outcome in ended if outcome.ending.started]
        measured = iter(self.measurer.found(traversed))
        return [
            {**self._identity(pair), **course(outcome)}
            | (next(measured) if outcome.ending.started else {})
            for pair, outcome in ended
        ]

    def unreadable(self, pair: PlannedPair) -> Row:
        """The row of a pair with an image that cannot be read."""
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
        target = self.label_of(pair.target_id)
        return {
            "model": self.subject.name,
            "pair_id": pair.pair_id,
            "source_id": pair.source_id,
            "target_id": pair.target_id,
            "source_class": known_class(pair.label),
            "target_class": known_class(target),
            "source_name": class_name(self.subject, pair.label, pair.source_id),
            "target_name": class_name(self.subject, target, pair.target_id),
        }


def nothing_done(ending: Ending) -> Row:
    """How a traversal went that never began."""
    return {
        "steps": 0,
        "evaluations": 0.0,
        "check_evaluations": 0.0,
        "seconds": 0.0,
        "ending": str(ending),
    }


def class_name(subject: Subject, label: int, image_id: str) -> str:
    """The name of a class; the image's own where it has none."""
    if label < 0:
        images = subject.images
        return PurePosixPath(images.names[images.find(image_id)]).stem
    names = subject.model.class_names or subject.images.class_names
    return names[label] if names and label < len(names) else f"class {label}"


def known_class(label: int) -> int | None:
    """The class as a row stores it: None where it is not known."""
    return label if label >= 0 else None


def course(outcome: TraversalResult) -> Row:
    """How the traversal went."""
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
