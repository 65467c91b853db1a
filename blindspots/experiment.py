"""The main job: pairs → engine → rows and images, resumable at any moment."""

import datetime
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

from blindspots.engine import Engine
from blindspots.errors import WorkFailed
from blindspots.files import storage_failure
from blindspots.flight import FORWARD, Outcome, Pair, to_8bit
from blindspots.measure import Measurer
from blindspots.methods.base import Method
from blindspots.metrics import Lpips, find_lpips
from blindspots.plan import PlannedPair
from blindspots.planning import Prepared, most_evaluations
from blindspots.progress import Reporter, Ticker
from blindspots.records import SIMPLEX_FEWEST, SIMPLEX_SAMPLES
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
        began = time.perf_counter()
        try:
            lpips, note = find_lpips(self.prepared.request.machine.lpips_weights)
            store = Store(self.out)
            info = self._info([note] if note else [])
            store.write_info(info)
            store.write_predictions(_predictions(self.prepared))
            for subject in self.prepared.subjects:
                _Work(self, store, subject, lpips).do()
            store.compact()
            seconds = info["seconds"] + time.perf_counter() - began
            store.write_info({**info, "finished": _now(), "seconds": seconds})
        except OSError as error:
            raise WorkFailed(
                f"{storage_failure(error)}; finished pairs are kept in {self.out}; "
                "make space or mend that, then the same command resumes"
            ) from error
        return self.out

    def _info(self, notes: Sequence[str]) -> dict[str, Any]:
        prepared, stored = self.prepared, read_info(self.out) or {}
        images = prepared.subjects[0].images
        return {
            "format": FORMAT,
            "plan_hash": plan_hash(prepared.plan),
            "plan": prepared.plan,
            "models": [_model_facts(prepared, subject) for subject in prepared.subjects],
            "images": {
                "spec": prepared.request.images,
                "count": len(images),
                "skipped": list(images.skipped),
                "converted": list(images.converted),
            },
            "keep": self.keep,
            "device": str(prepared.subjects[0].model.device),
            "layout": {s.name: s.model.layout for s in prepared.subjects},
            "compiled": {s.name: s.oracle.compiled for s in prepared.subjects},
            "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
            "notes": [*prepared.notes, *notes],
            "command": self.command,
            "started": stored.get("started") or _now(),
            "finished": None,
            "seconds": stored.get("seconds") or 0.0,
        }

    @cached_property
    def keep(self) -> Keep:
        """What of the found images and paths stays on the disk."""
        return self.prepared.request.machine.kept(max(map(len, self.prepared.pairs.values())))


@dataclass(frozen=True)
class _Work:
    """One model's share of a run."""

    experiment: Experiment
    store: Store
    subject: Subject
    lpips: Lpips | None

    def do(self) -> None:
        """Traverse what is missing, then measure the hulls and nulls that are missing."""
        self.store.append("pairs", self._misclassified())
        self._traverse()
        sources = list(self._sources())
        self._measure_hulls(sources)
        self._measure("nulls", self._rows.nulls, self._ends, sources)

    @cached_property
    def _prepared(self) -> Prepared:
        return self.experiment.prepared

    @cached_property
    def _planned(self) -> Sequence[PlannedPair]:
        return self._prepared.pairs[self.subject.name]

    @cached_property
    def _rows(self) -> RowMaker:
        measurer = Measurer(
            self.subject.model, self.subject.oracle, self.experiment.method.delta, self.lpips
        )
        return RowMaker(self._prepared, self.subject, measurer)

    def _misclassified(self) -> list[dict[str, Any]]:
        present = self.store.present("pairs")
        rows = self._rows.misclassified()
        return [row for row in rows if (row["model"], row["pair_id"]) not in present]

    def _traverse(self) -> None:
        present = self.store.present("pairs")
        missing = [p for p in self._planned if (self.subject.name, p.pair_id) not in present]
        planned = {pair.pair_id: pair for pair in missing}
        most = most_evaluations(self.experiment.method, missing)
        work = f"{self.subject.name}: traversing {len(missing)} pairs"
        with self.experiment.reporter.work(work, sum(most.values()), "evaluations") as tick:
            for ended in self._engine(tick).run(map(self._pair, missing)):
                self._keep([(planned[outcome.pair.id], outcome) for outcome in ended])
                tick(sum(most[out.pair.id] - out.evaluations + FORWARD for out in ended))

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

    def _save_images(self, planned: PlannedPair) -> None:
        images = self.subject.images
        for image_id in (planned.source_id, planned.target_id):
            pixels = images.uint8(images.find(image_id))
            self.store.save_image(image_id + self.subject.image_suffix, pixels)

    def _measure_hulls(self, sources: Sequence[Sequence[PlannedPair]]) -> None:
        """Triangles and simplices of what was found; then drop what is not kept."""
        load, rows = self._traversed, self._rows
        self._measure("triangles", rows.triangles, load, sources, fewest=2)
        self._measure("simplices", rows.simplices, load, sources, fewest=SIMPLEX_FEWEST)
        if self.experiment.keep == "none":
            self.store.drop_found(pair.pair_id for found in sources for pair in found)

    def _measure(
        self,
        table: str,
        measure: Callable[[Iterable[Loaded]], Iterator[list[dict[str, Any]]]],
        load: Callable[[Sequence[PlannedPair]], Loaded],
        sources: Sequence[Sequence[PlannedPair]],
        fewest: int = 1,
    ) -> None:
        """Append the rows of sources with `fewest` found images or more, a source at once."""
        done = {key[:2] for key in self.store.present(table)}
        missing = [
            found
            for found in sources
            if len(found) >= fewest and (self.subject.name, found[0].source_id) not in done
        ]
        work = f"{self.subject.name}: measuring {_MEASURED[table]}"
        with self.experiment.reporter.work(work, len(missing), "sources") as tick:
            for rows in measure(map(load, missing)):
                self.store.append(table, rows)
                tick(1)

    def _sources(self) -> Iterator[list[PlannedPair]]:
        """The pairs of each source that were traversed."""
        started = self.store.started_pairs(self.subject.name)
        groups: dict[str, list[PlannedPair]] = defaultdict(list)
        for pair in self._planned:
            if pair.pair_id in started:
                groups[pair.source_id].append(pair)
        yield from groups.values()

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


def _predictions(prepared: Prepared) -> list[dict[str, Any]]:
    return [
        {"model": name, "image_id": image_id, **said._asdict()}
        for (name, image_id), said in prepared.survey.said.items()
    ]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
