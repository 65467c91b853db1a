"""The paper a figure is printed on: one or two columns wide, everything measured in inches."""

from bisect import bisect
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from blindspots.reporting.figures.style import (
    COLOUR_MAP,
    HAIRLINE,
    INK,
    MUTED,
    canvas,
    literal,
    new_axes,
    picture,
)
from blindspots.reporting.score_labels import UNIT, Scale

Columns = Literal[1, 2]
# One column and the whole of a two-column page (CVPR, ICML), in inches.
WIDTHS = {1: 3.25, 2: 6.75}
GUTTER = 0.25
# Points; nothing on a printed page is smaller than 6.
HEADING, WORDS, NOTE = 8.0, 7.0, 6.0
LINE = 0.115
RESOLUTION = 600
# Letters on a grid of pixels are a little wider than their outlines.
_HINTED = 1.02


class Panel(NamedTuple):
    """A place on a sheet, in inches from its top left corner."""

    left: float
    top: float
    width: float


def sheet(columns: int, height: float) -> Axes:
    """An empty sheet: an axis over a whole new figure, one unit an inch, y downwards."""
    width = WIDTHS[columns]
    return canvas(new_axes(width, height), width, height)


def across(columns: int, count: int) -> int:
    """How many panels stand beside each other: two on a wide sheet where there are several."""
    return 2 if columns == 2 and count > 1 else 1


def panel_width(columns: int, count: int) -> float:
    """The width of each of `count` panels."""
    beside = across(columns, count)
    return (WIDTHS[columns] - GUTTER * (beside - 1)) / beside


def panels(columns: int, count: int, height: float) -> tuple[Axes, Iterator[Panel]]:
    """A sheet with `count` panels of that height, row by row."""
    beside, width = across(columns, count), panel_width(columns, count)
    places = (
        Panel((i % beside) * (width + GUTTER), (i // beside) * height, width) for i in range(count)
    )
    return sheet(columns, -(-count // beside) * height), places


def axes_at(page: Axes, left: float, top: float, width: float, height: float) -> Axes:
    """A further axis on a sheet, at a place in inches."""
    across_, down = page.get_xlim()[1], page.get_ylim()[0]
    box = (left / across_, 1 - (top + height) / down, width / across_, height / down)
    return figure_of(page).add_axes(box)


def figure_of(page: Axes) -> Figure:
    """The figure that a sheet covers."""
    figure = page.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def cut(text: str, room: float, size: float = WORDS, **font: Any) -> str:
    """The text, its middle left out where it is wider than `room` inches."""
    look = FontProperties(size=size, **font)
    if _width(text, look) <= room:
        return text
    fitting = bisect(range(len(text)), room, key=lambda kept: _width(_kept(text, kept), look))
    return _kept(text, max(fitting - 1, 0))


def _kept(text: str, letters: int) -> str:
    half = letters // 2
    return f"{text[: letters - half].rstrip()}…{text[len(text) - half :].lstrip()}"


def _width(text: str, look: FontProperties) -> float:
    width = text_to_path.get_text_width_height_descent(text, look, ismath=False)[0]
    return _HINTED * width / 72


def words(
    page: Axes,
    x: float,
    y: float,
    text: str,
    size: float = WORDS,
    colour: str = INK,
    room: float | None = None,
    **how: Any,
) -> None:
    """A text whose middle is at height `y`, each line cut to `room` inches."""
    if room is not None:
        font = {"weight": how["weight"]} if "weight" in how else {}
        text = "\n".join(cut(line, room, size, **font) for line in text.split("\n"))
    literal(page, x, y, text, fontsize=size, color=colour, **{"va": "center", **how})


def tile(
    page: Axes, pixels: np.ndarray, x: float, y: float, size: float, edge: str | None = None
) -> None:
    """An image with its top left corner at a place, `size` inches wide, in a hairline or `edge`."""
    picture(page, pixels, x, y, size)
    high, wide = (size * side / max(pixels.shape[:2]) for side in pixels.shape[:2])
    corners = [x, x + wide, x + wide, x, x], [y, y, y + high, y + high, y]
    width = 1.2 if edge else 0.4
    page.plot(*corners, color=edge or HAIRLINE, linewidth=width, solid_joinstyle="miter", zorder=4)


def colour_bar(
    page: Axes, left: float, top: float, width: float, label: str, scale: Scale = UNIT
) -> None:
    """The colours of a score from end to end of its scale, in one line of a sheet."""
    limits = page.get_xlim(), page.get_ylim()
    labels = scale.labels
    start, high = left + 0.16, 0.07
    ramp = np.linspace(0, 1, 256)[None]
    box = (start, start + width, top + high / 2, top - high / 2)
    page.imshow(ramp, cmap=COLOUR_MAP, extent=box, aspect="auto", vmin=0, vmax=1)
    page.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    words(page, start - 0.05, top, labels[0], NOTE, MUTED, ha="right")
    words(page, start + width + 0.05, top, f"{labels[-1]}   {label}", NOTE, MUTED, ha="left")


def plain_axes(ax: Axes) -> Axes:
    """An axis with thin lines at the left and below alone, small type, and no title."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=MUTED, linewidth=0.5)
    ax.tick_params(length=2, width=0.5, color=MUTED, labelsize=NOTE, labelcolor=MUTED, pad=2)
    ax.grid(axis="y", color=HAIRLINE, linewidth=0.4)
    ax.set_axisbelow(True)
    return ax


def score_axis(ax: Axes, scale: Scale) -> None:
    """The y axis of a score, on its scale."""
    ax.set(ylim=(scale.low, scale.at(1.03)), yticks=scale.ticks)
    ax.set_yticklabels(scale.labels)


def level(ax: Axes, value: float | None) -> None:
    """A dashed line at p source − δ, below which an image is outside."""
    if value is not None:
        ax.axhline(value, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1.5)
