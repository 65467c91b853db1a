"""`widths`: confidence in random directions orthogonal to a path, at several radii."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from blindspots.errors import UsageError
from blindspots.reporting.figures.publication.layout import (
    LINE,
    NOTE,
    WORDS,
    Panel,
    axes_at,
    level,
    panels,
    plain_axes,
    score_axis,
    tile,
    words,
)
from blindspots.reporting.figures.publication.require import kept_found, kept_image
from blindspots.reporting.figures.style import COLOUR_MAP, INK, MODEL, MUTED, PERSON, short
from blindspots.reporting.score_labels import UNIT, Scale, around, words_of
from blindspots.reporting.selection import class_name
from blindspots.store.reader import Row, Run, reached_target
from blindspots.store.width_rows import read_widths

_HIGH, _LEFT, _RIGHT, _THUMB = 1.45, 0.3, 0.88, 0.42
_HEAD = 3 * LINE
_HEIGHT = _HEAD + _HIGH + 0.2 + _THUMB + 2 * LINE


def draw_widths(run: Run, rows: Sequence[Row], columns: int) -> Axes:
    """A panel a pair: the band between the 5 % and 95 % quantiles of each radius, along the path.

    The black line is the path itself; beside each radius stands the lowest 5 % quantile. Refused
    where the widths were not measured.
    """
    stored = read_widths(run.path)
    measured = [[w for w in stored if w["pair_id"] == row["pair_id"]] for row in rows]
    for row, widths in zip(rows, measured, strict=True):
        if not widths:
            raise UsageError(not_measured(run, row["pair_id"]))
    page, places = panels(columns, len(rows), _HEIGHT)
    for row, widths, panel in zip(rows, measured, places, strict=True):
        _panel(page, run, row, widths, panel)
    return page


def not_measured(run: Run, pair_id: str) -> str:
    """Why a pair has no such figure, and what to type."""
    return (
        f"the widths of pair {pair_id} were not measured; "
        f"type blindspots widths {run.path} --pair {pair_id}"
    )


def _panel(page: Axes, run: Run, row: Row, widths: list[Row], panel: Panel) -> None:
    left, top = panel.left + _LEFT, panel.top + _HEAD
    wide = panel.width - _LEFT - _RIGHT
    room = panel.width - _LEFT - 0.02
    words(page, left, panel.top + 0.9 * LINE, row["model"], WORDS, room=room, weight="bold")
    count = f"{words_of(run).noun}, 5–95 % of {widths[0]['directions']} directions"
    words(page, left, panel.top + 2 * LINE, count, NOTE, MUTED)
    ax = plain_axes(axes_at(page, left, top, wide, _HIGH))
    score_axis(ax, _scale(run, row, widths))
    _bands(page, ax, widths, (left + wide, top))
    level(ax, None if run.delta is None else row["p_source"] - run.delta)
    ax.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    ax.set_xticklabels(["0", "50 %", "100 %"])
    _ends(page, run, row, panel, top + _HIGH + 0.2)


def _scale(run: Run, row: Row, widths: list[Row]) -> Scale:
    """Where the bands, the path and the level have room."""
    if words_of(run).probability:
        return UNIT
    drawn = [w[key] for w in widths for key in ("low", "high", "confidence")]
    return around([*drawn, row["p_source"] - (run.delta or 0)])


def _bands(page: Axes, ax: Axes, widths: list[Row], corner: tuple[float, float]) -> None:
    radii = sorted({w["radius"] for w in widths})
    colours = colormaps[COLOUR_MAP](np.linspace(0.05, 0.82, len(radii)))
    for place, (radius, colour) in reversed(list(enumerate(zip(radii, colours, strict=True)))):
        band = sorted((w for w in widths if w["radius"] == radius), key=lambda w: w["along"])
        along, low, high = ([w[key] for w in band] for key in ("along", "low", "high"))
        ax.fill_between(along, low, high, color=colour, alpha=0.35, linewidth=0, zorder=2)
        for edge in (low, high):
            ax.plot(along, edge, color=colour, linewidth=0.9, zorder=3)
        y = corner[1] + 0.1 + place * 1.25 * LINE
        box = [corner[0] + 0.08, corner[0] + 0.2], [y, y]
        page.plot(*box, color=colour, linewidth=4, solid_capstyle="butt")
        words(page, corner[0] + 0.26, y, f"r = {radius:g}", NOTE)
        words(page, corner[0] + _RIGHT - 0.02, y, short(min(low)), NOTE, MODEL, ha="right")
    y = corner[1] - 0.3 * LINE
    words(page, corner[0] + _RIGHT - 0.02, y, "lowest", NOTE, MUTED, ha="right")
    path = {w["along"]: w["confidence"] for w in widths}
    ax.plot(sorted(path), [path[t] for t in sorted(path)], color=INK, linewidth=1.2, zorder=4)
    y = corner[1] + 0.1 + len(radii) * 1.25 * LINE
    page.plot([corner[0] + 0.08, corner[0] + 0.2], [y, y], color=INK, linewidth=1.2)
    words(page, corner[0] + 0.26, y, "path", NOTE)


def _ends(page: Axes, run: Run, row: Row, panel: Panel, top: float) -> None:
    left, right = panel.left + _LEFT, panel.left + panel.width - _RIGHT
    tile(page, kept_image(run, row["source_id"], row["model"]), left, top, _THUMB)
    tile(page, kept_found(run, row), right - _THUMB, top, _THUMB)
    middle, room = top + _THUMB / 2, (right - left) / 2 - _THUMB - 0.1
    source = f"source\n{class_name(row, 'source')}"
    words(page, left + _THUMB + 0.06, middle, source, NOTE, MODEL, room)
    found = f"found\n{'' if reached_target(row) else '→ '}{class_name(row, 'target')}"
    words(page, right - _THUMB - 0.06, middle, found, NOTE, PERSON, room, ha="right")
