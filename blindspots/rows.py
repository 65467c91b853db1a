"""From outcomes to rows of `pairs` and `triangles`: who a pair is, how it went, what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan
from typing import Any

from torch import Tensor

from blindspots.flight import Outcome
from blindspots.measure import Measurer
from blindspots.plan import PlannedPair
from blindspots.planning import Prepared
from blindspots.records import Ending
from blindspots.survey import Subject

Row = dict[str, Any]


@dataclass(frozen=True)
class RowMaker:
    """Makes one model's rows."""

    prepared: Prepared
    subject: Subject
    measurer: Measurer

    def pairs(self, ended: Sequence[tuple[PlannedPair, Outcome]]) -> list[Row]:
        """The rows of pairs that ended together."""
        traversed = [outcome for _, outcome in ended if outcome.ending.started]
        measured = iter(self.measurer.found(traversed))
        return [
            {**self._identity(pair), **_course(outcome)}
            | (next(measured) if outcome.ending.started else {})
            for pair, outcome in ended
        ]

    def misclassified(self) -> list[Row]:
        """The rows of the sources that the model misclassifies: no target was drawn for them."""
        return [self._misclassified(i) for i in self.prepared.misclassified[self.subject.name]]

    def triangles(self, source: Tensor, found: Sequence[tuple[PlannedPair, Tensor]]) -> list[Row]:
        """A row for every two found images of a source."""
        return [
            {
                "model": self.subject.name,
                "source_id": first.source_id,
                "target_1": first.target_id,
                "target_2": second.target_id,
                **self.measurer.triangle(source, first.label, image, other),
            }
            for (first, image), (second, other) in combinations(found, 2)
        ]

    def _identity(self, pair: PlannedPair) -> Row:
        target = self.prepared.label_of(self.subject, pair.target_id)
        return {
            "model": self.subject.name,
            "pair_id": pair.pair_id,
            "source_id": pair.source_id,
            "target_id": pair.target_id,
            "source_class": pair.label,
            "target_class": target,
            "source_name": self._class_name(pair.label),
            "target_name": self._class_name(target),
        }

    def _misclassified(self, index: int) -> Row:
        label = self.prepared.survey.label(self.subject, index)
        return {
            "model": self.subject.name,
            "pair_id": self.prepared.unstarted_id(self.subject, index),
            "source_id": self.subject.images.ids[index],
            "source_class": label,
            "source_name": self._class_name(label),
            "p_source": self.prepared.survey.answer(self.subject, index).p_label,
            "steps": 0,
            "evaluations": 0.0,
            "seconds": 0.0,
            "ending": str(Ending.SOURCE_MISCLASSIFIED),
        }

    def _class_name(self, index: int) -> str:
        names = self.subject.model.class_names or self.subject.images.class_names
        return names[index] if names and 0 <= index < len(names) else f"class {index}"


def _course(outcome: Outcome) -> Row:
    """How the traversal went."""
    row: Row = {
        "p_source": None if isnan(outcome.p_source) else outcome.p_source,
        "steps": outcome.steps,
        "evaluations": outcome.evaluations,
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
