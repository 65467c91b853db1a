"""Figures of a run's numbers: curves along paths, their widths, the matrix of a transfer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from blindspots.errors import UsageError
from blindspots.reporting.figures.style import (
    COLOUR_MAP,
    GUTTER,
    INK,
    MODEL,
    MUTED,
    PAPER,
    PERSON,
    SCREEN,
    Style,
    axes_at,
    canvas,
    level,
    limb_colour,
    panels,
    plain_axis,
    short,
    tile,
    write,
)
from blindspots.reporting.model_names import titles
from blindspots.reporting.score_labels import Scale, around, run_scales, words_of
from blindspots.reporting.selection import class_name, class_reached
from blindspots.reporting.tables import build_table
from blindspots.reporting.tables.render import fold
from blindspots.reporting.tables.table import Cell, Table, TableRow
from blindspots.store.reader import Row, Run
from blindspots.store.width_rows import read_widths

# Inches of the two panels of curves, and of the panel of widths.
_HIGH, _LEFT, _FOOT = 1.35, 0.36, 0.3
_BAND_HIGH, _BAND_LEFT, _BAND_RIGHT, _THUMB = 1.45, 0.3, 0.88, 0.42
_DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
# Lines of type: a matrix's cells, the gap above its nulls, a letter of a name.
_CELL, _TALL, _GAP, _LETTER = 7.4, 4.6, 1.4, 0.5
_WIDE, _LONG = 16, 24  # letters of a judge's and of a model's name in a line
_DARK = 0.47
Matrix = Sequence[Sequence[float | None]]


def curves(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """RMSE to the target, and confidence, at each kept snapshot; a line per pair, at most seven.

    Against steps; against per cent of the way where paths are straight.
    """
    below, head = style.columns == 1, 1.8 * style.line
    key = style.line * 1.15 * -(-len(rows) // style.columns) + 0.04
    height = (2 if below else 1) * (head + _HIGH + 0.1) + _FOOT + key
    page = canvas(None, style.width, height)
    place = (0.0, head + _HIGH + 0.1) if below else (style.column + GUTTER, 0.0)
    nearer = _panel(page, (0.0, 0.0), "RMSE to the target", style)
    surer = _panel(page, place, words_of(run).full.replace("'", "’"), style)
    plain_axis(surer, style, run_scales(run).along)
    for index, row in enumerate(rows):
        _lines(run, row, index, nearer, surer)
    if len({(row["model"], row["source_id"]) for row in rows}) == 1 and run.delta is not None:
        level(surer, rows[0]["p_source"] - run.delta)
    nearer.set_ylim(bottom=0)
    _along(run, rows, nearer, surer, style)
    _key(page, run, rows, height - key + 0.6 * style.line, style)
    return page


def distances(run: Run, row: Row) -> list[float]:
    """RMSE of each kept snapshot of a path to its target, pixels in [0, 1]."""
    target = run.image(row["target_id"], row["model"])
    assert target is not None
    frames = run.frames(row["pair_id"], len(row["path_step"]))
    return [float(np.sqrt(((f - target.astype(float)) ** 2).mean()) / 255) for f in frames]


def _panel(
    page: Axes, place: tuple[float, float], title: str, style: Style, high: float = _HIGH
) -> Axes:
    left, top = place
    write(page, left + _LEFT, top + style.line, title, style.words, MUTED)
    wide = style.column - _LEFT - 0.1
    ax = axes_at(page, left + _LEFT, top + 1.8 * style.line, wide, high)
    plain_axis(ax, style)
    return ax


def _look(index: int) -> dict[str, Any]:
    dashes = _DASHES[index % len(_DASHES)]
    return {"color": limb_colour(index), "linestyle": dashes, "linewidth": 1.1}


def _lines(run: Run, row: Row, index: int, nearer: Axes, surer: Axes) -> None:
    dotted = {**_look(index), "marker": "o", "markersize": 2.2}
    nearer.plot(row["path_step"], distances(run, row), **dotted)
    if run.straight:
        fine = row["segment_confidence"]
        surer.plot(np.linspace(0, 100, len(fine)), fine, **_look(index))
    else:
        surer.plot(row["path_step"], row["path_confidence"], **dotted)


def _along(run: Run, rows: Sequence[Row], nearer: Axes, surer: Axes, style: Style) -> None:
    last = max(row["path_step"][-1] for row in rows) or 1
    for ax in (nearer, surer):
        ax.set_xlim(0, last * 1.01)
    below = style.columns == 1
    if below:
        nearer.set_xticklabels([])
    label = "per cent of the straight line from source to found" if run.straight else "step"
    for ax in (surer,) if below else (nearer, surer):
        ax.set_xlabel(label, fontsize=style.note, color=MUTED, labelpad=2)


def _key(page: Axes, run: Run, rows: Sequence[Row], top: float, style: Style) -> None:
    several = len({row["model"] for row in rows}) > 1
    for index, row in enumerate(rows):
        x = _LEFT + (index % style.columns) * (style.column + GUTTER)
        y = top + style.line * 1.15 * (index // style.columns)
        page.plot([x, x + 0.3], [y, y], **_look(index))
        name = f"{class_name(row, 'source')} → {class_name(row, 'target')}"
        text = f"{name}, {titles(run)[row['model']]}" if several else name
        write(page, x + 0.37, y, text, style.note, room=style.column - _LEFT - 0.4)


def simplices(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """How much of each source's simplex is inside, with its interval; a line per model of `rows`.

    Sources stand from the darkest simplex to the brightest. Refused where the run has none.
    """
    stored = {model: run.simplex_rows(model) for model in dict.fromkeys(r["model"] for r in rows)}
    counts = sorted({row["k"] for own in stored.values() for row in own})
    if not counts:
        raise UsageError(
            f"{run.path} holds no simplex, because no source has three found images; give "
            "blindspots run --targets-per-source 3 and another --out"
        )
    below, head, line = style.columns == 1, 1.8 * style.line, 1.15 * style.line
    high, key = _HIGH * max(1.0, style.column / 3.25), line * (len(stored) + 1)
    page = canvas(None, style.width, head + high + _FOOT + (key if below else 0.1))
    left, top = (0.0, head + high + _FOOT) if below else (style.column + GUTTER, head)
    several = "–".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    ax = _panel(page, (0.0, 0.0), f"inside, of a source and {several} found images", style, high)
    for index, (model, own) in enumerate(stored.items()):
        own.sort(key=lambda row: row["fraction"])
        low, share, upper = (np.repeat([r[k] for r in own], 2) for k in ("low", "fraction", "high"))
        along = np.repeat(np.linspace(0, 100, len(own) + 1), 2)[1:-1]
        ax.fill_between(along, low, upper, color=limb_colour(index), alpha=0.25, linewidth=0)
        ax.plot(along, share, **_look(index))
        y = top + line * (index + 1)
        page.plot([left + _LEFT, left + _LEFT + 0.3], [y, y], **_look(index))
        text = f"{titles(run)[model]}: {short(float(np.mean(share)) if own else None)} on average"
        write(page, left + _LEFT + 0.37, y, text, style.note, room=style.column - _LEFT - 0.4)
    ax.set(xlim=(0, 100), ylim=(0, 1.02))
    label = "per cent of the sources, darkest first"
    ax.set_xlabel(label, fontsize=style.note, color=MUTED, labelpad=2)
    return page


def widths(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A panel a pair: the band between the 5 % and 95 % quantiles of each radius, along the path.

    The black line is the path itself; beside each radius stands the lowest 5 % quantile. Refused
    where the widths were not measured.
    """
    stored = read_widths(run.path)
    measured = [[w for w in stored if w["pair_id"] == row["pair_id"]] for row in rows]
    for row, bands in zip(rows, measured, strict=True):
        if not bands:
            raise UsageError(
                f"the widths of pair {row['pair_id']} were not measured; "
                f"type blindspots widths {run.path} --pair {row['pair_id']}"
            )
    height = _BAND_HIGH + 0.2 + _THUMB + 5 * style.line
    axes, wide = panels(style, len(rows), height), style.panel(len(rows))
    for row, bands, ax in zip(rows, measured, axes, strict=True):
        _widths(canvas(ax, wide, height), run, row, bands, style)
    return axes[0]


