"""Figures of segments and triangles from plain arrays: the star and the triangle."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Polygon

from blindspots.reporting.figures.style import (
    COLOUR_MAP,
    GUTTER,
    HAIRLINE,
    INK,
    MODEL,
    MUTED,
    PERSON,
    SCREEN,
    Numbers,
    Style,
    axes_at,
    canvas,
    colour_bar,
    draw_ramp,
    level,
    limb_colour,
    new_axes,
    plain_axis,
    short,
    tile,
    write,
)
from blindspots.reporting.score_labels import CONFIDENCE, UNIT, Scale, ScoreWords

# Inches on a printed column; a star and a triangle grow with the column.
_COLUMN = 3.25
_SOURCE, _FOUND, _RADIUS, _ROOM = 0.56, 0.5, (1.19, 1.02), 0.83
_FOOT, _CURVED, _BEFORE_CURVES = 0.32, 1.75, 0.3
# A triangle's canvas has so many units a column, and below it three lines for each found image.
_SIDE, _DEEP, _THUMB = 6.4, 7.45, 1.15
# From the base of the triangle to its found images: the base's length stands there.
_BELOW = 0.3


@dataclass(frozen=True)
class Limb:
    confidence: Numbers
    name: str
    found: np.ndarray | None = None


def star(
    limbs: Sequence[Limb],
    *,
    source: np.ndarray | None = None,
    source_name: str = "source",
    p_source: float | None = None,
    delta: float | None = None,
    heading: str = "",
    words: ScoreWords = CONFIDENCE,
    scale: Scale = UNIT,
    curves: bool = True,
    bar: bool = True,
    style: Style = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """The segments from a source to its found images, coloured by the confidence along them.

    Thick: at least p_source − delta, inside. `curves`: on two columns the same as curves beside,
    in the colours of the frames. `bar`: whether the colours are explained. `words`, `scale`: of
    another score than the confidence.
    """
    beside = curves and style.columns > 1
    height = star_height(style, len(limbs), beside)
    ax = canvas(ax, style.width if beside else style.column, height)
    floor = None if p_source is None or delta is None else p_source - delta
    half, line = style.column / 2, style.line
    write(ax, style.margin, line, heading, style.heading, room=1.32 * half, weight="bold")
    named = f"source {words.caption(source_name)} {short(p_source)}"
    right = style.column - style.margin
    write(ax, right, line, named, style.words, MODEL, 0.62 * half, ha="right")
    unit, angles = style.column / _COLUMN, _angles(len(limbs))
    highest = min((sin(angle) for angle in angles), default=0)
    centre = half, _above_star(len(limbs), style) + (_FOUND / 2 - _RADIUS[1] * highest) * unit
    if source is not None:
        size = _SOURCE * unit
        tile(ax, source, centre[0] - size / 2, centre[1] - size / 2, size, MODEL)
    for index, (limb, angle) in enumerate(zip(limbs, angles, strict=True)):
        reach = unit * np.array(_RADIUS) * (cos(angle), sin(angle))
        edge = limb_colour(index) if beside else None
        _limb(ax, limb, np.array([centre, centre + reach]), _is_above(angle), edge, style)
        _segment(ax, limb, np.array([centre, centre + reach]), floor, scale, unit)
    if bar:
        label = f"{_of(words, source_name)}; thick: inside"
        colour_bar(ax, style.margin, height - 0.12, label, style, scale)
    if beside:
        _curves(ax, limbs, floor, words, scale, style)
    return ax


def _of(words: ScoreWords, source_name: str) -> str:
    """What a number is of: "confidence in cup"."""
    return f"{words.axis} in {source_name}" if words.name == "confidence" else words.axis


def star_height(style: Style, count: int, beside: bool) -> float:
    unit, reach = style.column / _COLUMN, [sin(angle) for angle in _angles(count)] or [0]
    high = ((max(reach) - min(reach)) * _RADIUS[1] + _FOUND) * unit + 2.9 * style.line
    own = _above_star(count, style) + high
    return max(own, _CURVED * unit if beside else 0) + _FOOT * unit - style.line


def _angles(count: int) -> list[float]:
    start = -90 + (180 / count if count and count % 2 == 0 else 0)
    return [(start + 360 * i / count) * pi / 180 for i in range(count)]


def _above_star(count: int, style: Style) -> float:
    return (4.4 if any(map(_is_above, _angles(count))) else 2.2) * style.line


def _is_above(angle: float) -> bool:
    return sin(angle) < -0.3


def _limb(
    ax: Axes, limb: Limb, ends: np.ndarray, above: bool, edge: str | None, style: Style
) -> None:
    unit, (x, y) = style.column / _COLUMN, ends[1]
    half = _FOUND * unit / 2
    if limb.found is not None:
        tile(ax, limb.found, x - half, y - half, 2 * half, edge)
    first = y - half - 1.75 * style.line if above else y + half + 0.8 * style.line
    write(ax, x, first, limb.name, style.note, PERSON, _ROOM * unit, ha="center")
    sure = short(limb.confidence[-1])
    write(ax, x, first + style.line, sure, style.note, MODEL, ha="center")


def _segment(
    ax: Axes, limb: Limb, ends: np.ndarray, floor: float | None, scale: Scale, unit: float
) -> None:
    confidence = np.asarray(limb.confidence, dtype=float)
    (centre, end), along = ends, ends[1] - ends[0]
    along = along / np.abs(along).max() * unit / 2
    points = np.linspace(centre + along * _SOURCE, end - along * _FOUND, len(confidence))
    middles = (confidence[:-1] + confidence[1:]) / 2
    inside = middles >= (-np.inf if floor is None else floor)
    lines = LineCollection(
        list(np.stack((points[:-1], points[1:]), axis=1)),
        array=middles,
        cmap=COLOUR_MAP,
        norm=Normalize(scale.low, scale.high),
        linewidths=np.where(inside, 4.0, 1.6).tolist(),
        capstyle="butt",
        zorder=2,
    )
    ax.add_collection(lines, autolim=False)


def _curves(
    page: Axes,
    limbs: Sequence[Limb],
    floor: float | None,
    words: ScoreWords,
    scale: Scale,
    style: Style,
) -> None:
    unit = style.column / _COLUMN
    left, top = style.column + GUTTER + _BEFORE_CURVES * unit, 3 * style.line
    height = min(page.get_ylim()[0] - _FOOT * unit - 4 * style.line, 1.9 * unit)
    ax = axes_at(page, left, top, style.width - left - 0.02 - style.margin, height)
    plain_axis(ax, style, scale)
    for index, limb in enumerate(limbs):
        along = np.linspace(0, 1, len(limb.confidence))
        ax.plot(along, limb.confidence, color=limb_colour(index), linewidth=1.2)
    level(ax, floor)
    if floor is not None:
        ax.axhspan(scale.low, floor, color="#000000", alpha=0.045, linewidth=0, zorder=0)
        below = f"below {words.source} − δ: outside"
        write(ax, 0.01, scale.at(0.06), below, style.note, MUTED, zorder=2)
    ax.set(xlim=(0, 1), xticks=(0, 1))
    ax.set_xticklabels(["source", "found"], fontsize=style.words)
    along = "straight line from source to found"
    ax.set_xlabel(along, fontsize=style.note, color=MUTED, labelpad=-style.words)
    ends = zip(ax.get_xticklabels(), (MODEL, PERSON), ("left", "right"), strict=True)
    for label, colour, side in ends:
        label.set(color=colour, ha=side)
    write(page, left, 2 * style.line, words.axis, style.words, MUTED)


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
    bar: bool = True,
    style: Style = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Confidence over a triangle, one cell a sample, corners at their true distances.

    `corners`: the images (height, width, 3) of source, found 1, found 2. `confidence`: the
    barycentric grid's values in the order of `records` (66 for the slides' step of 1/10).
    `sides`: RMSE source to found 1, source to found 2, found 1 to found 2. Samples that are inside
    the superlevel set (at least p_source − delta) have a filled dot, the others a hollow one.
    `words`, `scale`: of another score than the confidence.
    """
    ax = canvas(ax or new_axes(style.column, triangle_height(style)), _SIDE, _DEEP)
    values, places = np.asarray(confidence, dtype=float), _fit(triangle_corners(*sides))
    _cells(ax, places, values, scale)
    inside = None if p_source is None or delta is None else values >= p_source - delta
    _dots(ax, places, values, inside, scale, style)
    _corner_labels(ax, places, corners, names, values, style)
    if tuple(sides) != (1.0, 1.0, 1.0):
        for (a, b), side in zip(((0, 1), (0, 2), (1, 2)), sides, strict=True):
            _side(ax, places, a, b, side, style)
    if bar:
        _upright_bar(ax, _of(words, names[0]), scale, style)
    write(ax, 0.2, 0.3, heading, style.heading, room=0.77 * style.column, weight="bold")
    return ax


