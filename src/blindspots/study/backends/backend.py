"""What a backend is given, whichever it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.measure.metrics import Lpips
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.schema import SIMPLEX_SAMPLES, PlannedPair
from blindspots.settings import BackendName, Keep
from blindspots.store.writer import Store
from blindspots.study.backends.tasks import FEWEST
from blindspots.study.pairs import HULLS, Groups, PlannedPairs, missing_pairs
from blindspots.study.prepare import Prepared, most_evaluations
from blindspots.study.work import Work


@dataclass(frozen=True)
class RunJob:
    """A run to be worked on, and the run directory, which this process alone tidies.

    `dropped`: whether found images were removed on purpose, by this run or an earlier part of it.
    `archives`: whether images go into archives.
    """

    prepared: Prepared
    method: Method
    store: Store
    reporter: Reporter
    keep: Keep
    dropped: bool
    archives: bool
    lpips: Lpips | None = None

    @property
    def seed(self) -> int:
        return self.prepared.request.science.seed

    @property
    def measured(self) -> Mapping[str, int]:
        """The tables to fill besides the pairs, each with the found images that a source needs."""
        return FEWEST if self.prepared.request.machine.hulls else {}

    def work(self, subject: Subject) -> Work:
        """What traverses and measures pairs of a model, in this process."""
        return Work(subject, self.method, self.store, self.seed, self.keep, self.lpips)

    def save_images(self, subject: Subject, pairs: PlannedPairs) -> None:
        there, suffix, ids = self.store.image_names(), subject.image_suffix, subject.images.ids
        used: Sequence[int] = np.union1d(pairs.source, pairs.target).tolist()
        lacking = [ids[index] for index in used if ids[index] + suffix not in there]
        self.work(subject).save_images(lacking)


@runtime_checkable
class Backend(Protocol):
    """Where and how a run's work is done; the rows are the same. `name`: as `--backend` has it."""

    name: ClassVar[str]

    def check(self) -> None:
        """Refuse what cannot be had here, before anything is loaded."""
        ...

    def run(self, job: RunJob) -> None:
        """Do all that is not done yet; every row is stored when it returns.

        `WorkFailed` or OSError where it cannot go on; what is finished is kept.
        """
        ...


MEASURED = {
    "triangles": "triangles",
    "simplices": f"simplices, {SIMPLEX_SAMPLES:,} points per source",
    "nulls": "nulls",
}


@dataclass(frozen=True)
class Serial:
    name: ClassVar[str] = "serial"

    def check(self) -> None: ...

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        for subject in job.prepared.subjects:
            _Serial(job, subject).run()


@dataclass(frozen=True)
class _Serial:
    job: RunJob
    subject: Subject

    def run(self) -> None:
        """Traverse what is missing, then measure the hulls and nulls that are missing."""
        self._compile()
        self._traverse()
        sources = self._sources()
        measured = self.job.measured
        for table in filter(measured.__contains__, HULLS):
            self._measure(table, sources)
        if self.job.keep == "none":
            self._store.drop_found(pair.pair_id for found in sources for pair in found)
        if "nulls" in measured:
            self._measure("nulls", sources)

    @property
    def _store(self) -> Store:
        return self.job.store

    @cached_property
    def _planned(self) -> PlannedPairs:
        return self.job.prepared.pairs[self.subject.name]

    @cached_property
    def _work(self) -> Work:
        return self.job.work(self.subject)

    def _compile(self) -> None:
        evaluations = most_evaluations(self.job.method, self._planned)
        choice = self.job.prepared.request.machine.compile
        self.subject.evaluator.compile_where_it_pays(int(evaluations.sum()), choice)

    def _missing(self) -> PlannedPairs:
        """The pairs to traverse; sources and targets of the others are saved where they lack."""
        job, name = self.job, self.subject.name
        mask = missing_pairs(self._store, name, self._planned, job.dropped, job.measured)
        self.job.save_images(self.subject, self._planned.select(~mask))
        return self._planned.select(mask)

    def _traverse(self) -> None:
        missing = self._missing()
        most = most_evaluations(self.job.method, missing)
        work = f"{self.subject.name}: traversing {len(missing)} pairs"
        with self.job.reporter.work(work, float(most.sum()), "evaluations") as tick:
            for _ in self._work.traverse(_costly(missing, most), tick):
                self._store.tidy(self.job.archives)
        if self.job.archives:
            self._store.pack(1)

    def _measure(self, table: str, sources: Groups) -> None:
        """Append the rows of sources with found images enough, a source at once."""
        done = self._store.stored(table, self.subject.name, ["source_id"])["source_id"]
        missing = sources.lacking(FEWEST[table], done)
        work = f"{self.subject.name}: measuring {MEASURED[table]}"
        with self.job.reporter.work(work, len(missing), "sources") as tick:
            for _ in self._work.measure(table, missing):
                self._store.tidy()
                tick(1)

    def _sources(self) -> Groups:
        started = self._planned.within(self._store.started_pairs(self.subject.name))
        return self._planned.select(started).by_source()


def _costly(pairs: PlannedPairs, most: np.ndarray) -> Iterator[tuple[PlannedPair, float]]:
    return zip(pairs, most.tolist(), strict=True)


def choose_backend(
    device: str = "auto",
    backend: BackendName = "auto",
    workers: int | None = None,
    gpus_per_worker: float | None = None,
    address: str | None = None,
) -> Backend:
    """The backend of `--backend`, `--workers` and the like; refused where they do not fit together.

    `device`: as `--device`, also several with commas. `backend`: auto is processes for several
    devices, else serial. `workers`: how many; None: one per device or GPU, or one for two cores.
    """
    devices = device.split(",")
    name = backend if backend != "auto" else "processes" if len(devices) > 1 else "serial"
    _check_workers(name, devices, workers)
    for option, given in (("address", address), ("gpus-per-worker", gpus_per_worker)):
        if given is not None and name != "ray":
            raise UsageError(f"--{option} {given} goes with Ray alone; type --backend ray too")
    if name == "serial":
        return Serial()
    if name == "processes":
        from blindspots.study.backends.process_pool import Processes, share

        return Processes(devices if len(devices) > 1 else share(device, workers))
    from blindspots.study.backends.ray_pool import Ray

    return Ray(workers, gpus_per_worker, address)


def _check_workers(name: str, devices: Sequence[str], workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers} was given; expected at least 1")
    if name == "serial" and workers not in (None, 1):
        raise UsageError(
            f"--workers {workers} was given for one process; type --backend processes, "
            "or --backend ray"
        )
    if len(devices) > 1 and (name != "processes" or workers not in (None, len(devices))):
        raise UsageError(
            f"--device {','.join(devices)} was given; several devices get one process each: "
            "leave --workers out, and --backend too or type --backend processes"
        )
