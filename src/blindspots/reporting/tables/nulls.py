"""The nulls of a run: what its found images are held against, as rows and as columns of tables."""

import pyarrow as pa
import pyarrow.compute as pc

from blindspots.reporting.tables.column_texts import NULL_NUMBERS
from blindspots.reporting.tables.table import NULLS, Cell, Origin, TableRow, count, spread
from blindspots.store.reader import Run, finite, of_model

_DISTANCES = ("rmse", "linf", "ssim", "lpips")
# The target is itself: at no distance, and of equal structure.
_ITSELF = {"rmse": 0.0, "linf": 0.0, "ssim": 1.0, "lpips": 0.0}


def null_rows(run: Run, model: str) -> tuple[TableRow, ...]:
    """A model's rows "random pair", "straight line" and "target itself"; none in older runs.

    Columns as in the table of distances, with `p_found`: the confidence in the source's class.
    """
    rows = of_model(run.columns.nulls, model)
    if not rows:
        return ()
    drawn = rows.filter(pc.field("interpolation_confidence").is_valid())
    first = pc.call_function("list_element", [drawn["interpolation_confidence"], pa.scalar(0)])
    return (
        _row(model, "random_pair", rows, spread(finite(first))),
        _row(model, "interpolation", rows, _spread(rows, "p_interpolation")),
        _row(model, "target", rows, _spread(rows, "p_target")),
    )


def null_cells(run: Run, model: str) -> dict[str, Cell]:
    """The same as cells of the model's own row, by the keys of `NULL_NUMBERS`."""
    rows = of_model(run.columns.nulls, model)
    return {column.key: _spread(rows, column.key) for column in NULL_NUMBERS}


def null_note(run: Run) -> tuple[str, ...]:
    """What the rows are, in a sentence."""
    if not run.columns.nulls:
        return ()
    return (
        "Below each model what its found images are held against. Random pair: source against "
        "target. Straight line: the last point of the line from source to target up to which the "
        "confidence holds. p found is the confidence in the source's class.",
    )


def _row(model: str, origin: Origin, rows: pa.Table, p_found: Cell) -> TableRow:
    cells = {name: _distance(rows, origin, name) for name in _DISTANCES}
    every = {"pairs": count(len(rows)), **cells, "p_found": p_found}
    return TableRow(model, every, origin, NULLS[origin])


def _distance(rows: pa.Table, origin: Origin, name: str) -> Cell:
    if origin != "target":
        return _spread(rows, f"{origin}_{name}")
    column = rows[f"random_pair_{name}"]
    measured = len(column) - column.null_count
    return Cell(_ITSELF[name], 0.0, measured) if measured else Cell()


def _spread(rows: pa.Table, key: str) -> Cell:
    return spread(finite(rows[key]))
