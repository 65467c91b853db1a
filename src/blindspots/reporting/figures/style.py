"""One look for every figure: colours, type sizes, how a figure is made and saved."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blindspots.reporting.score_labels import number
from blindspots.store.atomic import write_whole
from blindspots.store.paths import Place, find_place, make_folder

COLOUR_MAP = "cividis"
INK, MUTED, HAIRLINE, PAPER = "#1c1d20", "#5c6068", "#c9ccd1", "#ffffff"
# The two readings of one image, in the same colours as in the report.
PERSON, MODEL = "#0b5c8a", "#b0420e"
# Okabe and Ito's colours, told apart by every kind of colour vision; yellow is too pale for lines.
LIMBS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
TITLE, LABEL, SMALL = 10.5, 9.0, 8.0
WHOLE = (0.0, 0.0, 1.0, 1.0)

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


def new_axes(width: float, height: float, box: Box = WHOLE) -> Axes:
    """One axis in a new figure of this size in inches; no window, no global state.

    `box`: the axis's left, bottom, width and height as fractions of the figure.
    """
    return axes_grid(1, width, height, box=box)[0]


def axes_grid(
    count: int, width: float, height: float, columns: int = 2, box: Box = WHOLE
) -> list[Axes]:
    """`count` axes in one new figure, row by row; each has a panel of this size in inches."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * width, rows * height), dpi=150)
    left, bottom, wide, high = box
    return [
        figure.add_axes(
            (
                (index % columns + left) / columns,
                (rows - 1 - index // columns + bottom) / rows,
                wide / columns,
                high / rows,
            )
        )
        for index in range(count)
    ]


def save(
    ax: Axes,
    path: str | Place,
    formats: Sequence[str] = ("png", "svg"),
    dpi: float | None = None,
) -> list[Place]:
    """The figure of `ax` as `path` with each format's ending; the same figure, the same bytes.

    `formats`: png, svg, pdf. `dpi`: dots an inch, also of the pictures in svg and pdf; None: 150.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("the axis belongs to no figure; draw into one that does")
    base = find_place(path)
    make_folder(base.parent)
    paths = [base.with_name(f"{base.name}.{ending}") for ending in formats]
    with rc_context(_SAVING):
        for target, ending in zip(paths, formats, strict=True):
            undated = _UNDATED.get(target.suffix)
            draw = partial(figure.savefig, format=ending, dpi=dpi or "figure", metadata=undated)
            write_whole(target, draw)
    return paths


def canvas(ax: Axes, width: float, height: float) -> Axes:
    """The axis emptied of ticks and frame, one unit a unit, y downwards as in an image."""
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def picture(
    ax: Axes, pixels: np.ndarray, left: float, top: float, size: float, frame: str | None = None
) -> None:
    """An image `(height, width, 3)`, its longer side `size` units, at a place of a canvas."""
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    right, bottom = left + width * scale, top + height * scale
    limits = ax.get_xlim(), ax.get_ylim()
    small = max(height, width) <= 96
    ax.imshow(
        pixels,
        extent=(left, right, bottom, top),
        interpolation="nearest" if small else "antialiased",
        zorder=3,
        aspect="auto",
    )
    ax.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    if frame:
        edges = [left, right, right, left, left], [top, top, bottom, bottom, top]
        ax.plot(*edges, color=frame, linewidth=1.6, zorder=4, solid_joinstyle="miter")


def literal(ax: Axes, x: float, y: float, s: str, **how: Any) -> None:
    """A text as it is: a `$` in the name of a class or a model begins no formula."""
    ax.text(x, y, s, parse_math=False, **how)


def title(ax: Axes, text: str, x: float, y: float) -> None:
    """A figure's or panel's title at a place of a canvas."""
    literal(ax, x, y, text, fontsize=TITLE, color=INK, weight="bold", va="center")


def short(value: float | None) -> str:
    """A score in the slides' style: ".99", "1.00", "−2.31"; "–" where it is not known."""
    return "–" if value is None else number(value, 2)


def limb_colour(index: int) -> str:
    """The colour of the limb with this number; they repeat after seven."""
    return LIMBS[index % len(LIMBS)]
