"""Figures of pictures from plain arrays: the path strip, the grid, the sensitivity page."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.style import (
    MODEL,
    MUTED,
    PERSON,
    SCREEN,
    Numbers,
    Style,
    canvas,
    short,
    text_width,
    tile,
    write,
)
from blindspots.reporting.score_labels import CONFIDENCE, ScoreWords

# Snapshots of a strip: as many as are no smaller than these lines of type, at least and at most.
_FRAME, _FEWEST, _MOST = 4.8, 5, 11
GAIN = 50
_GAP, _APART = 0.03, 0.12
_TILE_GAP, _LARGEST_TILE = 0.05, 1.15
_MOST_UPRIGHT = 8.0  # lines that an upright heading is long at most


@dataclass(frozen=True)
class Tile:
    """One image of the grid, the model's confidence in its row's class, what a person sees.

    `clean`: it is the untouched source. `arrived`: a person would name it so.
    """

    image: np.ndarray | None
    confidence: float | None
    seen: str = ""
    clean: bool = False
    arrived: bool = True


def path_strip(
    frames: Sequence[np.ndarray],
    confidence: Numbers,
    *,
    steps: Sequence[int] | None = None,
    step_label: str = "step {}",
    target: np.ndarray | None = None,
    p_target: float | None = None,
    plain: Sequence[np.ndarray] = (),
    plain_confidence: Numbers = (),
    source_name: str = "source",
    target_name: str = "target",
    heading: str = "",
    words: ScoreWords = CONFIDENCE,
    style: Style = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Snapshots from source to found, the model's confidence under each, the target at the end.

    `frames`: images (height, width, 3), uint8 or in [0, 1]; `confidence`: in the source's class,
    one per frame; `p_target`: at the target; `plain`, `plain_confidence`: a second row, the plain
    mix of source and target as far; `steps`: the step of each frame, written as `step_label` says;
    `words`: of another score than the confidence.
    """
    size, line = frame_size(style, len(frames)), style.line
    ax = canvas(ax, style.width, strip_height(style, len(frames), bool(len(plain))))
    of = f" in {words.caption(source_name)}" if words.probability else ""
    told = f" (bold: {words.noun}{of})" if style.columns > 1 else ""
    sees = f"{heading or 'the model'} {words.belief(source_name)}{told}"
    write(ax, style.margin, line, sees, style.words, MODEL, 0.68 * style.width)
    right, room = style.width - style.margin, 0.3 * style.width
    write(ax, right, line, f"towards {target_name}", style.words, PERSON, room, ha="right")

    def under(x: float, top: float, sure: float | None, note: str, colour: str = MUTED) -> None:
        middle, y = {"x": x + size / 2, "ha": "center"}, top + size
        bold = {"size": style.words, "colour": MODEL, "weight": "bold"}
        write(ax, y=y + 0.8 * line, text="" if sure is None else short(sure), **bold, **middle)
        write(ax, y=y + 1.75 * line, text=note, size=style.note, colour=colour, **middle)

    rows = [(frames, confidence, 2 * line)]
    if len(plain):
        rows.append((plain, plain_confidence, size + 6.6 * line))
        write(ax, style.margin, size + 5.9 * line, "plain mix", style.note, MUTED)
        if not told:
            said = {"size": style.note, "colour": MODEL, "room": 0.7 * style.width, "ha": "right"}
            write(ax, right, size + 5.9 * line, f"bold: {words.noun}{of}", **said)
    for second, (images, sures, top) in enumerate(rows):
        for at, (image, sure) in enumerate(zip(images, sures, strict=True)):
            x = style.margin + at * (size + _GAP)
            tile(ax, image, x, top, size)
            label = step_label if not at else step_label[step_label.find("{") :]
            under(x, top, sure, "" if steps is None or second else label.format(steps[at]))
    if target is not None:
        x = style.margin + len(frames) * (size + _GAP) - _GAP + _APART
        tile(ax, target, x, 2 * line, size)
        under(x, 2 * line, p_target, "target", PERSON)
    return ax


def frames_across(style: Style) -> int:
    room = int((style.width - _APART) / (_FRAME * style.line)) - 1
    return min(max(room, _FEWEST), _MOST)


def frame_size(style: Style, frames: int) -> float:
    count = max(frames, frames_across(style))
    return (style.width - 2 * style.margin - _APART - _GAP * (count - 1)) / (count + 1)


def strip_height(style: Style, frames: int, mixed: bool = False) -> float:
    size = frame_size(style, frames)
    return size + 4.6 * style.line + mixed * (size + 3.9 * style.line)


