"""What models say of the clean images, in a file that several runs share. No torch here.

Shards that ask each for themselves may hear float noise, and choose other sources.
"""

import json
import warnings
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from blindspots.errors import UsageError
from blindspots.schema import PREDICTIONS
from blindspots.settings import differences
from blindspots.store.parquet import open_parquet, read_file, write_rows
from blindspots.store.paths import Place, find_place, is_remote

PREDICTIONS_FILE = "predictions.parquet"
_IDENTITY = b"blindspots"


def read_predictions(path: Place | str) -> pa.Table:
    """The stored rows, as `schema.PREDICTIONS`; none where absent."""
    file = find_place(path) / PREDICTIONS_FILE
    if not file.exists():
        return PREDICTIONS.empty_table()
    try:
        return read_file(file, PREDICTIONS)
    except OSError as error:
        warnings.warn(f"{error}; the models are asked again", stacklevel=2)
        return PREDICTIONS.empty_table()


def read_predictions_file(file: Place, plan: Mapping[str, Any]) -> pa.Table:
    """The rows, as `schema.PREDICTIONS`; none where it is not there yet.

    Refused where it cannot be read, or is of other models or images than the plan's.
    """
    if not file.exists():
        _check_folder(file)
        return PREDICTIONS.empty_table()
    try:
        stored = json.loads((open_parquet(file).schema_arrow.metadata or {})[_IDENTITY])
        rows = read_file(file, PREDICTIONS)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise UsageError(
            f"--predictions {file} cannot be read ({error}); expected a file that an earlier "
            "command with --predictions wrote, or a name that is not taken"
        ) from error
    if differing := differences(stored, _identity(plan)):
        raise UsageError(
            f"--predictions {file} is of another plan: {'; '.join(differing[:6])}; "
            "name another file, or give the models and images it was made with"
        )
    return rows


def write_predictions_file(file: Place, plan: Mapping[str, Any], rows: pa.Table) -> None:
    identity = {_IDENTITY: json.dumps(_identity(plan)).encode()}
    write_rows(file, rows.replace_schema_metadata(identity))


def _identity(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {"models": plan["models"], "images": plan["images"]}


def _check_folder(file: Place) -> None:
    if not is_remote(file) and not file.parent.is_dir():
        raise UsageError(
            f"--predictions {file} was given and {file.parent} is no directory; make it, or name "
            "a file in another one"
        )
