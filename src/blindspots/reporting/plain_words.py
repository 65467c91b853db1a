"""A finished run in a few lines of plain words: a row per model, then what to type next."""

from math import floor
from shlex import quote
from textwrap import wrap

import numpy as np

from blindspots.reporting.score_labels import ScoreWords, number, words_of
from blindspots.reporting.tables.nulls import PAIR_COLUMNS, reach_rows
from blindspots.schema import Ending
from blindspots.store.paths import Place
from blindspots.store.reader import Run, finite

WIDTH = 120
_HEAD = "How far a source goes towards a target of another class while the model keeps its word:"


def run_in_words(run: Run, width: int | None = None) -> str:
    """What was found, one row per model, wrapped to `width` columns under the model's name."""
    called = {facts.name: facts.title or facts.name for facts in run.models}
    longest = max(map(len, called.values()), default=0)
    indent = min(longest, 24) + 2
    lines = [_HEAD]
    for model, name in called.items():
        told = wrap(_model_in_words(run, model), max(40, (width or WIDTH) - indent))
        if len(name) + 2 <= indent:
            lines.append(f"{name:<{indent}}{told.pop(0)}")
        else:
            lines.append(name)
        lines += [" " * indent + line for line in told]
    return "\n".join(lines)


def next_steps(report: Place, path: Place) -> str:
    """Where the page is, and what to type for every number and for the proof."""
    place = quote(str(path))
    typed = {
        f"open {quote(str(report))}": "the page",
        f"blindspots table {place}": "every number",
        f"blindspots verify {place}": "every number computed again",
    }
    longest = max(map(len, typed))
    return "\n".join(f"{what:<{longest}}  {why}" for what, why in typed.items())


def _model_in_words(run: Run, model: str) -> str:
    pairs = run.columns.pairs_of(model, True, PAIR_COLUMNS)
    left = _left_out(run, model)
    if not len(pairs):
        return f"nothing was traversed{left}"
    looked = reach_rows(run, model, pairs)
    sure = _sure(finite(pairs["p_found_8bit"]), finite(pairs["p_source"]), words_of(run))
    if looked is None:
        rmse = number(float(finite(pairs["rmse"]).mean()), 3)
        return f"{len(pairs)} found images at RMSE {rmse} of their targets, {sure}{left}"
    blind, way, line = (finite(looked[key]) for key in ("blind", "reach", "reach_line"))
    return (
        f"{_percent(way)} of the way to the target, {sure}; a plain mix loses it at "
        f"{_percent(line)}; blind pairs: {int(np.nansum(blind))} of {len(blind)}{left}"
    )


def _sure(found: np.ndarray, source: np.ndarray, words: ScoreWords) -> str:
    if not np.isfinite(found).all():
        return f"{words.noun} not known"
    if not words.probability:
        return f"{words.noun} ≥ {number(float(found.min()), 2)}"
    if found.min() >= words.sure:
        return f"≥ {floor(100 * found.min())} % sure"
    return f"{_percent(found)} sure, of the source {_percent(source)}"


def _percent(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{100 * known.mean():.0f} %" if len(known) else "–"


def _left_out(run: Run, model: str) -> str:
    endings = run.columns.endings(model)
    listed = [f"{n} {end}" for end, n in sorted(endings.items()) if not Ending(end).started]
    return f" (left out: {', '.join(listed)})" if listed else ""
