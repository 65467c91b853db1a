"""The matrix of a transfer: do other models believe the images that were found for one?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from blindspots.reporting.figures.style import (
    COLOUR_MAP,
    INK,
    LABEL,
    MUTED,
    PAPER,
    SMALL,
    TITLE,
    canvas,
    literal,
    new_axes,
    short,
    title,
)
from blindspots.reporting.tables.builders import transfer_table
from blindspots.reporting.tables.render import fold
from blindspots.reporting.tables.table import Cell, Table, TableRow
from blindspots.store.reader import Run

_CELL, _HIGH, _GAP, _LINE = 1.15, 0.72, 0.22, 0.15
_LETTER, _LEFT, _BELOW = 0.078, 0.2, 0.2
_WIDE = 16  # letters of a judge's name in a line
_DARK = 0.47
_NARROWEST = 4.1  # the heading's own width
Matrix = Sequence[Sequence[float | None]]


def transfer(
    values: Matrix,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    nulls: Matrix = (),
    null_names: Sequence[str] = (),
    kept: Matrix = (),
    heading: str = "Do other models believe the found images?",
    ax: Axes | None = None,
) -> Axes:
    """A heat map of confidences with the numbers in the cells.

    `values`: a row per model that was traversed, a column per judge; None: not known. `kept`: the
    share of found images whose class the judge keeps, written below each number. `nulls`: rows
    below the matrix, such as what the judges say of the clean sources, with their `null_names`.
    """
    left = _LEFT + _LETTER * max(map(len, (*rows, *null_names, "")), default=0) + 0.25
    head = _head_height(columns)
    width = max(_NARROWEST, left + _CELL * len(columns) + 0.25)
    height = head + _HIGH * len(rows) + bool(nulls) * _GAP + _HIGH * len(nulls) + _BELOW
    ax = canvas(ax or new_axes(width, height), width, height)
    shares = kept or [[None] * len(columns)] * len(rows)
    for index, (name, line, below) in enumerate(zip(rows, values, shares, strict=True)):
        _line(ax, name, line, below, left, head + _HIGH * index)
    for index, (name, line) in enumerate(zip(null_names, nulls, strict=True)):
        top = head + _HIGH * (len(rows) + index) + _GAP
        _line(ax, name, line, [None] * len(columns), left, top)
    _heads(ax, columns, left, head)
    title(ax, heading, _LEFT, 0.25)
    return ax


def run_transfer(run: Run, ax: Axes | None = None) -> Axes | None:
    """The matrix of a run's stored transfer; None where nothing was judged."""
    table = transfer_table(run)
    if not table.columns:
        return None
    own, nulls = _of(table, "run"), _of(table, "source", "target")
    return transfer(
        _means(table, own),
        [row.heading for row in own],
        [column.title for column in table.columns],
        nulls=_means(table, nulls),
        null_names=[row.heading for row in nulls],
        kept=_means(table, _of(table, "kept")),
        ax=ax,
    )


def _of(table: Table, *origins: str) -> list[TableRow]:
    return [row for row in table.rows if row.origin in origins]


def _means(table: Table, rows: Sequence[TableRow]) -> list[list[float | None]]:
    return [[row.cells.get(column.key, Cell()).mean for column in table.columns] for row in rows]


def _heads(ax: Axes, columns: Sequence[str], left: float, bottom: float) -> None:
    muted: dict[str, Any] = {"fontsize": SMALL, "color": MUTED, "va": "bottom"}
    literal(ax, left, bottom - _head_height(columns) + 0.65, "judged by →", **muted)
    literal(ax, left - 0.15, bottom - 0.1, "found images of ↓", ha="right", **muted)
    for index, name in enumerate(columns):
        x = left + _CELL * (index + 0.5)
        text = "\n".join(fold(name, _WIDE))
        literal(ax, x, bottom - 0.1, text, fontsize=SMALL, color=INK, ha="center", va="bottom")


def _head_height(columns: Sequence[str]) -> float:
    return 0.9 + _LINE * max((len(fold(name, _WIDE)) for name in columns), default=1)


def _line(
    ax: Axes,
    name: str,
    values: Sequence[float | None],
    shares: Sequence[float | None],
    left: float,
    top: float,
) -> None:
    """One row of the matrix: its name and its cells."""
    middle = top + _HIGH / 2
    literal(ax, left - 0.15, middle, name, fontsize=LABEL, color=INK, ha="right", va="center")
    for index, (value, share) in enumerate(zip(values, shares, strict=True)):
        _cell(ax, left + _CELL * index, top, value, share)


def _cell(ax: Axes, left: float, top: float, value: float | None, share: float | None) -> None:
    shade = np.array(to_rgb(PAPER if value is None else colormaps[COLOUR_MAP](value)))
    place = Rectangle((left, top), _CELL, _HIGH, facecolor=shade, edgecolor=PAPER, linewidth=1.5)
    ax.add_patch(place)
    x, middle = left + _CELL / 2, top + _HIGH / 2
    lift = 0 if share is None else 0.1
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    centred["color"] = PAPER if shade.mean() < _DARK else INK
    literal(ax, x, middle - lift, short(value), fontsize=TITLE, weight="bold", **centred)
    if share is not None:
        literal(ax, x, middle + 0.18, f"{100 * share:.0f} % kept", fontsize=SMALL, **centred)
