"""All work in this process, on one device: the models one after the other, slots always full."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from blindspots.engine.subject import Subject
from blindspots.schema import SIMPLEX_SAMPLES, PlannedPair
from blindspots.store.writer import Store
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.tasks import FEWEST
from blindspots.study.pairs import Groups, PlannedPairs
from blindspots.study.prepare import most_evaluations
from blindspots.study.resume import HULLS, missing_pairs
from blindspots.study.work import Work

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
