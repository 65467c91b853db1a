"""The heat map of confidence over the triangle of a source and two found images."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Polygon

from blindspots.reporting.figures.style import (
    COLOUR_MAP,
    HAIRLINE,
    INK,
    LABEL,
    MODEL,
    MUTED,
    PERSON,
    SMALL,
    Numbers,
    canvas,
    literal,
    new_axes,
    picture,
    short,
    title,
)
from blindspots.reporting.score_labels import CONFIDENCE, UNIT, Scale, ScoreWords
from blindspots.store.reader import Row, Run

SIDE = 5.2
_SIZE = 6.4
_THUMB = 1.15
# Where each corner's words stand beside its thumbnail: offset from its left edge, alignment.
_CAPTION = (
    (_THUMB + 0.12, "left", "center"),
    (_THUMB + 0.12, "left", "center"),
    (-0.12, "right", "center"),
)


def triangle(
    corners: Sequence[np.ndarray | None],
    confidence: Numbers,
    *,
    sides: tuple[float, float, float] = (1.0, 1.0, 1.0),
    names: Sequence[str] = ("source", "found 1", "found 2"),
    p_source: float | None = None,
    delta: float | None = None,
    heading: str = "",
    words: ScoreWords = CONFIDENCE,
    scale: Scale = UNIT,
    ax: Axes | None = None,
) -> Axes:
    """Confidence over a triangle, one cell a sample, corners at their true distances.

    `corners`: the images (height, width, 3) of source, found 1, found 2. `confidence`: the
    barycentric grid's values in the order of `records` (66 for the slides' step of 1/10).
    `sides`: RMSE source to found 1, source to found 2, found 1 to found 2. Samples that are inside
    the superlevel set (at least p_source − delta) have a filled dot, the others a hollow one.
    `words`, `scale`: of another score than the confidence.
    """
    ax = canvas(ax or new_axes(SIDE, SIDE), _SIZE, _SIZE)
    values = np.asarray(confidence, dtype=float)
    places = _fit(triangle_corners(*sides))
    _cells(ax, places, values, scale)
    level = None if p_source is None or delta is None else p_source - delta
    _dots(ax, places, values, level, scale)
    _labels(ax, places, corners, names, sides, values)
    _colour_bar(ax, words, scale)
    title(ax, heading, 0.2, 0.3)
    return ax


def triangle_weights(steps: int = 10) -> np.ndarray:
    """The stored grid's weights (source, found 1, found 2), a row per sample; 66 for 10 steps."""
    rows = [(steps - i - j, i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(rows, dtype=float) / steps


def triangle_corners(source_1: float, source_2: float, found: float) -> np.ndarray:
    """Points (3, 2) in the plane at these distances: source, found 1, found 2; y downwards.

    The law of cosines, found 1 and 2 on a level. Sides that make no triangle are drawn flat; with
    no distance between the found images, all sides are drawn equal.
    """
    if min(source_1, source_2, found) <= 0:
        source_1 = source_2 = found = 1.0
    x = (source_1**2 + found**2 - source_2**2) / (2 * found)
    height = np.sqrt(max(source_1**2 - x**2, 0.0))
    return np.array([(x, -height), (0.0, 0.0), (found, 0.0)])


def side_lengths(run: Run, row: Row) -> tuple[float, float, float]:
    """RMSE source–found 1, source–found 2, found 1–found 2 of a stored triangle.

    From the stored 8-bit images; (1, 1, 1) where they were not kept.
    """
    corners = triangle_images(run, row)
    known = [image.astype(float) / 255 for image in corners if image is not None]
    if len(known) < 3:
        return (1.0, 1.0, 1.0)
    source, first, second = known
    return _rmse(source, first), _rmse(source, second), _rmse(first, second)


def triangle_images(run: Run, row: Row) -> list[np.ndarray | None]:
    """The three corner images of a stored triangle: source, found 1, found 2."""
    ids = {
        pair["target_id"]: pair["pair_id"]
        for pair in run.pairs_from(row["source_id"])
        if pair["model"] == row["model"]
    }
    found = [run.found(ids.get(row[name], "")) for name in ("target_1", "target_2")]
    return [run.image(row["source_id"], row["model"]), *found]


def _rmse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).mean()))


def _fit(corners: np.ndarray) -> np.ndarray:
    # The source's corner needs room above it, the found images' corners beside and below them.
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(4.4 / (high[0] - low[0]), 2.95 / max(high[1] - low[1], 1e-9))
    middle = (low + high) / 2
    return (corners - middle) * scale + np.array([_SIZE / 2 - 0.1, 3.4])


