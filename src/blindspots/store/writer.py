"""Writes a run directory: every file whole or absent, every row once. No torch here.

Rows go to `parts/*.parquet` while a run works and to one file per table, such as `pairs.parquet`,
when it is done; readers take the union. Which files exist *is* the progress: resuming is the
planned ids minus the present ones.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors.numpy import save as serialise

from blindspots.errors import UsageError
from blindspots.schema import PAIRS, STARTED, TABLES
from blindspots.store.archives import (
    PICTURES,
    UNIT,
    Archives,
    load_exact,
    named_stems,
    naming_columns,
)
from blindspots.store.atomic import is_leftover, sweep, writer_for
from blindspots.store.lock import is_lock
from blindspots.store.manifest import SHOWN, drop_manifest, write_manifest
from blindspots.store.parquet import (
    GATHERED,
    damage,
    distinct,
    file_digest,
    gather,
    is_one_of,
    join,
    read_file,
    row_files,
    write_part,
    write_rows,
)
from blindspots.store.paths import Place, find_place, inside, make_folder, move, refuse_foreign
from blindspots.store.prediction_rows import PREDICTIONS_FILE
from blindspots.store.reader import OWN
from blindspots.store.run_info import RunInfo, write_run_info

FOLDERS = ("parts", *PICTURES)
DAMAGED = "damaged"
Key = tuple[str | None, ...]
Row = dict[str, Any]


class Store:
    """A run directory to write to; several processes may. Opening one makes the folders.

    Images go to an object store beside the work; rows wait for them, so a row's files are there.
    """

    def __init__(self, path: Place | str) -> None:
        self.path = find_place(path)
        for folder in FOLDERS:
            make_folder(self.path / folder)
        self._appended, self._saved = GATHERED, UNIT
        self._pen = writer_for(self.path)

    def sweep(self) -> None:
        """Remove what interrupted writers left behind; before any other process writes here."""
        for folder in (self.path, *(self.path / name for name in (*FOLDERS, *SHOWN))):
            sweep(folder)

    def write_info(self, info: RunInfo) -> None:
        """Write `run.json`; of a finished run the manifest of all files too."""
        drop_manifest(self.path)
        write_run_info(self.path, info)
        if info.finished:
            write_manifest(self.path)

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows to one of the `TABLES` as one part; afterwards they survive any kill."""
        if not rows:
            return
        self._pen.flush()
        schema, _ = TABLES[table]
        filled = pa.Table.from_pylist(
            [{**dict.fromkeys(schema.names), **row} for row in rows], schema
        )
        write_part(self.path / "parts", table, 0, filled)
        self._appended += 1

    def tidy(self, archives: bool = False) -> None:
        """Join small parts to larger ones where there are many. For one process at a time.

        `archives`: likewise pack images that lie loose.
        """
        if self._appended >= GATHERED:
            self.gather()
        if archives and self._saved >= UNIT:
            self.pack(UNIT)

    def gather(self) -> None:
        """Join small parts to larger ones where there are many, whoever wrote them. Likewise."""
        self._appended = 0
        for table, (schema, _) in TABLES.items():
            gather(self.path / "parts", table, schema)

    def pack_many(self) -> None:
        """Pack the images of each folder where an archive's worth lies loose. Likewise."""
        self.pack(UNIT)

    def pack(self, least: int) -> None:
        """Pack the images of each folder where `least` of them lie loose. Likewise.

        Files that no row of the run names are left where they are.
        """
        self._pen.flush()
        self._saved = 0
        for folder, pictures in self._pictures.items():
            loose = pictures.loose()
            if len(loose) >= least:
                pictures.pack(self._own(folder, loose))

    def _own(self, folder: str, stems: set[str]) -> set[str]:
        return named_stems(stems, distinct(self._files("pairs"), PAIRS, naming_columns(folder)))

    def write_predictions(self, rows: pa.Table) -> None:
        """Write what the models say of the clean images, so that resuming chooses alike."""
        write_rows(self.path / PREDICTIONS_FILE, rows)

    def started_pairs(self, model: str) -> pa.ChunkedArray:
        return started(self.stored("pairs", model, ["pair_id", "ending"]))

    def stored(self, table: str, model: str, columns: Sequence[str]) -> pa.Table:
        """These columns of a model's stored rows, some of which may be there twice."""
        schema, _ = TABLES[table]
        files = self._files(table)
        tables = [read_file(file, schema, columns, model) for file in files]
        empty = pa.schema([schema.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *tables])

    def present(self, table: str) -> set[Key]:
        """The keys of the rows that are stored, as in `TABLES`: (model, pair_id) for pairs."""
        schema, key = TABLES[table]
        columns = distinct(self._files(table), schema, key).to_pydict()
        return set(zip(*(columns[name] for name in key), strict=True))

    def compact(self, others: Sequence[Place] = ()) -> dict[str, str]:
        """Join the parts to one file per table, each row once, sorted; a file without rows too.

        `others`: run directories whose rows are taken too, in place of own ones. The
        SHA-256 of each file, by its name.
        """
        self._pen.flush()
        digests = {}
        for table, (schema, key) in TABLES.items():
            files, final = self._files(table), self.path / f"{table}.parquet"
            further = [file for path in others for file in row_files(path, table)]
            if further or files != [final]:
                join([*files, *further], schema, key, final)
            for file in files:
                if file != final:
                    file.unlink()
            digests[final.name] = file_digest(final)
        return digests

    def set_aside_damaged(self, digests: Mapping[str, str]) -> Iterator[str]:
        """Move files that are not what was written into `damaged/`; what each was, and what for.

        `digests`: the SHA-256 of tables, by name, where it is known.
        """
        for table in TABLES:
            for file in self._files(table):
                if reason := damage(file, digests.get(file.name)):
                    yield self._set_aside(file, reason)
        for archives in self._pictures.values():
            for file in archives.damaged():
                yield self._set_aside(file, "its end is missing")

    def _set_aside(self, file: Place, reason: str) -> str:
        folder = make_folder(self.path / DAMAGED)
        move(file, folder / file.name)
        return f"{file} is damaged ({reason}); it was moved to {folder}, its rows are done again"

    def save_image(self, name: str, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """Save `images/NAME.png`, as the model saw it, unless it is there."""
        if not self.has_image(name):
            self._pen.write(inside(self.path / "images", f"{name}.png"), _png(pixels))

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
        self._saved += 1
        folder = self.path / "found"
        self._pen.write(inside(folder, f"{pair_id}.safetensors"), content)
        self._pen.write(inside(folder, f"{pair_id}.png"), _png(rounded.transpose(1, 2, 0)))

    def save_path(
        self, pair_id: str, frames: UInt8[np.ndarray, "snapshots 3 height width"]
    ) -> None:
        """Save `path/ID.png`: the snapshots side by side, left to right."""
        strip = np.concatenate(list(frames.transpose(0, 2, 3, 1)), axis=1)
        self._pen.write(inside(self.path / "path", f"{pair_id}.png"), _png(strip))

    def load_found(self, pair_id: str) -> Float[np.ndarray, "3 height width"]:
        self._pen.flush()
        exact = load_exact(self._pictures["found"], pair_id)
        if exact is None:
            raise FileNotFoundError(f"the exact found image of {pair_id} is missing")
        return exact

    def found_ids(self) -> pa.Array:
        self._pen.flush()
        return pa.array(self._pictures["found"].stems(".safetensors"), pa.string())

    def has_image(self, name: str) -> bool:
        return self._pictures["images"].has(f"{name}.png")

    def image_names(self) -> set[str]:
        return self._pictures["images"].stems(".png")

    def drop_found(self, pair_ids: Iterable[str]) -> None:
        self._pen.flush()
        self._pictures["found"].drop(pair_ids)

    @cached_property
    def _pictures(self) -> dict[str, Archives]:
        return {folder: Archives(self.path / folder) for folder in PICTURES}

    def _files(self, table: str) -> list[Place]:
        return row_files(self.path, table)


def check_own(path: Place | str) -> None:
    """Refuse a directory that holds something and is no run: what lies there is the user's.

    Refused too: a run with links that lead out of it, or with what is no file.
    """
    path = find_place(path)
    if not isinstance(path, Path) or not path.is_dir():
        return
    refuse_foreign(path, OWN, (*FOLDERS, *SHOWN))
    if (path / "run.json").exists():
        return
    names = sorted(file.name for file in path.iterdir())
    # A driver that was killed as it began leaves its folders, parts the first of them.
    begun = {*FOLDERS, DAMAGED} if "parts" in names else set()
    foreign = [n for n in names if n not in begun and not is_lock(n) and not is_leftover(n)]
    if foreign:
        raise UsageError(
            f"{path} is not empty and holds no run ({foreign[0]} lies in it); expected a new "
            f"directory, or one of blindspots run; type --out {path / 'run'}"
        )


def started(rows: pa.Table) -> pa.ChunkedArray:
    """The ids of those of some pairs, columns `pair_id` and `ending`, that were traversed."""
    return rows["pair_id"].filter(is_one_of(rows["ending"], STARTED))


def _png(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
