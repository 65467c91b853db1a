"""One look for every figure, on the screen and in print: colours, type, places in inches."""

from bisect import bisect
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.artist import Artist, getp
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from blindspots.reporting.score_labels import UNIT, Scale, number
from blindspots.store.atomic import write_whole
from blindspots.store.paths import Place, find_place, make_folder

COLOUR_MAP = "cividis"
INK, MUTED, HAIRLINE, PAPER = "#1c1d20", "#5c6068", "#c9ccd1", "#ffffff"
# The two readings of one image, in the same colours as in the report.
PERSON, MODEL = "#0b5c8a", "#b0420e"
# Told apart by every kind of colour vision, and by how light they are; none is the blue of a person
# or the orange of the model.
LIMBS = ("#009e73", "#cc79a7", "#4b2e83", "#9a8a00", "#000000", "#8fbf9f", "#808080")
TITLE, LABEL, SMALL = 10.5, 9.0, 8.0
WHOLE = (0.0, 0.0, 1.0, 1.0)
GUTTER = 0.25
_SMALL_PICTURE = 96
# How models are called in words, which becomes "AT", the field's own word, where there is no room.
TRAINED = ", adversarially trained"
# Letters on a grid of pixels are a little wider than their outlines.
_HINTED = 1.02

Box = tuple[float, float, float, float]
Numbers = Sequence[float] | np.ndarray
_SAVING: dict[Any, Any] = {
    "svg.hashsalt": "blindspots",
    "svg.fonttype": "path",
    # TrueType, embedded as it is: submission systems refuse matplotlib's usual Type 3 fonts.
    "pdf.fonttype": 42,
    "savefig.facecolor": PAPER,
}
_UNDATED: dict[str, dict[Any, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


class Style(NamedTuple):
    """Where a figure is looked at: type in points; a line, a column and a margin in inches."""

    heading: float
    words: float
    note: float
    line: float
    column: float
    columns: int = 1
    margin: float = 0.01

    @property
    def width(self) -> float:
        return self.panel(1)

    def panel(self, count: int) -> float:
        """The width of each of `count` panels; on two columns several stand side by side."""
        beside = self.across(count)
        return (self.columns * (self.column + GUTTER) - GUTTER * beside) / beside

    def across(self, count: int) -> int:
        return min(self.columns, count)

    def shrunk(self, share: float) -> "Style":
        heading, words, note, line = (share * size for size in self[:4])
        return self._replace(heading=heading, words=words, note=note, line=line)


SCREEN = Style(TITLE, LABEL, SMALL, line=0.155, column=5.2, columns=2, margin=0.06)
# A column (CVPR), a page of one column (NeurIPS), a page of two; no type below 6 points.
_PAGE = Style(8.0, 7.0, 6.0, line=0.115, column=3.25)
Width = Literal["1", "1.5", "2", "slide"]
PRINT: dict[str, Style] = {
    "1": _PAGE,
    "1.5": _PAGE._replace(column=(5.5 - GUTTER) / 2, columns=2),
    "2": _PAGE._replace(columns=2),
    # Drawn as on a page of one column, then enlarged.
    "slide": _PAGE._replace(column=(5.5 - GUTTER) / 2, columns=2),
}
SLIDE, TALLEST = (13.333, 7.5), 9.0
# Around a figure on a slide, in inches; how much smaller than the slide a figure may be drawn.
_FRAME, LEAST_ENLARGED = 0.35, 1.5


def new_axes(width: float, height: float, box: Box = WHOLE) -> Axes:
    """One axis in a new figure of this size in inches; no window, no global state.

    `box`: the axis's left, bottom, width and height as fractions of the figure.
    """
    return axes_grid(1, width, height, box=box)[0]


def axes_grid(
    count: int, width: float, height: float, columns: int = 2, box: Box = WHOLE, gap: float = 0.0
) -> list[Axes]:
    """`count` axes in one new figure, row by row; each has a panel of this size in inches.

    `gap`: inches between panels side by side.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    whole = columns * (width + gap) - gap
    figure = Figure(figsize=(whole, rows * height), dpi=150)
    left, bottom, wide, high = box
    return [
        figure.add_axes(
            (
                (index % columns * (width + gap) + left * width) / whole,
                (rows - 1 - index // columns + bottom) / rows,
                wide * width / whole,
                high / rows,
            )
        )
        for index in range(count)
    ]


def panels(style: Style, count: int, height: float) -> list[Axes]:
    """`count` axes of that height in a new figure as wide as the style's columns."""
    return axes_grid(count, style.panel(count), height, style.across(count), gap=GUTTER)


def save(
    ax: Axes,
    path: str | Place,
    formats: Sequence[str] = ("png", "svg"),
    dpi: float | None = None,
) -> list[Place]:
    """The figure of `ax` as `path` with each format's ending; the same figure, the same bytes.

    `formats`: png, svg, pdf. `dpi`: dots an inch, also of the pictures in svg and pdf; None: 150.
    """
    figure, base = figure_of(ax), find_place(path)
    make_folder(base.parent)
    paths = [base.with_name(f"{base.name}.{ending}") for ending in formats]
    with rc_context(_SAVING):
        for target, ending in zip(paths, formats, strict=True):
            undated = _UNDATED.get(target.suffix)
            draw = partial(figure.savefig, format=ending, dpi=dpi or "figure", metadata=undated)
            write_whole(target, draw)
    return paths


def figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise ValueError("the axis belongs to no figure; draw into one that does")
    return figure


def canvas(ax: Axes | None, width: float, height: float) -> Axes:
    """The axis emptied of ticks and frame, one unit an inch, y downwards; None: a new one."""
    ax = ax or new_axes(width, height)
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.axis("off")
    return ax


def axes_at(page: Axes, left: float, top: float, width: float, height: float) -> Axes:
    """A further axis at a place of a canvas, with thin lines at the left and below alone."""
    across, down = page.get_xlim()[1], page.get_ylim()[0]
    ax = page.inset_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=MUTED, linewidth=0.5)
    ax.grid(axis="y", color=HAIRLINE, linewidth=0.4)
    ax.set_axisbelow(True)
    return ax


def plain_axis(ax: Axes, style: Style, scale: Scale | None = None) -> None:
    """Small type on an axis; its y axis is of a score with this scale, if any."""
    look: dict[str, Any] = {"labelsize": style.note, "labelcolor": MUTED}
    ax.tick_params(length=2, width=0.5, color=MUTED, pad=2, **look)
    if scale is not None:
        ax.set(ylim=(scale.low, scale.at(1.03)), yticks=scale.ticks)
        ax.set_yticklabels(scale.labels)


def level(ax: Axes, value: float | None) -> None:
    if value is not None:
        ax.axhline(value, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1.5)


def write(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str = INK,
    room: float | None = None,
    **how: Any,
) -> None:
    """A text whose middle is at height `y`, each line cut to `room` inches.

    It stands as it is: a `$` in the name of a class or a model begins no formula.
    """
    if room is not None:
        look = FontProperties(size=size, weight=how.get("weight"))
        text = "\n".join(_cut(line, room, look) for line in text.split("\n"))
    ax.text(x, y, text, parse_math=False, fontsize=size, color=colour, **{"va": "center", **how})


def _cut(text: str, room: float, look: FontProperties) -> str:
    if _width(text, look) > room:
        text = text.replace(TRAINED, " AT")
    if _width(text, look) <= room:
        return text
    fitting = bisect(range(len(text)), room, key=lambda kept: _width(_kept(text, kept), look))
    return _kept(text, max(fitting - 1, 0))


def _kept(text: str, letters: int) -> str:
    half = letters // 2
    return f"{text[: letters - half].rstrip()}…{text[len(text) - half :].lstrip()}"


def text_width(text: str, size: float) -> float:
    """How wide a text of this size in points is, in inches."""
    return _width(text, FontProperties(size=size))


def _width(text: str, look: FontProperties) -> float:
    width = text_to_path.get_text_width_height_descent(text, look, ismath=False)[0]
    return _HINTED * width / 72


def tile(
    ax: Axes, pixels: np.ndarray, x: float, y: float, size: float, edge: str | None = None
) -> None:
    """An image `(height, width, 3)` with its top left corner at a place of a canvas.

    Its longer side is `size` inches; it stands in a hairline, or in a frame of the colour `edge`.
    """
    longer = max(pixels.shape[:2])
    high, wide = (size * side / longer for side in pixels.shape[:2])
    limits = ax.get_xlim(), ax.get_ylim()
    smooth = "nearest" if longer <= _SMALL_PICTURE else "antialiased"
    box = (x, x + wide, y + high, y)
    ax.imshow(pixels, extent=box, interpolation=smooth, zorder=3, aspect="auto")
    ax.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    corners = [x, x + wide, x + wide, x, x], [y, y, y + high, y + high, y]
    width = 1.2 if edge else 0.4
    ax.plot(*corners, color=edge or HAIRLINE, linewidth=width, solid_joinstyle="miter", zorder=4)


def on_slide(ax: Axes) -> Axes:
    """The figure with all its type and lines as large as a slide has room for, in its middle."""
    figure, (wide, high) = figure_of(ax), SLIDE
    width, height = figure.get_size_inches()
    factor = min((wide - 2 * _FRAME) / width, (high - 2 * _FRAME) / height)
    for one in figure.findobj(Axis):
        if one.axes.axison:
            _enlarge_ticks(one, factor)
    ticks = {id(part) for one in figure.findobj(Tick) for part in one.findobj()}
    for one in figure.findobj():
        if id(one) not in ticks:
            _enlarge(one, factor)
    left, bottom = (wide - factor * width) / 2, (high - factor * height) / 2
    for one in figure.axes:
        x0, y0, x1, y1 = (factor * one.get_position().extents).tolist()
        place = (left + x0 * width, bottom + y0 * height, (x1 - x0) * width, (y1 - y0) * height)
        one.set_position((place[0] / wide, place[1] / high, place[2] / wide, place[3] / high))
    figure.set_size_inches(wide, high)
    return ax


def _enlarge(one: Artist, factor: float) -> None:
    """Type, lines and marks, which have sizes in points; all else grows with its axis."""
    if isinstance(one, Text):
        one.set_fontsize(factor * float(one.get_fontsize()))
    elif isinstance(one, Line2D):
        one.set(linewidth=factor * one.get_linewidth(), markersize=factor * one.get_markersize())
    elif isinstance(one, Patch):
        one.set_linewidth(factor * one.get_linewidth())
    elif isinstance(one, Collection):
        one.set(linewidths=factor * np.asarray(getp(one, "linewidths")))
        if isinstance(one, PathCollection):
            one.set_sizes(factor**2 * one.get_sizes())


def _enlarge_ticks(axis: Axis, factor: float) -> None:
    labels = axis.get_ticklabels()
    sizes, known = [float(one.get_fontsize()) for one in labels], axis.get_tick_params()
    kept = {key: factor * known[key] for key in ("length", "width", "pad") if key in known}
    axis.set_tick_params(**kept, grid_linewidth=factor * 0.4, labelsize=factor * sizes[0])
    for label, size in zip(labels, sizes, strict=True):
        label.set_fontsize(factor * size)
    axis.labelpad *= factor


def colour_ramp(colours: int = 64) -> list[str]:
    return [to_hex(colour) for colour in colormaps[COLOUR_MAP](np.linspace(0, 1, colours))]


def draw_ramp(ax: Axes, box: Box, upright: bool = False) -> None:
    limits, ramp = (ax.get_xlim(), ax.get_ylim()), np.linspace(0, 1, 256)
    shown = ramp[::-1, None] if upright else ramp[None]
    ax.imshow(shown, cmap=COLOUR_MAP, extent=box, aspect="auto", vmin=0, vmax=1)
    ax.set(xlim=limits[0], ylim=limits[1], aspect="equal")


def colour_bar(
    ax: Axes, left: float, top: float, label: str, style: Style, scale: Scale = UNIT
) -> None:
    start, end = left + 0.05 * style.column, left + 0.36 * style.column
    draw_ramp(ax, (start, end, top + 0.3 * style.line, top - 0.3 * style.line))
    first, last = scale.labels[0], scale.labels[-1]
    write(ax, start - 0.05, top, first, style.note, MUTED, ha="right")
    room = ax.get_xlim()[1] - end - 0.1
    write(ax, end + 0.05, top, f"{last}   {label}", style.note, MUTED, room, ha="left")


def short(value: float | None) -> str:
    """A score in the slides' style: ".99", "1.00", "−2.31"; "–" where it is not known."""
    return "–" if value is None else number(value, 2)


def limb_colour(index: int) -> str:
    return LIMBS[index % len(LIMBS)]
