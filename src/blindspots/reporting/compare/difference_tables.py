"""A comparison as text, markdown, csv, latex or json."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from math import isnan
from textwrap import wrap
from typing import Any

from blindspots.errors import UsageError
from blindspots.reporting.compare.differences import (
    Comparison,
    Contrast,
    Difference,
    interval,
    signed,
)
from blindspots.reporting.score_labels import number
from blindspots.reporting.tables import FORMATS, Cell, Column, Table, TableRow
from blindspots.reporting.tables import render as render_table
from blindspots.reporting.tables.render import csv_text, json_text

EXPLAINED = (
    "Differences are paired: the same sources and targets, after minus before. Intervals are "
    "95 % bootstrap intervals (BCa, sources resampled), each for its own number; ✓: all on one "
    "side of 0."
)
_WIDTH = 100


def render(comparison: Comparison, format: str = "text") -> str:
    """The comparison in one of `FORMATS`, ending in a newline; csv and json hold every digit."""
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no format; expected one of {', '.join(FORMATS)}")
    if format == "json":
        return json_text(as_json(comparison))
    if format == "csv":
        rows = list(_flat(comparison))
        return csv_text([rows[0].keys(), *(row.values() for row in rows)])
    contrasts = enumerate(comparison.contrasts, start=1)
    if format == "latex":
        return "\n".join(render_table(_captioned(c, place), format) for place, c in contrasts)
    tables = [render_table(contrast_table(c), format, _WIDTH) for _, c in contrasts]
    explained = "\n".join(wrap(EXPLAINED, _WIDTH)) if format == "text" else EXPLAINED
    return "\n".join([*tables, f"{explained}\n"])


def contrast_table(contrast: Contrast) -> Table:
    """One row per number, each shown once: before, after, difference, interval; verdicts below."""
    columns = (
        Column("before", contrast.before),
        Column("after", contrast.after),
        Column("difference", "difference"),
        Column("interval", "95 % interval"),
        Column("shown", ""),
    )
    return Table(
        kind="compare",
        title=(
            f"{contrast.after} against {contrast.before}: {contrast.pairs} pairs of "
            f"{contrast.sources} sources"
        ),
        columns=columns,
        rows=tuple(
            TableRow(d.column.title, {key: Cell(text=t) for key, t in difference_texts(d).items()})
            for d in shown_differences(contrast)
        ),
        notes=(*contrast.verdicts, *contrast.notes),
        corner="",
        turns=False,
    )


def _captioned(contrast: Contrast, place: int) -> Table:
    table = contrast_table(contrast)
    caption = " ".join((f"{table.title}.", *contrast.verdicts))
    kind, columns = f"compare-{place}", table.columns[:-1]
    return replace(table, kind=kind, title=caption, columns=columns, notes=contrast.notes)


def difference_texts(difference: Difference) -> dict[str, str]:
    column = difference.column
    return {
        "before": number(difference.before, column.digits, column.percent),
        "after": number(difference.after, column.digits, column.percent),
        "difference": signed(difference),
        "interval": interval(difference),
        "shown": "✓" if difference.shown else "",
    }


def shown_differences(contrast: Contrast) -> list[Difference]:
    flat = chain.from_iterable(contrast.differences.values())
    return list({d.column.key: d for d in flat}.values())


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as data; an unknown end of an interval is null."""
    return {
        "runs": list(comparison.runs),
        "seed": comparison.seed,
        "contrasts": [
            {
                "before": contrast.before,
                "after": contrast.after,
                "pairs": contrast.pairs,
                "sources": contrast.sources,
                "verdicts": list(contrast.verdicts),
                "notes": list(contrast.notes),
                "differences": {
                    kind: [_as_json(difference) for difference in differences]
                    for kind, differences in contrast.differences.items()
                },
            }
            for contrast in comparison.contrasts
        ],
    }


def _flat(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for contrast in comparison.contrasts:
        for kind, differences in contrast.differences.items():
            for difference in differences:
                row = _as_json(difference)
                del row["title"], row["definition"]
                yield {"before": contrast.before, "after": contrast.after, "table": kind, **row}


def _as_json(difference: Difference) -> dict[str, Any]:
    column, found = difference.column, difference.interval
    known = not isnan(found.low)
    return {
        "column": column.key,
        "title": column.title,
        "definition": column.definition,
        "before_mean": difference.before,
        "after_mean": difference.after,
        "difference": found.mean,
        "low": found.low if known else None,
        "high": found.high if known else None,
        "shown": difference.shown,
        "values": difference.values,
        "sources": difference.sources,
    }
