"""A table as text, csv, latex, markdown or json."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from itertools import pairwise
from textwrap import wrap
from typing import Any, Literal, get_args

from blindspots.errors import UsageError, visible
from blindspots.reporting.score_labels import number
from blindspots.reporting.tables.table import Cell, Column, Table, TableRow

Format = Literal["text", "csv", "latex", "markdown", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

Grid = tuple[list[str], list[list[str]]]

_UNKNOWN = "–"
_GAP = "  "
_INDENT = "\u2003"
_WIDEST = 1000
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    _INDENT: r"\quad ",
    "±": r"$\pm$",
    "–": "--",
    "−": "$-$",
    "ℓ": r"\(\ell\)",
    "∞": r"\({}_\infty\)",
    "Δ": r"$\Delta$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
}


def render(table: Table, format: str = "text", width: int | None = None) -> str:
    """The table in one of `FORMATS`, ending in a newline.

    text, latex and markdown show the slides' style (".008 ± .001"); csv and json hold every
    digit. `width`: columns of the terminal; a text table that is wider puts models in columns, in
    several grids where one is too wide.
    """
    if format == "text":
        return visible(_text(table, width or _WIDEST))
    if format == "json":
        return _json(table)
    writers: dict[str, Callable[[Table], str]] = {
        "csv": _csv,
        "latex": _latex,
        "markdown": _markdown,
    }
    if format not in writers:
        raise UsageError(f"{format!r} is no table format; expected one of {', '.join(FORMATS)}")
    return visible(writers[format](table))


def shown(cell: Cell, column: Column) -> str:
    """A cell in the slides' style: no leading zero, mean ± deviation; "–" where not known."""
    if cell.text is not None:
        return cell.text
    if cell.mean is None:
        return _UNKNOWN
    digits = column.digits if cell.digits is None else cell.digits
    mean = number(cell.mean, digits, column.percent)
    return mean if cell.std is None else f"{mean} ± {number(cell.std, digits)}"


def _grid(table: Table, transposed: bool, below: str = "{}") -> Grid:
    """The head and the lines of cells; `below`: how a row below its model's is headed."""
    head = [table.corner, *(column.title for column in table.columns)]
    body = [
        [
            below.format(row.title) if row.title else row.label,
            *(shown(row.cells.get(column.key, Cell()), column) for column in table.columns),
        ]
        for row in table.rows
    ]
    if not transposed:
        return head, body
    first, *rest = (list(line) for line in zip(head, *body, strict=True))
    return ["", *first[1:]], rest


def _text(table: Table, width: int) -> str:
    grids = [] if table.transposed else [aligned(*_grid(table, False, "  {}"), width)]
    if not grids or (table.turns and len(grids[0][0]) > width):
        grids = _turned(table, width)
    notes = [
        line for note in table.notes for line in wrap(note, min(width, 100), break_on_hyphens=False)
    ]
    blocks = [[table.title], *grids, *([notes] if notes else [])]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _turned(table: Table, width: int) -> list[list[str]]:
    """The models in columns, in as few grids as the width allows; what is below a model stays."""
    grids: list[list[str]] = []
    together: tuple[TableRow, ...] = ()
    for group in _groups(table.rows) or [()]:
        wider = _turned_grid(table, (*together, *group), width)
        fits = bool(together) and len(wider[0]) <= width
        together = (*together, *group) if fits else group
        grids = [*(grids[:-1] if fits else grids), _turned_grid(table, together, width)]
    return grids


def _turned_grid(table: Table, rows: tuple[TableRow, ...], width: int) -> list[str]:
    return aligned(*_grid(replace(table, rows=rows), transposed=True), width)


def _groups(rows: tuple[TableRow, ...]) -> list[tuple[TableRow, ...]]:
    starts = [i for i, row in enumerate(rows) if not row.title]
    return [rows[i:j] for i, j in pairwise([*starts, len(rows)])]


def aligned(head: list[str], body: list[list[str]], width: int) -> list[str]:
    """Lines of equal length; only the head may be folded, for a cut number cannot be read."""
    widths = [max(map(len, column)) for column in zip(*body, strict=True)] or [1] * len(head)
    room = (width - sum(widths)) // len(head) - len(_GAP)
    widths = [
        max(own, min(len(title), own + max(room, 0)))
        for own, title in zip(widths, head, strict=True)
    ]
    folded = [fold(title, size) for title, size in zip(head, widths, strict=True)]
    widths = [max(size, *map(len, parts)) for size, parts in zip(widths, folded, strict=True)]
    tall = max(map(len, folded))
    heads = zip(*([""] * (tall - len(parts)) + parts for parts in folded), strict=True)
    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return [*(_line(cells, widths) for cells in heads), rule, *(_line(c, widths) for c in body)]


def _line(cells: Iterable[str], widths: list[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return _GAP.join([first[0].ljust(first[1]), *(cell.rjust(size) for cell, size in rest)])


def fold(title: str, width: int) -> list[str]:
    """A title in lines, broken behind the marks of a model's name, nearly as wide as asked."""
    lines = [""]
    for piece in re.findall(r"[^:/.\-_ ]+[:/.\-_ ]*|[:/.\-_ ]+", title):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _csv(table: Table) -> str:
    parts, keys = ("mean", "std", "n"), [column.key for column in table.columns]
    head = ["model", "origin", *(f"{key}_{part}" for key in keys for part in parts)]
    cells = ([row.cells.get(key, Cell()) for key in keys] for row in table.rows)
    numbers = ([getattr(cell, part) for cell in line for part in parts] for line in cells)
    rows = ([row.label, row.origin, *own] for row, own in zip(table.rows, numbers, strict=True))
    return csv_text([head, *rows])


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(_plain, row) for row in rows)
    return out.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return spreadsheet_text(visible(value))
    return "" if value is None else repr(value)


def spreadsheet_text(text: str) -> str:
    """A text that spreadsheets show as it is, and do not compute: behind an apostrophe if need be.

    They take what begins with one of = + - @, or with white space before it, for a formula.
    """
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@") or text[:1] in tuple("\t\r") else text


def _markdown(table: Table) -> str:
    head, body = _grid(table, table.transposed, "*{}*")
    rule = [":--", *["--:"] * (len(head) - 1)]
    lines = [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |"
        for line in (head, rule, *body)
    ]
    return "\n\n".join([f"**{table.title}**", "\n".join(lines), *table.notes]) + "\n"


def _latex(table: Table) -> str:
    head, body = _grid(table, table.transposed, f"{_INDENT}{{}}")
    first, *lines = (" & ".join(map(escaped, line)) + r" \\" for line in (head, *body))
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            *(f"% {note}" for note in table.notes),
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escaped(table.title)}}}",
            f"  \\label{{tab:blindspots-{table.kind}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"    \toprule",
            f"    {first}",
            r"    \midrule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _json(table: Table) -> str:
    return json_text(
        {
            "kind": table.kind,
            "title": table.title,
            "columns": [asdict(column) for column in table.columns],
            "rows": [_json_row(row, table.columns) for row in table.rows],
            "notes": list(table.notes),
        }
    )


def json_text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def _json_row(row: TableRow, columns: Iterable[Column]) -> dict[str, object]:
    cells = {column.key: row.cells.get(column.key, Cell()).as_json() for column in columns}
    return {"model": row.label, "origin": row.origin, "cells": cells}
