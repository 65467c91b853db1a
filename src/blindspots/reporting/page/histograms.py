"""How the numbers of all pairs are spread: counts in equal bins, model by model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from blindspots.reporting.tables.column_texts import PAIR_NUMBERS
from blindspots.schema import Ending
from blindspots.store.reader import Run, codes, finite

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
    owners, pairs = _owners(run.columns.pairs, models), run.columns.pairs
    columns = ((key, finite(pairs[key])) for key in spread_keys())
    of_models = (
        (key, {model: values[owners == index] for index, model in enumerate(models)})
        for key, values in columns
    )
    return list(filter(None, (spread(key, values) for key, values in of_models)))


def spread_keys() -> Iterator[str]:
    """The numbers of which a spread is worth drawing: a flag has two values alone."""
    return (column.key for column in PAIR_NUMBERS if column.key != "segment_inside")


def spread(key: str, values: Mapping[str, np.ndarray]) -> Spread | None:
    """The spread of one number, model to its values; None where no two known ones differ."""
    known = {model: own[np.isfinite(own)] for model, own in values.items()}
    every = np.concatenate([np.empty(0), *known.values()])
    if not len(every) or every.min() == every.max():
        return None
    low, high = float(every.min()), float(every.max())
    counts = {model: np.histogram(own, BINS, (low, high))[0] for model, own in known.items()}
    return Spread(key, low, high, {model: own.tolist() for model, own in counts.items()})


def _owners(pairs: pa.Table, models: list[str]) -> np.ndarray:
    """Which model each pair is of, −1 where it did not start."""
    owners, names = codes(pairs["model"])
    endings, words = codes(pairs["ending"])
    places = np.array([models.index(str(name)) for name in names] or [0])
    started = np.array([Ending(word).started for word in words] or [False])
    return np.where(started[endings], places[owners], -1)
