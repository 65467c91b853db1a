"""Reach and blind pairs, one number per model each, and the baselines of found images.

Reach is computed from stored columns alone, so runs of any age have it. See docs/measures.md.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blindspots.reporting.tables.table import (
    LOOKS_LIKE_LPIPS,
    LOOKS_LIKE_RMSE,
    NULL_NUMBERS,
    NULLS,
    REACH_COLUMNS,
    Cell,
    Origin,
    TableRow,
    count,
    share,
    spread,
)
from blindspots.store.reader import Run, finite, of_model

_KEYS = ["source_id", "target_id"]
_LINE = ["random_pair_rmse", "interpolation_t"]
PAIR_COLUMNS = (
    *("source_id", "target_id", "rmse", "lpips"),
    *("p_source", "p_found_8bit", "segment_inside"),
)


def reach_cells(run: Run, model: str, pairs: pa.Table) -> dict[str, Cell]:
    """The cells of `REACH_COLUMNS`; not known where the run has no nulls, as old ones.

    `pairs`: the model's pairs that were traversed, with `PAIR_COLUMNS`.
    """
    rows = reach_rows(run, model, pairs)
    if rows is None:
        return {column.key: Cell() for column in REACH_COLUMNS}
    cells = {column.key: spread(finite(rows[column.key])) for column in REACH_COLUMNS}
    return {**cells, "blind": share(finite(rows["blind"]))}


def reach_rows(run: Run, model: str, pairs: pa.Table) -> pa.Table | None:
    nulls = of_model(run.columns.nulls, model)
    if run.delta is None or not len(nulls):
        return None
    joined = pairs.select(PAIR_COLUMNS).join(
        nulls.select([*_KEYS, *_LINE]), _KEYS, join_type="inner"
    )
    value = {name: finite(joined[name]) for name in joined.column_names if name not in _KEYS}
    line = value["random_pair_rmse"]
    inside = value["segment_inside"] == 1
    inside &= value["p_found_8bit"] >= value["p_source"] - run.delta
    like = (value["rmse"] <= LOOKS_LIKE_RMSE) | (value["lpips"] <= LOOKS_LIKE_LPIPS)
    return pa.table(
        {
            **{key: joined[key] for key in _KEYS},
            "reach": np.where(inside, reach(value["rmse"], line), 0.0),
            # On a straight line distances shrink as the way goes: its reach is how far it holds.
            "reach_line": value["interpolation_t"],
            "blind": (inside & like).astype(float),
        }
    )


def reach(distance: np.ndarray, line: np.ndarray) -> np.ndarray:
    """1 − `distance` / `line`, in [0, 1]: RMSE of found image, and of source, to the target."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.where(line > 0, 1 - distance / line, 0.0), 0.0, 1.0)


_DISTANCES = ("rmse", "linf", "ssim", "lpips")


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
        _null_row(model, "random_pair", rows, spread(finite(first))),
        _null_row(model, "interpolation", rows, spread(finite(rows["p_interpolation"]))),
        _null_row(model, "target", rows, spread(finite(rows["p_target"]))),
    )


def null_cells(run: Run, model: str) -> dict[str, Cell]:
    rows = of_model(run.columns.nulls, model)
    return {column.key: spread(finite(rows[column.key])) for column in NULL_NUMBERS}


def null_note(run: Run) -> tuple[str, ...]:
    note = (
        "Rows below each model are baselines. Random pair: source against target. Straight line: "
        "the last point of the line from source to target up to which the confidence holds. "
        "p found is the confidence in the source's class."
    )
    return (note,) if run.columns.nulls else ()


def _null_row(model: str, origin: Origin, rows: pa.Table, p_found: Cell) -> TableRow:
    cells = {name: _null_distance(rows, origin, name) for name in _DISTANCES}
    every = {"pairs": count(len(rows)), **cells, "p_found": p_found}
    return TableRow(model, every, origin, NULLS[origin])


def _null_distance(rows: pa.Table, origin: Origin, name: str) -> Cell:
    if origin != "target":
        return spread(finite(rows[f"{origin}_{name}"]))
    column = rows[f"random_pair_{name}"]
    measured = len(column) - column.null_count
    return Cell(_ITSELF[name], 0.0, measured) if measured else Cell()
