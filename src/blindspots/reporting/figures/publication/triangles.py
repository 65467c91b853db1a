"""`triangle`: the heat map of confidence between a source and two found images."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.text import Text

from blindspots.errors import UsageError
from blindspots.reporting.figures.publication.layout import (
    HEADING,
    NOTE,
    WIDTHS,
    WORDS,
    axes_at,
    cut,
    figure_of,
    panels,
)
from blindspots.reporting.figures.publication.require import kept_found
from blindspots.reporting.figures.run_figures import model_triangle
from blindspots.reporting.figures.style import LABEL, SMALL, TITLE
from blindspots.reporting.selection import by_source, corners, representative_targets
from blindspots.store.reader import Row, Run

_TYPE = {TITLE: HEADING, LABEL: WORDS, SMALL: NOTE}
_DOT = 2.5
# Inches for a caption beside a thumbnail, and for the name of a model above.
_ROOM = (0.78, 2.5)


def draw_triangle(run: Run, rows: Sequence[Row], columns: int) -> Axes:
    """A triangle a source and model, drawn at its true side lengths (RMSE).

    Of a source with two pairs named it is theirs; with one, the run's usual one that has it.
    """
    chosen = [(group[0], _targets(run, group)) for group in by_source(rows).values()]
    page, places = panels(columns, len(chosen), WIDTHS[1])
    for (row, targets), panel in zip(chosen, places, strict=True):
        # One triangle alone on a wide sheet stands in its middle.
        left = panel.left + (panel.width - WIDTHS[1]) / 2
        ax = axes_at(page, left, panel.top, WIDTHS[1], WIDTHS[1])
        model_triangle(run, row["model"], row["source_id"], targets, ax)
    _typeset(page, {facts.name for facts in run.models})
    return page


def _targets(run: Run, group: list[Row]) -> tuple[str, str]:
    for row in group:
        kept_found(run, row)
    model, source = group[0]["model"], group[0]["source_id"]
    stored = [corners(row) for row in run.triangles_from(source) if row["model"] == model]
    asked = {row["target_id"] for row in group}
    fitting = [ids[1:] for ids in stored if asked <= set(ids[1:])]
    if not fitting or len(asked) > 2:
        raise UsageError(
            f"{run.path} has no triangle of {model} over the {len(asked)} pairs given from source "
            f"{source}; expected one or two pairs of a source; runs need --targets-per-source 2 "
            "or more for triangles"
        )
    usual = representative_targets(run, source)
    return usual if usual in fitting else (fitting[0][0], fitting[0][1])


def _typeset(page: Axes, models: set[str]) -> None:
    """Type and dots for print: the drawing shrinks to a column, its words must not."""
    for text in figure_of(page).findobj(Text):
        if isinstance(text, Text):
            size = _TYPE.get(float(text.get_fontsize()), text.get_fontsize())
            room = _ROOM[text.get_text() in models]
            lines = text.get_text().split("\n")
            text.set_fontsize(size)
            text.set_text("\n".join(cut(line, room, float(size)) for line in lines))
    for dots in figure_of(page).findobj(PathCollection):
        if isinstance(dots, PathCollection):
            dots.set_sizes([_DOT])
