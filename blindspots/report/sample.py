"""Which pairs of a run the report shows one by one: all, or the extremes and a seeded sample."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from blindspots.run_columns import codes, finite
from blindspots.run_reader import Run
from blindspots.score_words import words_of
from blindspots.tables.columns import PAIR_NUMBERS

MOST_PAIRS = 200
EXTREMES = 2
SEED = 0
_LOOKED_AT = 200


@dataclass(frozen=True)
class Sample:
    """The ids of the pairs shown, out of `total`; `case`: the one of the first screen, if any.

    `extremes`: how many of each number's lowest and highest pairs are among them for certain; 0
    where every pair is shown.
    """

    ids: list[str]
    total: int
    case: str | None
    extremes: int = 0


def sample(run: Run) -> Sample:
    """Every pair of at most `MOST_PAIRS`; else extremes of every number, then sources by seed.

    A sampled source brings all its pairs, of all models, so that its star and triangles are whole.
    """
    pairs = run.columns.pairs
    case = striking_case(run)
    if len(pairs) <= MOST_PAIRS:
        return Sample(pairs["pair_id"].to_pylist(), len(pairs), case)
    picked = dict.fromkeys(_extremes(pairs))
    if case is not None:
        picked[pairs["pair_id"].index(case).as_py()] = None
    for rows in _sources(pairs):
        picked |= dict.fromkeys(rows)
        if len(picked) >= MOST_PAIRS:
            break
    rows = sorted(list(picked)[:MOST_PAIRS])
    return Sample(pairs["pair_id"].take(rows).to_pylist(), len(pairs), case, EXTREMES)


def striking_case(run: Run) -> str | None:
    """The id of the pair nearest to its target among those believed surely (90 % or more).

    First among pairs whose image was kept; the one believed most where none is believed so much;
    None where no pair was traversed.
    """
    pairs = run.columns.pairs_of(started=True)
    distance, belief = finite(pairs["rmse"]), finite(pairs["p_found"])
    known = np.isfinite(distance) & np.isfinite(belief)
    believed = known & (belief >= words_of(run).sure)
    order = _lowest(np.where(believed, distance, np.nan), _LOOKED_AT)
    if not len(order):
        order = _lowest(np.where(known, -belief, np.nan), _LOOKED_AT)
    ids = [pairs["pair_id"][row].as_py() for row in order]
    return next(filter(run.kept, ids), ids[0] if ids else None)


def _extremes(pairs: pa.Table) -> list[int]:
    columns = [finite(pairs[column.key]) for column in PAIR_NUMBERS]
    return [row for values in columns for side in (values, -values) for row in _few(side)]


def _few(values: np.ndarray) -> list[int]:
    return _lowest(values, EXTREMES).tolist()


def _lowest(values: np.ndarray, count: int) -> np.ndarray:
    """Where the `count` lowest known values stand, in rising order; equal ones as stored."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > count:
        last = np.partition(values[known], count - 1)[count - 1]
        known = known[values[known] <= last]
    return known[np.argsort(values[known], kind="stable")][:count]


def _sources(pairs: pa.Table) -> Iterator[list[int]]:
    """The rows of each source, sources in an order drawn by the seed."""
    owners, names = codes(pairs["source_id"])
    for source in np.random.default_rng(SEED).permutation(len(names)):
        yield np.flatnonzero(owners == source).tolist()