def triangle_height(style: Style) -> float:
    return style.column * _DEEP / _SIDE


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


def _fit(corners: np.ndarray) -> np.ndarray:
    # The source's corner needs room above it, the found images' corners beside and below them.
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(4.4 / (high[0] - low[0]), 2.95 / max(high[1] - low[1], 1e-9))
    return (corners - (low + high) / 2) * scale + np.array([_SIDE / 2 - 0.1, 3.4])


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
    ax: Axes,
    places: np.ndarray,
    values: np.ndarray,
    inside: np.ndarray | None,
    scale: Scale,
    style: Style,
) -> None:
    points = triangle_weights(_steps(values)) @ places
    dark = colormaps[COLOUR_MAP](scale.share(values)).mean(axis=1) < 0.66
    ink = np.where(dark[:, None], 1.0, 0.0) * np.ones((1, 3))
    inside = np.ones(len(values), bool) if inside is None else inside
    for mask, faces in ((inside, ink[inside].tolist()), (~inside, "none")):
        edges = {"edgecolors": ink[mask].tolist(), "linewidths": 0.6}
        size = (style.column / 2) ** 2
        ax.scatter(*points[mask].T, s=size, facecolors=faces, zorder=2, **edges)


def _corner_labels(
    ax: Axes,
    places: np.ndarray,
    corners: Sequence[np.ndarray | None],
    names: Sequence[str],
    values: np.ndarray,
    style: Style,
) -> None:
    steps = _steps(values)
    at_corner = values[[0, (steps + 1) * (steps + 2) // 2 - 1, steps]]
    source, *found = zip(_thumbs(places), corners, names, at_corner, strict=True)
    (x, y), image, name, sure = source
    if image is not None:
        tile(ax, image, x, y, _THUMB)
    # Beside an apex on the right stands the colour bar.
    right = places[0][0] <= _SIDE / 2
    beside, look = x + (_THUMB + 0.12 if right else -0.12), {"ha": "left" if right else "right"}
    room = 0.24 * style.column
    write(ax, beside, y + 0.58, f"{name}\n{short(sure)}", style.words, MODEL, room, **look)
    apart, inch = found[1][0][0] - found[0][0][0], _SIDE / style.column
    for (x, y), image, name, sure in found:
        if image is not None:
            tile(ax, image, x, y, _THUMB)
        middle, below = x + _THUMB / 2, y + _THUMB + 0.06
        room = min(apart - 0.1, 2 * middle, 2 * (_SIDE - middle)) / inch
        look = {"size": style.words, "ha": "center", "va": "top"}
        write(ax, middle, below, name, colour=PERSON, room=room, **look)
        below += (name.count("\n") + 1) * 1.3 * style.words / 72 * inch
        write(ax, middle, below, short(sure), colour=MODEL, **look)


def _thumbs(places: np.ndarray) -> np.ndarray:
    """The top left corners of the three images: the found ones never touch each other."""
    (x, top), first, second = places
    middle, half = (first[0] + second[0]) / 2, (second[0] - first[0]) / 2 + 0.1 * _THUMB
    half, below = max(half, 0.55 * _THUMB), first[1] + _BELOW
    lefts = middle - half - _THUMB / 2, middle + half - _THUMB / 2
    return np.array([(x - _THUMB / 2, top - _THUMB - 0.12), *((left, below) for left in lefts)])


def _side(ax: Axes, places: np.ndarray, a: int, b: int, length: float, style: Style) -> None:
    middle, centre = (places[a] + places[b]) / 2, places.mean(axis=0)
    along = places[b] - places[a]
    away = np.array([along[1], -along[0]]) / (np.hypot(*along) or 1)
    away *= np.sign(away @ (middle - centre)) or 1
    turn = (np.degrees(np.arctan2(-along[1], along[0])) + 90) % 180 - 90
    x, y = middle + 0.17 * away
    text = f"{length:.3f}".lstrip("0")
    write(ax, x, y, text, style.note, MUTED, ha="center", rotation=turn)


def _upright_bar(ax: Axes, label: str, scale: Scale, style: Style) -> None:
    left, right, top, bottom = _SIDE - 0.55, _SIDE - 0.42, 0.75, 2.65
    draw_ramp(ax, (left, right, bottom, top), upright=True)
    ax.plot([left, right, right, left, left], [top, top, bottom, bottom, top], HAIRLINE, lw=0.5)
    for value in scale.ticks:
        y = bottom + (top - bottom) * scale.share(value)
        write(ax, right + 0.06, y, f"{value:g}", style.note, MUTED)
    write(ax, right, top - 0.2, label, style.note, MUTED, ha="right")


def _steps(values: np.ndarray) -> int:
    return round((np.sqrt(8 * len(values) + 1) - 3) / 2)
