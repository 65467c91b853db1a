"""The main job: pairs → engine → rows and images, resumable at any moment."""

import datetime
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch

from blindspots.engine import Engine
from blindspots.errors import WorkFailed
from blindspots.files import storage_failure
from blindspots.flight import FORWARD, Outcome, Pair, to_8bit
from blindspots.locks import hold
from blindspots.measure import Measurer
from blindspots.methods.base import Method
from blindspots.metrics import Lpips, find_lpips
from blindspots.plan import PlannedPair
from blindspots.planned import Groups, PlannedPairs
from blindspots.planning import Prepared, most_evaluations
from blindspots.progress import Reporter, Ticker
from blindspots.records import SIMPLEX_SAMPLES
from blindspots.resuming import HULLS, check_pairs, missing_pairs
from blindspots.rows import Ends, RowMaker, Traversed
from blindspots.settings import SNAPSHOTS, Keep, plan_hash
from blindspots.store import Store, read_info
from blindspots.survey import Subject

FORMAT = 1
Loaded = TypeVar("Loaded")
_MEASURED = {
    "triangles": "triangles",
    "simplices": f"simplices, {SIMPLEX_SAMPLES:,} points a source",
    "nulls": "nulls",
}
PACKAGES = ("blindspots", "torch", "torchvision", "timm", "numpy", "pillow")


