"""From the lines of a manifest to the numbers of an entry, by formulas alone. No torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal

import numpy as np

from blindspots.leaderboard.protocol import Protocol
from blindspots.leaderboard.witnesses import Judgement, by_pair
from blindspots.reporting.bootstrap import cluster_intervals

Level = Literal["delta", "margin"]
LEVELS: tuple[Level, ...] = ("delta", "margin")
# What float noise may do to a confidence and to a margin before a witness is none.
SLACK, MARGIN_SLACK = 1e-4, 1e-3
DIGITS = 6
MOST_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class LevelNumbers:
    """The numbers at one of the two levels: within delta, or at a margin of at least 0.

    `pairs`: of sources that have the level; `without`: pairs of named sources that have it not,
    because they are too unsure. `reach`, `blind`, `line`: mean and 95 % interval, sources being
    drawn anew; `failures`: the share of pairs without a witness. None where there is no pair.
    """

    pairs: int
    without: int
    reach: Sequence[float | None]
    median: float | None
    failures: float | None
    blind: Sequence[float | None]
    line: Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """All numbers of an entry; `coverage`: the share of sources that the model names correctly."""

    sources: int
    named: int
    coverage: Sequence[float | None]
    pairs: int
    witnesses: int
    delta: LevelNumbers
    margin: LevelNumbers


def has_level(line: Judgement, level: Level, delta: float) -> bool:
    """Whether there is something to keep: the source is named, and sure enough."""
    sure = line.p_source > delta if level == "delta" else line.margin >= 0
    return line.named and sure


def is_inside(line: Judgement, level: Level, delta: float, slack: float = 0.0) -> bool:
    """Whether the witness's whole segment is inside, up to `slack` (ten times that in margins)."""
    if line.lowest is None or line.lowest_margin is None or not has_level(line, level, delta):
        return False
    if level == "delta":
        return line.lowest >= line.p_source - delta - slack
    return line.lowest_margin >= -10 * slack


def best_witness(lines: Sequence[Judgement], level: Level, delta: float) -> Judgement | None:
    """The line with the farthest witness inside, of a pair's; None where there is none."""
    inside = [line for line in lines if is_inside(line, level, delta)]
    return max(inside, key=lambda line: (line.reach, line.witness), default=None)


def count_numbers(lines: Sequence[Judgement], protocol: Protocol) -> Numbers:
    """The numbers of a manifest that has every pair of the protocol."""
    pairs = by_pair(lines)
    first = {protocol.pairs[pair][0]: own[0].named for pair, own in pairs.items()}
    named = np.array([first[source] for source in protocol.sources], float)
    return Numbers(
        sources=len(named),
        named=int(named.sum()),
        coverage=_interval(np.arange(len(named)), named),
        pairs=len(pairs),
        witnesses=len({line.witness for line in lines if line.witness}),
        delta=_level(pairs, protocol, "delta"),
        margin=_level(pairs, protocol, "margin"),
    )


def reaches(lines: Sequence[Judgement], protocol: Protocol, level: Level) -> list[float]:
    """The reach of every pair that has the level, 0 without a witness, in order."""
    pairs = by_pair(lines)
    return [_reach(own, level, protocol) for own in pairs.values() if _counts(own, level, protocol)]


def telling(
    lines: Sequence[Judgement], protocol: Protocol, most: int = MOST_SHOWN
) -> list[Judgement]:
    """The witnesses that reach farthest, of sources and targets that are each shown once."""
    best = [best_witness(own, "delta", protocol.delta) for own in by_pair(lines).values()]
    order = sorted(filter(None, best), key=lambda one: (-round(one.reach, 2), -one.apart, one.pair))
    chosen, seen = list[Judgement](), set[str]()
    for one in order:
        if len(chosen) < most and not seen & {one.source, one.target}:
            chosen.append(one)
            seen |= {one.source, one.target}
    return chosen


def _level(
    pairs: Mapping[int, Sequence[Judgement]], protocol: Protocol, level: Level
) -> LevelNumbers:
    own = {pair: lines for pair, lines in pairs.items() if _counts(lines, level, protocol)}
    named = sum(lines[0].named for lines in pairs.values())
    sources = np.array([protocol.pairs[pair][0] for pair in own])
    best = [best_witness(lines, level, protocol.delta) for lines in own.values()]
    reach = np.array([0.0 if one is None else one.reach for one in best])
    blind = np.array([one is not None and (one.rmse or 0) <= protocol.blind_rmse for one in best])
    straight = "line" if level == "delta" else "line_margin"
    line = np.array([getattr(lines[0], straight) for lines in own.values()])
    return LevelNumbers(
        pairs=len(own),
        without=named - len(own),
        reach=_interval(sources, reach),
        median=_rounded(float(np.median(reach))) if len(reach) else None,
        failures=_rounded(float(np.mean([one is None for one in best]))) if best else None,
        blind=_interval(sources, blind.astype(float)),
        line=_interval(sources, line),
    )


def _counts(lines: Sequence[Judgement], level: Level, protocol: Protocol) -> bool:
    return has_level(lines[0], level, protocol.delta)


def _reach(lines: Sequence[Judgement], level: Level, protocol: Protocol) -> float:
    best = best_witness(lines, level, protocol.delta)
    return 0.0 if best is None else best.reach


def _interval(clusters: np.ndarray, values: np.ndarray) -> tuple[float | None, ...]:
    """Mean, low and high of 95 %, whole clusters being drawn anew."""
    if not len(values):
        return (None, None, None)
    _, places = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(places, values), np.bincount(places)
    (interval,) = cluster_intervals(sums[:, None], counts[:, None].astype(float))
    return tuple(_rounded(one) for one in interval)


def _rounded(value: float) -> float | None:
    return None if isnan(value) else round(value, DIGITS)
