"""Which images of a survey become sources, and which targets each gets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from blindspots.errors import UsageError
from blindspots.settings import ScienceSettings
from blindspots.study.pairs import INDEX
from blindspots.study.plan import Targets, draw_outside, draw_targets
from blindspots.study.survey import Subject, Survey, SurveyBatch

Places = Int[np.ndarray, "sources"]


class Choice(NamedTuple):
    """Sources and targets, indices of images; the sources each model missed; what to say of it."""

    source: Int[np.ndarray, "pairs"]
    target: Int[np.ndarray, "pairs"]
    missed: dict[str, list[int]]
    notes: list[str]


def choose(science: ScienceSettings, subjects: Sequence[Subject], surveyed: Survey) -> Choice:
    """The sources that every model gives what is to be kept, in order, with their targets.

    Targets are other sources, drawn by derangements; where the score holds a group of classes,
    images outside it. Refused where there are too few of either.
    """
    seen, said = np.array(surveyed.seen, np.int64), [surveyed.columns(s) for s in subjects]
    places = np.flatnonzero(np.logical_and.reduce([one.right for one in said]))[: science.sources]
    all_found = len(places) == science.sources
    last = places[-1] + 1 if all_found else len(seen)
    missed = {
        subject.name: seen[:last][(one.wanted & ~one.right)[:last]].tolist()
        for subject, one in zip(subjects, said, strict=True)
    }
    notes = [] if all_found else [_too_few(science.sources, len(places), len(subjects[0].images))]
    draw = _from_outside if subjects[0].evaluator.score.confined else _among_sources
    targets = seen[draw(science, said, places)].ravel().astype(INDEX)
    sources = np.repeat(seen[places], science.targets_per_source).astype(INDEX)
    return Choice(sources, targets, missed, notes)


def _among_sources(
    science: ScienceSettings, said: Sequence[SurveyBatch], places: Places
) -> Targets:
    """The places of each source's targets, other sources."""
    if len(places) < 2:
        raise UsageError(
            f"{len(places)} of {len(said[0].right)} images are rightly classified by every model; "
            "expected at least 2 of different classes; give more images, or fewer models"
        )
    # Where neither labels nor the model give an image a class, it has one of its own.
    classes = np.stack(
        [np.where(one.label[places] >= 0, one.label[places], -2 - places) for one in said], axis=1
    )
    return places[draw_targets(classes, science.targets_per_source, science.seed)]


def _from_outside(science: ScienceSettings, said: Sequence[SurveyBatch], places: Places) -> Targets:
    """The places of each source's targets, images whose class is none of the group."""
    outside = np.flatnonzero(~np.logical_or.reduce([one.wanted for one in said]))
    most = science.targets_per_source
    if not len(places) or len(outside) < most:
        raise UsageError(
            f"of {len(said[0].right)} images, {len(places)} are rightly classified as one of the "
            f"group's classes and {len(outside)} are outside it; expected a source and {most} "
            "targets at least; give more images, or another --score group"
        )
    return outside[draw_outside(len(places), len(outside), most, science.seed)]


def _too_few(wanted: int, found: int, images: int) -> str:
    return (
        f"{wanted} sources were asked for and {found} of {images} images are rightly classified "
        "by every model; these were taken"
    )
