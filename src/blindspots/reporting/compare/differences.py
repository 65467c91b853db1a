"""From two sets of rows to their paired differences, aggregated as the tables are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any, Literal, get_args

import numpy as np

from blindspots.errors import UsageError
from blindspots.reporting.bootstrap import Interval, cluster_intervals
from blindspots.reporting.compare.pairing import ComparedModel, contrasts, find_subjects
from blindspots.reporting.score_labels import ScoreWords, number, words_of
from blindspots.reporting.tables import Column
from blindspots.reporting.tables.table import (
    DISTANCE_COLUMNS,
    REACH_COLUMNS,
    SUMMARY_COLUMNS,
    column_in_words,
    score_columns,
)
from blindspots.schema import TRIANGLE_DROPS
from blindspots.store.reader import Row, Run, reached_target

SLIDES_DELTA = 0.2
Kind = Literal["distance", "confidence", "summary"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SLIDES_KINDS: tuple[Kind, ...] = ("distance", "confidence")
_COUNTED = {"pairs", "sources", "source_linf_epsilons"}
_OF_TRIANGLES = {"mean", "fraction", *(f"fraction_{drop}" for drop in TRIANGLE_DROPS)}
# What counts points within delta can be compared only where delta is the same.
_WITHIN_DELTA = {"segment_inside", "fraction", "reach", "reach_line", "blind"}
Values = Mapping[str, list[tuple[float, float]]]
Deltas = tuple[float | None, float | None]


@dataclass(frozen=True)
class Difference:
    """A column's paired difference: after − before, over `values` pairs or triangles.

    `before`, `after`: the means of the same rows. `interval` is NaN at both ends where there is
    one source only.
    """

    column: Column
    before: float
    after: float
    interval: Interval
    values: int
    sources: int

    @property
    def shown(self) -> bool:
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True)
class Contrast:
    before: str
    after: str
    pairs: int
    sources: int
    differences: dict[Kind, tuple[Difference, ...]]
    verdicts: tuple[str, ...]
    notes: tuple[str, ...]
    reach: Difference | None = None

    @property
    def worse(self) -> bool:
        return self.reach is not None and self.reach.interval.low > 0


@dataclass(frozen=True)
class Comparison:
    """All contrasts of a set of runs, with the seed of their resamples.

    `sides`: before and after of each contrast, as they lie in their runs.
    """

    runs: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    seed: int
    sides: tuple[tuple[ComparedModel, ComparedModel], ...]


def compare(
    runs: Sequence[Run],
    models: Sequence[str] = (),
    baseline: str | None = None,
    seed: int = 0,
    kinds: Sequence[Kind] = KINDS,
) -> Comparison:
    """Paired differences of runs, or of the models of runs, on the same pairs.

    Pairs match by the ids of source and target. `baseline`: the subject all others are compared
    with; None: each model with itself in the first run where the runs share models, else all with
    the first. Intervals are BCa bootstrap 95 %, sources resampled. Refused where no pair is shared.
    """
    subjects = find_subjects(runs, models)
    if not subjects:
        raise UsageError(f"{runs[0].path} holds no model; expected a run with pairs")
    found = contrasts(subjects, baseline)
    paths = tuple(str(run.path) for run in runs)
    each = tuple(_contrast(*both, seed, kinds) for both in found)
    return Comparison(paths, each, seed, tuple(found))


def _contrast(
    before: ComparedModel, after: ComparedModel, seed: int, kinds: Sequence[Kind]
) -> Contrast:
    pairs, triangles = (
        _matched(getattr(before, kind), getattr(after, kind)) for kind in ("pairs", "triangles")
    )
    deltas, words = (before.run.delta, after.run.delta), words_of(before.run)
    known = {
        kind: _differences(kind, _columns(kind, words, deltas), pairs, triangles, seed)
        for kind in (*kinds, *SLIDES_KINDS, "summary")
    }
    sources = len({key[0] for key in pairs})
    return Contrast(
        before.label,
        after.label,
        len(pairs),
        sources,
        {kind: known[kind] for kind in kinds},
        verdicts(before.label, after.label, known, deltas[0], list(pairs.values()), words),
        (
            *_left_out(before, after, len(pairs)),
            *_delta_note(deltas, words),
            *_few_note(sources),
            *_unfinished(before, after),
        ),
        next((one for one in known["summary"] if one.column.key == "reach"), None),
    )


def _matched(before: Mapping[Any, Row], after: Mapping[Any, Row]) -> dict[Any, tuple[Row, Row]]:
    return {key: (row, after[key]) for key, row in before.items() if key in after}


def _differences(
    kind: Kind, shown: Iterable[Column], pairs: dict, triangles: dict, seed: int
) -> tuple[Difference, ...]:
    """The differences of a table's columns, those without a value in both left out."""
    per_source = kind == "confidence"
    found: list[tuple[Column, dict[str, list[tuple[float, float]]]]] = []
    for column in shown:
        rows = triangles if column.key in _OF_TRIANGLES else pairs
        values = _values(rows, column.key)
        found.append((column, _averaged(values) if per_source else values))
    return tuple(_measured([(c, values) for c, values in found if values], seed))


