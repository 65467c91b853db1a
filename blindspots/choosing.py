"""Which images of a survey become sources, and which targets each gets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from blindspots.errors import Refused
from blindspots.plan import Targets, draw_outside, draw_targets
from blindspots.settings import Science
from blindspots.survey import Subject, Survey


class Choice(NamedTuple):
    """Sources and targets, indices of images; the sources each model missed; what to say of it."""

    source: Int[np.ndarray, "pairs"]
    target: Int[np.ndarray, "pairs"]
    missed: dict[str, list[int]]
    notes: list[str]


def choose(science: Science, subjects: Sequence[Subject], surveyed: Survey) -> Choice:
    """The sources that every model gives what is to be kept, in order, with their targets.

    Targets are other sources, drawn by derangements; where the score holds a group of classes,
    images outside it. Refused where there are too few of either.
    """
    right = [i for i in surveyed.seen if surveyed.right_by_all(subjects, i)][: science.sources]
    all_found = len(right) == science.sources
    last = surveyed.seen.index(right[-1]) + 1 if all_found else len(surveyed.seen)
    missed = {s.name: _missed(s, surveyed, surveyed.seen[:last]) for s in subjects}
    images = subjects[0].images
    notes = [] if all_found else [_too_few(science.sources, len(right), len(images))]
    confined = subjects[0].oracle.score.confined
    draw = _from_outside if confined else _among_sources
    targets = draw(science, subjects, surveyed, right)
    sources = np.repeat(np.array(right), science.targets_per_source)
    return Choice(sources, targets.ravel(), missed, notes)


def _missed(subject: Subject, surveyed: Survey, visited: Sequence[int]) -> list[int]:
    """The images that could be sources and that the model misclassifies."""
    wants = subject.oracle.score.wants
    return [
        i for i in visited if wants(surveyed.label(subject, i)) and not surveyed.right(subject, i)
    ]


def _among_sources(
    science: Science, subjects: Sequence[Subject], surveyed: Survey, right: Sequence[int]
) -> Targets:
    if len(right) < 2:
        raise Refused(
            f"{len(right)} of {len(surveyed.seen)} images are rightly classified by every model; "
            "expected at least 2 of different classes; give more images, or fewer models"
        )
    classes = np.array([[_told_apart(surveyed, s, i) for s in subjects] for i in right])
    targets = draw_targets(classes, science.targets_per_source, science.seed)
    return np.array(right)[targets]


def _from_outside(
    science: Science, subjects: Sequence[Subject], surveyed: Survey, right: Sequence[int]
) -> Targets:
    outside = [
        i
        for i in surveyed.seen
        if not any(s.oracle.score.wants(surveyed.label(s, i)) for s in subjects)
    ]
    most = science.targets_per_source
    if not right or len(outside) < most:
        raise Refused(
            f"of {len(surveyed.seen)} images, {len(right)} are rightly classified as one of the "
            f"group's classes and {len(outside)} are outside it; expected a source and {most} "
            "targets at least; give more images, or another --score group"
        )
    drawn = draw_outside(len(right), len(outside), most, science.seed)
    return np.array(outside)[drawn]


def _told_apart(surveyed: Survey, subject: Subject, index: int) -> int:
    """The class of an image; one of its own where neither labels nor the model give it any."""
    label = surveyed.label(subject, index)
    return label if label >= 0 else -2 - index


def _too_few(wanted: int, found: int, images: int) -> str:
    return (
        f"{wanted} sources were asked for and {found} of {images} images are rightly classified "
        "by every model; these were taken"
    )
