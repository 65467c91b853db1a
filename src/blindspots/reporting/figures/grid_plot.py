"""The grid source × target: the class a person sees against the class the model sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.grid_layout import Spot, grid_layout
from blindspots.reporting.figures.style import (
    HAIRLINE,
    LABEL,
    MODEL,
    MUTED,
    PERSON,
    SMALL,
    canvas,
    literal,
    new_axes,
    picture,
    short,
    title,
)
from blindspots.store.reader import Run

_LEFT, _PITCH_X = 1.35, 1.1
_HEAD: dict[str, Any] = {"fontsize": LABEL, "va": "bottom"}


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
    first, pitch = (1.3, 1.3) if columns else (0.85, 1.48)
    width, height = max(_LEFT + _PITCH_X * across, 4.2), first + pitch * len(tiles)
    ax = canvas(ax or new_axes(width * 0.92, height * 0.92), width, height)
    title(ax, heading, 0.05, 0.2)
    literal(ax, _LEFT, 0.62, "a person sees", fontsize=LABEL, color=PERSON, va="center")
    literal(ax, 0.05, 0.62, "the model sees", fontsize=LABEL, color=MODEL, va="center")
    for at, name in enumerate(columns):
        x = _LEFT + _PITCH_X * at + 0.5
        literal(ax, x, first - 0.12, fill(_plain(name), 13), **_HEAD, color=PERSON, ha="center")
    for down, (name, line) in enumerate(zip(rows, tiles, strict=True)):
        top = first + pitch * down
        literal(
            ax, 0.05, top + 0.5, fill(_plain(name), 12), fontsize=LABEL, color=MODEL, va="center"
        )
        for at, tile in enumerate(line):
            _tile(ax, tile, _LEFT + _PITCH_X * at, top, named=not columns)
    return ax


def run_grid(run: Run, model: str) -> tuple[list[list[Tile | None]], list[str], list[str]]:
    """Tiles, row names and column names of a run's most telling classes, as `grid` takes them."""
    layout = grid_layout(run, model)
    tiles = [[_stored(run, spot) if spot else None for spot in line] for line in layout.spots]
    return tiles, layout.rows, layout.columns


def _tile(ax: Axes, tile: Tile | None, left: float, top: float, named: bool) -> None:
    if tile is None or tile.image is None:
        literal(ax, left + 0.5, top + 0.5, "·", fontsize=LABEL, color=HAIRLINE, ha="center")
        return
    picture(ax, tile.image, left, top, 1, MUTED if tile.clean else None)
    words = f"{short(tile.confidence)}{'  untouched' if tile.clean else ''}"
    literal(ax, left + 0.5, top + 1.14, words, fontsize=SMALL, color=MODEL, ha="center")
    if named:
        literal(ax, left + 0.5, top + 1.29, tile.seen, fontsize=SMALL, color=PERSON, ha="center")


def _stored(run: Run, spot: Spot) -> Tile:
    row = spot.row
    if spot.clean:
        image, name = run.image(row["source_id"], row["model"]), row["source_name"]
        return Tile(image, row["p_source"], _plain(name), clean=True)
    return Tile(run.found(row["pair_id"]), row["p_found"], _plain(row["target_name"]))


def _plain(name: str | None) -> str:
    return (name or "").replace("_", " ")
