"""What a backend is given, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from blindspots.engine.subject import Subject
from blindspots.measure.metrics import Lpips
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.settings import Keep
from blindspots.store.writer import Store
from blindspots.study.pairs import PlannedPairs
from blindspots.study.prepare import Prepared
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
