"""How the score that a run held is called and spoken of. One place for tables, figures, pages."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, floor, isfinite, log10
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blindspots.schema import PROBABILITIES
from blindspots.store.reader import Row, Run, finite

_PARTS = 4
# What is outside has room below the level.
_BELOW = 1.3
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, kw_only=True)
class ScoreWords:
    """A score in words. Texts are written for the confidence; `say` turns them.

    `noun`: alone; `axis`: with its unit; `short`: in a column's title; `full`: all that it is;
    `opening`: the same at the head of a title or definition; `each`: each number of a grid whose
    rows are classes; `source`, `found`, `itself`: in the
    titles of columns. `sees`, `gives`: what a model does that believes, or does not; `believed`:
    what of, where {name} is the source's class, {a_name} the same with an article. `even`: from
    where on a model believes; `sure`: from where on surely. `whose`: what a number belongs to that
    stands alone beside it, as in "goose .98". `of_classes`: the model has classes.
    """

    name: str
    noun: str
    axis: str
    short: str
    full: str
    opening: str
    each: str
    source: str = "p source"
    found: str = "p found"
    itself: str = "itself p"
    sees: str = "sees"
    gives: str = "gives"
    believed: str = "{a_name}"
    whose: str = "{name}"
    even: float = 0.5
    sure: float = 0.9
    of_classes: bool = True

    @property
    def probability(self) -> bool:
        return self.name in PROBABILITIES

    @property
    def heading(self) -> str:
        return self.noun.capitalize()

    def belief(self, name: str, a_name: str | None = None) -> str:
        """What a model does that believes: "sees goose"; `a_name`: "a goose"."""
        return f"{self.sees} {self.believe(name, a_name)}"

    def believe(self, name: str, a_name: str | None = None) -> str:
        return self.believed.format(name=name, a_name=a_name or name)

    def caption(self, name: str) -> str:
        """What a bare number is of, where the source is called so: "goose", "goose’s group"."""
        return self.whose.format(name=name)

    def say(self, text: str) -> str:
        return _SAID.sub(lambda found: getattr(self, _FIELDS[found[0]]), text)


CONFIDENCE = ScoreWords(
    name="confidence",
    noun="confidence",
    axis="confidence",
    short="conf",
    full="confidence in the source's class",
    opening="Confidence in the source's class",
    each="its confidence in the class on the left",
)
GROUP = ScoreWords(
    name="group",
    noun="probability",
    axis="probability",
    short="prob",
    full="probability of the group's classes together",
    opening="Probability of the group's classes together",
    each="the probability of the group's classes together",
    believed="a class of the {name}’s group",
    whose="{name}’s group",
)
# A margin is the logit of a confidence: 0 is one half, and 2.2 is .9.
MARGIN = ScoreWords(
    name="margin",
    noun="margin",
    axis="margin, in logits",
    short="margin",
    full="margin of the source's class, in logits",
    opening="Margin of the source's class, in logits,",
    each="the margin of the class on the left, in logits",
    source="source margin",
    found="found margin",
    itself="itself, margin",
    even=0.0,
    sure=2.2,
)
EMBEDDING = ScoreWords(
    name="embedding",
    noun="similarity",
    axis="cosine similarity",
    short="similarity",
    full="cosine similarity to the source's embedding",
    opening="Cosine similarity to the source's embedding",
    each="the cosine similarity to the embedding of the source",
    source="source similarity",
    found="found similarity",
    itself="itself, similarity",
    sees="finds it like",
    of_classes=False,
)
_ALL = {words.name: words for words in (CONFIDENCE, GROUP, MARGIN, EMBEDDING)}
_FIELDS = {
    getattr(CONFIDENCE, field): field
    for field in ("opening", "full", "heading", "noun", "short", "source", "found", "itself")
}
_SAID = re.compile(rf"\b({'|'.join(_FIELDS)})\b")


def score_of(run: Run) -> str:
    return run.info.score.get("name", CONFIDENCE.name)


def score_text(run: Run) -> str:
    """The score that a run held, as `--score` takes it: confidence, group:1,2, margin, …"""
    settings = run.info.score
    classes = ",".join(map(str, settings.get("classes") or ()))
    return f"{score_of(run)}:{classes}" if classes else score_of(run)


def words_of(run: Run) -> ScoreWords:
    return words_for(score_of(run))


def words_for(name: str) -> ScoreWords:
    return _ALL.get(name, CONFIDENCE)


def number(value: float, digits: int, percent: bool = False) -> str:
    """A number in the slides' style: ".25", "−.25", "25 %"."""
    if percent:
        return f"{100 * value:.{digits}f} %"
    text = f"{value:.{digits}f}".replace("-", "−")
    return text.replace("0.", ".", 1) if text.lstrip("−").startswith("0.") else text


@dataclass(frozen=True)
class Scale:
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
        return self.low + share * (self.high - self.low)


UNIT = Scale(0.0, 1.0, (0.0, 0.5, 1.0))


class Scales(NamedTuple):
    """`along`: of what is drawn along paths and segments; `over`: of that and of triangles."""

    along: Scale
    over: Scale


def run_scales(run: Run) -> Scales:
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
    flat = pc.call_function("list_flatten", [values]) if pa.types.is_list(values.type) else values
    numbers = finite(flat)
    return [] if np.isnan(numbers).all() else [float(np.nanmin(numbers)), float(np.nanmax(numbers))]


def _step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return power * next(k for k in _STEPS if k * power >= least * (1 - 1e-9))
