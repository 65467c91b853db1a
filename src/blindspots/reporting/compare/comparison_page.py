"""The comparison as one self-contained HTML page: differences, then the report's views."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from blindspots.reporting.compare.difference_tables import (
    EXPLAINED,
    difference_texts,
    shown_differences,
)
from blindspots.reporting.compare.differences import Comparison, Contrast, Difference
from blindspots.reporting.compare.pairing import ComparedModel, PairSelection, choose, subjects_of
from blindspots.reporting.model_names import titles
from blindspots.reporting.page.inline import fill
from blindspots.reporting.page.report_data import page_data, run_facts, spread, spread_keys
from blindspots.reporting.page.sentences import PairText, case_of
from blindspots.reporting.page.views import (
    ReportData,
    RunEntry,
    Spread,
    id_prefixes,
)
from blindspots.reporting.score_labels import words_of
from blindspots.reporting.tables.table import PAIR_NUMBERS, column_in_words
from blindspots.specs import without_folders
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place, make_folder

_WIDE = 0.08  # share of the scale left free beyond the widest interval


class ComparisonData(NamedTuple):
    data: ReportData
    cases: list[PairText]
    shown: PairSelection


def join(comparison: Comparison) -> ComparisonData:
    """What a comparison shows of the pairs that its sides share.

    Models are known by the labels of their sides. Spreads count every shared pair, endings all
    pairs of each side.
    """
    subjects, shown = subjects_of(comparison.sides), choose(comparison.sides)
    words, called = words_of(subjects[0].run), _titles(subjects)
    cases = _cases(subjects, shown)
    names = [f"{called[c.after]} against {called[c.before]}" for c in comparison.contrasts]
    data = page_data(
        [(one, [one.pairs[key] for key in shown.keys[one.label]]) for one in subjects],
        run=RunEntry(
            name=names[0] if len(names) == 1 else f"{len(names)} comparisons",
            labelled=all(subject.run.labelled for subject in subjects),
            finished=all(subject.run.finished for subject in subjects),
            total=sum(map(len, shown.shared.values())),
            listed=sum(map(len, shown.keys.values())),
            kind=_kind(subjects),
            beside=False,
        ),
        words=words,
        titles=called,
        case=cases[0] if cases else None,
        glossary={c.title: c.definition for c in (column_in_words(c, words) for c in PAIR_NUMBERS)},
        spreads=_spreads(subjects, shown),
    )
    return ComparisonData(data, cases, shown)


def _titles(subjects: Sequence[ComparedModel]) -> dict[str, str]:
    """The labels with their models in words, where these still tell them apart."""
    said = {
        one.label: one.label.removesuffix(one.model) + titles(one.run)[one.model]
        if one.label.endswith(one.model)
        else one.label
        for one in subjects
    }
    return said if len(set(said.values())) == len(said) else {label: label for label in said}


def _in_words(contrast: Contrast, called: Mapping[str, str]) -> Contrast:
    longest = sorted(called, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest)))
    say = partial(pattern.sub, lambda label: called[label[0]])
    return replace(
        contrast,
        before=called[contrast.before],
        after=called[contrast.after],
        verdicts=tuple(map(say, contrast.verdicts)),
        notes=tuple(map(say, contrast.notes)),
    )


def _kind(subjects: Sequence[ComparedModel]) -> str:
    if all(subject.label == subject.model for subject in subjects):
        return "model"
    return "run" if len({subject.model for subject in subjects}) == 1 else "run and model"


def _cases(subjects: Sequence[ComparedModel], shown: PairSelection) -> list[PairText]:
    key, prefixes = shown.case, id_prefixes(subjects)
    own = [one for one in subjects if key in shown.keys[one.label]] if key else []
    return [
        replace(
            case_of(one.pairs[key], words_of(one.run)),
            pair_id=prefixes[one.run] + one.pairs[key]["pair_id"],
            model=one.label,
        )
        for one in own
        if key
    ]


def _spreads(subjects: Sequence[ComparedModel], shown: PairSelection) -> list[Spread]:
    def values(subject: ComparedModel, key: str) -> np.ndarray:
        rows = (subject.pairs[pair] for pair in shown.shared[subject.label])
        return np.array([row[key] for row in rows], dtype=float)

    drawn = (spread(key, {s.label: values(s, key) for s in subjects}) for key in spread_keys())
    return [one for one in drawn if one is not None]


def write_page(comparison: Comparison, path: Place) -> Place:
    make_folder(path.parent)
    return write_text(path, page_html(comparison))


def page_html(comparison: Comparison) -> str:
    """The page as one HTML text.

    Verdicts, a table with each interval drawn, then the report's views of the shared pairs.
    """
    joined, called = join(comparison), _titles(subjects_of(comparison.sides))
    contrasts = [
        {
            "contrast": _in_words(contrast, called),
            "lines": [_line(d) for d in shown_differences(contrast)],
        }
        for contrast in comparison.contrasts
    ]
    compared = [d for c in comparison.contrasts for d in shown_differences(c)]
    runs = dict.fromkeys(subject.run for both in comparison.sides for subject in both)
    columns = {column["key"]: column["title"] for column in joined.data.columns}
    return fill(
        "page.html",
        joined.data,
        folders=[files("blindspots.reporting.compare")],
        styles=["compare"],
        contrasts=contrasts,
        explained=EXPLAINED,
        cases=[replace(case, model=called[case.model]) for case in joined.cases],
        shown=joined.shown,
        number=columns[joined.shown.number],
        glossary={d.column.title: d.column.definition for d in compared} | joined.data.glossary,
        runs=[(without_folders(str(run.path)), run_facts(run)) for run in runs],
    )


def _line(difference: Difference) -> dict[str, Any]:
    return {
        **difference_texts(difference),
        "title": difference.column.title,
        "definition": difference.column.definition,
        "shown": difference.shown,
        "bar": _bar(difference),
    }


def _bar(difference: Difference) -> dict[str, float] | None:
    """Where the interval stands on a scale of 0 to 100 whose middle is a difference of 0."""
    mean, low, high = difference.interval
    widest = max(abs(low), abs(high), abs(mean))
    if isnan(low) or not widest:
        return None
    scale = 50 / (widest * (1 + _WIDE))
    place = {"left": 50 + scale * low, "wide": scale * (high - low), "at": 50 + scale * mean}
    return {name: round(value, 2) for name, value in place.items()}
