"""`star`: every segment from a source, coloured by the confidence along it."""

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from blindspots.errors import UsageError
from blindspots.reporting.figures.publication.layout import (
    GUTTER,
    HEADING,
    LINE,
    NOTE,
    WIDTHS,
    WORDS,
    Panel,
    across,
    axes_at,
    colour_bar,
    level,
    plain_axes,
    score_axis,
    sheet,
    tile,
    words,
)
from blindspots.reporting.figures.publication.require import kept_found, kept_image
from blindspots.reporting.figures.style import COLOUR_MAP, MODEL, MUTED, PERSON, limb_colour, short
from blindspots.reporting.score_labels import Scale, run_scales, words_of
from blindspots.reporting.selection import by_source, class_name, pairs_of
from blindspots.store.reader import Row, Run, reached_target

MOST_LIMBS = 7
_SOURCE, _FOUND = 0.56, 0.5
_RADIUS = (1.19, 1.02)
_FOOT = 0.32
_CURVED = 1.75
_ROOM = 0.83


def draw_star(run: Run, rows: Sequence[Row], columns: int) -> Axes:
    """A star a source and model; one alone on two columns has its curves beside it.

    A source of which one pair is named has all its limbs. Thick: inside the superlevel set. An
    arrow before a name: the found image is only on its way there.
    """
    stars = [_limbs(run, group) for group in by_source(rows).values()]
    heights = [_height(len(limbs)) for limbs in stars]
    curved = columns == 2 and len(stars) == 1
    beside, height = across(columns, len(stars)), max(*heights, _CURVED if curved else 0)
    width = WIDTHS[1]
    page = sheet(columns, -(-len(stars) // beside) * height + _FOOT - LINE)
    for place, limbs in enumerate(stars):
        left = (place % beside) * (width + GUTTER)
        _star(page, run, limbs, Panel(left, (place // beside) * height, width), curved)
    if curved:
        _curves(page, run, stars[0], height)
    foot = page.get_ylim()[0] - 0.12
    label = f"{words_of(run).axis}; thick: inside"
    colour_bar(page, 0.0, foot, 1.0, label, run_scales(run).along)
    return page


def _limbs(run: Run, rows: list[Row]) -> list[Row]:
    named, first = len(rows) > 1, rows[0]
    limbs = rows if named else pairs_of(run, first["model"], first["source_id"])
    if not named:  # every model's limbs to one target point the same way
        limbs.sort(key=lambda row: row["target_id"])
    if named and len(limbs) > MOST_LIMBS:
        raise UsageError(
            f"{len(limbs)} pairs of source {first['source_id']} were given; a star has room for "
            f"{MOST_LIMBS}; name fewer with --pair"
        )
    return limbs[:MOST_LIMBS]


def _angles(count: int) -> list[float]:
    start = -90 + (180 / count if count % 2 == 0 else 0)
    return [(start + 360 * i / count) * pi / 180 for i in range(count)]


def _height(count: int) -> float:
    reach = [_RADIUS[1] * sin(angle) for angle in _angles(count)]
    return _top(count) + max(reach) - min(reach) + _FOUND + 2.9 * LINE


def _top(count: int) -> float:
    """Room for the heading, and for the captions of images that stand above their source."""
    return (4.4 if any(_above(angle) for angle in _angles(count)) else 2.2) * LINE


def _above(angle: float) -> bool:
    return sin(angle) < -0.3


def _star(page: Axes, run: Run, limbs: list[Row], panel: Panel, coloured: bool) -> None:
    angles, first = _angles(len(limbs)), limbs[0]
    scale = run_scales(run).along
    highest = min(_RADIUS[1] * sin(angle) for angle in angles)
    down = _top(len(limbs)) + _FOUND / 2 - highest
    centre = (panel.left + panel.width / 2, panel.top + down)
    _heading(page, run, first, panel)
    pixels = kept_image(run, first["source_id"], first["model"])
    tile(page, pixels, centre[0] - _SOURCE / 2, centre[1] - _SOURCE / 2, _SOURCE, MODEL)
    for index, (row, angle) in enumerate(zip(limbs, angles, strict=True)):
        end = (centre[0] + _RADIUS[0] * cos(angle), centre[1] + _RADIUS[1] * sin(angle))
        edge = limb_colour(index) if coloured else None
        tile(page, kept_found(run, row), end[0] - _FOUND / 2, end[1] - _FOUND / 2, _FOUND, edge)
        _limb(page, run, row, np.array((centre, end)), scale)
        _caption(page, row, end, _above(angle))


def _heading(page: Axes, run: Run, first: Row, panel: Panel) -> None:
    y, right = panel.top + LINE, panel.left + panel.width - 0.01
    half = panel.width / 2 - 0.03
    words(page, panel.left + 0.01, y, first["model"], HEADING, room=half, weight="bold")
    name = words_of(run).caption(class_name(first, "source"))
    source = f"source {name} {short(first['p_source'])}"
    words(page, right, y, source, WORDS, MODEL, half, ha="right")


def _limb(page: Axes, run: Run, row: Row, ends: np.ndarray, scale: Scale) -> None:
    """The whole segment between the edges of both images, whose centres are its ends."""
    centre, end = ends
    confidence = np.asarray(row["segment_confidence"])
    floor = row["p_source"] - (run.delta or 0)
    way = (end - centre) / np.abs(end - centre).max()
    points = np.linspace(centre + way * _SOURCE / 2, end - way * _FOUND / 2, len(confidence))
    middles = (confidence[:-1] + confidence[1:]) / 2
    lines = LineCollection(
        list(np.stack((points[:-1], points[1:]), axis=1)),
        array=middles,
        cmap=COLOUR_MAP,
        norm=Normalize(scale.low, scale.high),
        linewidths=np.where(middles >= floor, 4.0, 1.6).tolist(),
        capstyle="butt",
        zorder=2,
    )
    page.add_collection(lines, autolim=False)


def _caption(page: Axes, row: Row, centre: tuple[float, float], above: bool) -> None:
    x, y = centre
    first = y - _FOUND / 2 - 1.75 * LINE if above else y + _FOUND / 2 + 0.8 * LINE
    words(page, x, first, _seen(row), NOTE, PERSON, _ROOM, ha="center")
    words(page, x, first + LINE, short(row["p_found"]), NOTE, MODEL, ha="center")


def _seen(row: Row) -> str:
    return f"{'' if reached_target(row) else '→ '}{class_name(row, 'target')}"


def _curves(page: Axes, run: Run, limbs: list[Row], height: float) -> None:
    left = WIDTHS[1] + GUTTER + 0.3
    wide, high = WIDTHS[2] - left - 0.03, min(height - 5 * LINE, 1.9)
    ax = plain_axes(axes_at(page, left, 3 * LINE, wide, high))
    score_axis(ax, run_scales(run).along)
    for index, row in enumerate(limbs):
        values = row["segment_confidence"]
        along = np.linspace(0, 1, len(values))
        ax.plot(along, values, color=limb_colour(index), linewidth=1.2, label="")
    level(ax, None if run.delta is None else limbs[0]["p_source"] - run.delta)
    ax.set(xlim=(0, 1), xticks=(0, 1))
    ax.set_xticklabels(["source", "found"], fontsize=WORDS)
    for label, colour, side in zip(
        ax.get_xticklabels(), (MODEL, PERSON), ("left", "right"), strict=True
    ):
        label.set(color=colour, ha=side)
    title = f"{words_of(run).noun} on the straight line"
    words(page, left, 2 * LINE, title, WORDS, MUTED)
