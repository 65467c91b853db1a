"""The nulls of a run: what its found images are held against, as rows and as columns of tables."""

import math

from blindspots.run_reader import Row as StoredRow
from blindspots.run_reader import Run
from blindspots.tables.columns import NULL_NUMBERS
from blindspots.tables.table import NULLS, Cell, Origin, Row, count, spread

_DISTANCES = ("rmse", "linf", "ssim", "lpips")
# The target is itself: at no distance, and of equal structure.
_ITSELF = {"rmse": 0.0, "linf": 0.0, "ssim": 1.0, "lpips": 0.0}


def null_rows(run: Run, model: str) -> tuple[Row, ...]:
    """A model's rows "random pair", "straight line" and "target itself"; none in older runs.

    Columns as in the table of distances, with `p_found`: the confidence in the source's class.
    """
    rows = run.null_rows(model)
    if not rows:
        return ()
    return (
        _row(model, "random_pair", rows, spread(_curve(row)[0] for row in rows)),
        _row(model, "interpolation", rows, _spread(rows, "p_interpolation")),
        _row(model, "target", rows, _spread(rows, "p_target")),
    )


def null_cells(run: Run, model: str) -> dict[str, Cell]:
    """The same as cells of the model's own row, by the keys of `NULL_NUMBERS`."""
    rows = run.null_rows(model)
    return {column.key: _spread(rows, column.key) for column in NULL_NUMBERS}


def null_note(run: Run) -> tuple[str, ...]:
    """What the rows are, in a sentence."""
    if not run.null_rows():
        return ()
    return (
        "Below each model what its found images are held against. Random pair: source against "
        "target. Straight line: the last point of the line from source to target up to which the "
        "confidence holds. p found is the confidence in the source's class.",
    )


def _row(model: str, origin: Origin, rows: list[StoredRow], p_found: Cell) -> Row:
    cells = {name: _distance(rows, origin, name) for name in _DISTANCES}
    every = {"pairs": count(len(rows)), **cells, "p_found": p_found}
    return Row(model, every, origin, NULLS[origin])


def _distance(rows: list[StoredRow], origin: Origin, name: str) -> Cell:
    if origin != "target":
        return _spread(rows, f"{origin}_{name}")
    measured = sum(row[f"random_pair_{name}"] is not None for row in rows)
    return Cell(_ITSELF[name], 0.0, measured) if measured else Cell()


def _curve(row: StoredRow) -> list[float]:
    return row["interpolation_confidence"] or [math.nan]


def _spread(rows: list[StoredRow], key: str) -> Cell:
    return spread(row[key] for row in rows)
