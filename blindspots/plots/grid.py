"""The grid source × target: the class a person sees against the class the model sees."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes

from blindspots.plots.style import (
    HAIRLINE,
    LABEL,
    MODEL,
    MUTED,
    PERSON,
    SMALL,
    canvas,
    new_axes,
    picture,
    short,
    title,
)
from blindspots.run_reader import Row, Run

MOST = 6
_FILLED = 0.6
_LEFT, _TOP, _PITCH_X, _PITCH_Y = 1.35, 1.3, 1.1, 1.3


@dataclass(frozen=True)
class Tile:
    """One image of the grid, the model's confidence in its row's class, what a person sees."""

    image: np.ndarray | None
    confidence: float | None
    seen: str = ""
    clean: bool = False


def grid(
    tiles: Sequence[Sequence[Tile | None]],
    rows: Sequence[str],
    columns: Sequence[str] = (),
    *,
    heading: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Found images with the confidence in their row's class; untouched images are framed.

    `rows`: the classes the model sees; `columns`: the classes a person sees; without them each
    tile names its own.
    """
    across = max((len(line) for line in tiles), default=1)
    width, height = _LEFT + _PITCH_X * across, _TOP + _PITCH_Y * len(tiles)
    ax = canvas(ax or new_axes(max(width, 4.5) * 0.92, height * 0.92), width, height)
    title(ax, heading, 0.05, 0.2)
    ax.text(_LEFT, 0.62, "a person sees", fontsize=LABEL, color=PERSON, va="center")
    ax.text(0.05, _TOP - 0.12, "the model sees", fontsize=LABEL, color=MODEL)
    for across_at, name in enumerate(columns):
        x = _LEFT + _PITCH_X * across_at + 0.5
        ax.text(x, _TOP - 0.12, fill(name, 13), fontsize=LABEL, color=PERSON, ha="center")
    for down, (name, line) in enumerate(zip(rows, tiles, strict=True)):
        top = _TOP + _PITCH_Y * down
        ax.text(0.05, top + 0.5, fill(name, 12), fontsize=LABEL, color=MODEL, va="center")
        for at, tile in enumerate(line):
            _tile(ax, tile, _LEFT + _PITCH_X * at, top)
    return ax


def run_grid(run: Run, model: str) -> tuple[list[list[Tile | None]], list[str], list[str]]:
    """Tiles, row names and column names of a run's most telling classes, at most six a side.

    Where too few of the classes' combinations were traversed for a square, each source has a row
    with its own targets, and there are no column names.
    """
    pairs = [row for row in run.pair_rows(model, started=True) if row["target_name"]]
    cells = {(row["source_name"], row["target_name"]): row for row in reversed(pairs)}
    names = _densest(cells)
    wanted = max(len(names) * (len(names) - 1), 1)
    filled = sum(a in names and b in names for a, b in cells)
    if len(names) > 1 and filled / wanted >= _FILLED:
        return [[_square(run, cells, a, b) for b in names] for a in names], names, names
    return _ragged(run, pairs)


def _densest(cells: dict[tuple[str, str], Row]) -> list[str]:
    names = sorted({name for cell in cells for name in cell})
    while len(names) > MOST:
        used = Counter(name for cell in cells if set(cell) <= set(names) for name in cell)
        names.remove(min(reversed(names), key=lambda name: used[name]))
    return names


def _square(run: Run, cells: dict[tuple[str, str], Row], a: str, b: str) -> Tile | None:
    if a == b:
        own = next((row for (name, _), row in cells.items() if name == a), None)
        return _clean(run, own) if own else None
    row = cells.get((a, b))
    return _found(run, row) if row else None


def _ragged(run: Run, pairs: list[Row]) -> tuple[list[list[Tile | None]], list[str], list[str]]:
    sources: dict[str, list[Row]] = {}
    for row in pairs:
        sources.setdefault(row["source_id"], []).append(row)
    chosen = list(sources.values())[:MOST]
    tiles: list[list[Tile | None]] = [
        [_clean(run, rows[0]), *(_found(run, row) for row in rows[:MOST])] for rows in chosen
    ]
    return tiles, [rows[0]["source_name"].replace("_", " ") for rows in chosen], []


def _clean(run: Run, row: Row) -> Tile:
    image = run.image(row["source_id"], row["model"])
    return Tile(image, row["p_source"], row["source_name"], clean=True)


def _found(run: Run, row: Row) -> Tile:
    return Tile(run.found(row["pair_id"]), row["p_found"], row["target_name"].replace("_", " "))


def _tile(ax: Axes, tile: Tile | None, left: float, top: float) -> None:
    if tile is None or tile.image is None:
        ax.text(left + 0.5, top + 0.5, "·", fontsize=LABEL, color=HAIRLINE, ha="center")
        return
    picture(ax, tile.image, left, top, 1, MUTED if tile.clean else None)
    words = f"{short(tile.confidence)}{'  untouched' if tile.clean else ''}"
    ax.text(left + 0.5, top + 1.14, words, fontsize=SMALL, color=MODEL, ha="center")
