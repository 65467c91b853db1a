"""`parquet:FILE`: the rows of Parquet files, read with pyarrow alone, which is always there.

Keys: `image=`, `label=`: the columns, where they are not evident. `FILE` may stand for several:
`train-{00000..00003}-of-00004.parquet`, `train-*.parquet`. An image is read from its row group when
it is taken, so of the files no more than a few row groups are in memory.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from blindspots.errors import UsageError, first_line
from blindspots.images.collect import Entry, collect
from blindspots.images.listing import Listing
from blindspots.images.sources.files import named_files, said_options
from blindspots.images.sources.tabular import ImageColumns, ImageRow, choose_columns, rows
from blindspots.progress import Reporter
from blindspots.specs import Spec

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 64
_LARGEST_KEPT = 64 * 2**20


def list_parquet(spec: Spec, reporter: Reporter) -> Listing:
    """The rows of the files, in order.

    Refused: a missing, broken or empty file, and one whose columns are not evident.
    """
    said = said_options(spec, {"image": "", "label": ""})
    paths = named_files(spec, spec.name)
    files = [_open(path) for path in paths]
    columns = [
        choose_columns(str(path), file.schema_arrow, said["image"] or None, said["label"] or None)
        for path, file in zip(paths, files, strict=True)
    ]
    _check_alike(spec, paths, columns)
    total = sum(file.metadata.num_rows for file in files)
    entries = (
        entry
        for path, file in zip(paths, files, strict=True)
        for entry in _entries(path, file, columns[0])
    )
    listing = collect(str(spec), entries, total, reporter, expected="expected rows with images")
    return columns[0].with_classes(listing)


def _open(path: Path) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        # Names that are no UTF-8 show when they are asked for.
        _ = file.schema_arrow.names
    except Exception as error:
        raise UsageError(
            f"{path} is no whole Parquet file ({first_line(error)}); copy or write it again"
        ) from error
    return file


def _check_alike(spec: Spec, paths: Sequence[Path], columns: Sequence[ImageColumns]) -> None:
    for path, found in zip(paths, columns, strict=True):
        if found != columns[0]:
            raise UsageError(
                f"{spec}: {path} has other columns or classes than {paths[0]}; expected shards of "
                "one data set; name those of one"
            )


def _entries(path: Path, file: "pq.ParquetFile", columns: ImageColumns) -> Iterator[Entry]:
    number = 0
    for group in range(file.num_row_groups):
        for start, batch in _batches(path, file, group, columns):
            for offset, row in enumerate(rows(str(path), batch, columns), start):
                yield _entry(path, columns, (group, offset), number, row)
                number += 1


def _batches(
    path: Path, file: "pq.ParquetFile", group: int, columns: ImageColumns
) -> Iterator[tuple[int, "pa.RecordBatch"]]:
    start = 0
    try:
        for batch in file.iter_batches(_BATCH, row_groups=[group], columns=columns.wanted):
            yield start, batch
            start += len(batch)
    except Exception as error:
        raise UsageError(
            f"{path} is damaged in its row group {group} ({first_line(error)}); "
            "copy or write it again"
        ) from error


def _entry(
    path: Path, columns: ImageColumns, place: tuple[int, int], number: int, row: ImageRow
) -> Entry:
    name = f"{path.name}/{row.name or f'{number:06d}'}"
    read = partial(_read_row, path.absolute(), columns.image, *place)
    return Entry(name, row.label, read, row.data, unnamed=row.name is None)


def _read_row(path: Path, column: str, group: int, offset: int) -> bytes:
    import pyarrow.parquet as pq

    stamp = path.stat()
    with pq.ParquetFile(path) as file:
        if file.metadata.row_group(group).total_byte_size > _LARGEST_KEPT:
            table, place = _batch_of_row(file, column, group, offset), offset % _BATCH
        else:
            table, place = _group(path, stamp.st_mtime_ns, stamp.st_size, column, group), offset
    (row,) = rows(str(path), table.slice(place, 1), ImageColumns(column))
    return row.read(path.parent)


@lru_cache(maxsize=2)
def _group(path: Path, _time: int, _size: int, column: str, group: int) -> "pa.Table":
    """The images of a row group, encoded; kept for the next image, while the file is the same."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column])


def _batch_of_row(file: "pq.ParquetFile", column: str, group: int, offset: int) -> "pa.RecordBatch":
    batches = file.iter_batches(_BATCH, row_groups=[group], columns=[column])
    return next(islice(batches, offset // _BATCH, None))
