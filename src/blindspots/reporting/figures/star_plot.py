"""The star: confidence along the segments from one source, one limb per target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.style import (
    HAIRLINE,
    INK,
    LABEL,
    MODEL,
    MUTED,
    PERSON,
    SMALL,
    TITLE,
    Numbers,
    limb_colour,
    literal,
    new_axes,
    short,
)
from blindspots.reporting.score_labels import CONFIDENCE, UNIT, Scale, ScoreWords

PANEL = (6.4, 3.2)
BOX = (0.2, 0.13, 0.53, 0.71)


@dataclass(frozen=True)
class Limb:
    """A segment: `confidence` at equally spaced points, the target's name, the found image."""

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
    ax: Axes | None = None,
) -> Axes:
    """Confidence from source to each found image; below p_source − delta a segment is outside.

    Found images stand at their limbs' ends in the limbs' colours, ordered as the limbs end.
    `words`, `scale`: of another score than the confidence.
    """
    ax = ax or new_axes(*PANEL, box=BOX)
    _frame(ax, heading, words, scale)
    if p_source is not None and delta is not None:
        _level(ax, p_source - delta, words, scale)
    for index, limb in enumerate(limbs):
        along = np.linspace(0, 1, len(limb.confidence))
        ax.plot(along, limb.confidence, color=limb_colour(index), linewidth=1.8, zorder=3)
    if source is not None:
        _thumb(ax, source, (-0.36, 0.36, 0.24, 0.34), MODEL)
    place = (-0.24, scale.at(0.33))
    _caption(ax, place, f"{words.caption(source_name)}\n{short(p_source)}", MODEL)
    _ends(ax, limbs, scale)
    return ax


def _frame(ax: Axes, heading: str, words: ScoreWords, scale: Scale) -> None:
    limits = scale.low, scale.at(1.02)
    ax.set(xlim=(0, 1), ylim=limits, xticks=(0, 1), yticks=scale.ticks)
    ax.set_xticklabels(["source", "found"])
    ax.set_yticklabels(scale.labels)
    ax.tick_params(length=0, labelsize=LABEL, labelcolor=MUTED, pad=5)
    for label, colour, side in zip(
        ax.get_xticklabels(), (MODEL, PERSON), ("left", "right"), strict=True
    ):
        label.set(color=colour, ha=side)
    ax.set_xlabel("straight line from source to found", fontsize=SMALL, color=MUTED, labelpad=-9)
    ax.grid(axis="y", color=HAIRLINE, linewidth=0.6)
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set_visible(False)
    y = scale.at(1.14)
    literal(ax, -0.36, y, heading, fontsize=TITLE, color=INK, weight="bold", clip_on=False)
    literal(ax, 0, scale.at(1.05), words.axis, fontsize=SMALL, color=MUTED, clip_on=False)


def _level(ax: Axes, level: float, words: ScoreWords, scale: Scale) -> None:
    ax.axhspan(scale.low, level, color="#000000", alpha=0.045, linewidth=0, zorder=0)
    ax.axhline(level, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=2)
    text = f"below {words.source} − δ: outside"
    literal(ax, 0.01, scale.at(0.02), text, fontsize=SMALL, color=MUTED, va="bottom", zorder=2)


def _ends(ax: Axes, limbs: Sequence[Limb], scale: Scale) -> None:
    order = sorted(range(len(limbs)), key=lambda i: -limbs[i].confidence[-1])
    pitch = 1.0 / max(len(limbs), 1)
    high = min(0.82 * pitch, 0.34)
    for place, index in enumerate(order):
        limb, middle = limbs[index], 1 - pitch * (place + 0.5)
        colour = limb_colour(index)
        if limb.found is not None:
            _thumb(ax, limb.found, (1.08, middle - high / 2, 0.24 * high / 0.34, high), colour)
        ends = [1.0, 1.07], [limb.confidence[-1], scale.at(middle)]
        ax.plot(*ends, color=colour, linewidth=0.8, clip_on=False)
        text = f"{limb.name}\n{short(limb.confidence[-1])}"
        x = 1.1 + 0.24 * high / 0.34
        y = scale.at(middle)
        literal(ax, x, y, text, fontsize=SMALL, color=PERSON, va="center", clip_on=False)


def _thumb(ax: Axes, pixels: np.ndarray, box: tuple[float, float, float, float], edge: str) -> None:
    inset = ax.inset_axes(box)
    inset.imshow(pixels, interpolation="nearest" if max(pixels.shape) <= 96 else "antialiased")
    inset.set(xticks=(), yticks=())
    for spine in inset.spines.values():
        spine.set(color=edge, linewidth=1.6)


def _caption(ax: Axes, place: tuple[float, float], text: str, colour: str) -> None:
    literal(ax, *place, text, fontsize=SMALL, color=colour, ha="center", va="top", clip_on=False)
