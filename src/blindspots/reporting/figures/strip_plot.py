"""The path of a traversal as a strip of its snapshots."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.style import (
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
from blindspots.reporting.score_labels import CONFIDENCE, ScoreWords

_PITCH, _LEFT, _TOP, _HEIGHT = 1.06, 0.05, 0.5, 2.15


def path_strip(
    frames: Sequence[np.ndarray],
    confidence: Numbers,
    *,
    steps: Sequence[int] | None = None,
    step_label: str = "step {}",
    target: np.ndarray | None = None,
    source_name: str = "source",
    target_name: str = "target",
    heading: str = "",
    words: ScoreWords = CONFIDENCE,
    ax: Axes | None = None,
) -> Axes:
    """Snapshots from source to found, the model's confidence under each, the target at the end.

    `frames`: images (height, width, 3), uint8 or in [0, 1]; `confidence`: in the source's class,
    one per frame; `steps`: the step of each frame, written as `step_label` says; `words`: of
    another score than the confidence.
    """
    end = _LEFT + _PITCH * len(frames)
    width = end + (1.3 if target is not None else 0)
    ax = canvas(ax or new_axes(max(width, 4.5) * 0.95, _HEIGHT * 0.95), width, _HEIGHT)
    for index, (frame, sure) in enumerate(zip(frames, confidence, strict=True)):
        left = _LEFT + _PITCH * index
        picture(ax, frame, left, _TOP, 1)
        _under(
            ax,
            left + 0.5,
            short(sure),
            step_label.format(steps[index]) if steps is not None else "",
        )
    if target is not None:
        picture(ax, target, end + 0.22, _TOP, 1)
        literal(ax, end + 0.72, _TOP + 1.2, "target", fontsize=SMALL, color=MUTED, ha="center")
    title(ax, heading, _LEFT, 0.2)
    seen = f"the model {words.belief(source_name)} ({words.noun} in bold)"
    _words(ax, width, seen, target_name)
    return ax


def _under(ax: Axes, x: float, sure: str, step: str) -> None:
    literal(ax, x, _TOP + 1.2, sure, fontsize=LABEL, color=MODEL, ha="center", weight="bold")
    literal(ax, x, _TOP + 1.36, step, fontsize=SMALL - 1, color=MUTED, ha="center")


def _words(ax: Axes, width: float, seen: str, target: str) -> None:
    place = {"y": _HEIGHT - 0.13, "fontsize": LABEL, "va": "center"}
    literal(ax, _LEFT, s=seen, color=MODEL, **place)
    literal(ax, width - 0.08, s=f"changed towards {target}", color=PERSON, ha="right", **place)
    ax.annotate(
        "",
        (width * 0.6, place["y"]),
        (width * 0.52, place["y"]),
        arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.8},
    )
