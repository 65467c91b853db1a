"""Which images of a survey become sources, and which targets each gets."""

import csv
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from math import ceil
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int

from blindspots.errors import UsageError
from blindspots.images.listing import seeded_order
from blindspots.settings import ScienceSettings
from blindspots.specs import read_text
from blindspots.study.pairs import INDEX

if TYPE_CHECKING:
    from blindspots.engine.evaluator import Subject
    from blindspots.study.survey import Survey, SurveyBatch

REPAIR_ROUNDS = 200
LARGEST_FLOW = 400
# Above it, conflicts are first swapped away many at once; below, plans stay what they always were.
ONE_BY_ONE = 10_000
Classes = Int[np.ndarray, "images models"]
Targets = Int[np.ndarray, "images targets"]

Places = Int[np.ndarray, "sources"]


class Choice(NamedTuple):
    """Sources and targets, indices of images; the sources each model missed; what to say of it."""

    source: Int[np.ndarray, "pairs"]
    target: Int[np.ndarray, "pairs"]
    missed: dict[str, list[int]]
    notes: list[str]


def choose(science: ScienceSettings, subjects: "Sequence[Subject]", surveyed: "Survey") -> Choice:
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
    confined = subjects[0].evaluator.score.confined
    if all_found and not confined and _hopeless(_classes(said, places), science.targets_per_source):
        raise UsageError(_few_sources(science, subjects, said, len(seen)))
    draw = _from_outside if confined else _among_sources
    targets = seen[draw(science, said, places)].ravel().astype(INDEX)
    sources = np.repeat(seen[places], science.targets_per_source).astype(INDEX)
    return Choice(sources, targets, missed, notes)


def _among_sources(
    science: ScienceSettings, said: "Sequence[SurveyBatch]", places: Places
) -> Targets:
    if len(places) < 2:
        raise UsageError(
            f"{len(places)} of {len(said[0].right)} images are correctly classified by every model"
            "; expected at least 2 of different classes; give more images, or fewer models"
        )
    classes = _classes(said, places)
    return places[draw_targets(classes, science.targets_per_source, science.seed)]


def _classes(said: "Sequence[SurveyBatch]", places: Places) -> Classes:
    """The class that each model gives an image; one of its own where there is none."""
    columns = [np.where(one.label[places] >= 0, one.label[places], -2 - places) for one in said]
    return np.stack(columns, axis=1)


def _from_outside(
    science: ScienceSettings, said: "Sequence[SurveyBatch]", places: Places
) -> Targets:
    """The places of each source's targets, images whose class is none of the group."""
    outside = np.flatnonzero(~np.logical_or.reduce([one.wanted for one in said]))
    most = science.targets_per_source
    if not len(places) or len(outside) < most:
        raise UsageError(
            f"of {len(said[0].right)} images, {len(places)} are correctly classified as one of the "
            f"group's classes and {len(outside)} are outside it; expected a source and {most} "
            "targets at least; give more images, or another --score group"
        )
    return outside[draw_outside(len(places), len(outside), most, science.seed)]


def _too_few(wanted: int, found: int, images: int) -> str:
    return (
        f"{wanted} sources were asked for and {found} of {images} images are correctly classified "
        "by every model; these were taken"
    )


def draw_targets(classes: Classes, count: int, seed: int) -> Targets:
    """`count` targets of each image, as indices: random derangements of the images.

    Every image is `count` times a source and `count` times a target, never its own target, never
    twice the same, never of a conflicting class (the slides' protocol). Refused, with the
    counts, where no such choice exists.
    """
    drawn = _drawn(classes, count, seed)
    if drawn is None:
        fewer = range(min(count - 1, len(classes) - 1), 0, -1)
        most = next((n for n in fewer if _drawn(classes, n, seed) is not None), 0)
        raise UsageError(_impossible(classes, count, most))
    return drawn


def _drawn(classes: Classes, count: int, seed: int) -> Targets | None:
    random = np.random.default_rng([seed, count])
    drawn = None if _hopeless(classes, count) else _repaired_draw(classes, count, random)
    if drawn is None and len(classes) <= LARGEST_FLOW:
        drawn = _flow_draw(classes, count, random)
    return drawn


def draw_outside(sources: int, candidates: int, count: int, seed: int) -> Targets:
    """`count` of `candidates` images for each source, as indices; each about equally often.

    Never twice the same for a source; `count` is at most `candidates`.
    """
    shuffled = np.random.default_rng([seed, count]).permutation(candidates)
    places = np.arange(sources)[:, None] * count + np.arange(count)
    return shuffled[places % candidates]


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """The (source, target) texts of a CSV file with these columns; refused where it has others."""
    try:
        rows = list(csv.DictReader(StringIO(read_text(file, f"--pairs {file}"), newline="")))
    except csv.Error as error:
        raise UsageError(f"--pairs {file} is no CSV file ({error}); write it again") from error
    if not rows or not {"source", "target"} <= rows[0].keys():
        # A row that is longer than the first has its rest under no name.
        columns = shorten(", ".join(filter(None, rows[0])), 200) if rows else "no rows"
        raise UsageError(
            f"--pairs {file} has {columns}; expected a CSV file with the columns source, target "
            "and image ids or file names below them"
        )
    return [((row["source"] or "").strip(), (row["target"] or "").strip()) for row in rows]


def _hopeless(classes: Classes, count: int) -> bool:
    """Whether a class is larger than all others together, or leaves too few targets."""
    largest = max(int(np.unique(column, return_counts=True)[1].max()) for column in classes.T)
    return len(classes) - largest < max(largest, count)


