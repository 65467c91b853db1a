"""The comparison as one self-contained HTML page, in the report's style sheet."""

from functools import cache
from importlib.resources import files
from math import isnan
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from blindspots.compare.differences import Comparison, Difference
from blindspots.compare.render import EXPLAINED, shown_differences
from blindspots.compare.verdict import interval, signed
from blindspots.files import write_text
from blindspots.places import Place, make_folder
from blindspots.tables.render import number
from blindspots.web import page_files

_WIDE = 0.08  # share of the scale left free beyond the widest interval


def write_page(comparison: Comparison, path: Place) -> Place:
    """The page, written whole; it opens from disk and asks for nothing."""
    make_folder(path.parent)
    return write_text(path, page_html(comparison))


def page_html(comparison: Comparison) -> str:
    """The page as one HTML text: verdicts, then a table with each interval drawn."""
    contrasts = [
        {"contrast": contrast, "lines": [_line(d) for d in shown_differences(contrast)]}
        for contrast in comparison.contrasts
    ]
    return _template().render(
        runs=comparison.runs,
        contrasts=contrasts,
        explained=EXPLAINED,
        glossary=_glossary(comparison),
        style=Markup(_text("base.css") + _text("report.css")),
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


def _glossary(comparison: Comparison) -> dict[str, str]:
    shown = [d for contrast in comparison.contrasts for d in shown_differences(contrast)]
    return {d.column.title: d.column.definition for d in shown}


def _bar(difference: Difference) -> dict[str, float] | None:
    """Where the interval stands on a scale of 0 to 100 whose middle is a difference of 0."""
    mean, low, high = difference.interval
    widest = max(abs(low), abs(high), abs(mean))
    if isnan(low) or not widest:
        return None
    scale = 50 / (widest * (1 + _WIDE))
    place = {"left": 50 + scale * low, "wide": scale * (high - low), "at": 50 + scale * mean}
    return {name: round(value, 2) for name, value in place.items()}


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    source = (files("blindspots.compare") / "page.html").read_text("utf-8")
    return environment.from_string(source)


def _text(name: str) -> str:
    return page_files(files("blindspots.report"))[name].read_text("utf-8")
