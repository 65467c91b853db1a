"""Writes a run directory: every file whole or absent, every row once. No torch here.

Rows go to `parts/*.parquet` while a run works and to one file a table, such as `pairs.parquet`,
when it is done; readers take the union. Which files exist *is* the progress: resuming is the
planned ids minus the present ones.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors.numpy import load_file
from safetensors.numpy import save as serialise

from blindspots.errors import Refused
from blindspots.files import sweep, write_text, write_whole
from blindspots.records import NULLS, PAIRS, SIMPLICES, TRIANGLES, Ending
from blindspots.run_columns import NULL_KEY, PAIR_KEY, SIMPLEX_KEY, TRIANGLE_KEY

TABLES: dict[str, tuple[pa.Schema, tuple[str, ...]]] = {
    "pairs": (PAIRS, PAIR_KEY),
    "triangles": (TRIANGLES, TRIANGLE_KEY),
    "simplices": (SIMPLICES, SIMPLEX_KEY),
    "nulls": (NULLS, NULL_KEY),
}
PREDICTIONS_FILE = "predictions.parquet"
PREDICTIONS = pa.schema(
    [
        ("model", pa.string()),
        ("image_id", pa.string()),
        ("predicted", pa.int64()),
        ("confidence", pa.float64()),
        ("p_label", pa.float64()),
    ]
)
FOLDERS = ("parts", "images", "found", "path")
Key = tuple[str | None, ...]
Row = dict[str, Any]


class Store:
    """A run directory to write to. Opening one makes the folders and removes torn leftovers."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        for folder in FOLDERS:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        sweep(self.path)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Write `run.json`."""
        text = json.dumps(info, indent=2, ensure_ascii=False, allow_nan=False)
        write_text(self.path / "run.json", text + "\n")

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows to one of the `TABLES` as one part; afterwards they survive any kill."""
        if not rows:
            return
        schema, key = TABLES[table]
        names = repr([[row[column] for column in key] for row in rows]).encode()
        part = self.path / "parts" / f"{table}-{hashlib.sha256(names).hexdigest()[:16]}.parquet"
        filled = pa.Table.from_pylist(
            [{**dict.fromkeys(schema.names), **row} for row in rows], schema
        )
        write_whole(part, lambda aside: pq.write_table(filled, aside))

    def write_predictions(self, rows: Sequence[Row]) -> None:
        """Write what the models say of the clean images, so that resuming chooses alike."""
        filled = pa.Table.from_pylist(list(rows), PREDICTIONS)
        path = self.path / PREDICTIONS_FILE
        write_whole(path, lambda aside: pq.write_table(filled, aside))

    def started_pairs(self, model: str) -> set[str]:
        """The ids of a model's stored pairs that were traversed."""
        columns = ["model", "pair_id", "ending"]
        rows = [
            row
            for file in self._files("pairs")
            for row in pq.read_table(file, columns=columns).to_pylist()
        ]
        mine = [row for row in rows if row["model"] == model]
        return {row["pair_id"] for row in mine if Ending(row["ending"]).started}

    def present(self, table: str) -> set[Key]:
        """The keys of the rows that are stored, as in `TABLES`: (model, pair_id) for pairs."""
        _, key = TABLES[table]
        columns = [
            pq.read_table(file, columns=list(key)).to_pydict() for file in self._files(table)
        ]
        return {row for part in columns for row in zip(*(part[c] for c in key), strict=True)}

    def compact(self) -> None:
        """Join the parts to one file a table, each row once, sorted; a file without rows too."""
        for table in TABLES:
            files = self._files(table)
            joined = self._joined(table, files)
            final = self.path / f"{table}.parquet"
            write_whole(final, lambda aside, rows=joined: pq.write_table(rows, aside))
            for file in files:
                if file != final:
                    file.unlink()

    def save_image(self, name: str, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """Save `images/NAME.png`, as the model saw it, unless it is there."""
        path = self.path / "images" / f"{name}.png"
        if not path.exists():
            _write_png(path, pixels)

    def save_found(
        self,
        pair_id: str,
        exact: Float[np.ndarray, "3 height width"],
        rounded: UInt8[np.ndarray, "3 height width"],
    ) -> None:
        """Save `found/ID.safetensors` (exact float32) and `found/ID.png` (8-bit, rounded)."""
        exact = np.ascontiguousarray(exact, dtype=np.float32)
        # Serialised here, because safetensors hides a full disk behind an error of its own.
        content = serialise({"found": exact})
        write_whole(self._exact(pair_id), lambda aside: aside.write_bytes(content))
        _write_png(self.path / "found" / f"{pair_id}.png", rounded.transpose(1, 2, 0))

    def save_path(
        self, pair_id: str, frames: UInt8[np.ndarray, "snapshots 3 height width"]
    ) -> None:
        """Save `path/ID.png`: the snapshots side by side, left to right."""
        strip = np.concatenate(list(frames.transpose(0, 2, 3, 1)), axis=1)
        _write_png(self.path / "path" / f"{pair_id}.png", strip)

    def load_found(self, pair_id: str) -> Float[np.ndarray, "3 height width"]:
        """The exact found image of a pair."""
        return load_exact(self._exact(pair_id))

    def drop_found(self, pair_ids: Iterable[str]) -> None:
        """Remove found images that are not to be kept."""
        for pair_id in pair_ids:
            self._exact(pair_id).unlink(missing_ok=True)
            (self.path / "found" / f"{pair_id}.png").unlink(missing_ok=True)

    def _exact(self, pair_id: str) -> Path:
        return self.path / "found" / f"{pair_id}.safetensors"

    def _files(self, table: str) -> list[Path]:
        final = self.path / f"{table}.parquet"
        parts = sorted((self.path / "parts").glob(f"{table}-*.parquet"))
        return ([final] if final.exists() else []) + parts

    def _joined(self, table: str, files: list[Path]) -> pa.Table:
        schema, key = TABLES[table]
        rows = {
            tuple(row[column] for column in key): row
            for file in files
            for row in pq.read_table(file, schema=schema).to_pylist()
        }
        return pa.Table.from_pylist([rows[k] for k in sorted(rows, key=str)], schema)


def load_exact(file: Path) -> Float[np.ndarray, "3 height width"]:
    """The exact float32 image in a file of `found/`."""
    return load_file(file)["found"]


def read_info(path: Path | str) -> dict[str, Any] | None:
    """The `run.json` of a run directory; None where there is none yet."""
    file = Path(path) / "run.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def read_predictions(path: Path | str) -> list[Row]:
    """The stored rows (model, image_id, predicted, confidence, p_label); none where absent."""
    file = Path(path) / PREDICTIONS_FILE
    return pq.read_table(file, schema=PREDICTIONS).to_pylist() if file.exists() else []


def check_writable(path: Path | str) -> None:
    """Refuse a directory in which nothing can be written, or a file in its place."""
    path = Path(path)
    nearest = next(parent for parent in (path, *path.parents) if parent.exists())
    if not nearest.is_dir():
        raise Refused(f"{path} cannot be a run directory: {nearest} is a file; name another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise Refused(f"{path} cannot be written to: {nearest} is read-only; name another --out")


def _write_png(path: Path, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    write_whole(path, lambda aside: aside.write_bytes(buffer.getvalue()))
