"""The comparison as one self-contained HTML page: differences, then the report's views."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from blindspots.reporting.compare.difference_tables import EXPLAINED, shown_differences
from blindspots.reporting.compare.differences import Comparison, Difference, interval, signed
from blindspots.reporting.compare.pairing import ComparedModel, PairSelection, choose, subjects_of
from blindspots.reporting.page.pictures import SEED, fitting_together
from blindspots.reporting.page.report_data import (
    Spread,
    colour_ramp,
    column_entries,
    ending_entries,
    model_entry,
    run_facts,
    score_entry,
    spread,
    spread_keys,
)
from blindspots.reporting.page.report_page import fill
from blindspots.reporting.page.views import (
    SCHEMA,
    PairEntry,
    PairText,
    ReportData,
    RunEntry,
    Views,
    case_of,
    views_of,
)
from blindspots.reporting.score_labels import ScoreWords, number, words_of
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place, make_folder
from blindspots.store.reader import Row, Run

_WIDE = 0.08  # share of the scale left free beyond the widest interval


class ComparisonData(NamedTuple):
    """The page's data; `cases`: the pair looked at first, as each side has it."""

    data: ReportData
    cases: list[PairText]
    shown: PairSelection


def join(comparison: Comparison) -> ComparisonData:
    """What a comparison shows of the pairs that its sides share.

    Models are called by the labels of their sides. Spreads count every shared pair, endings all
    pairs of each side.
    """
    subjects, shown = subjects_of(comparison.sides), choose(comparison.sides)
    words, views = words_of(subjects[0].run), _views(subjects, shown)
    rows = [row for subject in subjects for row in _rows(subject, shown)]
    deltas = [subject.run.delta for subject in subjects if subject.run.delta is not None]
    cases, columns = _cases(subjects, shown, words), column_entries(words)
    endings = {s.label: s.run.columns.endings(s.model) for s in subjects}
    joined = ReportData(
        schema=SCHEMA,
        run=_run(comparison, subjects, shown),
        score=score_entry(words, rows, views.triangles, max(deltas, default=None)),
        case=cases[0] if cases else None,
        models=[model_entry(s.run, s.model, s.label) for s in subjects],
        columns=columns,
        glossary={column.title: column.definition for column in columns},
        endings=ending_entries(endings, words),
        headline=None,
        tables=[],
        spreads=_spreads(subjects, shown),
        facts={},
        colours=colour_ramp(),
        pairs=views.pairs,
        triangles=views.triangles,
        grids=views.grids,
        images=views.images,
    )
    return ComparisonData(joined, cases, shown)


def _rows(subject: ComparedModel, shown: PairSelection) -> list[Row]:
    return [subject.pairs[key] for key in shown.keys[subject.label]]


def _run(
    comparison: Comparison, subjects: Sequence[ComparedModel], shown: PairSelection
) -> RunEntry:
    names = [f"{one.after} against {one.before}" for one in comparison.contrasts]
    return RunEntry(
        name=names[0] if len(names) == 1 else f"{len(names)} comparisons",
        labelled=all(subject.run.labelled for subject in subjects),
        finished=all(subject.run.finished for subject in subjects),
        total=sum(map(len, shown.shared.values())),
        listed=sum(map(len, shown.keys.values())),
        extremes=0,
        seed=SEED,
        kind=_kind(subjects),
        beside=False,
    )


def _kind(subjects: Sequence[ComparedModel]) -> str:
    if all(subject.label == subject.model for subject in subjects):
        return "model"
    return "run" if len({subject.model for subject in subjects}) == 1 else "run and model"


def _cases(
    subjects: Sequence[ComparedModel], shown: PairSelection, words: ScoreWords
) -> list[PairText]:
    own = [subject for subject in subjects if shown.case in shown.keys[subject.label]]
    cases = [(s, case_of(s.pairs[shown.case], words)) for s in own if shown.case is not None]
    ids = _prefixes(subjects)
    return [replace(c, pair_id=ids[s.run] + c.pair_id, model=s.label) for s, c in cases]


def _spreads(subjects: Sequence[ComparedModel], shown: PairSelection) -> list[Spread]:
    def values(subject: ComparedModel, key: str) -> np.ndarray:
        rows = (subject.pairs[pair] for pair in shown.shared[subject.label])
        return np.array([row[key] for row in rows], dtype=float)

    drawn = (spread(key, {s.label: values(s, key) for s in subjects}) for key in spread_keys())
    return [one for one in drawn if one is not None]


def _prefixes(subjects: Sequence[ComparedModel]) -> dict[Run, str]:
    """What tells the pairs of one run from those of another, whose ids may be the same."""
    runs = list(dict.fromkeys(subject.run for subject in subjects))
    return {run: f"{place}-" if len(runs) > 1 else "" for place, run in enumerate(runs, start=1)}