def _widths(page: Axes, run: Run, row: Row, bands: list[Row], style: Style) -> None:
    whole, line = page.get_xlim()[1], style.line
    room, right = whole - _BAND_LEFT - 0.02, whole - _BAND_RIGHT
    title = titles(run)[row["model"]]
    write(page, _BAND_LEFT, 0.9 * line, title, style.words, room=room, weight="bold")
    count = f"{words_of(run).noun}, 5–95 % of {bands[0]['directions']} directions"
    write(page, _BAND_LEFT, 2 * line, count, style.note, MUTED)
    ax = axes_at(page, _BAND_LEFT, 3 * line, right - _BAND_LEFT, _BAND_HIGH)
    plain_axis(ax, style, _band_scale(run, row, bands))
    _bands(page, ax, bands, (right, 3 * line), style)
    level(ax, None if run.delta is None else row["p_source"] - run.delta)
    ax.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    ax.set_xticklabels(["0", "50 %", "100 %"])
    _ends(page, run, row, (_BAND_LEFT, right, 3 * line + _BAND_HIGH + 0.2), style)


def _band_scale(run: Run, row: Row, bands: list[Row]) -> Scale:
    # From nothing to one, bands that matter would be lines.
    drawn = [w[key] for w in bands for key in ("low", "high", "confidence")]
    return around([*drawn, row["p_source"] - (run.delta or 0)])


