"""Reading a run directory, finished or still growing; everything that shows a run starts here."""

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image
from pyarrow.types import is_list

from blindspots.errors import UsageError
from blindspots.schema import ALL_TABLES, STARTED, STRAIGHT_METHODS, YOUNGER
from blindspots.store.archives import PICTURES, Archives, load_exact
from blindspots.store.parquet import (
    check_values,
    first_of_each,
    is_one_of,
    open_parquet,
    read_some,
    read_while_written,
)
from blindspots.store.paths import Place, connect, find_place, inside, refuse_foreign
from blindspots.store.run_info import AGAIN, INFO_FILE, ModelFacts, RunInfo, read_run_info

OWN = (
    *(INFO_FILE, "manifest.sha256", "run.lock", "report.html", "damaged"),
    *("parts", *PICTURES, "tables", "figures", *(f"{table}.parquet" for table in ALL_TABLES)),
)
CONTRAST_FILE = "figures/contrast.png"
Row = dict[str, Any]
Pixels = np.ndarray  # uint8, (height, width, 3)


@dataclass(frozen=True)
class RunColumns:
    """The numbers and names of a run's rows as columns; the lists of single rows when asked for.

    `path`: the run directory. Read once; a run in progress is read as it is.
    """

    path: Place

    @cached_property
    def pairs(self) -> pa.Table:
        return self._scalars("pairs")

    @cached_property
    def triangles(self) -> pa.Table:
        """The triangles whose two pairs both started, without their lists."""
        return _both_started(self._scalars("triangles"), self.pairs)

    @cached_property
    def nulls(self) -> pa.Table:
        return read_rows(self.path, "nulls")

    def lists(self, kind: Literal["pairs", "triangles"], *names: str) -> pa.Table:
        return read_rows(self.path, kind, names)

    def pairs_of(
        self, model: str | None = None, started: bool | None = None, names: Sequence[str] = ()
    ) -> pa.Table:
        """The pairs of one model or all, optionally only those (not) started; all columns or few.

        `names`: of the columns wanted; what is not asked for is not copied.
        """
        names = list(names) or self.pairs.column_names
        looked_at = list(dict.fromkeys((*names, "model", "ending")))
        return _pairs_of(self.pairs.select(looked_at), model, started).select(names)

    def endings(self, model: str | None = None) -> dict[str, int]:
        names = of_model(self.pairs.select(["model", "ending"]), model)["ending"]
        return {entry["values"]: entry["counts"] for entry in names.value_counts().to_pylist()}

    def rows(self, kind: str, name: str, values: Collection[str]) -> list[Row]:
        """The rows of a table whose column `name` holds one of these values, in the order stored.

        As dictionaries, with their lists. Triangles with a pair that did not start are among them.
        """
        return read_rows(self.path, kind, wanted=(name, values)).to_pylist()

    def _scalars(self, kind: str) -> pa.Table:
        schema, _ = ALL_TABLES[kind]
        return read_rows(self.path, kind, [f.name for f in schema if not is_list(f.type)])


def read_rows(
    path: Place,
    kind: str,
    names: Sequence[str] = (),
    wanted: tuple[str, Collection[str]] | None = None,
) -> pa.Table:
    """Rows of a run's `kind`.parquet and of its parts, each once, as `schema.ALL_TABLES` says.

    `names`: of these columns alone. `wanted`: a column and the values that wanted rows hold in it.
    Refused where a file is no table of this version.
    """
    schema, key = ALL_TABLES[kind]
    names = list(names) or schema.names

    def read(files: Sequence[Place]) -> pa.Table:
        # The key's columns are read only where a row may be there twice.
        needed = dict.fromkeys((*(key if len(files) > 1 else ()), *names))
        columns = pa.schema([schema.field(name) for name in needed])
        tables = [_read(file, kind, columns, wanted) for file in files]
        table = pa.concat_tables([columns.empty_table(), *tables])
        return (first_of_each(table, key) if len(files) > 1 else table).select(names)

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


def _read(
    path: Place, kind: str, schema: pa.Schema, wanted: tuple[str, Collection[str]] | None
) -> pa.Table:
    try:
        file = open_parquet(path)
        table = file.read(schema.names) if wanted is None else read_some(file, *wanted)
        for name in schema.names:
            if name not in table.column_names and f"{kind}.{name}" in YOUNGER:
                table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
        table = table.select(schema.names).cast(schema)
    except FileNotFoundError:
        raise
    except (OSError, KeyError, pa.ArrowException) as error:
        raise UsageError(f"{path} is not a table of this version ({error}); {AGAIN}") from error
    check_values(path, table)
    return table


def of_model(table: pa.Table, model: str | None) -> pa.Table:
    return table if model is None else table.filter(is_one_of(table["model"], [model]))


def _pairs_of(pairs: pa.Table, model: str | None, started: bool | None) -> pa.Table:
    own = of_model(pairs, model)
    begun = is_one_of(own["ending"], STARTED)
    return own if started is None else own.filter(pc.call_function("equal", [begun, started]))


