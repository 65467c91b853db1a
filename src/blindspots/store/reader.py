"""Reading a run directory, finished or still growing; everything that shows a run starts here."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from blindspots.errors import UsageError
from blindspots.schema import STRAIGHT_METHODS, Ending
from blindspots.store.archives import PICTURES, Archives, load_exact
from blindspots.store.columns import (
    RunColumns,
    read_rows,
)
from blindspots.store.paths import Place, connect, find_place, inside
from blindspots.store.run_info import INFO_FILE, ModelFacts, RunInfo, read_run_info

Row = dict[str, Any]
Pixels = np.ndarray  # uint8, (height, width, 3)


class Run:
    """A run directory, read lazily: facts, rows and pictures. A run in progress is read as it is.

    `path`: the directory that was given to `blindspots run --out`; refused where it is no run.
    """

    def __init__(self, path: str | Place) -> None:
        self.path = connect(find_place(path))
        if not (self.path / INFO_FILE).is_file():
            raise UsageError(_no_run(self.path))

    @cached_property
    def info(self) -> RunInfo:
        """The whole of `run.json`; refused where it cannot be read or is of a later format."""
        info = read_run_info(self.path)
        if info is None:
            raise UsageError(_no_run(self.path))
        return info

    @cached_property
    def columns(self) -> RunColumns:
        """The run's rows column by column, for what is asked of very many of them."""
        return RunColumns(self.path)

    def arrow(self, table: str) -> pa.Table:
        """The rows of one of `schema.ALL_TABLES` as an Arrow table, read once, parts included."""
        return self._tables(table)

    @property
    def pairs(self) -> pa.Table:
        """One row per (model, source, target), columns as `schema.PAIRS`, as an Arrow table."""
        return self.arrow("pairs")

    @property
    def triangles(self) -> pa.Table:
        """One row per (model, source, target 1, target 2), columns as `schema.TRIANGLES`."""
        return self.arrow("triangles")

    @property
    def simplices(self) -> pa.Table:
        """One row per (model, source) with more than two targets; `schema.SIMPLICES`."""
        return self.arrow("simplices")

    @property
    def nulls(self) -> pa.Table:
        """One row per (model, source, target) that was traversed; `schema.NULLS`."""
        return self.arrow("nulls")

    @property
    def transfer(self) -> pa.Table:
        """One row per (model, judge, pair); `schema.TRANSFER`; none before blindspots transfer."""
        return self.arrow("transfer")

    @cached_property
    def models(self) -> tuple[ModelFacts, ...]:
        """The run's models in the order they were asked for."""
        listed = [replace(one, name=one.name or one.spec or "model") for one in self.info.models]
        known = {facts.name for facts in listed}
        stored = self.columns.pairs["model"].unique().to_pylist()
        return (*listed, *(ModelFacts(name=name) for name in stored if name not in known))

    @property
    def name(self) -> str:
        """The directory's own name, for titles."""
        return self.path.resolve().name

    @property
    def plan(self) -> Mapping[str, Any]:
        """The plan: method, score, seed, precision, images; empty where none is written."""
        return self.info.plan

    @property
    def delta(self) -> float | None:
        """The allowed drop of confidence."""
        return self.info.method.get("delta")

    @property
    def straight(self) -> bool:
        """Whether paths are segments, so that `path_step` is per cent of the way."""
        known = self.info.method.get("name") in STRAIGHT_METHODS
        return known if self.info.straight is None else self.info.straight

    @property
    def finished(self) -> bool:
        """Whether the run came to its end, so that no row is still to come."""
        return self.info.finished is not None

    @property
    def labelled(self) -> bool:
        """Whether classes are labels; else they are what each model says of the clean image."""
        return all(facts.preflight.labelled for facts in self.models)

    def pairs_from(self, *sources: str) -> list[Row]:
        """The pairs from these sources, of all models, as dictionaries; no others are read."""
        return self._from("pairs", "source_id", sources)

    def triangles_from(self, *sources: str) -> list[Row]:
        """The triangles of these sources whose two pairs both started, likewise."""
        pairs = self.pairs_from(*sources)
        lost = {_edge(row) for row in pairs if not Ending(row["ending"]).started}
        return [
            row
            for row in self._from("triangles", "source_id", sources)
            if not lost & set(_edges(row))
        ]

    def pair_rows(self, model: str | None = None, started: bool | None = None) -> list[Row]:
        """The pairs as dictionaries, of one model or all, optionally only those (not) started."""
        return [
            row
            for row in self._pair_list
            if model in (None, row["model"]) and started in (None, Ending(row["ending"]).started)
        ]

    def triangle_rows(self, model: str | None = None) -> list[Row]:
        """The triangles whose two pairs both started, as dictionaries, of one model or all."""
        lost = {_edge(row) for row in self.pair_rows(started=False)}
        return [
            row
            for row in self._triangle_list
            if model in (None, row["model"]) and not lost & set(_edges(row))
        ]

    def simplex_rows(self, model: str | None = None) -> list[Row]:
        """The simplices as dictionaries, of one model or all; none where k is 2 at most."""
        return [row for row in self.arrow("simplices").to_pylist() if model in (None, row["model"])]

    def null_rows(self, model: str | None = None) -> list[Row]:
        """What found images are held against, as dictionaries; none in runs of older versions."""
        return [row for row in self._null_list if model in (None, row["model"])]

    def image(self, image_id: str, model: str) -> Pixels | None:
        """A source or target as `model` saw it; None where it was not kept."""
        return self._pixels("images", self._image_file(image_id, model))

    def image_content(self, image_id: str, model: str) -> bytes | None:
        """The PNG file of a source or target as `model` saw it; None where it was not kept."""
        return self._content("images", self._image_file(image_id, model))

    def found(self, pair_id: str) -> Pixels | None:
        """The found image of a pair, rounded to 8 bits; None where it was not kept."""
        return self._pixels("found", f"{pair_id}.png")

    def exact(self, pair_id: str) -> np.ndarray | None:
        """The exact found image, float32 (3, height, width) in [0, 1]; None where not kept."""
        return load_exact(self._pictures["found"], pair_id)

    def kept(self, pair_id: str) -> bool:
        """Whether the found image of a pair was kept."""
        return self._pictures["found"].has(f"{pair_id}.png")

    def frames(self, pair_id: str, count: int) -> list[Pixels]:
        """The `count` snapshots of a pair's path, in order; empty where they were not kept."""
        strip = self._read_pixels("path", f"{pair_id}.png")
        if strip is None or not count or strip.shape[1] % count:
            return []
        return np.split(strip, count, axis=1)

    def image_path(self, image_id: str, model: str) -> Place:
        """Where a source or target is stored as `model` saw it; in archives, under this name."""
        return inside(self.path / "images", self._image_file(image_id, model))

    def facts(self, model: str) -> ModelFacts:
        """What is known of a model, by its display name."""
        return next((facts for facts in self.models if facts.name == model), ModelFacts(name=model))

    @cached_property
    def _pixels(self) -> Callable[[str, str], Pixels | None]:
        # Triangles, grids and the report ask for the same pictures again and again.
        return lru_cache(maxsize=256)(self._read_pixels)

    def _read_pixels(self, folder: str, name: str) -> Pixels | None:
        content = self._content(folder, name)
        return None if content is None else read_pixels(content)

    def _content(self, folder: str, name: str) -> bytes | None:
        return self._pictures[folder].read(name)

    def _image_file(self, image_id: str, model: str) -> str:
        return f"{image_id}{self.facts(model).image_suffix}.png"

    @cached_property
    def _pictures(self) -> dict[str, Archives]:
        return {folder: Archives(self.path / folder) for folder in PICTURES}

    @cached_property
    def _from(self) -> Callable[[str, str, tuple[str, ...]], list[Row]]:
        # The figures of a run all start from one source.
        return lru_cache(maxsize=16)(self.columns.rows)

    @cached_property
    def _pair_list(self) -> list[Row]:
        return self.arrow("pairs").to_pylist()

    @cached_property
    def _triangle_list(self) -> list[Row]:
        return self.arrow("triangles").to_pylist()

    @cached_property
    def _null_list(self) -> list[Row]:
        return self.arrow("nulls").to_pylist()

    @cached_property
    def _tables(self) -> Callable[[str], pa.Table]:
        return lru_cache(maxsize=None)(lambda kind: read_rows(self.path, kind))