def _bands(
    page: Axes, ax: Axes, bands: list[Row], corner: tuple[float, float], style: Style
) -> None:
    def key(place: float, text: str, lowest: str, **look: Any) -> None:
        y, right = corner[1] + 0.1 + place * 1.25 * style.line, corner[0] + _BAND_RIGHT - 0.02
        page.plot([corner[0] + 0.08, corner[0] + 0.2], [y, y], solid_capstyle="butt", **look)
        write(page, corner[0] + 0.26, y, text, style.note)
        write(page, right, y, lowest, style.note, MODEL, ha="right")

    radii = sorted({w["radius"] for w in bands})
    colours = colormaps[COLOUR_MAP](np.linspace(0.05, 0.82, len(radii)))
    for place, (radius, colour) in reversed(list(enumerate(zip(radii, colours, strict=True)))):
        band = sorted((w for w in bands if w["radius"] == radius), key=lambda w: w["along"])
        along, low, high = ([w[key] for w in band] for key in ("along", "low", "high"))
        ax.fill_between(along, low, high, color=colour, alpha=0.55, linewidth=0, zorder=2)
        for edge in (low, high):
            ax.plot(along, edge, color=colour, linewidth=0.9, zorder=3)
        key(place, f"r = {radius:g}", short(min(low)), color=colour, linewidth=4)
    right, top = corner[0] + _BAND_RIGHT - 0.02, corner[1] - 0.3 * style.line
    write(page, right, top, "lowest", style.note, MUTED, ha="right")
    path = sorted({w["along"]: w["confidence"] for w in bands}.items())
    ax.plot(*zip(*path, strict=True), color=INK, linewidth=1.2, zorder=4)
    key(len(radii), "path", "", color=INK, linewidth=1.2)


def _ends(page: Axes, run: Run, row: Row, place: tuple[float, float, float], style: Style) -> None:
    left, right, top = place
    source, found = run.image(row["source_id"], row["model"]), run.found(row["pair_id"])
    assert source is not None
    assert found is not None
    tile(page, source, left, top, _THUMB)
    tile(page, found, right - _THUMB, top, _THUMB)
    middle, room = top + _THUMB / 2, (right - left) / 2 - _THUMB - 0.1
    roomy = bool(room > 3.4 * style.line)
    text = "source\n" * roomy + class_name(row, "source")
    write(page, left + _THUMB + 0.06, middle, text, style.note, MODEL, room)
    text = "found\n" * roomy + class_reached(row)
    write(page, right - _THUMB - 0.06, middle, text, style.note, PERSON, room, ha="right")