def grid(
    tiles: Sequence[Sequence[Tile | None]],
    rows: Sequence[str],
    columns: Sequence[str] = (),
    *,
    heading: str = "",
    width: float | None = None,
    style: Style = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Found images with the confidence in their row's class; untouched images are framed.

    `rows`: the classes the model sees; `columns`: the classes a person sees; without them each
    tile names its own. A confidence in brackets: the image has not arrived. `width`: in inches;
    None: as wide as it needs to be.
    """
    count = max((len(line) for line in tiles), default=1)
    label = _label_width(style, width)
    natural = max(label + count * (_LARGEST_TILE + _TILE_GAP), 0.7 * style.column) + style.margin
    width = width or min(style.width, natural)
    line, (size, head, pitch) = style.line, _grid_sizes(style, width, count, columns)
    ax = canvas(ax, width, head + pitch * len(tiles) + 0.5 * line)
    write(
        ax, style.margin, line, heading, style.heading, room=width - 2 * style.margin, weight="bold"
    )
    write(ax, style.margin, 2.2 * line, "model sees", style.note, MODEL)
    write(ax, label, 2.2 * line, "a person sees", style.note, PERSON)
    upright = _upright(columns, size, style)
    room = head - 2.9 * style.line if upright else size + _TILE_GAP
    for at, name in enumerate(columns):
        x = label + at * (size + _TILE_GAP) + size / 2
        text = name.replace("_", " ") if upright else _folded(name, size, style)
        turned = {"ha": "center", "va": "bottom", "rotation": 90 if upright else 0}
        write(ax, x, head - 0.03, text, style.note, PERSON, room, **turned)
    for down, (name, spots) in enumerate(zip(rows, tiles, strict=True)):
        top, room = head + pitch * down, label - 0.05
        text = _folded(name, room, style)
        write(ax, style.margin, top + size / 2, text, style.note, MODEL, room)
        for at, one in enumerate(spots):
            _tile(ax, one, label + at * (size + _TILE_GAP), top, size, not columns, style)
    return ax


def grid_height(
    style: Style, width: float, tiles: Sequence[Sequence[object]], columns: Sequence[str]
) -> float:
    count = max((len(line) for line in tiles), default=1)
    _, head, pitch = _grid_sizes(style, width, count, columns)
    return head + pitch * len(tiles) + 0.5 * style.line


def _grid_sizes(
    style: Style, width: float, count: int, columns: Sequence[str]
) -> tuple[float, float, float]:
    size = min(
        _LARGEST_TILE,
        (width - _label_width(style, width) - style.margin + 0.01) / count - _TILE_GAP,
    )
    tall = max((_folded(name, size, style).count("\n") + 1 for name in columns), default=0)
    if _upright(columns, size, style):
        longest = max(text_width(name, style.note) for name in columns)
        tall = min(longest, _MOST_UPRIGHT * style.line) / style.line + 0.3
    return size, (2.9 + tall) * style.line, size + (1.5 if columns else 2.4) * style.line


def _label_width(style: Style, width: float | None) -> float:
    return (7.4 if width is None or width > 35 * style.line else 4.8) * style.line


def _upright(columns: Sequence[str], size: float, style: Style) -> bool:
    """Whether a word of a heading is wider than its column, so that all of them stand upright."""
    words = [word for name in columns for word in name.replace("_", " ").split()]
    return any(text_width(word, style.note) > size + _TILE_GAP for word in words)


def _folded(name: str, width: float, style: Style) -> str:
    letters = max(4, int(width * 72 / (0.62 * style.note)))
    return "\n".join(wrap(name.replace("_", " "), letters, break_long_words=False))


def _tile(
    ax: Axes, one: Tile | None, left: float, top: float, size: float, named: bool, style: Style
) -> None:
    middle, under = left + size / 2, top + size + 0.7 * style.line
    if one is None or one.image is None:
        write(ax, middle, top + size / 2, "·", style.words, MUTED, ha="center")
        return
    tile(ax, one.image, left, top, size, MODEL if one.clean else None)
    sure = short(one.confidence)
    if one.clean and size > 6 * style.line:
        sure = f"{sure}  untouched"
    elif not (one.clean or one.arrived):
        sure = f"({sure})"
    write(ax, middle, under, sure, style.note, MODEL, ha="center")
    if named:
        below, room = under + 0.9 * style.line, size + _TILE_GAP
        write(ax, middle, below, one.seen, style.note, PERSON, room, ha="center")


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
    style: Style = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Source, perturbation × 50 around grey, result; with the model's words for both (slides, 1).

    `source`, `result`: (height, width, 3) in [0, 1]; `before`, `after`: the classes predicted,
    with their confidences; `epsilon`: the largest change of a pixel that was allowed.
    """
    width, line = 1.4 * style.column, style.line
    pitch = (width + 0.35) / 3
    size, top = pitch - 0.55, 2.5 * line
    under = top + size
    ax = canvas(ax, width, under + 4 * line)
    change, limit = amplified(source, result), f"no pixel by more than {255 * epsilon:.3g}/255"
    told = (
        (source, before, f"{100 * p_before:.1f} %", MODEL),
        (change, f"change × {GAIN}", limit, MUTED),
        (result, after, f"{100 * p_after:.1f} %", MODEL),
    )
    for index, (image, first, second, colour) in enumerate(told):
        left = 0.1 + pitch * index
        tile(ax, image, left, top, size)
        middle = {"x": left + size / 2, "ha": "center"}
        write(ax, y=under + 1.2 * line, text=first, size=style.heading, colour=colour, **middle)
        write(ax, y=under + 2.8 * line, text=second, size=style.words, colour=MUTED, **middle)
        if index:
            write(ax, left - 0.275, top + size / 2, " +="[index], 2 * style.note, ha="center")
    write(ax, 0.1, line, heading, style.heading, room=width - 0.2, weight="bold")
    return ax


def amplified(source: np.ndarray, result: np.ndarray) -> np.ndarray:
    """The change × 50 around middle grey, cut to [0, 1]; both images in [0, 1]."""
    change = np.asarray(result, dtype=float) - np.asarray(source, dtype=float)
    return np.clip(0.5 + GAIN * change, 0, 1)
