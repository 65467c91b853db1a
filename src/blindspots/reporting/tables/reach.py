"""One number per model: how far towards the target it cannot see, and how often all the way.

Computed from stored columns alone, so runs of any age have it. See docs/measures.md.
"""

import numpy as np
import pyarrow as pa

from blindspots.reporting.tables.table import (
    LOOKS_LIKE_LPIPS,
    LOOKS_LIKE_RMSE,
    REACH_COLUMNS,
    Cell,
    share,
    spread,
)
from blindspots.store.reader import Run, finite, of_model

_KEYS = ["source_id", "target_id"]
_LINE = ["random_pair_rmse", "interpolation_rmse"]
PAIR_COLUMNS = (
    *("source_id", "target_id", "rmse", "lpips"),
    *("p_source", "p_found_8bit", "segment_inside"),
)


def reach_cells(run: Run, model: str, pairs: pa.Table) -> dict[str, Cell]:
    """The cells of `REACH_COLUMNS`; not known where the run has no nulls, as old ones.

    `pairs`: the model's pairs that were traversed, with `PAIR_COLUMNS`.
    """
    nulls = of_model(run.columns.nulls, model)
    if run.delta is None or not len(nulls):
        return {column.key: Cell() for column in REACH_COLUMNS}
    joined = pairs.select(PAIR_COLUMNS).join(nulls.select([*_KEYS, *_LINE]), _KEYS)
    value = {name: finite(joined[name]) for name in joined.column_names if name not in _KEYS}
    line = value["random_pair_rmse"]
    inside = value["segment_inside"] == 1
    inside &= value["p_found_8bit"] >= value["p_source"] - run.delta
    like = (value["rmse"] <= LOOKS_LIKE_RMSE) | (value["lpips"] <= LOOKS_LIKE_LPIPS)
    return {
        "reach": spread(np.where(inside, _reach(value["rmse"], line), 0.0)),
        "reach_line": spread(_reach(value["interpolation_rmse"], line)),
        "blind": share((inside & like).astype(float)),
    }


def _reach(distance: np.ndarray, line: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.where(line > 0, 1 - distance / line, 0.0), 0.0, 1.0)
