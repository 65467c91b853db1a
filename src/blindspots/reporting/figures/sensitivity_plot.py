"""The contrast to a blind spot: a change nobody sees that changes what the model says."""

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.style import (
    INK,
    LABEL,
    MODEL,
    MUTED,
    SMALL,
    canvas,
    literal,
    new_axes,
    picture,
    title,
)

GAIN = 50
_SIZE, _TOP, _PITCH = 2.0, 0.55, 2.5
_WIDTH, _HEIGHT = 3 * _PITCH - 0.3, 3.35


def sensitivity(
    source: np.ndarray,
    result: np.ndarray,
    *,
    before: str,
    p_before: float,
    after: str,
    p_after: float,
    epsilon: float,
    heading: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Source, perturbation × 50 around grey, result; with the model's words for both (slides, 1).

    `source`, `result`: (height, width, 3) in [0, 1]; `before`, `after`: the classes predicted,
    with their confidences; `epsilon`: the largest change of a pixel that was allowed.
    """
    ax = canvas(ax or new_axes(_WIDTH, _HEIGHT), _WIDTH, _HEIGHT)
    change = amplified(source, result)
    words = (
        (source, before, f"{100 * p_before:.1f} %", MODEL),
        (change, f"change × {GAIN}", f"no pixel by more than {255 * epsilon:.3g}/255", MUTED),
        (result, after, f"{100 * p_after:.1f} %", MODEL),
    )
    for index, (image, first, second, colour) in enumerate(words):
        left = 0.1 + _PITCH * index
        picture(ax, image, left, _TOP, _SIZE)
        middle, under = left + _SIZE / 2, _TOP + _SIZE
        literal(ax, middle, under + 0.26, first, fontsize=LABEL + 1, color=colour, ha="center")
        literal(ax, middle, under + 0.52, second, fontsize=SMALL, color=MUTED, ha="center")
    for index, sign in enumerate("+="):
        x = 0.1 + _PITCH * index + _SIZE + (_PITCH - _SIZE) / 2
        literal(ax, x, _TOP + _SIZE / 2, sign, fontsize=16, color=INK, ha="center", va="center")
    title(ax, heading, 0.1, 0.25)
    return ax


def amplified(source: np.ndarray, result: np.ndarray) -> np.ndarray:
    """The change × 50 around middle grey, cut to [0, 1]; both images in [0, 1]."""
    change = np.asarray(result, dtype=float) - np.asarray(source, dtype=float)
    return np.clip(0.5 + GAIN * change, 0, 1)
