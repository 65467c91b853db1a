"""How the numbers of all pairs are spread: counts in equal bins, model by model."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from blindspots.records import Ending
from blindspots.run_columns import codes, finite
from blindspots.run_reader import Run
from blindspots.tables.columns import PAIR_NUMBERS

BINS = 32


@dataclass(frozen=True)
class Spread:
    """One number over all started pairs: `counts[model]` pairs in each bin from `low` to `high`."""

    key: str
    low: float
    high: float
    counts: dict[str, list[int]]


def spreads(run: Run) -> list[Spread]:
    """The spread of every number that differs between pairs; models share their bins."""
    models = [facts.name for facts in run.models]
    owners = _owners(run.columns.pairs, models)
    keys = (column.key for column in PAIR_NUMBERS if column.key != "segment_inside")
    every = (_spread(run, key, models, owners) for key in keys)
    return [spread for spread in every if spread is not None]


def _owners(pairs: pa.Table, models: list[str]) -> np.ndarray:
    """Which model each pair is of, −1 where it did not start."""
    owners, names = codes(pairs["model"])
    endings, words = codes(pairs["ending"])
    places = np.array([models.index(str(name)) for name in names] or [0])
    started = np.array([Ending(word).started for word in words] or [False])
    return np.where(started[endings], places[owners], -1)


def _spread(run: Run, key: str, models: list[str], owners: np.ndarray) -> Spread | None:
    values = finite(run.columns.pairs[key])
    known = np.isfinite(values) & (owners >= 0)
    if not known.any():
        return None
    low, high = float(values[known].min()), float(values[known].max())
    if low == high:
        return None
    of_model = {model: values[known & (owners == index)] for index, model in enumerate(models)}
    counts = {model: np.histogram(own, BINS, (low, high))[0] for model, own in of_model.items()}
    return Spread(key, low, high, {model: own.tolist() for model, own in counts.items()})
