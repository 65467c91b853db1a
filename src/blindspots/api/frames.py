"""pandas, imported when a DataFrame is asked for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blindspots.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_frame(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> "pd.DataFrame":
    """The columns as a DataFrame; raises `UsageError` where pandas is not installed."""
    return _pandas().DataFrame(dict(columns))


def arrow_frame(table: "pa.Table") -> "pd.DataFrame":
    """A stored table as a DataFrame; raises `UsageError` where pandas is not installed."""
    _pandas()
    return table.to_pandas()


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "a DataFrame was asked for and pandas is not installed; expected pandas beside "
            "blindspots; type pip install pandas"
        ) from error
    return pandas
