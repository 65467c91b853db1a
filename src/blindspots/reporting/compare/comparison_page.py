"""The comparison as one self-contained HTML page: differences, then the report's views."""

from importlib.resources import files
from math import isnan
from typing import Any

from blindspots.reporting.compare.difference_tables import EXPLAINED, shown_differences
from blindspots.reporting.compare.differences import Comparison, Difference
from blindspots.reporting.compare.page_data import join
from blindspots.reporting.compare.verdict import interval, signed
from blindspots.reporting.page.entry_types import ReportData
from blindspots.reporting.page.run_facts import run_facts
from blindspots.reporting.page.template import fill
from blindspots.reporting.tables.render import number
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place, make_folder

_WIDE = 0.08  # share of the scale left free beyond the widest interval


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
