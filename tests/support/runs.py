"""Two run directories, compared: every row of every table, the names of all files, all images."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from blindspots.schema import TABLES
from blindspots.store.reader import Run
from blindspots.store.writer import Store

ALL = tuple(TABLES)
TIMES = {"seconds"}


class Cut(BaseException):
    """A kill, seen from inside."""


def rows(path: Path, table: str = "pairs") -> dict[tuple, dict]:
    """The rows of a finished run's table by their key, without the time they took."""
    stored = pq.read_table(path / f"{table}.parquet").to_pylist()
    found = {tuple(row[name] for name in TABLES[table][1]): row for row in stored}
    assert len(found) == len(stored), "a row is there twice"
    return {key: {k: v for k, v in row.items() if k not in TIMES} for key, row in found.items()}


def assert_same_rows(one: Path, two: Path, table: str = "pairs") -> None:
    """Equal rows of a table; numbers up to what another batch changes."""
    first, second = rows(one, table), rows(two, table)
    assert first.keys() == second.keys()
    assert first
    # A sampled point at the very edge may fall on either side.
    noise = 0.02 if table == "simplices" else 1e-3
    for key, row in first.items():
        for name, value in row.items():
            close = isinstance(value, float | list) and value
            assert second[key][name] == (pytest.approx(value, abs=noise) if close else value), name


def assert_same_run(one: Path, two: Path, tables: tuple[str, ...] = ALL) -> None:
    """Equal rows and equal names of files; found images within float noise."""
    for table in tables:
        assert_same_rows(one, two, table)
    for folder in ("images", "found", "path"):
        names = {file.name for file in (one / folder).iterdir()}
        assert names == {file.name for file in (two / folder).iterdir()}
    for key, row in rows(one).items():
        if row["target_id"]:
            a, b = (Run(path).exact(key[1]) for path in (one, two))
            assert abs(a - b).max() < 1e-3


def found_image(path: Path, pair_id: str) -> torch.Tensor:
    """A found image to the bit, (3, height, width)."""
    return torch.from_numpy(Store(path).load_found(pair_id))


def saved_image(path: Path, name: str) -> torch.Tensor:
    """A source or target as the run saved it, (3, height, width) in [0, 1]."""
    pixels = np.asarray(Image.open(path / "images" / f"{name}.png"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
