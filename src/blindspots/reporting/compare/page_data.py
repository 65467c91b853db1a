"""The runs of a comparison as the data of one page: what each side shows of the shared pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from blindspots.reporting.compare.differences import Comparison
from blindspots.reporting.compare.pair_selection import PairSelection, choose, subjects_of
from blindspots.reporting.compare.pairing import ComparedModel
from blindspots.reporting.page import entry_types, report_data
from blindspots.reporting.page.histograms import Spread, spread, spread_keys
from blindspots.reporting.page.pair_sample import SEED
from blindspots.reporting.page.pictures import fitting_together
from blindspots.reporting.page.score_entry import score_entry
from blindspots.reporting.page.text import PairText, case_of
from blindspots.reporting.page.views import Views, views_of
from blindspots.reporting.score_labels import ScoreWords, words_of
from blindspots.store.reader import Row, Run


class ComparisonData(NamedTuple):
    """The page's data; `cases`: the pair looked at first, as each side has it."""

    data: entry_types.ReportData
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
    cases, columns = _cases(subjects, shown, words), report_data.column_entries(words)
    endings = {s.label: s.run.columns.endings(s.model) for s in subjects}
    joined = entry_types.ReportData(
        schema=entry_types.SCHEMA,
        run=_run(comparison, subjects, shown),
        score=score_entry(words, rows, views.triangles, max(deltas, default=None)),
        case=cases[0] if cases else None,
        models=[report_data.model_entry(s.run, s.model, s.label) for s in subjects],
        columns=columns,
        glossary={column.title: column.definition for column in columns},
        endings=report_data.ending_entries(endings, words),
        headline=None,
        tables=[],
        spreads=_spreads(subjects, shown),
        facts={},
        colours=report_data.colour_ramp(),
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
) -> entry_types.RunEntry:
    names = [f"{one.after} against {one.before}" for one in comparison.contrasts]
    return entry_types.RunEntry(
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
    pairs: list[entry_types.PairEntry] = []
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


def _with_keys(pair: entry_types.PairEntry, keys: Mapping[str, str]) -> entry_types.PairEntry:
    source, target = (keys.get(key or "") for key in (pair.source_key, pair.target_key))
    return replace(pair, source_key=source, target_key=target)