def _cells(ax: Axes, places: np.ndarray, values: np.ndarray, scale: Scale) -> None:
    steps = _steps(values)
    right, down = (places[1] - places[0]) / steps, (places[2] - places[0]) / steps
    ring = np.array([right + down, 2 * down - right, down - 2 * right])
    hexagon = np.concatenate([ring, -ring]) / 3
    cells = PolyCollection(
        [centre + hexagon for centre in triangle_weights(steps) @ places],
        array=values,
        cmap=COLOUR_MAP,
        norm=Normalize(scale.low, scale.high),
        edgecolors="face",
        linewidths=0.4,
        zorder=1,
    )
    ax.add_collection(cells, autolim=False)
    cells.set_clip_path(Polygon(places, transform=ax.transData))
    ax.add_patch(Polygon(places, fill=False, edgecolor=INK, linewidth=0.8, zorder=2))


def _dots(
    ax: Axes, places: np.ndarray, values: np.ndarray, level: float | None, scale: Scale
) -> None:
    points = triangle_weights(_steps(values)) @ places
    dark = colormaps[COLOUR_MAP](scale.share(values)).mean(axis=1) < 0.66
    ink = np.where(dark[:, None], 1.0, 0.0) * np.ones((1, 3))
    inside = np.ones(len(values), bool) if level is None else values >= level
    for mask, filled in ((inside, True), (~inside, False)):
        ax.scatter(
            *points[mask].T,
            s=5,
            facecolors=ink[mask].tolist() if filled else "none",
            edgecolors=ink[mask].tolist(),
            linewidths=0.6,
            zorder=2,
        )


def _labels(
    ax: Axes,
    places: np.ndarray,
    corners: Sequence[np.ndarray | None],
    names: Sequence[str],
    sides: tuple[float, float, float],
    values: np.ndarray,
) -> None:
    steps = _steps(values)
    at_corner = values[[0, (steps + 1) * (steps + 2) // 2 - 1, steps]]
    colours = (MODEL, PERSON, PERSON)
    for index, (name, colour) in enumerate(zip(names, colours, strict=True)):
        left, top = _thumb_place(places, index)
        if (image := corners[index]) is not None:
            picture(ax, image, left, top, _THUMB)
        text = f"{name}\n{short(at_corner[index])}"
        # Beside an apex on the right stands the colour bar.
        side = 2 if index == 0 and places[0][0] > _SIZE / 2 else index
        x, ha, va = _CAPTION[side]
        literal(ax, left + x, top + 0.58, text, fontsize=LABEL, color=colour, ha=ha, va=va)
    for (a, b), side in zip(((0, 1), (0, 2), (1, 2)), sides, strict=True):
        if sides != (1.0, 1.0, 1.0):
            _side(ax, places, a, b, side)


def _thumb_place(places: np.ndarray, index: int) -> tuple[float, float]:
    x, y = places[index]
    if index == 0:
        return x - _THUMB / 2, y - _THUMB - 0.12
    return (x - 0.6 * _THUMB, y + 0.16) if index == 1 else (x - 0.4 * _THUMB, y + 0.16)


def _side(ax: Axes, places: np.ndarray, a: int, b: int, length: float) -> None:
    middle, centre = (places[a] + places[b]) / 2, places.mean(axis=0)
    along = places[b] - places[a]
    away = np.array([along[1], -along[0]]) / (np.hypot(*along) or 1)
    away *= np.sign(away @ (middle - centre)) or 1
    angle = np.degrees(np.arctan2(-along[1], along[0]))
    turn = (angle + 90) % 180 - 90
    literal(
        ax,
        middle[0] + 0.17 * away[0],
        middle[1] + 0.17 * away[1],
        f"{length:.3f}".lstrip("0"),
        fontsize=SMALL,
        color=MUTED,
        ha="center",
        va="center",
        rotation=turn,
    )


def _colour_bar(ax: Axes, words: ScoreWords, scale: Scale) -> None:
    bar = np.linspace(1, 0, 128)[:, None]
    left, right, top, bottom = _SIZE - 0.55, _SIZE - 0.42, 0.75, 2.65
    ax.imshow(
        bar, cmap=COLOUR_MAP, extent=(left, right, bottom, top), aspect="auto", vmin=0, vmax=1
    )
    ax.set(xlim=(0, _SIZE), ylim=(_SIZE, 0), aspect="equal")
    ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], HAIRLINE, lw=0.5)
    for value in scale.ticks:
        y = bottom + (top - bottom) * scale.share(value)
        literal(ax, right + 0.06, y, f"{value:g}", fontsize=SMALL, color=MUTED, va="center")
    literal(ax, right, top - 0.2, words.axis, fontsize=SMALL, color=MUTED, ha="right", va="center")


def _steps(values: np.ndarray) -> int:
    return round((np.sqrt(8 * len(values) + 1) - 3) / 2)
