"""Rows and archives of a run that never was: planned pairs, and numbers at random."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blindspots.schema import NULLS, PAIRS, TRIANGLES
from blindspots.store.archives import UNIT
from blindspots.store.parquet import write_part
from blindspots.study.pairs import PlannedPairs

PART_ROWS, CLASSES = 32_768, 1000


def write_rows(folder: Path, name: str, pairs: PlannedPairs) -> None:
    """Parts as they are after gathering: this model's pairs, their nulls and triangles."""
    for start in range(0, len(pairs), PART_ROWS):
        part = pairs[start : start + PART_ROWS]
        own = _pairs(name, part)
        write_part(folder / "parts", "pairs", 2, _filled(PAIRS, own, len(part)))
        write_part(folder / "parts", "nulls", 2, _filled(NULLS, own, len(part)))
    for columns, count in _triangles(name, pairs):
        write_part(folder / "parts", "triangles", 2, _filled(TRIANGLES, columns, count))


def _pairs(name: str, pairs: PlannedPairs) -> dict[str, Any]:
    ids = pa.array(pairs.images)
    names = pa.array([f"a class of the {number}th kind" for number in range(CLASSES)])
    return {
        "model": [name] * len(pairs),
        "pair_id": [one.decode() for one in pairs.pair_ids.tolist()],
        "source_id": ids.take(pa.array(pairs.source)),
        "target_id": ids.take(pa.array(pairs.target)),
        "source_name": names.take(pa.array(pairs.source % CLASSES)),
        "target_name": names.take(pa.array(pairs.target % CLASSES)),
        "ending": ["finished"] * len(pairs),
    }


def _triangles(name: str, pairs: PlannedPairs) -> Iterator[tuple[dict[str, Any], int]]:
    """Every two targets of every source, a part at a time."""
    ids = pa.array(pairs.images)
    targets_each = int(pairs.group_size[0])
    source = pairs.source.reshape(-1, targets_each)[:, 0]
    first, second = np.triu_indices(targets_each, 1)
    targets = pairs.target.reshape(-1, targets_each)
    three = (np.repeat(source, len(first)), targets[:, first].ravel(), targets[:, second].ravel())
    for start in range(0, len(three[0]), PART_ROWS):
        source_id, target_1, target_2 = (
            ids.take(pa.array(one[start : start + PART_ROWS])) for one in three
        )
        columns = {"source_id": source_id, "target_1": target_1, "target_2": target_2}
        yield {"model": [name] * len(source_id), **columns}, len(source_id)


def _filled(schema: pa.Schema, given: Mapping[str, Any], count: int) -> pa.Table:
    """The given columns, and numbers at random in the others."""
    random = np.random.default_rng(count)
    lengths = {"segment_confidence": 101, "confidence": 66, "interpolation_confidence": 11}
    columns = []
    for field in schema:
        if field.name in given:
            columns.append(pa.array(given[field.name], field.type))
        elif field.name in lengths:
            length = lengths[field.name]
            values = pa.array(random.random(count * length, np.float32))
            offsets = pa.array(np.arange(count + 1, dtype=np.int32) * length)
            columns.append(pa.ListArray.from_arrays(offsets, values).cast(field.type))
        elif field.type in (pa.float64(), pa.int64(), pa.bool_()):
            columns.append(pa.array(random.random(count)).cast(field.type, safe=False))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.table(columns, schema=schema)


def write_archives(folder: Path, pairs: PlannedPairs) -> None:
    """Archives that list the found images of the pairs; what they hold is not read on resuming."""
    for start in range(0, len(pairs), UNIT):
        unit = b"\n".join(pairs.pair_ids[start : start + UNIT].tolist())
        with zipfile.ZipFile(folder / "found" / f"{start}-{unit[:16].decode()}.zip", "w") as file:
            file.comment = unit
