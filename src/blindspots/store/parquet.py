"""Rows in parquet files that notice damage, joined without a Python object a row. No torch here.

The name of a part ends with the first digits of its content's SHA-256, and every page of every
file carries a checksum that is compared when the page is read.
"""

import hashlib
import io
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from blindspots.errors import UsageError
from blindspots.schema import Ending
from blindspots.store.atomic import write_bytes, write_whole
from blindspots.store.paths import FILE_NAME, LONGEST_NAME, Place, for_arrow

LEVELS, GATHERED = 2, 64
ROW_GROUP = 50_000
# Seconds: for so long rows that change are read again, and so much longer is waited each time.
PATIENCE, PAUSE = 10.0, 0.05
DIGITS, BLOCK = 16, 2**20
MOST = 1e100
Read = TypeVar("Read")


def write_part(folder: Place, table: str, level: int, rows: pa.Table) -> Place:
    """Write rows as one part, whole; its name holds the checksum.

    `level`: 0 for rows as they came, one more for what was gathered of parts of a level.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, write_page_checksum=True)
    content = sink.getvalue().to_pybytes()
    path = folder / f"{table}-{level}-{hashlib.sha256(content).hexdigest()[:DIGITS]}.parquet"
    return write_bytes(path, content)


def write_rows(path: Place, rows: pa.Table) -> Place:

    def write(aside: Path) -> None:
        with for_arrow(aside, "wb") as (file, system):
            pq.write_table(rows, file, filesystem=system, write_page_checksum=True)

    return write_whole(path, write)


def read_file(
    path: Place, schema: pa.Schema, columns: Sequence[str] | None = None, model: str | None = None
) -> pa.Table:
    """A file's rows with these columns (None: all), of one model or all; absent columns are null.

    OSError where the file is damaged.
    """
    wanted = None if model is None else [("model", "=", model)]
    names = None if columns is None else list(columns)
    try:
        with for_arrow(path) as (file, system):
            rows = pq.read_table(
                file,
                schema=schema,
                columns=names,
                filters=wanted,
                filesystem=system,
                partitioning=None,  # type: ignore[arg-type]
                page_checksum_verification=True,
            )
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise OSError(f"{path} is damaged: {error}") from error
    check_values(path, rows)
    return rows


def check_values(path: Place, rows: pa.Table) -> None:
    """Refuse rows with values that no run writes and that no reader could work with.

    Ids name files, so they must be names of files; endings are those of `schema.Ending`; numbers
    are small enough for their squares to be numbers.
    """
    for field in rows.schema:
        if field.name.endswith("_id") or field.name in ("target_1", "target_2"):
            _check_ids(path, field.name, rows[field.name].unique().drop_null())
        elif field.name == "model":
            _refuse_value(path, field.name, rows["model"].filter(rows["model"].is_null()))
        elif field.name == "ending":
            unknown = pc.call_function("invert", [is_one_of(rows["ending"], [*Ending])])
            _refuse_value(path, field.name, rows["ending"].filter(unknown))
        elif pa.types.is_list(field.type):
            lengths = pc.call_function("list_value_length", [rows[field.name]])
            empty = rows[field.name].filter(pc.call_function("equal", [lengths, 0]))
            _refuse_value(path, field.name, empty)
        elif pa.types.is_floating(field.type):
            known = rows[field.name].drop_null().to_numpy()
            _refuse_value(path, field.name, known[np.isfinite(known) & (np.abs(known) > MOST)])


def _check_ids(path: Place, name: str, ids: pa.Array) -> None:
    sound = pc.call_function(
        "match_substring_regex", [ids], pc.MatchSubstringOptions(f"^{FILE_NAME.pattern}$")
    )
    short = pc.call_function(
        "less_equal", [pc.call_function("utf8_length", [ids]), pa.scalar(LONGEST_NAME)]
    )
    both = pc.call_function("and", [sound, short])
    _refuse_value(path, name, ids.filter(pc.call_function("invert", [both])))


def _refuse_value(path: Place, name: str, wrong: pa.Array | pa.ChunkedArray | np.ndarray) -> None:
    if len(wrong):
        value = wrong[0].as_py() if isinstance(wrong[0], pa.Scalar) else float(wrong[0])
        file = ", which is no name of a file" if name.endswith("_id") or "target_" in name else ""
        raise UsageError(
            f"{path} has the {name} {value!r}{file}; no run writes such a value, so "
            "the file was changed by hand: name another run"
        )


def gather(folder: Place, table: str, schema: pa.Schema) -> None:
    """Join parts of a level to one of the next, wherever there are many; every row stays.

    So a run of a million pairs has some hundred parts. A kill on the way leaves rows twice. Only
    one process may gather in a folder.
    """
    for level in range(LEVELS):
        files = sorted(folder.glob(f"{table}-{level}-*.parquet"))
        if len(files) < GATHERED:
            return
        write_part(folder, table, level + 1, _all(files, schema))
        for file in files:
            file.unlink()


def join(files: Sequence[Place], schema: pa.Schema, key: Sequence[str], path: Place) -> Place:
    """Write the rows of all files as one, each key once, sorted by it; a file without rows too.

    Of rows with one key the last counts, but none of an image that could not be read where there
    is another. The first part of the key is the model. In memory are the rows of one model at a
    time.
    """
    models = distinct(files, schema, ["model"])["model"].to_pylist()

    def write(aside: Path) -> None:
        with (
            for_arrow(aside, "wb") as (file, system),
            pq.ParquetWriter(file, schema, filesystem=system, write_page_checksum=True) as writer,
        ):
            for model in sorted(models):
                _write_sorted(writer, _all(files, schema, model), key)

    return write_whole(path, write)


def distinct(files: Sequence[Place], schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    tables = [read_file(file, schema, columns) for file in files]
    empty = pa.schema([schema.field(name) for name in columns]).empty_table()
    return pa.concat_tables([empty, *tables]).group_by(list(columns)).aggregate([])


def damage(path: Place, digest: str | None = None) -> str | None:
    """What is wrong with a file of rows; None where nothing is.

    `digest`: the SHA-256 it should have, or its first digits. Without one, that in a part's name
    counts; where there is none, all pages are read.
    """
    expected = digest or _named(path)
    try:
        if expected is not None:
            found = file_digest(path)
            return None if found.startswith(expected) else "its checksum is another"
        for _ in open_parquet(path).iter_batches():
            pass
    except (OSError, pa.ArrowException) as error:
        return " ".join(str(error).split())
    return None


def row_files(path: Place, table: str) -> list[Place]:
    # Parts first: a driver writes the joined file before it removes them.
    parts, final = list((path / "parts").glob(f"{table}-*.parquet")), path / f"{table}.parquet"
    return ([final] if final.is_file() else []) + sorted(parts, key=str)


def read_while_written(path: Place, table: str, read: Callable[[list[Place]], Read]) -> Read:
    """What `read` makes of a table's files, although a driver may join and remove them meanwhile.

    It is asked again where a file vanished, or where files were joined since they were listed.
    """
    end, pause = time.monotonic() + PATIENCE, 0.0
    while time.monotonic() < end:
        files = row_files(path, table)
        try:
            found = read(files)
        except FileNotFoundError:
            pass
        else:
            if not _joined(files, row_files(path, table)):
                return found
        time.sleep(pause)
        pause += PAUSE
    return read(row_files(path, table))


def _joined(before: Sequence[Place], now: Sequence[Place]) -> bool:
    """Whether files were joined between two listings; more parts of new rows are as usual."""
    old, new = {file.name for file in before}, {file.name for file in now}
    return not old <= new or any("-0-" not in name for name in new - old)


def open_parquet(path: Place) -> pq.ParquetFile:
    """A file of rows whose pages are checked when they are read."""
    with for_arrow(path) as (file, system):
        # What it is read from stays open with it.
        source = file if system else io.BytesIO(file.read())
        return pq.ParquetFile(source, filesystem=system, page_checksum_verification=True)


def read_some(file: pq.ParquetFile, name: str, values: Collection[str]) -> pa.Table:
    """The wanted rows; of groups that hold none of them nothing else is read."""
    tables = [file.schema_arrow.empty_table()]
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, [name])[name]
        wanted = is_one_of(column, values)
        if len(column.filter(wanted)):
            tables.append(file.read_row_group(group).filter(wanted))
    return pa.concat_tables(tables)


def is_one_of(column: pa.ChunkedArray, values: Collection[str]) -> pa.ChunkedArray:
    """Which of a column's values are among these; an expression would start a query plan."""
    options = pc.SetLookupOptions(pa.array(list(values), pa.string()))
    return pc.call_function("is_in", [column], options)