def _columns(kind: Kind, words: ScoreWords, deltas: Deltas) -> Iterable[Column]:
    shown = {
        "distance": DISTANCE_COLUMNS,
        "confidence": score_columns(words),
        "summary": (*REACH_COLUMNS, *SUMMARY_COLUMNS),
    }[kind]
    without = _COUNTED if deltas[0] == deltas[1] else _COUNTED | _WITHIN_DELTA
    return [column_in_words(column, words) for column in shown if column.key not in without]


def _values(rows: dict, key: str) -> dict[str, list[tuple[float, float]]]:
    """(before, after) of each matched row by source; those that one does not know are left out."""
    values: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for place, both in rows.items():
        known = [float(v) for v in (row.get(key) for row in both) if v is not None and isfinite(v)]
        if len(known) == 2:
            values[place[0]].append((known[0], known[1]))
    return dict(values)


def _averaged(values: Values) -> dict[str, list[tuple[float, float]]]:
    means = {source: np.mean(rows, axis=0) for source, rows in values.items()}
    return {source: [(float(mean[0]), float(mean[1]))] for source, mean in means.items()}


def _measured(found: Sequence[tuple[Column, Values]], seed: int) -> list[Difference]:
    """Intervals of all columns; those known for the same sources share their resamples."""
    groups: defaultdict[frozenset[str], list[int]] = defaultdict(list)
    for index, (_, values) in enumerate(found):
        groups[frozenset(values)].append(index)
    measured: dict[int, Difference] = {}
    for sources, members in groups.items():
        order = sorted(sources)
        gaps = [[np.diff(found[i][1][source]).ravel() for i in members] for source in order]
        sums = np.array([[gap.sum() for gap in line] for line in gaps])
        counts = np.array([[gap.size for gap in line] for line in gaps], dtype=float)
        for i, interval in zip(members, cluster_intervals(sums, counts, seed), strict=True):
            measured[i] = _difference(*found[i], interval)
    return [measured[index] for index in range(len(found))]


def _difference(column: Column, values: Values, interval: Interval) -> Difference:
    rows = [pair for pairs in values.values() for pair in pairs]
    before, after = np.mean(rows, axis=0).tolist()
    return Difference(column, before, after, interval, len(rows), len(values))


def _left_out(before: ComparedModel, after: ComparedModel, shared: int) -> tuple[str, ...]:
    counts = {
        subject.label: len(subject.pairs) - shared
        for subject in (before, after)
        if len(subject.pairs) > shared
    }
    return tuple(
        f"{count} traversed pairs of {label} have no partner and are left out."
        for label, count in counts.items()
    )


def _delta_note(deltas: Deltas, words: ScoreWords) -> tuple[str, ...]:
    if deltas[0] == deltas[1]:
        return ()
    what = "segments inside are" if words.probability else "what is inside is"
    return (f"Delta is {deltas[0]} before and {deltas[1]} after, so {what} not compared.",)


def _unfinished(*subjects: ComparedModel) -> tuple[str, ...]:
    growing = dict.fromkeys(str(s.run.path) for s in subjects if not s.run.finished)
    return tuple(f"{path} is not finished; more rows will come." for path in growing)


def _few_note(sources: int) -> tuple[str, ...]:
    if sources == 1:
        return ("There is one source, so there is no interval; give --sources 20.",)
    few = sources < 10
    return (f"With {sources} sources the intervals are rough.",) if few else ()


