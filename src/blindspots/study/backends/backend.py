"""What a backend is given, whichever it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from blindspots.engine.evaluator import Subject
from blindspots.measure.metrics import Lpips
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.schema import SIMPLEX_SAMPLES, PlannedPair
from blindspots.settings import Keep
from blindspots.store.writer import Store
from blindspots.study.backends.tasks import FEWEST
from blindspots.study.pairs import Groups, PlannedPairs
from blindspots.study.prepare import Prepared, most_evaluations
from blindspots.study.resume import HULLS, missing_pairs
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
        """The seed of the run."""
        return self.prepared.request.science.seed

    def work(self, subject: Subject) -> Work:
        """What traverses and measures pairs of a model, in this process."""
        label_of = partial(self.prepared.label_of, subject)
        return Work(subject, self.method, self.store, label_of, self.seed, self.keep, self.lpips)

    def save_images(self, subject: Subject, pairs: PlannedPairs) -> None:
        """Save sources and targets of pairs that are done, where they are not there."""
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
    """The backend that needs nothing else."""

    name: ClassVar[str] = "serial"

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        for subject in job.prepared.subjects:
            _Serial(job, subject).run()


@dataclass(frozen=True)
class _Serial:
    """One model's share."""

    job: RunJob
    subject: Subject

    def run(self) -> None:
        """Traverse what is missing, then measure the hulls and nulls that are missing."""
        self._compile()
        self._traverse()
        sources = self._sources()
        for table in HULLS:
            self._measure(table, sources)
        if self.job.keep == "none":
            self._store.drop_found(pair.pair_id for found in sources for pair in found)
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
        mask = missing_pairs(self._store, self.subject.name, self._planned, self.job.dropped)
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
        """The pairs of each source that were traversed."""
        started = self._planned.within(self._store.started_pairs(self.subject.name))
        return self._planned.select(started).by_source()


def _costly(pairs: PlannedPairs, most: np.ndarray) -> Iterator[tuple[PlannedPair, float]]:
    return zip(pairs, most.tolist(), strict=True)