def first_of_each(table: pa.Table, key: Sequence[str]) -> pa.Table:
    # A kill between writing the whole table and removing its parts leaves rows twice.
    numbered = table.select(key).append_column("row", pa.array(np.arange(len(table))))
    first = numbered.group_by(list(key)).aggregate([("row", "min")])["row_min"]
    return table if len(first) == len(table) else table.take(first.sort())


def file_digest(path: Place) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            sha256.update(block)
    return sha256.hexdigest()


def _named(path: Place) -> str | None:
    """The checksum in a part's name; parts of earlier versions have none."""
    *_, level, digits = ("", *path.stem.rsplit("-", 2))
    return digits if level.isdecimal() and len(digits) == DIGITS and "parts" in path.parts else None


def _all(files: Sequence[Place], schema: pa.Schema, model: str | None = None) -> pa.Table:
    tables = [read_file(file, schema, model=model) for file in files]
    return pa.concat_tables([schema.empty_table(), *tables])


def _read_well(rows: pa.Table) -> np.ndarray:
    if "ending" not in rows.column_names:
        return np.ones(len(rows), bool)
    endings = rows["ending"].to_pylist()
    return np.array([ending != Ending.UNREADABLE for ending in endings], bool)


def _write_sorted(writer: pq.ParquetWriter, rows: pa.Table, key: Sequence[str]) -> None:
    places = np.arange(len(rows))
    rank = places + len(rows) * _read_well(rows)
    numbered = rows.select(key).append_column("rank", pa.array(rank, pa.int64()))
    last = numbered.group_by(list(key)).aggregate([("rank", "max")])
    ranks = last.sort_by([(name, "ascending") for name in key])["rank_max"]
    order = pa.chunked_array([ranks.to_numpy() % max(1, len(rows))], pa.int64())
    whole = rows.combine_chunks()
    for start in range(0, len(order), ROW_GROUP):
        writer.write_table(whole.take(order.slice(start, ROW_GROUP)))
