"""What must stand in one model's rows by its plan and by its other rows, told without asking it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import comb, isclose, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.types import is_list

from blindspots.images.listing import image_id
from blindspots.schema import (
    ALL_TABLES,
    FORWARD,
    GROUPED_METHODS,
    LOOK_STRIDE,
    LPIPS_SMALLEST,
    SIMPLEX_COUNTS,
    SIMPLEX_FEWEST,
    STARTED,
    YOUNGER,
    Ending,
)
from blindspots.settings import SNAPSHOTS
from blindspots.store.parquet import row_files
from blindspots.store.reader import Row, Run, of_model, read_rows
from blindspots.store.run_info import ModelFacts
from blindspots.study.pairs import pair_id

if TYPE_CHECKING:
    from blindspots.methods.method import Method

AT_ONCE = 5_000
ALWAYS = (
    *("model", "pair_id", "source_id", "source_name"),
    *("steps", "evaluations", "check_evaluations", "seconds", "ending"),
)
LPIPS, PATH = ("lpips", "source_lpips"), ("path_step", "path_confidence")
NULL_LPIPS = ("random_pair_lpips", "interpolation_lpips")
# How a method's traversals end; of others any ending is taken.
ENDS = {
    "reference": (Ending.FINISHED, Ending.STATIONARY),
    "paper": (Ending.FINISHED, Ending.LEFT_LEVEL_SET),
    "adaptive": (Ending.REACHED, Ending.BUDGET, Ending.STATIONARY),
    "star": (Ending.REACHED, Ending.BUDGET),
    "fan": (Ending.REACHED, Ending.BUDGET),
}


@dataclass(frozen=True)
class StoredTables:
    """A run's tables without what is long: of a list whether there is one."""

    run: Run

    @cached_property
    def table(self) -> Callable[[str], pa.Table]:
        return lru_cache(maxsize=None)(self._read)

    def rows(self, table: str, model: str, names: Sequence[str] = ()) -> Iterator[Row]:
        """A model's rows, a few thousand at a time; with these columns, or all."""
        stored = self.table(table)
        stored = stored.select(["model", *names]) if names else stored
        for batch in of_model(stored, model).to_batches(AT_ONCE):
            yield from batch.to_pylist()

    def _read(self, table: str) -> pa.Table:
        schema, _ = ALL_TABLES[table]
        long = [one.name for one in schema if is_list(one.type) and one.name != "path_step"]
        short = [name for name in schema.names if name not in long]
        stored, unknown = read_rows(self.run.path, table, short), pa.scalar(None, pa.bool_())
        for name in long:
            known = read_rows(self.run.path, table, [name])[name].is_valid()
            flags = pc.call_function("if_else", [known, True, unknown])
            stored = stored.append_column(name, flags)
        return stored