def verdicts(
    before: str,
    after: str,
    known: Mapping[str, Iterable[Difference]],
    delta: float | None,
    matched: Sequence[tuple[Row, Row]],
    words: ScoreWords,
) -> tuple[str, ...]:
    """One sentence about under-sensitivity, one about the distance to the targets.

    By reach where both have it; a found image that hardly changed has none. Otherwise by the
    triangle. There an image that hardly changed is trivially believed: where fewer than half of a
    subject's found images came near their targets, there is no verdict.
    """
    found = {d.column.key: d for differences in known.values() for d in differences}
    drop = delta if delta in TRIANGLE_DROPS else SLIDES_DELTA
    fraction = f"fraction_{drop}" if words.probability else "fraction"
    keys = (fraction, "segment_inside", "segment_mean")
    chosen = next((found[key] for key in keys if key in found), None)
    if "reach" in found:
        return _by_reach(before, after, found["reach"], found["blind"])
    if chosen is None:
        return ()
    unmoved = [
        _unmoved(label, [row[place] for row in matched])
        for place, label in enumerate((before, after))
    ]
    if any(unmoved):
        reasons = " and ".join(filter(None, unmoved))
        return (f"No verdict between {after} and {before}: {reasons}.",)
    first = _sensitivity(before, after, chosen, words)
    return (first, *([_distance(after, chosen, found["rmse"])] if "rmse" in found else []))


def signed(difference: Difference, digits: int | None = None) -> str:
    mean, (shown, percent) = difference.interval.mean, _style(difference)
    text = number(mean, shown if digits is None else digits, percent)
    return text if mean < 0 else f"+{text}"


def interval(difference: Difference, digits: int | None = None) -> str:
    """The 95 % interval in brackets; a dash where one source leaves it unknown."""
    low, high = difference.interval.low, difference.interval.high
    if isnan(low):
        return "–"
    shown, percent = _style(difference)
    ends = (number(end, shown if digits is None else digits, percent) for end in (low, high))
    return f"[{', '.join(ends)}]"


def _style(difference: Difference) -> tuple[int, bool]:
    return difference.column.digits, difference.column.percent


def _figure(difference: Difference) -> str:
    """As in "+.32 [.27, .37]": two decimals, unless an end of the interval would look like 0."""
    if difference.column.percent:
        return f"{signed(difference)} {interval(difference)}"
    ends = difference.interval[1:]
    digits = 2 if all(isnan(end) or abs(end) >= 0.005 for end in ends) else 3
    return f"{signed(difference, digits)} {interval(difference, digits)}"


def _sensitivity(before: str, after: str, chosen: Difference, score: ScoreWords) -> str:
    names = {"segment_inside": "segments inside", "segment_mean": f"path {score.noun}"}
    words = f"{names.get(chosen.column.key, 'triangle fraction')} {_figure(chosen)}"
    if isnan(chosen.interval.low):
        return f"One source shows no difference between {after} and {before}: {words}."
    if not chosen.shown:
        return (
            f"No difference shown between {after} and {before} in under-sensitivity on this "
            f"data: {words}."
        )
    more = "more" if chosen.interval.mean > 0 else "less"
    return f"{after} is {more} under-sensitive than {before} on this data: {words}."


def _by_reach(before: str, after: str, reach: Difference, blind: Difference) -> tuple[str, ...]:
    numbers = f"reach {_figure(reach)}; blind pairs {_figure(blind)}"
    if isnan(reach.interval.low):
        return (f"One source shows no difference between {after} and {before}: {numbers}.",)
    if not reach.shown:
        return (f"No model is shown to be blinder, {after} or {before}, on this data: {numbers}.",)
    more = "blinder" if reach.interval.mean > 0 else "less blind"
    sides = f"reach {reach.after:.2f} against {reach.before:.2f}, {_figure(reach)}"
    return (
        f"{after} is {more} than {before} on this data: {sides}; blind pairs {_figure(blind)}.",
    )


def _unmoved(label: str, rows: Sequence[Row]) -> str:
    """What keeps a subject from a verdict; empty where at least half of its images arrived."""
    near = sum(map(reached_target, rows))
    if 2 * near >= len(rows):
        return ""
    return (
        f"{near} of {len(rows)} found images of {label} came near their targets, and an "
        "image that hardly changed is trivially believed"
    )


def _distance(after: str, chosen: Difference, rmse: Difference) -> str:
    words = f"RMSE {_figure(rmse)}"
    if rmse.shown and chosen.shown and rmse.interval.mean > 0 and chosen.interval.mean > 0:
        return (
            f"But found images of {after} stay farther from their targets, and what changes less "
            f"is easier to believe: {words}."
        )
    if not rmse.shown:
        return f"No difference shown in how near found images come to their targets: {words}."
    nearer = "nearer to" if rmse.interval.mean < 0 else "farther from"
    return f"Found images of {after} are {nearer} their targets: {words}."