@dataclass(frozen=True)
class Experiment:
    """A prepared run and where it is written."""

    prepared: Prepared
    method: Method
    out: Path
    command: str = ""
    reporter: Reporter = field(default_factory=Reporter)

    def execute(self) -> Path:
        """Do what is not done yet and leave a finished run directory; its path.

        What is finished survives any end: `WorkFailed` where the disk is full or memory ran out,
        `KeyboardInterrupt` passed on. The same call then goes on from there.
        """
        try:
            with hold(self.out):
                self._work(time.perf_counter())
        except OSError as error:
            raise WorkFailed(
                f"{storage_failure(error)}; finished pairs are kept in {self.out}; "
                "make space or mend that, then the same command resumes"
            ) from error
        return self.out

    def _work(self, began: float) -> None:
        lpips, note = find_lpips(self.prepared.request.machine.lpips_weights)
        store, info = self._opened([note] if note else [])
        for subject in self.prepared.subjects:
            _Work(self, store, subject, lpips, info["found_dropped"]).do()
        tables = store.compact()
        seconds = info["seconds"] + time.perf_counter() - began
        store.write_info({**info, "finished": _now(), "seconds": seconds, "tables": tables})

    def _opened(self, notes: Sequence[str]) -> tuple[Store, dict[str, Any]]:
        """The store, with what is damaged in it set aside, and what its `run.json` says now."""
        stored = read_info(self.out) or {}
        check_pairs(self.out, stored, self.prepared.pairs_hash)
        store, info = Store(self.out), self._info(stored, notes)
        for what in store.set_aside_damaged(stored.get("tables") or {}):
            self.reporter.warn(what)
        store.write_info(info)
        store.write_predictions(self.prepared.survey.rows())
        return store, info

    def _info(self, stored: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
        prepared, images = self.prepared, self.prepared.subjects[0].images
        dropped = stored.get("found_dropped") or "none" in (self.keep, stored.get("keep"))
        return {
            "format": FORMAT,
            "plan_hash": plan_hash(prepared.plan),
            "plan": prepared.plan,
            "shard": None if prepared.shard.whole else asdict(prepared.shard),
            "pairs": {name: len(pairs) for name, pairs in prepared.pairs.items()},
            "pairs_hash": prepared.pairs_hash,
            "models": [_model_facts(prepared, subject) for subject in prepared.subjects],
            "images": {
                "spec": prepared.request.images,
                "count": len(images),
                "skipped": list(images.skipped),
                "converted": list(images.converted),
            },
            "keep": self.keep,
            "found_dropped": bool(dropped),
            "device": str(prepared.subjects[0].model.device),
            "layout": {s.name: s.model.layout for s in prepared.subjects},
            "compiled": {s.name: s.oracle.compiled for s in prepared.subjects},
            "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
            "notes": [*prepared.notes, *notes],
            "command": self.command,
            "started": stored.get("started") or _now(),
            "finished": None,
            "seconds": stored.get("seconds") or 0.0,
            "tables": {},
        }

    @cached_property
    def keep(self) -> Keep:
        """What of the found images and paths stays on the disk."""
        return self.prepared.request.machine.kept(self.prepared.most_pairs)

    @property
    def archives(self) -> bool:
        """Whether images go into archives."""
        return self.prepared.request.machine.archives(self.prepared.most_pairs)


@dataclass(frozen=True)
class _Work:
    """One model's share of a run."""

    experiment: Experiment
    store: Store
    subject: Subject
    lpips: Lpips | None
    dropped: bool

    def do(self) -> None:
        """Traverse what is missing, then measure the hulls and nulls that are missing."""
        self.store.append("pairs", self._misclassified())
        self._traverse()
        sources = self._sources()
        self._measure_hulls(sources)
        self._measure("nulls", self._rows.nulls, self._ends, sources)

    @cached_property
    def _prepared(self) -> Prepared:
        return self.experiment.prepared

    @cached_property
    def _planned(self) -> PlannedPairs:
        return self._prepared.pairs[self.subject.name]

    @cached_property
    def _rows(self) -> RowMaker:
        measurer = Measurer(
            self.subject.model, self.subject.oracle, self.experiment.method.delta, self.lpips
        )
        return RowMaker(self._prepared, self.subject, measurer)

    def _misclassified(self) -> list[dict[str, Any]]:
        present = set(self._stored("pairs", "pair_id").to_pylist())
        return [row for row in self._rows.misclassified() if row["pair_id"] not in present]

    def _stored(self, table: str, column: str) -> pa.ChunkedArray:
        return self.store.stored(table, self.subject.name, [column])[column]

    def _missing(self) -> PlannedPairs:
        """The pairs to traverse; sources and targets of the others are saved where they lack."""
        missing = missing_pairs(self.store, self.subject.name, self._planned, self.dropped)
        present, there = self._planned.select(~missing), self.store.image_names()
        images = self.subject.images
        for index in np.union1d(present.source, present.target).tolist():
            name = images.ids[index] + self.subject.image_suffix
            if name not in there:
                self.store.save_image(name, images.uint8(index))
        return self._planned.select(missing)

    def _traverse(self) -> None:
        missing, flying = self._missing(), dict[str, tuple[PlannedPair, float]]()
        most = most_evaluations(self.experiment.method, missing)
        work = f"{self.subject.name}: traversing {len(missing)} pairs"
        with self.experiment.reporter.work(work, float(most.sum()), "evaluations") as tick:
            for ended in self._engine(tick).run(self._boarding(missing, most, flying)):
                landed = [(*flying.pop(out.pair.id), out) for out in ended]
                self._keep([(planned, out) for planned, _, out in landed])
                tick(sum(cost - out.evaluations + FORWARD for _, cost, out in landed))
        if self.experiment.archives:
            self.store.pack(1)

    def _boarding(
        self, missing: PlannedPairs, most: np.ndarray, flying: dict[str, tuple[PlannedPair, float]]
    ) -> Iterator[Pair]:
        """The pairs to traverse; what is known of those in flight is kept in `flying`."""
        for planned, cost in zip(missing, most, strict=True):
            flying[planned.pair_id] = planned, float(cost)
            yield self._pair(planned)

    def _engine(self, tick: Ticker) -> Engine:
        return Engine(
            self.subject.oracle,
            self.experiment.method,
            slots=self.subject.batch,
            snapshots=SNAPSHOTS if self.experiment.keep == "path" else 0,
            seed=self._prepared.request.science.seed,
            tick=tick,
        )

    def _pair(self, planned: PlannedPair) -> Pair:
        images = self.subject.images
        source, target = images.take(
            [images.find(planned.source_id), images.find(planned.target_id)]
        )
        return Pair(planned.pair_id, source, target, planned.label, planned.source_id)

    def _keep(self, ended: Sequence[tuple[PlannedPair, Outcome]]) -> None:
        """Save what belongs to the rows first: a row that is there has its files."""
        rows = self._rows.pairs(ended)
        for planned, outcome in ended:
            self._save_images(planned)
            if outcome.ending.started:
                self.store.save_found(
                    planned.pair_id, outcome.found.numpy(), to_8bit(outcome.found).numpy()
                )
            if outcome.ending.started and outcome.path is not None:
                self.store.save_path(planned.pair_id, outcome.path)
        self.store.append("pairs", rows)
        self.store.tidy(self.experiment.archives)

    def _save_images(self, planned: PlannedPair) -> None:
        images = self.subject.images
        for image_id in (planned.source_id, planned.target_id):
            pixels = images.uint8(images.find(image_id))
            self.store.save_image(image_id + self.subject.image_suffix, pixels)

    def _measure_hulls(self, sources: Groups) -> None:
        """Triangles and simplices of what was found; then drop what is not kept."""
        load, rows = self._traversed, self._rows
        self._measure("triangles", rows.triangles, load, sources)
        self._measure("simplices", rows.simplices, load, sources)
        if self.experiment.keep == "none":
            self.store.drop_found(pair.pair_id for found in sources for pair in found)

    def _measure(
        self,
        table: str,
        measure: Callable[[Iterable[Loaded]], Iterator[list[dict[str, Any]]]],
        load: Callable[[Sequence[PlannedPair]], Loaded],
        sources: Groups,
    ) -> None:
        """Append the rows of sources with found images enough, a source at once."""
        missing = sources.lacking(HULLS.get(table, 1), self._stored(table, "source_id"))
        work = f"{self.subject.name}: measuring {_MEASURED[table]}"
        with self.experiment.reporter.work(work, len(missing), "sources") as tick:
            for rows in measure(map(load, missing)):
                self.store.append(table, rows)
                self.store.tidy()
                tick(1)

    def _sources(self) -> Groups:
        """The pairs of each source that were traversed."""
        started = self._planned.within(self.store.started_pairs(self.subject.name))
        return self._planned.select(started).by_source()

    def _traversed(self, found: Sequence[PlannedPair]) -> Traversed:
        images = self.subject.images
        (source,) = images.take([images.find(found[0].source_id)])
        exact = [(p, torch.from_numpy(self.store.load_found(p.pair_id))) for p in found]
        return Traversed(source, exact)

    def _ends(self, found: Sequence[PlannedPair]) -> list[Ends]:
        pairs = [(planned, self._pair(planned)) for planned in found]
        return [Ends(planned, (pair.source, pair.target)) for planned, pair in pairs]


def _model_facts(prepared: Prepared, subject: Subject) -> dict[str, Any]:
    model = subject.model
    return {
        "spec": subject.spec,
        "name": subject.name,
        "fingerprint": subject.fingerprint,
        "num_classes": model.num_classes,
        "size": list(model.size),
        "training_epsilon": model.training_epsilon,
        "image_suffix": subject.image_suffix,
        "preflight": prepared.preflight[subject.name],
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
