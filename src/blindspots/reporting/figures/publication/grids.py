"""`grid`: found images by the class the model sees and the class a person sees."""

from collections.abc import Sequence
from textwrap import wrap

from matplotlib.axes import Axes

from blindspots.reporting.figures.grid_layout import GridLayout, Spot, layout_of
from blindspots.reporting.figures.publication.layout import (
    HEADING,
    LINE,
    NOTE,
    WORDS,
    Panel,
    panel_width,
    panels,
    tile,
    words,
)
from blindspots.reporting.figures.publication.require import kept_found, kept_image
from blindspots.reporting.figures.style import MODEL, MUTED, PERSON, short
from blindspots.reporting.score_labels import words_of
from blindspots.reporting.selection import class_name
from blindspots.store.reader import Row, Run, reached_target

_GAP, _UNDER = 0.05, 1.5 * LINE
_LARGEST = 1.15
_CHARACTER = 0.62 * NOTE / 72


def draw_grid(run: Run, rows: Sequence[Row], columns: int) -> Axes:
    """A grid a model of the pairs given: rows what the model sees, columns what a person sees.

    Untouched images are framed. A confidence in brackets: the found image is only on its way, and
    a person would not name it so. At most six classes a side, those with most pairs; where too few
    of their combinations were traversed, a line per source.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    layouts = [_filled(run, [row for row in rows if row["model"] == model]) for model in models]
    width = panel_width(columns, len(models))
    height = max(_height(layout, width) for layout in layouts)
    page, places = panels(columns, len(models), height)
    for model, layout, panel in zip(models, layouts, places, strict=True):
        _grid(page, run, model, layout, panel)
    return page


def _filled(run: Run, pairs: list[Row]) -> GridLayout:
    """The layout without the lines that would be empty: no source of theirs was traversed."""
    layout = layout_of(pairs, words_of(run))
    filled = [at for at, line in enumerate(layout.spots) if any(line)]
    spots = [layout.spots[at] for at in filled]
    return GridLayout(spots, [layout.rows[at] for at in filled], layout.columns)


def _label_width(width: float) -> float:
    return 0.55 if width < 4 else 0.85


def _size(layout: GridLayout, width: float) -> float:
    count = max(len(line) for line in layout.spots)
    return min(_LARGEST, (width - _label_width(width)) / count - _GAP)


def _head(layout: GridLayout, size: float) -> float:
    return (2.9 + max((len(_folded(name, size)) for name in layout.columns), default=0)) * LINE


def _pitch(layout: GridLayout, size: float) -> float:
    return size + _UNDER + (0 if layout.columns else 0.9 * LINE)


def _height(layout: GridLayout, width: float) -> float:
    size = _size(layout, width)
    return _head(layout, size) + _pitch(layout, size) * len(layout.spots) + 0.5 * LINE


def _grid(page: Axes, run: Run, model: str, layout: GridLayout, panel: Panel) -> None:
    size, label = _size(layout, panel.width), _label_width(panel.width)
    first, pitch = panel.top + _head(layout, size), _pitch(layout, size)
    room = panel.width - 0.02
    words(page, panel.left + 0.01, panel.top + LINE, model, HEADING, room=room, weight="bold")
    second = panel.top + 2.2 * LINE
    words(page, panel.left + 0.01, second, "model sees", NOTE, MODEL)
    words(page, panel.left + label, second, "a person sees", NOTE, PERSON)
    for at, name in enumerate(layout.columns):
        middle = panel.left + label + at * (size + _GAP) + size / 2
        lines = "\n".join(_folded(name, size))
        words(
            page, middle, first - 0.03, lines, NOTE, PERSON, size + _GAP, ha="center", va="bottom"
        )
    for down, (name, line) in enumerate(zip(layout.rows, layout.spots, strict=True)):
        top = first + pitch * down
        folded = "\n".join(_folded(name, label - 0.05))
        words(page, panel.left + 0.01, top + size / 2, folded, NOTE, MODEL, label - 0.05)
        for at, spot in enumerate(line):
            left = panel.left + label + at * (size + _GAP)
            _tile(page, run, spot, left, top, size, named=not layout.columns)


def _tile(
    page: Axes, run: Run, spot: Spot | None, left: float, top: float, size: float, named: bool
) -> None:
    if spot is None:
        words(page, left + size / 2, top + size / 2, "·", WORDS, MUTED, ha="center")
        return
    row = spot.row
    clean = spot.clean
    pixels = kept_image(run, row["source_id"], row["model"]) if clean else kept_found(run, row)
    sure = row["p_source"] if clean else row["p_found"]
    tile(page, pixels, left, top, size, MODEL if clean else None)
    middle, under = left + size / 2, top + size + 0.7 * LINE
    there = clean or reached_target(row)
    text = short(sure) if there else f"({short(sure)})"
    words(page, middle, under, text, NOTE, MODEL, ha="center")
    if named:
        name = class_name(row, "source" if clean else "target")
        words(page, middle, under + 0.9 * LINE, name, NOTE, PERSON, size + _GAP, ha="center")


def _folded(name: str, width: float) -> list[str]:
    return wrap(name.replace("_", " "), max(4, int(width / _CHARACTER))) or [""]