def transfer(
    values: Matrix,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    nulls: Matrix = (),
    null_names: Sequence[str] = (),
    kept: Matrix = (),
    heading: str = "Do other models believe the found images?",
    width: float | None = None,
    style: Style = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """A heat map of confidences with the numbers in the cells.

    `values`: a row per model that was traversed, a column per judge; None: not known. `kept`: the
    share of found images whose class the judge keeps, written below each number. `nulls`: rows
    below the matrix, such as what the judges say of the clean sources, with their `null_names`.
    `width`: in inches, the matrix in its middle; None: its own.
    """
    line, own = style.line, matrix_width(style, (*rows, *null_names), columns)
    head, tall = _head_height(style, columns), _TALL * line
    height = head + tall * (len(rows) + len(nulls)) + bool(nulls) * _GAP * line + 1.3 * line
    ax = canvas(ax, width or own, height)
    start = ((width or own) - own) / 2
    left = start + (2.9 + _LETTER * _longest((*rows, *null_names))) * line
    write(ax, start + 1.3 * line, 1.6 * line, heading, style.heading, weight="bold")
    _heads(ax, columns, left, head, style)
    shares = [*(kept or [[None] * len(columns)] * len(rows)), *[[None] * len(columns)] * len(nulls)]
    for index, name in enumerate((*rows, *null_names)):
        top = head + tall * index + (_GAP * line if index >= len(rows) else 0)
        text = "\n".join(fold(name, _LONG))
        write(ax, left - line, top + tall / 2, text, style.words, ha="right")
        for at, pair in enumerate(zip((*values, *nulls)[index], shares[index], strict=True)):
            _cell(ax, left + _CELL * line * at, top, *pair, style)
    return ax


def matrix_width(style: Style, names: Sequence[str], columns: Sequence[str]) -> float:
    left = 2.9 + _LETTER * _longest(names)
    return max(26.5, left + _CELL * len(columns) + 1.6) * style.line


def _longest(names: Sequence[str]) -> int:
    return max((len(line) for name in names for line in fold(name, _LONG)), default=0)


def run_transfer(
    run: Run, ax: Axes | None = None, style: Style = SCREEN, page: float | None = None
) -> Axes | None:
    """The matrix of a run's stored transfer; None where nothing was judged.

    `page`: the width in inches into which it has to fit, with smaller type if need be; refused on
    one column where that could not be read.
    """
    table = build_table(run, "transfer")
    if not table.columns:
        return None
    own, nulls = _of(table, "run"), _of(table, "source", "target")
    called = titles(run)
    names = [called.get(row.heading, row.heading) for row in (*own, *nulls)]
    judges = [called.get(column.title, column.title) for column in table.columns]
    share = min(1.0, page / matrix_width(style, names, judges)) if page else 1.0
    if share < 1 and style.columns == 1:
        raise UsageError(
            "the matrix is too wide to be read on one column; expected fewer models or a wider "
            "page; type --columns 2"
        )
    return transfer(
        _means(table, own),
        names[: len(own)],
        judges,
        nulls=_means(table, nulls),
        null_names=names[len(own) :],
        kept=_means(table, _of(table, "kept")),
        width=page,
        style=style.shrunk(share),
        ax=ax,
    )


def _of(table: Table, *origins: str) -> list[TableRow]:
    return [row for row in table.rows if row.origin in origins]


def _means(table: Table, rows: Sequence[TableRow]) -> list[list[float | None]]:
    return [[row.cells.get(column.key, Cell()).mean for column in table.columns] for row in rows]


def _heads(ax: Axes, columns: Sequence[str], left: float, bottom: float, style: Style) -> None:
    line, above = style.line, bottom - 0.65 * style.line
    first = bottom - _head_height(style, columns) + 4.2 * line
    write(ax, left, first, "judged by →", style.note, MUTED, va="bottom")
    write(ax, left - line, above, "found images of ↓", style.note, MUTED, ha="right", va="bottom")
    for index, name in enumerate(columns):
        x, text = left + _CELL * line * (index + 0.5), "\n".join(fold(name, _WIDE))
        write(ax, x, above, text, style.note, ha="center", va="bottom")


def _head_height(style: Style, columns: Sequence[str]) -> float:
    folded = max((len(fold(name, _WIDE)) for name in columns), default=1)
    return (5.8 + folded) * style.line


def _cell(
    ax: Axes, left: float, top: float, value: float | None, share: float | None, style: Style
) -> None:
    wide, tall = _CELL * style.line, _TALL * style.line
    shade = np.array(to_rgb(PAPER if value is None else colormaps[COLOUR_MAP](value)))
    place = Rectangle((left, top), wide, tall, facecolor=shade, edgecolor=PAPER, linewidth=1.5)
    ax.add_patch(place)
    x, middle = left + wide / 2, top + tall / 2
    colour = PAPER if shade.mean() < _DARK else INK
    y = middle if share is None else middle - 0.65 * style.line
    write(ax, x, y, short(value), style.heading, colour, weight="bold", ha="center")
    if share is not None:
        y = middle + 1.15 * style.line
        write(ax, x, y, f"{100 * share:.0f} % kept", style.note, colour, ha="center")
