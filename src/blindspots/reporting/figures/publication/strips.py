"""`path`: the snapshots of each pair's path, the confidence under each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.publication.layout import (
    LINE,
    NOTE,
    WIDTHS,
    WORDS,
    sheet,
    tile,
    words,
)
from blindspots.reporting.figures.publication.require import kept_frames, kept_image
from blindspots.reporting.figures.style import MODEL, MUTED, PERSON, short
from blindspots.reporting.score_labels import words_of
from blindspots.reporting.selection import class_name
from blindspots.store.reader import Row, Run

_MOST = {1: 5, 2: 11}
_GAP, _APART = 0.03, 0.12


def draw_path(run: Run, rows: Sequence[Row], columns: int) -> Axes:
    """A strip a pair: source to found from left to right, the target apart at the end."""
    size = _size(columns)
    height = 2 * LINE + size + 2.6 * LINE
    page = sheet(columns, height * len(rows) + 0.02)
    several = len({row["model"] for row in rows}) > 1
    for place, row in enumerate(rows):
        _strip(page, run, row, height * place, columns, several)
    return page


def _size(columns: int) -> float:
    count = _MOST[columns] + 1
    return (WIDTHS[columns] - 0.02 - _APART - _GAP * (count - 2)) / count


def _strip(page: Axes, run: Run, row: Row, top: float, columns: int, several: bool) -> None:
    frames, size = kept_frames(run, row), _size(columns)
    chosen = np.unique(np.linspace(0, len(frames) - 1, _MOST[columns]).round().astype(int))
    belief = words_of(run).belief(class_name(row, "source"))
    sees = f"{row['model'] if several else 'the model'} {belief}"
    _heading(page, row, sees, top + LINE, WIDTHS[columns])
    place, under = top + 2 * LINE, top + 2 * LINE + size
    for at, index in enumerate(chosen):
        x = 0.01 + at * (size + _GAP)
        tile(page, frames[index], x, place, size)
        middle, step = x + size / 2, row["path_step"][index]
        sure = short(row["path_confidence"][index])
        words(page, middle, under + 0.8 * LINE, sure, WORDS, MODEL, ha="center", weight="bold")
        label = f"{step} %" if run.straight else f"{step}" if at else "step 0"
        words(page, middle, under + 1.75 * LINE, label, NOTE, MUTED, ha="center")
    x = 0.01 + len(chosen) * (size + _GAP) - _GAP + _APART
    tile(page, kept_image(run, row["target_id"], row["model"]), x, place, size)
    words(page, x + size / 2, under + 0.8 * LINE, "target", NOTE, PERSON, ha="center")


def _heading(page: Axes, row: Row, sees: str, y: float, width: float) -> None:
    towards = f"towards {class_name(row, 'target')}"
    words(page, 0.01, y, sees, WORDS, MODEL, 0.6 * width)
    words(page, width - 0.01, y, towards, WORDS, PERSON, 0.38 * width, ha="right")
