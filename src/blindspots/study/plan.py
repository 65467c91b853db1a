"""Which sources go with which targets: seeded, reproducible, and the same for every model.

No torch here. A class is a row of labels, one a model: for labelled images they are all the
label, for unlabelled ones what each model itself says. Two images conflict where any is equal.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from blindspots.errors import UsageError

REPAIR_ROUNDS = 200
LARGEST_FLOW = 400
# Above it, conflicts are first swapped away many at once; below, plans stay what they always were.
ONE_BY_ONE = 10_000
ID_DIGITS = 16

Classes = Int[np.ndarray, "images models"]
Targets = Int[np.ndarray, "images targets"]


@dataclass(frozen=True)
class PlannedPair:
    """A pair to traverse for one model, by ids; `label` is the class to keep."""

    pair_id: str
    source_id: str
    target_id: str
    label: int


def seeded_order(ids: Sequence[str], seed: int) -> list[int]:
    """The indices of the ids in an order that depends on the seed and the ids alone."""

    def key(index: int) -> bytes:
        return hashlib.sha256(f"{seed}:{ids[index]}".encode()).digest()

    return sorted(range(len(ids)), key=key)


def pair_id(
    fingerprint: str,
    source_id: str,
    target_id: str | None,
    science: Any,
    company: Sequence[str] = (),
) -> str:
    """16 hex digits over the model's weights, both images and the science settings of a pair.

    `company`: the ids of all targets that are traversed together with this one, in order.
    """
    keyed = keyed_science(science)
    parts = [fingerprint, source_id, target_id, keyed, *([list(company)] if company else [])]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def keyed_science(science: Any) -> dict[str, Any]:
    """The science settings that decide a pair's result."""
    return {name: science[name] for name in ("method", "score", "seed", "precision")}


def draw_targets(classes: Classes, count: int, seed: int) -> Targets:
    """`count` targets of each image, as indices: random derangements of the images.

    Every image is `count` times a source and `count` times a target, never its own target, never
    twice the same, never of a conflicting class (the slides' protocol). Refused, with the
    counts, where no such choice exists.
    """
    random = np.random.default_rng([seed, count])
    drawn = None if _hopeless(classes, count) else _repaired_draw(classes, count, random)
    if drawn is None and len(classes) <= LARGEST_FLOW:
        drawn = _flow_draw(classes, count, random)
    if drawn is None:
        raise UsageError(_impossible(classes, count))
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
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--pairs {file} cannot be read ({error}); expected a CSV file") from error
    if not rows or not {"source", "target"} <= rows[0].keys():
        columns = ", ".join(rows[0]) if rows else "no rows"
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
    """A choice by maximum flow, which finds one wherever there is one."""
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


def _impossible(classes: Classes, count: int) -> str:
    largest, most = Counter(map(tuple, classes.tolist())).most_common(1)[0]
    return (
        f"{len(classes)} rightly classified sources were found, {most} of them of the class "
        f"{largest[0]}, and {count} targets of another class were asked for each; give more images "
        f"of other classes, or ask for fewer with --targets-per-source"
    )
