"""Which pairs of a run the report shows one by one: all, or the extremes and a seeded sample."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from blindspots.reporting.score_labels import words_of
from blindspots.reporting.selection import most_representative
from blindspots.reporting.tables.column_texts import PAIR_NUMBERS
from blindspots.store.reader import Run, codes, finite, lowest

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
    """The id of the run's most telling pair, first among those whose image was kept.

    Nearest to its target among those believed surely; None where no pair was traversed.
    """
    pairs = run.columns.pairs_of(started=True, names=["pair_id", "rmse", "p_found"])
    order = most_representative(pairs, words_of(run).sure, _LOOKED_AT)
    ids = [pairs["pair_id"][row].as_py() for row in order]
    return next(filter(run.kept, ids), ids[0] if ids else None)


def _extremes(pairs: pa.Table) -> list[int]:
    columns = [finite(pairs[column.key]) for column in PAIR_NUMBERS]
    sides = (side for values in columns for side in (values, -values))
    return [row for side in sides for row in lowest(side, EXTREMES).tolist()]


def _sources(pairs: pa.Table) -> Iterator[list[int]]:
    """The rows of each source, sources in an order drawn by the seed."""
    owners, names = codes(pairs["source_id"])
    for source in np.random.default_rng(SEED).permutation(len(names)):
        yield np.flatnonzero(owners == source).tolist()
