"""A comparison as text, markdown, csv, latex or json."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import chain
from math import isnan
from textwrap import wrap
from typing import Any, Literal, get_args

from blindspots.errors import UsageError
from blindspots.reporting.compare.differences import (
    Comparison,
    Contrast,
    Difference,
    interval,
    signed,
)
from blindspots.reporting.score_labels import number
from blindspots.reporting.tables.render import aligned, latex_table, spreadsheet_text

Format = Literal["text", "csv", "latex", "markdown", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
EXPLAINED = (
    "Differences are paired: the same sources and targets, after minus before. Intervals are "
    "95 % bootstrap intervals (BCa, sources resampled), each for its own number; ✓: all on one "
    "side of 0."
)
_WIDTH = 100


def render(comparison: Comparison, format: str = "text") -> str:
    """The comparison in one of `FORMATS`, ending in a newline; csv and json hold every digit."""
    writers: dict[str, Callable[[Comparison], str]] = {
        "text": _text,
        "csv": _csv,
        "latex": _latex,
        "markdown": _markdown,
        "json": lambda comparison: (
            json.dumps(as_json(comparison), indent=2, ensure_ascii=False) + "\n"
        ),
    }
    if format not in writers:
        raise UsageError(f"{format!r} is no format; expected one of {', '.join(FORMATS)}")
    return writers[format](comparison)


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


def title(contrast: Contrast) -> str:
    """What is compared, on how much."""
    return (
        f"{contrast.after} against {contrast.before}: {contrast.pairs} pairs of "
        f"{contrast.sources} sources"
    )


def grid(contrast: Contrast) -> tuple[list[str], list[list[str]]]:
    """Head and body: one line a column of the tables, each shown once."""
    head = ["", contrast.before, contrast.after, "difference", "95 % interval", ""]
    return head, [_line(difference) for difference in shown_differences(contrast)]


def shown_differences(contrast: Contrast) -> list[Difference]:
    """The contrast's differences, table after table, none twice."""
    flat = chain.from_iterable(contrast.differences.values())
    return list({d.column.key: d for d in flat}.values())


def _line(difference: Difference) -> list[str]:
    column = difference.column
    means = [
        number(value, column.digits, column.percent)
        for value in (difference.before, difference.after)
    ]
    mark = "✓" if difference.shown else ""
    return [column.title, *means, signed(difference), interval(difference), mark]


def _text(comparison: Comparison) -> str:
    return "\n".join(_each(comparison, lambda c: "\n".join(aligned(*grid(c), _WIDTH)))) + "\n"


def _markdown(comparison: Comparison) -> str:
    return "\n".join(_each(comparison, _markdown_grid, "**{}**", wrapped=False)) + "\n"


def _each(
    comparison: Comparison,
    table: Callable[[Contrast], str],
    heading: str = "{}",
    wrapped: bool = True,
) -> Iterable[str]:
    for contrast in comparison.contrasts:
        yield f"{heading.format(title(contrast))}\n"
        yield f"{table(contrast)}\n"
        for sentence in (*contrast.verdicts, *contrast.notes):
            yield (
                "\n".join(wrap(sentence, _WIDTH, break_on_hyphens=False))
                if wrapped
                else f"{sentence}\n"
            )
        yield ""
    yield "\n".join(wrap(EXPLAINED, _WIDTH)) if wrapped else EXPLAINED


def _markdown_grid(contrast: Contrast) -> str:
    head, body = grid(contrast)
    rule = [":--", *["--:"] * (len(head) - 1)]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |"
        for line in (head, rule, *body)
    )


def _csv(comparison: Comparison) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    flat = list(_flat(comparison))
    writer.writerow(flat[0].keys())
    writer.writerows([_plain(value) for value in row.values()] for row in flat)
    return out.getvalue()


def _flat(comparison: Comparison) -> Iterable[dict[str, Any]]:
    for contrast in comparison.contrasts:
        for kind, differences in contrast.differences.items():
            for difference in differences:
                row = _as_json(difference)
                del row["title"], row["definition"]
                yield {"before": contrast.before, "after": contrast.after, "table": kind, **row}


def _as_json(difference: Difference) -> dict[str, Any]:
    column, found = asdict(difference.column), difference.interval
    known = not isnan(found.low)
    return {
        "column": column["key"],
        "title": column["title"],
        "definition": column["definition"],
        "before_mean": difference.before,
        "after_mean": difference.after,
        "difference": found.mean,
        "low": found.low if known else None,
        "high": found.high if known else None,
        "shown": difference.shown,
        "values": difference.values,
        "sources": difference.sources,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return spreadsheet_text(value)
    return "" if value is None else repr(value) if isinstance(value, float) else value


def _latex(comparison: Comparison) -> str:
    tables = [_latex_table(c, number) for number, c in enumerate(comparison.contrasts, start=1)]
    return "\n".join(["% needs \\usepackage{booktabs}", *tables])


def _latex_table(contrast: Contrast, place: int) -> str:
    head, body = grid(contrast)
    caption = " ".join((f"{title(contrast)}.", *contrast.verdicts))
    framed = latex_table(head[:-1], [line[:-1] for line in body], caption, f"compare-{place}")
    return "\n".join([*(f"% {note}" for note in contrast.notes), framed])