@dataclass(frozen=True)
class ModelAudit:
    tables: StoredTables
    facts: ModelFacts
    method: "Method | None"

    def all(self) -> Mapping[str, Iterator[str]]:
        return {
            "predictions": self._predictions(),
            "pairs": self._pairs(),
            "triangles": self._hulls("triangles"),
            "simplices": self._simplices(),
            "nulls": self._hulls("nulls"),
            "transfer": self._transfer(),
            "widths": self._widths(),
        }

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.tables.run

    def _rows(self, table: str, *names: str) -> Iterator[Row]:
        return self.tables.rows(table, self.facts.name, names)

    @cached_property
    def pairs(self) -> list[Row]:
        names = ("pair_id", "source_id", "target_id", "source_class", "target_class", "ending")
        return list(self._rows("pairs", *names))

    @cached_property
    def started(self) -> dict[str, list[Row]]:
        stars = defaultdict(list)
        for row in self.pairs:
            if row["ending"] in STARTED:
                stars[row["source_id"]].append(row)
        return stars

    @cached_property
    def _company(self) -> dict[str, list[str]]:
        """The ids of each source's targets, where these are traversed together."""
        if self.run.info.method.get("name") not in GROUPED_METHODS:
            return {}
        together = defaultdict(list)
        for row in self.pairs:
            if row["target_id"] is not None:
                together[row["source_id"]].append(row["target_id"])
        return {source: sorted(targets) for source, targets in together.items()}

    def _pairs(self) -> Iterator[str]:
        classes: dict[str, Any] = {}
        names: dict[Any, str] = {}
        for row in self._rows("pairs"):
            what = f"pair {row['pair_id']} of {self.facts.name}"
            yield from (f"{what}: {text}" for text in self._pair(row))
            for end in ("source", "target") if row["target_id"] else ("source",):
                image, label, name = (row[f"{end}_{kind}"] for kind in ("id", "class", "name"))
                if image is None:
                    continue
                if classes.setdefault(image, label) != label:
                    yield f"{what}: {end}_class is {label}, and elsewhere {classes[image]}"
                # An image without a class is called by its own name.
                own, known = (
                    (name, names.setdefault(label, name))
                    if label is not None
                    else (_slug(str(name)), image.rpartition("-")[0])
                )
                if own != known:
                    yield f"{what}: {end}_name is {name}, and elsewhere {known}"

    def _pair(self, row: Row) -> Iterator[str]:
        if row["ending"] not in set(Ending):
            yield f"ending is {row['ending']}, which is none"
            return
        yield from self._nulls_of_pair(row, Ending(row["ending"]))
        if self._id(row) not in (None, row["pair_id"]):
            yield "pair_id is not the hash of its model, images and settings"
        if row["ending"] in STARTED and None not in (row["steps"], row["evaluations"]):
            yield from self._course(row)
        for name in ("steps", "evaluations", "check_evaluations", "seconds"):
            if not _counts(row[name]):
                yield f"{name} is {row[name]}, expected 0 or more"

    def _id(self, row: Row) -> str | None:
        try:
            company = self._company.get(row["source_id"], ()) if row["target_id"] else ()
            ends = row["source_id"], row["target_id"]
            return pair_id(self.facts.fingerprint, *ends, self.run.plan, company)
        except KeyError:
            return None

    def _nulls_of_pair(self, row: Row, ending: Ending) -> Iterator[str]:
        """Nulls where a value belongs, and values where none can be."""
        for name, wanted in self._wanted(row, ending).items():
            if wanted is not None and wanted != (row[name] is not None):
                yield f"{name} is {'null' if wanted else 'given'}, expected {_either(wanted)}"

    def _wanted(self, row: Row, ending: Ending) -> dict[str, bool | None]:
        """By column: whether a value belongs there; None: it may."""
        drawn = row["target_id"] is not None or ending != Ending.SOURCE_MISCLASSIFIED
        begun, named = ending.started, True if self.facts.num_classes else None
        special: dict[Ending, bool | None] = {Ending.FAILED: None, Ending.UNREADABLE: False}
        return {
            **dict.fromkeys(row, begun),
            **dict.fromkeys(ALWAYS, True),
            **dict.fromkeys(LPIPS, None if begun and not self._small else False),
            **dict.fromkeys(PATH, begun and row["pair_id"] in self.run.kept_paths),
            **dict.fromkeys(("target_id", "target_name"), drawn),
            "source_class": named,
            "target_class": named if drawn else False,
            "p_source": special.get(ending, True),
        }

    @property
    def _small(self) -> bool:
        return min(self.facts.size or (LPIPS_SMALLEST,)) < LPIPS_SMALLEST

    def _course(self, row: Row) -> Iterator[str]:
        """Whether steps, cost, snapshots and ending can belong together."""
        method, steps, ended = self.method, row["steps"], Ending(row["ending"])
        if method is None:
            return
        most, name = method.max_steps, method.name
        stopped = ended == Ending.STATIONARY and steps == most
        if stopped or ended not in ENDS.get(name, tuple(Ending)):
            yield f"ending is {ended}, to which {name} does not come after {steps} steps"
        if steps > most or (ended == Ending.FINISHED and steps < most):
            yield f"steps is {steps}, and {name} makes {most}"
        company = max(1, len(self._company.get(row["source_id"], ())))
        costs = [(FORWARD + method.points(n) * (steps + 1)) / n for n in range(1, company + 1)]
        if not any(isclose(row["evaluations"], cost) for cost in costs):
            yield f"evaluations is {row['evaluations']}, and {steps} steps cost {costs[-1]:g}"
        if not self._looks(method, row["check_evaluations"], company):
            yield f"check_evaluations is {row['check_evaluations']}, which no look costs"
        if row["path_step"] not in (None, self._snapshots(method, steps)):
            yield f"path_step is {row['path_step']}, not {self._snapshots(method, steps)}"
        numbers = (row["segment_inside"], row["segment_min"], row["p_source"])
        if None not in numbers and numbers[0] != (numbers[1] >= numbers[2] - method.delta):
            yield "segment_inside does not follow from segment_min, p_source and delta"

    @staticmethod
    def _looks(method: "Method", spent: float | None, company: int) -> bool:
        """Whether whole images, enough for one look at the segments of a source's pairs, did."""
        sweep = method.sweep()
        if spent is None or sweep is None:
            return not spent
        images = (spent * n / FORWARD for n in range(1, company + 1))
        return spent >= FORWARD * len(sweep) / LOOK_STRIDE and any(
            isclose(n, round(n)) for n in images
        )

    @staticmethod
    def _snapshots(method: "Method", steps: int) -> list[int]:
        """After which steps snapshots are taken; per cent of the way where that is straight."""
        if method.straight:
            return np.linspace(0, 100, SNAPSHOTS).round().astype(int).tolist()
        every = max(1, -(-method.max_steps // (SNAPSHOTS - 1)))
        return [*range(0, steps, every), steps]

    def _hulls(self, table: str) -> Iterator[str]:
        """The exact rows of a table: one for every two pairs of a source, or for every pair."""
        if not row_files(self.run.path, table):
            return
        targets = ("target_1", "target_2") if table == "triangles" else ("target_id",)
        stored: dict[str, Counter] = defaultdict(Counter)
        for row in self._rows(table, "source_id", *targets):
            stored[row["source_id"]][frozenset(row[name] for name in targets)] += 1
        for source in stored.keys() | self.started.keys():
            ends = {row["target_id"] for row in self.started.get(source, ())}
            yield from self._compare(table, source, stored[source], ends, len(targets))
        yield from self._nulls_of(table)

    def _compare(
        self, table: str, source: str, stored: Counter, ends: set[str | None], each: int
    ) -> Iterator[str]:
        """The rows of a source beside all choices of `each` of the targets it has come near to."""
        count, wanted = stored.total(), comb(len(ends), each)
        if count > wanted or (count < wanted and self.run.finished):
            name = self.facts.name
            yield f"{table}.parquet has {count} rows of {source} for {name}, not {wanted}"
        foreign = (own for own in stored if len(own) != each or not own <= ends)
        yield from (
            f"{table}.parquet has a row of {_ends(source, own)}, no pair" for own in foreign
        )

    def _nulls_of(self, table: str) -> Iterator[str]:
        stored = self.tables.table(table)
        unknown = {n for n in stored.column_names if stored[n].null_count == len(stored)}
        free = {name for name in unknown if f"{table}.{name}" in YOUNGER}
        free |= set() if self._small else set(NULL_LPIPS)
        for row in self._rows(table):
            for name, value in row.items():
                wanted = not (self._small and name in NULL_LPIPS)
                if name not in free and wanted != (value is not None):
                    yield (
                        f"{table} row of {row['source_id']}: {name} is "
                        f"{'null' if wanted else 'given'}, expected {_either(wanted)}"
                    )

    def _simplices(self) -> Iterator[str]:
        if not row_files(self.run.path, "simplices"):
            return
        rows = list(self._rows("simplices"))
        counts = {source: len(own) for source, own in self.started.items()}
        wanted = {source for source, count in counts.items() if count >= SIMPLEX_FEWEST}
        stored = {row["source_id"] for row in rows}
        for source in sorted(
            map(str, stored - wanted if not self.run.finished else stored ^ wanted)
        ):
            word = "a" if source in stored else "no"
            yield f"simplices.parquet has {word} row of {source} for {self.facts.name}"
        yield from self._nulls_of("simplices")
        for row in rows:
            for name, allowed in (
                ("k", (counts.get(row["source_id"]),)),
                ("samples", SIMPLEX_COUNTS),
            ):
                if row[name] not in allowed:
                    yield (
                        f"simplices row of {row['source_id']}: {name} is {row[name]}, "
                        f"not {' or '.join(map(str, allowed))}"
                    )

    def _predictions(self) -> Iterator[str]:
        rows = {row["image_id"]: row for row in self._rows("predictions")}
        for name, row in rows.items():
            empty = [column for column in row if row[column] is None]
            yield from (f"predictions row of {name}: {column} is null" for column in empty)
        if not rows and not self.run.info.pairs_hash:
            return
        for row in self.pairs:
            for end in ("source", "target") if row["target_id"] else ("source",):
                said = rows.get(row[f"{end}_id"])
                if said is not None and not self._fits(said, row[f"{end}_class"], row["ending"]):
                    yield (
                        f"pair {row['pair_id']}: {end}_class is {row[f'{end}_class']}, and "
                        f"predictions.parquet has {said['predicted']} for {row[f'{end}_id']}"
                    )
        if self.run.finished and not any(None in row.values() for row in rows.values()):
            yield from self._preflight(list(rows.values()))

    def _fits(self, said: Row, label: int | None, ending: str) -> bool:
        embeds, tie = not self.facts.num_classes, ending == Ending.SOURCE_MISCLASSIFIED
        if None in said.values() or embeds or tie or not said["confidence"]:
            return True
        return (said["p_label"] == said["confidence"]) == (said["predicted"] == label)

    def _preflight(self, rows: list[Row]) -> Iterator[str]:
        """Whether the answers give the accuracy and the confidence that `run.json` tells."""
        told, count = self.facts.preflight, len(rows)
        if told.images is None or told.images < count:
            return
        if told.images > count:
            yield f"predictions.parquet has {count} rows of {self.facts.name}, not {told.images}"
            return
        mean = sum(row["confidence"] for row in rows) / max(1, count)
        if told.mean_confidence is not None and not isclose(mean, told.mean_confidence):
            yield f"predictions.parquet gives {self.facts.name} another mean confidence"
        right = sum(row["p_label"] == row["confidence"] > 0 for row in rows)
        # Of images without a label every answer counts here, and none in run.json.
        shares = ((right - n) / (count - n) for n in range(min(right + 1, count)))
        if told.accuracy is not None and not any(isclose(s, told.accuracy) for s in shares):
            yield f"predictions.parquet gives {self.facts.name} another accuracy"

    def _transfer(self) -> Iterator[str]:
        known = {row["pair_id"]: row for own in self.started.values() for row in own}
        judged: Counter[str] = Counter()
        for row in self._rows("transfer"):
            pair, judged[row["judge"]] = known.get(row["pair_id"]), judged[row["judge"]] + 1
            what = f"transfer row of {row['pair_id']} by {row['judge']}"
            if pair is None:
                yield f"{what}: no traversed pair has that id"
                continue
            yield from (f"{what}: {name} is null" for name in row if row[name] is None)
            names = ("source_id", "target_id", "source_class")
            yield from (f"{what}: {n} is not the pair's" for n in names if row[n] != pair[n])
        for judge, count in judged.items():
            if count != len(known):
                yield f"transfer.parquet has {count} rows by {judge}, not {len(known)}"

    def _widths(self) -> Iterator[str]:
        known = {row["pair_id"] for own in self.started.values() for row in own}
        grids = defaultdict(list)
        for row in self._rows("widths"):
            what = f"widths row of {row['pair_id']}"
            if row["pair_id"] not in known:
                yield f"{what}: no traversed pair has that id"
                continue
            empty = [name for name in row if row[name] is None]
            yield from (f"{what}: {name} is null" for name in empty)
            if not empty:
                grids[row["pair_id"]].append(row)
                if not row["low"] <= row["median"] <= row["high"] or not 0 <= row["inside"] <= 1:
                    yield f"{what}: low, median, high and inside contradict each other"
        for name, rows in grids.items():
            points, radii = ({row[one] for row in rows} for one in ("point", "radius"))
            if len(rows) != len(points) * len(radii) or points != set(range(len(points))):
                yield f"widths.parquet: rows of {name} are missing"


def _slug(name: str) -> str:
    return image_id(f"{name}.png", "").removesuffix("-")


def _counts(value: Any) -> bool:
    return value is None or (isfinite(value) and value >= 0)


def _ends(source: str, targets: Iterable[str | None]) -> str:
    return " → ".join([str(source), *sorted(map(str, targets))])


def _either(wanted: bool) -> str:
    return "a value" if wanted else "null"