def _views(subjects: Sequence[ComparedModel], shown: PairSelection) -> Views:
    """The views of all runs, the pictures of all at one size."""
    prefixes = _prefixes(subjects)
    own = {run: [subject for subject in subjects if subject.run is run] for run in prefixes}
    rows = [(run, [row for s in group for row in _rows(s, shown)]) for run, group in own.items()]
    each = [
        _renamed(
            views_of(pictures, [subject.model for subject in own[pictures.run]]),
            {subject.model: subject.label for subject in own[pictures.run]},
            prefixes[pictures.run],
        )
        for pictures in fitting_together(rows)
    ]
    views, order = _together(each), {s.label: place for place, s in enumerate(subjects)}
    return views._replace(
        pairs=sorted(views.pairs, key=lambda pair: order[pair.model]),
        grids=sorted(views.grids, key=lambda grid: order[grid.model]),
    )


def _renamed(views: Views, labels: Mapping[str, str], prefix: str) -> Views:
    """The views of a run with the labels of its sides and with ids that no other run has."""
    return Views(
        pairs=[replace(p, id=prefix + p.id, model=labels[p.model]) for p in views.pairs],
        triangles=[replace(t, model=labels[t.model]) for t in views.triangles],
        grids=[
            replace(
                grid,
                model=labels[grid.model],
                spots=[
                    [spot and {**spot, "pair": prefix + spot["pair"]} for spot in line]
                    for line in grid.spots
                ],
            )
            for grid in views.grids
        ],
        images=views.images,
    )


def _together(each: Sequence[Views]) -> Views:
    """One after the other; an image that several runs saw alike is there once."""
    pairs: list[PairEntry] = []
    images: dict[str, str] = {}
    for place, views in enumerate(each, start=1):
        keys = {
            name: name if images.get(name, uri) == uri else f"{place}-{name}"
            for name, uri in views.images.items()
        }
        images |= {keys[name]: uri for name, uri in views.images.items()}
        pairs += [_with_keys(pair, keys) for pair in views.pairs]
    return Views(
        pairs=pairs,
        triangles=[triangle for views in each for triangle in views.triangles],
        grids=[grid for views in each for grid in views.grids],
        images=images,
    )


def _with_keys(pair: PairEntry, keys: Mapping[str, str]) -> PairEntry:
    source, target = (keys.get(key or "") for key in (pair.source_key, pair.target_key))
    return replace(pair, source_key=source, target_key=target)


def write_page(comparison: Comparison, path: Place) -> Place:
    """The page, written whole; it opens from disk and asks for nothing."""
    make_folder(path.parent)
    return write_text(path, page_html(comparison))


def page_html(comparison: Comparison) -> str:
    """The page as one HTML text.

    Verdicts, a table with each interval drawn, then the report's views of the shared pairs.
    """
    joined = join(comparison)
    contrasts = [
        {"contrast": contrast, "lines": [_line(d) for d in shown_differences(contrast)]}
        for contrast in comparison.contrasts
    ]
    runs = dict.fromkeys(subject.run for both in comparison.sides for subject in both)
    titles = {column.key: column.title for column in joined.data.columns}
    return fill(
        "page.html",
        joined.data,
        folders=[files("blindspots.reporting.compare")],
        styles=["compare"],
        contrasts=contrasts,
        explained=EXPLAINED,
        cases=joined.cases,
        shown=joined.shown,
        number=titles[joined.shown.number],
        glossary=_glossary(comparison, joined.data),
        runs=[(str(run.path), run_facts(run)) for run in runs],
    )


def _line(difference: Difference) -> dict[str, Any]:
    column, shape = difference.column, (difference.column.digits, difference.column.percent)
    return {
        "title": column.title,
        "definition": column.definition,
        "before": number(difference.before, *shape),
        "after": number(difference.after, *shape),
        "difference": signed(difference),
        "interval": interval(difference),
        "shown": difference.shown,
        "bar": _bar(difference),
    }


def _glossary(comparison: Comparison, views: ReportData) -> dict[str, str]:
    compared = [d.column for c in comparison.contrasts for d in shown_differences(c)]
    return {column.title: column.definition for column in (*compared, *views.columns)}


def _bar(difference: Difference) -> dict[str, float] | None:
    """Where the interval stands on a scale of 0 to 100 whose middle is a difference of 0."""
    mean, low, high = difference.interval
    widest = max(abs(low), abs(high), abs(mean))
    if isnan(low) or not widest:
        return None
    scale = 50 / (widest * (1 + _WIDE))
    place = {"left": 50 + scale * low, "wide": scale * (high - low), "at": 50 + scale * mean}
    return {name: round(value, 2) for name, value in place.items()}
