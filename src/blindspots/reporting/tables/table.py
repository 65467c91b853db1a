"""A table before it is text: cells with mean, standard deviation and count."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Origin = Literal["run", "slides", "random_pair", "interpolation", "source", "target", "kept"]
NULLS: dict[Origin, str] = {
    "random_pair": "random pair",
    "interpolation": "straight line",
    "source": "clean source",
    "target": "target itself",
}
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
class TableRow:
    """A model's cells, by column key; `origin` says where the numbers come from.

    `label`: the model, also in the rows below its own, which have a `title` of their own.
    `origin`: "run": the model's found images; "slides": published numbers; `NULLS`: what the found
    images are held against; "kept": the share of them whose class was kept.
    """

    label: str
    cells: dict[str, Cell]
    origin: Origin = "run"
    title: str = ""

    @property
    def heading(self) -> str:
        """What stands at the row's head."""
        return self.title or self.label


@dataclass(frozen=True)
class Table:
    """A table of a run: one row per model; `transposed` where it is read better with columns."""

    kind: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
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
