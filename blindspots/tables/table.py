"""A table before it is text: cells with mean, standard deviation and count."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Values = Iterable[float | None] | np.ndarray


@dataclass(frozen=True)
class Cell:
    """One number: `mean` (None: not known), `std` with ddof 0 (None: has none), over `n` values.

    `digits`: decimals it was published with, where those are not its column's.
    """

    mean: float | None = None
    std: float | None = None
    n: int = 0
    digits: int | None = None


@dataclass(frozen=True)
class Column:
    """A column: `key` as in the stored files, `title` for the eye, `definition` in one sentence.

    `digits`: decimals shown; `percent`: shown as a percentage.
    """

    key: str
    title: str
    definition: str = ""
    digits: int = 3
    percent: bool = False


@dataclass(frozen=True)
class Row:
    """A model's cells, by column key; `origin` is "slides" where the numbers are published ones."""

    label: str
    cells: dict[str, Cell]
    origin: Literal["run", "slides"] = "run"


@dataclass(frozen=True)
class Table:
    """A table of a run: one row a model; `transposed` where it is read better with columns."""

    kind: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    transposed: bool = False


def spread(values: Values) -> Cell:
    """Mean ± standard deviation (ddof 0, as the slides) of the values that are known."""
    known = _known(values)
    known = known[np.isfinite(known)]
    if not known.size:
        return Cell()
    return Cell(float(known.mean()), float(known.std()), known.size)


def _known(values: Values) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    return np.array([value for value in values if value is not None], dtype=float)


def share(flags: Values) -> Cell:
    """The fraction of the known flags that hold, without a deviation."""
    cell = spread(flags)
    return Cell(cell.mean, None, cell.n)


def count(number: int) -> Cell:
    """A plain count."""
    return Cell(float(number), None, number)
