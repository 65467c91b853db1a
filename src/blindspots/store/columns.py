"""A run's rows column by column: statistics of a million rows, none of them a Python object."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from blindspots.errors import UsageError
from blindspots.schema import ALL_TABLES, NULLS, YOUNGER, Ending
from blindspots.store.parquet import check_ids, open_parquet, read_while_written
from blindspots.store.paths import Place
from blindspots.store.run_info import AGAIN


@dataclass(frozen=True)
class ColumnFilter:
    """The rows whose column of this name holds one of these values."""

    name: str
    values: pa.Array

    def mask(self, rows: pa.Table) -> pa.ChunkedArray:
        """Which of the rows they are."""
        options = pc.SetLookupOptions(value_set=self.values)
        return pc.call_function("is_in", [rows[self.name]], options)


@dataclass(frozen=True)
class RunColumns:
    """The numbers and names of a run's rows as columns; the lists of single rows when asked for.

    `path`: the run directory. Read once; a run in progress is read as it is.
    """

    path: Place

    @cached_property
    def pairs(self) -> pa.Table:
        """Every pair, without its lists."""
        return read_rows(self.path, "pairs", _scalars("pairs"))

    @cached_property
    def triangles(self) -> pa.Table:
        """The triangles whose two pairs both started, without their lists."""
        table = read_rows(self.path, "triangles", _scalars("triangles"))
        lost = self.pairs_of(started=False, names=["model", "source_id", "target_id"])
        for target in ("target_1", "target_2") if len(lost) else ():
            table = _without(table, ["model", "source_id", target], lost)
        return table

    @cached_property
    def nulls(self) -> pa.Table:
        """What found images are held against, without the images' ids: numbers alone."""
        return read_rows(self.path, "nulls", [name for name in NULLS.names if name[-3:] != "_id"])

    def lists(self, kind: Literal["pairs", "triangles"], *names: str) -> pa.Table:
        """Columns of all rows of a table by name, lists among them."""
        return read_rows(self.path, kind, names)

    def pairs_of(
        self, model: str | None = None, started: bool | None = None, names: Sequence[str] = ()
    ) -> pa.Table:
        """The pairs of one model or all, optionally only those (not) started; all columns or few.

        `names`: of the columns wanted; what is not asked for is not copied.
        """
        wanted = pc.field("ending").isin([e.value for e in Ending if started in (None, e.started)])
        if model is not None:
            wanted &= pc.field("model") == model
        names = list(names) or self.pairs.column_names
        looked_at = dict.fromkeys((*names, "model", "ending"))
        return self.pairs.select(list(looked_at)).filter(wanted).select(names)

    def triangles_of(self, model: str | None = None) -> pa.Table:
        """The triangles of one model or all."""
        return of_model(self.triangles, model)

    def endings(self, model: str | None = None) -> dict[str, int]:
        """How many pairs had each ending, of one model or all."""
        names = of_model(self.pairs.select(["model", "ending"]), model)["ending"]
        return {entry["values"]: entry["counts"] for entry in names.value_counts().to_pylist()}

    def rows(self, kind: str, name: str, values: Collection[str]) -> list[dict[str, Any]]:
        """The rows of a table whose column `name` holds one of these values, in the order stored.

        As dictionaries, with their lists. Triangles with a pair that did not start are among them.
        """
        wanted = ColumnFilter(name, pa.array(list(values), pa.string()))
        return read_rows(self.path, kind, wanted=wanted).to_pylist()


def read_rows(
    path: Place, kind: str, names: Sequence[str] = (), wanted: ColumnFilter | None = None
) -> pa.Table:
    """Rows of a run's `kind`.parquet and of its parts, each once, as `schema.ALL_TABLES` says.

    `names`: of these columns alone. `wanted`: only these rows. Refused where a file is no table of
    this version. Whoever shows or judges a run reads its rows here.
    """
    schema, key = ALL_TABLES[kind]
    names = list(names) or schema.names

    def read(files: Sequence[Place]) -> pa.Table:
        # The key's columns are read only where a row may be there twice.
        needed = dict.fromkeys((*(key if len(files) > 1 else ()), *names))
        columns = pa.schema([schema.field(name) for name in needed])
        tables = [_read(file, kind, columns, wanted) for file in files]
        table = pa.concat_tables([columns.empty_table(), *tables])
        return (_distinct(table, key) if len(files) > 1 else table).select(names)

    try:
        return read_while_written(path, kind, read)
    except FileNotFoundError as error:
        raise UsageError(
            f"the rows of {path} change faster than they can be read ({error}); wait until its "
            "driver rests, and type the same again"
        ) from error


def finite(values: pa.ChunkedArray) -> np.ndarray:
    """A column's numbers as floats, NaN where they are not known or not finite."""
    numbers = values.cast(pa.float64()).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def lowest(values: np.ndarray, count: int) -> np.ndarray:
    """Where the `count` lowest known values stand, in rising order; equal ones as stored."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > count:
        last = np.partition(values[known], count - 1)[count - 1]
        known = known[values[known] <= last]
    return known[np.argsort(values[known], kind="stable")][:count]


def codes(values: pa.ChunkedArray) -> tuple[np.ndarray, list[str | None]]:
    """Which of its distinct words each row holds, and these words as they first come."""
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _read(path: Place, kind: str, schema: pa.Schema, wanted: ColumnFilter | None) -> pa.Table:
    try:
        table = _whole(path, schema.names) if wanted is None else _some(path, wanted)
        for name in schema.names:
            if name not in table.column_names and f"{kind}.{name}" in YOUNGER:
                table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
        table = table.select(schema.names).cast(schema)
    except FileNotFoundError:
        raise
    except (OSError, KeyError, pa.ArrowException) as error:
        raise UsageError(f"{path} is not a table of this version ({error}); {AGAIN}") from error
    check_ids(path, table)
    return table


def _whole(path: Place, names: list[str]) -> pa.Table:
    return open_parquet(path).read(names)


def _some(path: Place, wanted: ColumnFilter) -> pa.Table:
    """The wanted rows; of groups that hold none of them nothing else is read."""
    file = open_parquet(path)
    groups = (_some_of_group(file, group, wanted) for group in range(file.num_row_groups))
    return pa.concat_tables([file.schema_arrow.empty_table(), *groups])


def _some_of_group(file: pq.ParquetFile, group: int, wanted: ColumnFilter) -> pa.Table:
    mask = wanted.mask(file.read_row_group(group, [wanted.name]))
    if not pc.call_function("any", [mask]).as_py():
        return file.schema_arrow.empty_table()
    return file.read_row_group(group).filter(mask)


def _distinct(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    # A kill between writing the whole table and removing its parts leaves rows twice.
    numbered = table.select(key).append_column("row", pa.array(np.arange(len(table))))
    first = numbered.group_by(list(key)).aggregate([("row", "min")])["row_min"]
    return table if len(first) == len(table) else table.take(first.sort())


def _scalars(kind: str) -> list[str]:
    schema, _ = ALL_TABLES[kind]
    return [field.name for field in schema if not pa.types.is_list(field.type)]


def of_model(table: pa.Table, model: str | None) -> pa.Table:
    """The rows of one model or all."""
    return table if model is None else table.filter(pc.field("model") == model)


def _without(table: pa.Table, keys: list[str], others: pa.Table) -> pa.Table:
    # A join keeps no order.
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    left = numbered.join(others, keys, others.column_names, join_type="left anti")
    return left.sort_by("row").drop_columns(["row"])