def _both_started(triangles: pa.Table, pairs: pa.Table) -> pa.Table:
    lost = _pairs_of(pairs, None, started=False).select(["model", "source_id", "target_id"])
    for target in ("target_1", "target_2") if len(lost) else ():
        keys = ["model", "source_id", target]
        # A join keeps no order.
        numbered = triangles.select(keys).append_column("row", pa.array(np.arange(len(triangles))))
        left = numbered.join(lost, keys, lost.column_names, join_type="left anti")
        triangles = triangles.take(left["row"].sort())
    return triangles


class Run:
    """A run directory, read lazily: facts, rows and pictures. A run in progress is read as it is.

    `path`: the directory that was given to `blindspots run --out`; refused where it is no run.
    """

    def __init__(self, path: str | Place) -> None:
        self.path = connect(find_place(path))
        if not (self.path / INFO_FILE).is_file():
            raise UsageError(_no_run(self.path))
        refuse_foreign(self.path, OWN, ("parts", *PICTURES, "tables", "figures"))

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
        """Whether no row is still to come."""
        return self.info.finished is not None

    @property
    def labelled(self) -> bool:
        """Whether classes are labels; else they are what each model says of the clean image."""
        return all(facts.preflight.labelled for facts in self.models)

    def pairs_from(self, *sources: str) -> list[Row]:
        """The pairs from these sources, of all models, as dictionaries; no others are read."""
        return self._from("pairs", sources).to_pylist()

    def triangles_from(self, *sources: str) -> list[Row]:
        """The triangles of these sources whose two pairs both started, likewise."""
        own, pairs = (self._from(kind, sources) for kind in ("triangles", "pairs"))
        return _both_started(own, pairs).to_pylist()

    def pair_rows(self, model: str | None = None, started: bool | None = None) -> list[Row]:
        """The pairs as dictionaries, of one model or all, optionally only those (not) started."""
        return _pairs_of(self.arrow("pairs"), model, started).to_pylist()

    def triangle_rows(self, model: str | None = None) -> list[Row]:
        """The triangles whose two pairs both started, as dictionaries, of one model or all."""
        whole = _both_started(self.arrow("triangles"), self.arrow("pairs"))
        return of_model(whole, model).to_pylist()

    def simplex_rows(self, model: str | None = None) -> list[Row]:
        """The simplices as dictionaries, of one model or all; none where k is 2 at most."""
        return of_model(self.arrow("simplices"), model).to_pylist()

    def null_rows(self, model: str | None = None) -> list[Row]:
        """What found images are held against, as dictionaries; none in runs of older versions."""
        return of_model(self.arrow("nulls"), model).to_pylist()

    def image(self, image_id: str, model: str) -> Pixels | None:
        """A source or target as `model` saw it; None where it was not kept."""
        return self._pixels("images", self._image_file(image_id, model))

    def image_content(self, image_id: str, model: str) -> bytes | None:
        """The PNG file of a source or target as `model` saw it; None where it was not kept."""
        return self._pictures["images"].read(self._image_file(image_id, model))

    def found(self, pair_id: str) -> Pixels | None:
        """The found image of a pair, rounded to 8 bits; None where it was not kept."""
        return self._pixels("found", f"{pair_id}.png")

    def exact(self, pair_id: str) -> np.ndarray | None:
        """The exact found image, float32 (3, height, width) in [0, 1]; None where not kept."""
        return load_exact(self._pictures["found"], pair_id)

    def contrast(self) -> Pixels | None:
        """The source of the headline pair after PGD, 8 bits; None where it was not made."""
        file = inside(self.path / "figures", CONTRAST_FILE.split("/")[1])
        return read_pixels(file.read_bytes()) if file.is_file() else None

    def kept(self, pair_id: str) -> bool:
        """Whether the found image of a pair was kept."""
        return self._pictures["found"].has(f"{pair_id}.png")

    @cached_property
    def kept_paths(self) -> set[str]:
        """The ids of the pairs whose snapshots were kept."""
        return self._pictures["path"].stems(".png")

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
        content = self._pictures[folder].read(name)
        try:
            return None if content is None else read_pixels(content)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UsageError(
                f"{self.path / folder / name} cannot be read ({error}); remove it, and give the "
                "run's command again"
            ) from error

    def _image_file(self, image_id: str, model: str) -> str:
        return f"{image_id}{self.facts(model).image_suffix}.png"

    @cached_property
    def _pictures(self) -> dict[str, Archives]:
        return {folder: Archives(self.path / folder) for folder in PICTURES}

    @cached_property
    def _from(self) -> Callable[[str, tuple[str, ...]], pa.Table]:
        # The figures of a run all start from one source.
        return lru_cache(maxsize=16)(
            lambda kind, sources: read_rows(self.path, kind, wanted=("source_id", sources))
        )

    @cached_property
    def _tables(self) -> Callable[[str], pa.Table]:
        return lru_cache(maxsize=None)(lambda kind: read_rows(self.path, kind))


def read_pixels(content: bytes) -> Pixels:
    """A stored picture as uint8 (height, width, 3)."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


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
