"""A worker's side: holds one model and one engine at a time, does tasks, says what it did.

The engine takes pairs from one task after the other, so its slots stay full from task to task.
"""

import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import monotonic

from blindspots.engine.device import keep_freed_memory
from blindspots.engine.evaluator import Subject
from blindspots.errors import ModelFailed, UsageError, WorkFailed, shortage
from blindspots.images import ImageSet
from blindspots.measure.metrics import Lpips, find_lpips
from blindspots.methods.method import Method
from blindspots.schema import Ending, PlannedPair
from blindspots.settings import Keep
from blindspots.store.atomic import storage_failure
from blindspots.store.paths import Place
from blindspots.store.writer import Store
from blindspots.study.backends.tasks import FEWEST, Task
from blindspots.study.backends.worker_process import Done, Failed, Message, Progress, Ready, Started
from blindspots.study.subjects import ModelRef, RunRequest, load_again
from blindspots.study.work import Costly, Work, by_source

SECONDS_BETWEEN_MESSAGES = 0.5


@dataclass(frozen=True)
class WorkerConfig:
    """What every worker is told once, whatever tasks it gets: no pair is named.

    `directory`: the one that relative paths start from. `evaluations`: what a worker's share of
    each model's traversals costs at most, by its name.
    """

    request: RunRequest
    roles: tuple[ModelRef, ...]
    images: ImageSet
    method: Method
    out: Place
    directory: Path
    keep: Keep
    evaluations: dict[str, int]


Take = Callable[[], Task | None]
Tell = Callable[[Message], object]


@dataclass
class _Opened:
    """A task that is worked on: the pairs not traversed yet, and those that were."""

    task: Task
    waiting: set[str]
    started: set[str]

    def sources(self, table: str) -> list[list[PlannedPair]]:
        started = [pair for pair in self.task.pairs if pair.pair_id in self.started]
        return [
            own
            for own in by_source(started)
            if own[0].source_id in self.task.lacking[table] and len(own) >= FEWEST[table]
        ]


@dataclass
class Worker:
    """A worker. `take` waits for the next task, or None: none for now; `tell` hears what was done.

    Each task that is started is answered with at least one of these, so `take` soon has something
    while pairs are in flight.
    """

    config: WorkerConfig
    take: Take
    tell: Tell
    _next: Task | None = None
    _subject: Subject | None = None
    _open: dict[int, _Opened] = field(default_factory=dict)
    _spent: float = 0.0
    _said: float = 0.0

    def run(self) -> None:
        """Do tasks for as long as this process lives. What goes wrong is told, and ends it."""
        keep_freed_memory()
        if self.config.directory.is_dir():
            os.chdir(self.config.directory)
        self.tell(Ready())
        try:
            while True:
                task = self._next or self._begin()
                self._next = None
                if task is not None:
                    self._stream(task)
        except Exception as error:
            self.tell(_failure(error))

    def _stream(self, first: Task) -> None:
        """This task, and those of the same model that come while it is worked on."""
        work = self._work(first.model)
        for ended in work.traverse(self._pairs_of(first), self._spend):
            self._note(ended)
            self._close(work)
        self._close(work)
        self._say()

    def _pairs_of(self, task: Task | None) -> Iterator[Costly]:
        while task is not None:
            self._open[task.number] = _Opened(task, set(task.missing), set(task.started))
            yield from _costly(task, self.config.method)
            following = self._begin()
            if following is not None and following.model != task.model:
                self._next, following = following, None
            task = following

    def _begin(self) -> Task | None:
        task = self.take()
        if task is not None:
            self.tell(Started(task.number))
        return task

    def _work(self, model: str) -> Work:
        config = self.config
        return Work(
            subject=self._load(model),
            method=config.method,
            store=self._store,
            seed=config.request.science.seed,
            keep=config.keep,
            lpips=self._lpips,
        )

    @cached_property
    def _lpips(self) -> Lpips | None:
        return find_lpips(self.config.request.machine.lpips_weights)[0]

    @cached_property
    def _store(self) -> Store:
        return Store(self.config.out)

    def _load(self, model: str) -> Subject:
        """The model with its images; the one before it is let go first."""
        if self._subject is None or self._subject.name != model:
            self._subject = None
            role = next(role for role in self.config.roles if role.name == model)
            subject = load_again(self.config.request, role, self.config.images)
            choice = self.config.request.machine.compile
            # However long a source takes to measure: a model that still answers does not hang.
            subject.evaluator.give_way = lambda: self._spend(0.0)
            subject.evaluator.compile_where_it_pays(self.config.evaluations[model], choice)
            self._subject = subject
        return self._subject

    def _note(self, ended: Sequence[tuple[PlannedPair, Ending]]) -> None:
        for pair, ending in ended:
            opened = next(o for o in self._open.values() if pair.pair_id in o.waiting)
            opened.waiting.remove(pair.pair_id)
            if ending.started:
                opened.started.add(pair.pair_id)

    def _close(self, work: Work) -> None:
        """Measure and report the tasks whose pairs are all traversed."""
        for number in [n for n, opened in self._open.items() if not opened.waiting]:
            self._measure(work, self._open[number])
            del self._open[number]
            self.tell(Done(number))

    def _measure(self, work: Work, opened: _Opened) -> None:
        for table in opened.task.lacking:
            for _ in work.measure(table, opened.sources(table)):
                self._spend(0.0)
        if self.config.keep == "none":
            self._store.drop_found(opened.started)

    def _spend(self, evaluations: float) -> None:
        self._spent += evaluations
        if monotonic() - self._said > SECONDS_BETWEEN_MESSAGES:
            self._say()

    def _say(self) -> None:
        self.tell(Progress(self._spent))
        self._spent, self._said = 0.0, monotonic()


def _costly(task: Task, method: Method) -> Iterator[Costly]:
    group_size = Counter(pair.source_id for pair in task.pairs) if method.grouped else Counter()
    for pair in task.pairs:
        if pair.pair_id in task.missing:
            count = group_size.get(pair.source_id, 1)
            yield pair, method.most_evaluations(count) / count


def _failure(error: Exception) -> Failed:
    if isinstance(error, UsageError):
        return Failed("refused", str(error))
    if isinstance(error, OSError):
        return Failed("failed", storage_failure(error))
    if isinstance(error, ModelFailed):
        return Failed("error", str(error))
    if isinstance(error, WorkFailed):
        return Failed("failed", str(error))
    if short := shortage(error):
        return Failed("error", short)
    return Failed("error", "".join(traceback.format_exception(error)))