def read_pixels(content: bytes) -> Pixels:
    """A stored picture as uint8 (height, width, 3)."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def nearest_believed(rows: Iterable[Row], least: float = 0.9) -> Row | None:
    """The most telling of started pairs: nearest to its target among those believed at `least`.

    Where none is believed that much, the one believed most; None where no pair has a number.
    """
    rows = [row for row in rows if row["rmse"] is not None and row["p_found"] is not None]
    believed = [row for row in rows if row["p_found"] >= least]
    if believed:
        return min(believed, key=lambda row: row["rmse"])
    return max(rows, key=lambda row: row["p_found"], default=None)


def reached_target(row: Row) -> bool:
    """Whether found is at least twice as near to its target as to its source (RMSE).

    Else the image is only on its way, and nobody would name it like the target.
    """
    if row["rmse"] is None or row["source_rmse"] is None:
        return row["rmse"] is not None
    return 2 * row["rmse"] <= row["source_rmse"]


def _no_run(path: Place) -> str:
    what = "holds no run.json" if path.is_dir() else "is no directory"
    return (
        f"{path} {what}, so it is not a run; expected the directory given to "
        "blindspots run --out, or type blindspots demo to make one"
    )


def _edge(row: Row) -> tuple[str, str, str | None]:
    return row["model"], row["source_id"], row["target_id"]


def _edges(row: Row) -> tuple[tuple[str, str, str], ...]:
    return tuple((row["model"], row["source_id"], row[name]) for name in ("target_1", "target_2"))
