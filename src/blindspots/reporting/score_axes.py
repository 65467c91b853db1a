"""Axes and colour scales of a score: [0, 1] of a probability, round limits around all others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, floor, isfinite, log10
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blindspots.reporting.score_labels import ScoreWords, words_of
from blindspots.reporting.tables.render import number
from blindspots.store.reader import Row, Run, finite

_PARTS = 4
# What is outside has room below the level.
_BELOW = 1.3
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, with marks at `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @property
    def labels(self) -> list[str]:
        """The marks in the slides' style: "0", ".5", "1"."""
        return [number(tick, len(f"{tick:g}".partition(".")[2])) for tick in self.ticks]

    def share(self, value: Any) -> Any:
        """How far up a value stands, 0 to 1; of a number or an array."""
        return (value - self.low) / (self.high - self.low)

    def at(self, share: float) -> float:
        """The value that stands so far up."""
        return self.low + share * (self.high - self.low)


UNIT = Scale(0.0, 1.0, (0.0, 0.5, 1.0))


class Scales(NamedTuple):
    """`along`: of what is drawn along paths and segments; `over`: of that and of triangles."""

    along: Scale
    over: Scale


def run_scales(run: Run) -> Scales:
    """The scales of a run's figures, so that all of its models share them."""
    words = words_of(run)
    if words.probability:
        return Scales(UNIT, UNIT)
    drawn = run.columns.lists("pairs", "segment_confidence", "path_confidence", "p_source")
    ends = [*_ends(drawn["segment_confidence"]), *_ends(drawn["path_confidence"])]
    levels = drawn.filter(pc.field("segment_confidence").is_valid())["p_source"]
    along = [*ends, *(end - _BELOW * (run.delta or 0) for end in _ends(levels))]
    grids = _ends(run.columns.lists("triangles", "confidence")["confidence"])
    return Scales(around(along), around([*along, *grids]))


def scales(
    words: ScoreWords,
    pairs: Iterable[Row],
    grids: Iterable[Sequence[float | None]],
    delta: float | None,
) -> Scales:
    """The scales on which traversed pairs, their levels and the grids of triangles have room."""
    if words.probability:
        return Scales(UNIT, UNIT)
    along = list(chain.from_iterable(_along(row, delta) for row in pairs))
    return Scales(around(along), around(chain(along, *grids)))


def around(values: Iterable[float | None]) -> Scale:
    """Round limits around the values that are known, with three to six marks."""
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return UNIT
    step = _step((max(known) - min(known)) / _PARTS or abs(known[0]) or 1.0)
    # What a rounding error puts beside a mark is at it.
    first, last = floor(round(min(known) / step, 3)), ceil(round(max(known) / step, 3))
    digits = max(0, -floor(log10(step)))
    ticks = tuple(round(step * k, digits) for k in range(first, max(last, first + 1) + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def _along(row: Row, delta: float | None) -> Iterator[float | None]:
    yield from row["segment_confidence"] or ()
    yield from row["path_confidence"] or ()
    if row["segment_confidence"]:
        yield row["p_source"] - _BELOW * (delta or 0)


def _ends(values: pa.ChunkedArray) -> list[float]:
    """The least and the most of the finite numbers of a column, or of its lists."""
    flat = pc.call_function("list_flatten", [values]) if pa.types.is_list(values.type) else values
    numbers = finite(flat)
    return [] if np.isnan(numbers).all() else [float(np.nanmin(numbers)), float(np.nanmax(numbers))]


def _step(least: float) -> float:
    """The next larger one of 1, 2, 5 times a power of 10."""
    power = 10.0 ** floor(log10(least))
    return power * next(k for k in _STEPS if k * power >= least * (1 - 1e-9))