def _repaired_draw(classes: Classes, count: int, random: np.random.Generator) -> Targets | None:
    """Random permutations whose forbidden places are swapped away; None where that gets stuck."""
    drawn: list[np.ndarray] = []
    for _ in range(count):
        permutation = _derangement(classes, drawn, random)
        if permutation is None:
            return None
        drawn.append(permutation)
    return np.stack(drawn, axis=1)


def _derangement(
    classes: Classes, before: list[np.ndarray], random: np.random.Generator
) -> np.ndarray | None:
    """One permutation without a forbidden place, near uniform among them."""
    everyone = np.arange(len(classes))
    permutation = random.permutation(len(classes))
    if len(classes) > ONE_BY_ONE:
        _swap_many_away(classes, before, permutation, random)
    for _ in range(REPAIR_ROUNDS):
        bad = np.flatnonzero(_forbidden(classes, before, everyone, permutation))
        if not len(bad):
            return permutation
        for place in random.permutation(bad).tolist():
            _swap_away(classes, before, permutation, place, random)
    return None


def _swap_many_away(
    classes: Classes,
    before: list[np.ndarray],
    permutation: np.ndarray,
    random: np.random.Generator,
) -> None:
    """Exchange forbidden targets with those of others, each with one other at a time."""
    everyone = np.arange(len(classes))
    for _ in range(REPAIR_ROUNDS):
        forbidden = _forbidden(classes, before, everyone, permutation)
        here = np.flatnonzero(forbidden)
        others = random.permutation(np.flatnonzero(~forbidden))
        here = here[: len(others)]
        others = others[: len(here)]
        if not len(here):
            return
        conflict = _forbidden(classes, before, here, permutation[others])
        conflict |= _forbidden(classes, before, others, permutation[here])
        here, others = here[~conflict], others[~conflict]
        permutation[here], permutation[others] = permutation[others], permutation[here]


def _swap_away(
    classes: Classes,
    before: list[np.ndarray],
    permutation: np.ndarray,
    place: int,
    random: np.random.Generator,
) -> None:
    """Exchange one target with another's where both are then allowed; with any, where none is."""
    if len(classes) > ONE_BY_ONE:
        others = random.integers(len(classes), size=REPAIR_ROUNDS)
    else:
        others = random.permutation(len(classes))[:REPAIR_ROUNDS]
    here = np.full(len(others), place)
    forbidden = _forbidden(classes, before, here, permutation[others])
    forbidden |= _forbidden(classes, before, others, np.full(len(others), permutation[place]))
    allowed = others[~forbidden]
    other = allowed[0] if len(allowed) else others[0]
    permutation[[place, other]] = permutation[[other, place]]


def _forbidden(
    classes: Classes, before: list[np.ndarray], sources: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    conflict = (classes[sources] == classes[targets]).any(axis=1) | (sources == targets)
    for earlier in before:
        conflict |= earlier[sources] == targets
    return conflict


def _flow_draw(classes: Classes, count: int, random: np.random.Generator) -> Targets | None:
    import networkx as nx

    graph, everyone = nx.DiGraph(), np.arange(len(classes))
    for i in random.permutation(everyone).tolist():
        graph.add_edge("from", ("source", i), capacity=count)
        graph.add_edge(("target", i), "to", capacity=count)
        allowed = everyone[~_forbidden(classes, [], np.full(len(classes), i), everyone)]
        for j in random.permutation(allowed).tolist():
            graph.add_edge(("source", i), ("target", j), capacity=1)
    value, flow = nx.maximum_flow(graph, "from", "to")
    if value < count * len(classes):
        return None
    chosen = [[t[1] for t, used in flow["source", i].items() if used] for i in everyone.tolist()]
    return np.array(chosen).reshape(len(classes), count)


def _few_sources(
    science: ScienceSettings,
    subjects: "Sequence[Subject]",
    said: "Sequence[SurveyBatch]",
    looked: int,
) -> str:
    """How many to ask for: by what models said of the images looked at, and the rest's labels."""
    count, images = science.targets_per_source, subjects[0].images
    rest = seeded_order(images.ids, science.seed)[looked:]
    columns = [subject.images.labels.numpy()[rest] for subject in subjects]
    own = -2 - looked - np.arange(len(rest))
    unseen = np.stack([np.where(one >= 0, one, own) for one in columns], axis=1)
    right = np.flatnonzero(np.logical_and.reduce([one.right for one in said]))
    classes = np.concatenate([_classes(said, right), unseen])
    more = range(max(science.sources, count) + 1, len(classes) + 1)
    least = next((n for n in more if not _hopeless(classes[:n], count)), len(images))
    # As many of the others are not named correctly as of those looked at.
    least += max(0, ceil((least - len(right)) * (looked / len(right) - 1)))
    least = min(least, len(images))
    each = "1 target" if count == 1 else f"{count} targets"
    return (
        f"--sources {science.sources} was given, and each source is to have {each}, drawn among "
        f"the other sources of another class; expected more sources; type --sources {least}"
    )


def _impossible(classes: Classes, count: int, possible: int) -> str:
    largest, most = Counter(map(tuple, classes.tolist())).most_common(1)[0]
    return (
        f"{len(classes)} correctly classified sources were found, {most} of them of the class "
        f"{largest[0]}, and {count} targets of another class were asked for each; give more images "
        f"of other classes{f', or type --targets-per-source {possible}' if possible else ''}"
    )
