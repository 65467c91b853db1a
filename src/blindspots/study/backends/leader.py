"""Leads a crew: hands units out, hears what was done, hires anew where a worker died."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError, WorkFailed
from blindspots.progress import Ticker
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.messages import (
    Died,
    Done,
    Failed,
    Progress,
    Ready,
    Started,
    Warned,
    Word,
)
from blindspots.study.backends.tasks import Task, TaskPlan
from blindspots.study.backends.worker import WorkerConfig
from blindspots.study.backends.worker_pool import Heard, WorkerHandle, WorkerPool
from blindspots.study.prepare import most_evaluations
from blindspots.study.subjects import roles, without_pairs

AHEAD, ATTEMPTS, UNBORN = 2, 3, 4
PATIENCE, LISTENING = 300.0, 1.0
# A worker says something at every forward; loading or compiling a large model takes less.
SILENCE = 1800.0


@dataclass
class _At:
    """A worker: whether it is there and waits for an answer, the units it has, those begun.

    `silent`: for how many seconds it was listened to and said nothing.
    """

    ready: bool = False
    asks: bool = False
    units: dict[int, Task] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    silent: float = 0.0

    @property
    def ahead(self) -> int:
        """How many units it has that it did not begin."""
        return len(self.units.keys() - self.begun)


@dataclass
class Leader:
    """Has a crew do all of a job. Knows of pairs no more than their columns.

    `opening` is entered only where something is to be done; leaving it lets all workers go.
    """

    job: RunJob
    opening: AbstractContextManager[WorkerPool]
    _crew: WorkerPool | None = None
    _first: TaskPlan | None = None
    _unfinished: deque[Subject] = field(default_factory=deque)
    _at: dict[WorkerHandle, _At] = field(default_factory=dict)
    _again: deque[Task] = field(default_factory=deque)
    _attempts: dict[int, int] = field(default_factory=dict)
    _unborn: int = 0
    _warned: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Do it. `WorkFailed` where no worker can be had, or a unit ends every worker."""
        missing, total = self._to_do()
        if self._unfinished:
            with self.opening as self._crew:
                self.crew.prepare(self._orders())
                work = f"traversing {missing} pairs with {self.crew.workers} workers"
                with self.job.reporter.work(work, total, "evaluations") as tick:
                    self._lead(tick)
        if self.job.archives:
            self.job.store.pack(1)

    @property
    def crew(self) -> WorkerPool:
        """The workers, who are there as soon as something is to be done."""
        assert self._crew is not None
        return self._crew

    def _lead(self, tick: Ticker) -> None:
        for _ in range(self.crew.workers):
            self._at[self.crew.start()] = _At()
        idle = 0.0
        while self._hand_out():
            seconds, heard = self._listen()
            for worker, word in heard:
                self._hear(worker, word, tick)
            self._miss(seconds)
            idle = 0.0 if heard or self._working else idle + seconds
            if idle > PATIENCE:
                raise WorkFailed(
                    f"none of {self.crew.workers} workers could be started in {PATIENCE:.0f} s; "
                    "ask for fewer, or see what else holds the machines; the same command resumes"
                )

    def _listen(self) -> tuple[float, Sequence[Heard]]:
        """What workers say now, and for how many seconds they were listened to."""
        began = time.monotonic()
        heard = self.crew.receive(LISTENING)
        # Longer only where this process was stopped itself, and then it did not listen.
        return min(time.monotonic() - began, 2 * LISTENING), heard

    def _miss(self, seconds: float) -> None:
        """Replace workers that have units and were silent for too long."""
        for worker, at in list(self._at.items()):
            at.silent = at.silent + seconds if at.units else 0.0
            if at.silent > SILENCE:
                self._replace(worker, f"nothing was heard of it for {SILENCE:,.0f} s")

    @property
    def _working(self) -> bool:
        return any(at.units for at in self._at.values())

    def _hand_out(self) -> bool:
        """Give units to who is free; whether anything is still to be done."""
        for worker, at in self._at.items():
            while at.ready and at.ahead < AHEAD and (unit := self._next_unit()):
                at.units[unit.number] = unit
                self.crew.send(worker, unit)
            if at.asks and not at.ahead:
                self.crew.send(worker, None)
            at.asks = False
        return self._working or self._left

    @property
    def _left(self) -> bool:
        """Whether units wait; looks one ahead."""
        unit = self._next_unit()
        if unit:
            self._again.appendleft(unit)
        return unit is not None

    def _next_unit(self) -> Task | None:
        return self._again.popleft() if self._again else next(self._units, None)

    @cached_property
    def _units(self) -> Iterator[Task]:
        return self._all_units()

    def _all_units(self) -> Iterator[Task]:
        """Model by model, so that each worker loads a model once, and one sheet is held."""
        number = 0
        for subject in self._unfinished:
            sheet, self._first = self._first or self._sheet(subject), None
            for unit in sheet.units(self.crew.workers, number):
                yield unit
                number = unit.number + 1

    def _hear(self, worker: WorkerHandle, word: Word | Died, tick: Ticker) -> None:
        at = self._at.get(worker)
        if at is None:
            return
        at.silent = 0.0
        match word:
            case Ready():
                at.ready = at.asks = True
            case Started(number):
                self._unborn = 0
                at.begun.add(number)
                at.asks = True
            case Progress(evaluations):
                tick(evaluations)
            case Warned(text):
                self._warn(" ".join(text.split()))
            case Done(number):
                at.units.pop(number)
                self._tidy()
            case Failed() | Died():
                _give_up(word)
                self._replace(worker, word.why)

    def _warn(self, text: str) -> None:
        """Pass a warning on, once however many workers have it."""
        if text not in self._warned:
            self._warned.add(text)
            self.job.reporter.warn(text)

    def _tidy(self) -> None:
        self.job.store.gather()
        if self.job.archives:
            self.job.store.pack_many()

    def _replace(self, worker: WorkerHandle, why: str) -> None:
        """Take back what a worker had not finished, and hire another."""
        at = self._at.pop(worker)
        self.crew.stop(worker)
        last = why.strip().splitlines()[-1]
        self.job.reporter.warn(f"a worker ended ({last}); what it had not finished is done again")
        for number, unit in at.units.items():
            if number in at.begun:
                self._take_back(unit, why)
            else:
                # It cannot have been its pairs.
                self._again.append(unit)
        if self._may_start(at, why):
            self._at[self.crew.start()] = _At()

    def _may_start(self, ended: _At, why: str) -> bool:
        """Whether another worker may take the place of one, as it would not end at once too.

        `WorkFailed` where none is left.
        """
        self._unborn += not ended.begun
        if self._unborn < ATTEMPTS * max(UNBORN, self.crew.workers):
            return True
        if self._at:
            return False
        raise WorkFailed(
            f"{self._unborn} workers ended one after the other before their first pair "
            f"({' '.join(why.split())}); finished pairs are kept; mend that, or leave out "
            "--workers and --backend, then the same command resumes"
        )

    def _take_back(self, unit: Task, why: str) -> None:
        subject = next(s for s in self.job.prepared.subjects if s.name == unit.model)
        left = self._sheet(subject).again(unit)
        if left is None:
            return
        advanced = left.size < unit.size
        self._attempts[unit.number] = 1 if advanced else self._attempts.get(unit.number, 0) + 1
        if self._attempts[unit.number] > ATTEMPTS:
            first = next((pair.pair_id for pair in left.pairs if pair.pair_id in left.missing), "")
            raise WorkFailed(
                f"{ATTEMPTS + 1} workers ended one after the other on the same {len(left.pairs)} "
                f"pairs of {unit.model}, {first} among them: {why.strip()}"
            )
        self._again.append(left)

    def _sheet(self, subject: Subject) -> TaskPlan:
        prepared = self.job.prepared
        labels = prepared.survey.labels(subject)
        planned = prepared.pairs[subject.name]
        return TaskPlan(subject.name, planned, labels, self.job.store, self.job.dropped)

    def _to_do(self) -> tuple[int, float]:
        """How many pairs are to be traversed, and the evaluations they cost."""
        count, total = 0, 0.0
        # Backwards: the sheet that is made last is the first that is worked on.
        for subject in reversed(self.job.prepared.subjects):
            sheet = self._sheet(subject)
            pairs, mask = sheet.groups.pairs, sheet.missing
            self.job.save_images(subject, pairs.select(~mask))
            count += int(mask.sum())
            total += float(most_evaluations(self.job.method, pairs.select(mask)).sum())
            if sheet.unfinished.any():
                self._unfinished.appendleft(subject)
                self._first = sheet
        return count, total

    def _orders(self) -> WorkerConfig:
        prepared = self.job.prepared
        whole = most_evaluations(self.job.method, prepared.pairs.of_one_model).sum()
        request = without_pairs(prepared.request)
        return WorkerConfig(
            request=replace(request, predictions=None),
            roles=tuple(roles(prepared.subjects)),
            images=prepared.subjects[0].images.for_model(None),
            method=self.job.method,
            out=self.job.store.path.absolute(),
            directory=Path.cwd(),
            keep=self.job.keep,
            evaluations=dict.fromkeys(prepared.pairs, int(whole / self.crew.workers)),
        )


def _give_up(word: Failed | Died) -> None:
    """Raise what no other worker would do better at."""
    match word:
        case Failed("refused", why):
            raise UsageError(why)
        case Failed("failed", why):
            raise WorkFailed(
                f"{why}; finished pairs are kept; mend that, then the same command resumes"
            )
