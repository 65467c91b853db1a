"""`curves`: how a path comes nearer to its target, and what the model says on the way."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from blindspots.errors import UsageError
from blindspots.reporting.figures.publication.layout import (
    GUTTER,
    LINE,
    NOTE,
    WIDTHS,
    axes_at,
    level,
    plain_axes,
    score_axis,
    sheet,
    words,
)
from blindspots.reporting.figures.publication.require import kept_frames, kept_image
from blindspots.reporting.figures.style import LIMBS, MUTED, limb_colour
from blindspots.reporting.score_labels import run_scales, words_of
from blindspots.reporting.selection import class_name
from blindspots.store.reader import Row, Run

_HIGH, _LEFT, _FOOT = 1.35, 0.36, 0.3
_HEAD = 1.8 * LINE
_STYLES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))


def draw_curves(run: Run, rows: Sequence[Row], columns: int) -> Axes:
    """RMSE to the target, and confidence, at each kept snapshot; a line per pair, at most seven.

    Against steps; against per cent of the way where paths are straight.
    """
    if len(rows) > len(LIMBS):
        raise UsageError(
            f"{len(rows)} pairs were given; curves are told apart up to {len(LIMBS)}; "
            "name fewer with --pair"
        )
    below = columns == 1
    key = LINE * 1.15 * -(-len(rows) // columns) + 0.04
    height = (2 if below else 1) * (_HEAD + _HIGH + 0.1) + _FOOT + key
    page = sheet(columns, height)
    wide = WIDTHS[columns] if below else (WIDTHS[2] - GUTTER) / 2
    second = (0.0, _HEAD + _HIGH + 0.1) if below else (wide + GUTTER, 0.0)
    nearer = _axes(page, 0.0, 0.0, wide, "RMSE to the target")
    surer = _axes(page, *second, wide, words_of(run).full.replace("'", "’"))
    score_axis(surer, run_scales(run).along)
    for index, row in enumerate(rows):
        _lines(run, row, index, nearer, surer)
    if len({(row["model"], row["source_id"]) for row in rows}) == 1 and run.delta is not None:
        level(surer, rows[0]["p_source"] - run.delta)
    nearer.set_ylim(bottom=0)
    _along(run, rows, nearer, surer, below)
    _key(page, rows, height - key + 0.6 * LINE, columns)
    return page


def distances(run: Run, row: Row) -> list[float]:
    """RMSE of each kept snapshot of a path to its target, pixels in [0, 1]."""
    target = kept_image(run, row["target_id"], row["model"]).astype(float)
    frames = kept_frames(run, row)
    return [float(np.sqrt(((frame - target) ** 2).mean()) / 255) for frame in frames]


def _axes(page: Axes, left: float, top: float, wide: float, title: str) -> Axes:
    words(page, left + _LEFT, top + LINE, title, colour=MUTED)
    place = left + _LEFT, top + _HEAD, wide - _LEFT - 0.1, _HIGH
    return plain_axes(axes_at(page, *place))


def _lines(run: Run, row: Row, index: int, nearer: Axes, surer: Axes) -> None:
    look = {
        "color": limb_colour(index),
        "linestyle": _STYLES[index % len(_STYLES)],
        "linewidth": 1.1,
        "marker": "o",
        "markersize": 2.2,
    }
    nearer.plot(row["path_step"], distances(run, row), **look)
    if run.straight:
        fine = row["segment_confidence"]
        surer.plot(np.linspace(0, 100, len(fine)), fine, **{**look, "marker": ""})
    else:
        surer.plot(row["path_step"], row["path_confidence"], **look)


def _along(run: Run, rows: Sequence[Row], nearer: Axes, surer: Axes, below: bool) -> None:
    last = max(row["path_step"][-1] for row in rows) or 1
    for ax in (nearer, surer):
        ax.set_xlim(0, last * 1.01)
        ax.margins(x=0)
    if below:
        nearer.set_xticklabels([])
    label = "per cent of the straight line from source to found" if run.straight else "step"
    for ax in (surer,) if below else (nearer, surer):
        ax.set_xlabel(label, fontsize=NOTE, color=MUTED, labelpad=2)


def _key(page: Axes, rows: Sequence[Row], top: float, columns: int) -> None:
    several = len({row["model"] for row in rows}) > 1
    for index, row in enumerate(rows):
        x = _LEFT + (index % columns) * (WIDTHS[2] + GUTTER) / 2
        y = top + LINE * 1.15 * (index // columns)
        style = _STYLES[index % len(_STYLES)]
        page.plot([x, x + 0.3], [y, y], color=limb_colour(index), linestyle=style, linewidth=1.1)
        name = f"{class_name(row, 'source')} → {class_name(row, 'target')}"
        text = f"{name}, {row['model']}" if several else name
        words(page, x + 0.37, y, text, NOTE, room=WIDTHS[1] - _LEFT - 0.4)
