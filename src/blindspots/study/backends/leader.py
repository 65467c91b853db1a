"""Leads a pool: hands tasks out, hears what was done, starts anew where a worker died."""

import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError, WorkFailed
from blindspots.progress import Ticker
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.tasks import Task, TaskPlan
from blindspots.study.backends.worker import WorkerConfig
from blindspots.study.backends.worker_process import (
    Died,
    Done,
    Failed,
    Message,
    Progress,
    Ready,
    Started,
    Warned,
)
from blindspots.study.prepare import most_evaluations
from blindspots.study.subjects import roles, without_pairs

WorkerHandle = Hashable
Received = tuple[WorkerHandle, Message | Died]


@runtime_checkable
class WorkerPool(Protocol):
    """Workers, each of them a `Worker`.

    A worker that was started says `Ready` as soon as it can work, which may be never where the
    machines have no room for it; it is given tasks only then.
    """

    @property
    def workers(self) -> int: ...

    def prepare(self, config: WorkerConfig) -> None:
        """Make ready for `start`; refused where the machines cannot hold the workers."""
        ...

    def start(self) -> WorkerHandle: ...

    def send(self, worker: WorkerHandle, task: Task | None) -> None:
        """Give a worker a task, or None: there is none for now; it takes them in turn."""
        ...

    def receive(self, seconds: float) -> Sequence[Received]:
        """What workers said; nothing where none said anything for so long."""
        ...

    def stop(self, worker: WorkerHandle) -> None: ...


AHEAD, ATTEMPTS, FEWEST_WORKERS = 2, 3, 4
PATIENCE, LISTENING = 300.0, 1.0
# A worker says something at every forward; loading or compiling a large model takes less.
SILENCE = 1800.0


@dataclass
class _WorkerState:
    """A worker: whether it is there and waits for an answer, the tasks it has, those started.

    `silent`: for how many seconds it was listened to and said nothing.
    """

    ready: bool = False
    asks: bool = False
    tasks: dict[int, Task] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)
    silent: float = 0.0

    @property
    def ahead(self) -> int:
        return len(self.tasks.keys() - self.started)


@dataclass
class Leader:
    """Has a pool do all of a job. Knows of pairs no more than their columns.

    `opening` is entered only where something is to be done; leaving it lets all workers go.
    """

    job: RunJob
    opening: AbstractContextManager[WorkerPool]
    _pool: WorkerPool | None = None
    _first: TaskPlan | None = None
    _unfinished: deque[Subject] = field(default_factory=deque)
    _workers: dict[WorkerHandle, _WorkerState] = field(default_factory=dict)
    _again: deque[Task] = field(default_factory=deque)
    _attempts: dict[int, int] = field(default_factory=dict)
    _early_deaths: int = 0
    _warned: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Do it. `WorkFailed` where no worker can be had, or a task ends every worker."""
        missing, total = self._to_do()
        if self._unfinished:
            with self.opening as self._pool:
                self.pool.prepare(self._config())
                work = f"traversing {missing} pairs with {self.pool.workers} workers"
                with self.job.reporter.work(work, total, "evaluations") as tick:
                    self._lead(tick)
        if self.job.archives:
            self.job.store.pack(1)

    @property
    def pool(self) -> WorkerPool:
        assert self._pool is not None
        return self._pool

    def _lead(self, tick: Ticker) -> None:
        for _ in range(self.pool.workers):
            self._workers[self.pool.start()] = _WorkerState()
        idle = 0.0
        while self._hand_out():
            seconds, received = self._listen()
            for worker, message in received:
                self._receive(worker, message, tick)
            self._miss(seconds)
            idle = 0.0 if received or self._working else idle + seconds
            if idle > PATIENCE:
                raise WorkFailed(
                    f"none of {self.pool.workers} workers could be started in {PATIENCE:.0f} s; "
                    "ask for fewer, or see what else holds the machines; the same command resumes"
                )

    def _listen(self) -> tuple[float, Sequence[Received]]:
        """What workers say now, and for how many seconds they were listened to."""
        began = time.monotonic()
        received = self.pool.receive(LISTENING)
        # Longer only where this process was stopped itself, and then it did not listen.
        return min(time.monotonic() - began, 2 * LISTENING), received

    def _miss(self, seconds: float) -> None:
        """Replace workers that have tasks and were silent for too long."""
        for worker, state in list(self._workers.items()):
            state.silent = state.silent + seconds if state.tasks else 0.0
            if state.silent > SILENCE:
                self._replace(worker, f"nothing was heard of it for {SILENCE:,.0f} s")

    @property
    def _working(self) -> bool:
        return any(state.tasks for state in self._workers.values())

    def _hand_out(self) -> bool:
        """Give tasks to who is free; whether anything is still to be done."""
        for worker, state in self._workers.items():
            while state.ready and state.ahead < AHEAD and (task := self._next_task()):
                state.tasks[task.number] = task
                self.pool.send(worker, task)
            if state.asks and not state.ahead:
                self.pool.send(worker, None)
            state.asks = False
        return self._working or self._left

    @property
    def _left(self) -> bool:
        task = self._next_task()
        if task:
            self._again.appendleft(task)
        return task is not None

    def _next_task(self) -> Task | None:
        return self._again.popleft() if self._again else next(self._tasks, None)

    @cached_property
    def _tasks(self) -> Iterator[Task]:
        return self._all_tasks()

    def _all_tasks(self) -> Iterator[Task]:
        """Model by model, so that each worker loads a model once, and one plan is held."""
        number = 0
        for subject in self._unfinished:
            plan, self._first = self._first or self._plan(subject), None
            for task in plan.tasks(self.pool.workers, number):
                yield task
                number = task.number + 1

    def _receive(self, worker: WorkerHandle, message: Message | Died, tick: Ticker) -> None:
        state = self._workers.get(worker)
        if state is None:
            return
        state.silent = 0.0
        match message:
            case Ready():
                state.ready = state.asks = True
            case Started(number):
                self._early_deaths = 0
                state.started.add(number)
                state.asks = True
            case Progress(evaluations):
                tick(evaluations)
            case Warned(text):
                self._warn(" ".join(text.split()))
            case Done(number):
                state.tasks.pop(number)
                self._tidy()
            case Failed() | Died():
                _give_up(message)
                self._replace(worker, message.why)

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.job.reporter.warn(text)

    def _tidy(self) -> None:
        self.job.store.gather()
        if self.job.archives:
            self.job.store.pack_many()

    def _replace(self, worker: WorkerHandle, why: str) -> None:
        """Take back what a worker had not finished, and start another."""
        state = self._workers.pop(worker)
        self.pool.stop(worker)
        last = why.strip().splitlines()[-1]
        self.job.reporter.warn(f"a worker ended ({last}); what it had not finished is done again")
        for number, task in state.tasks.items():
            if number in state.started:
                self._take_back(task, why)
            else:
                # It cannot have been its pairs.
                self._again.append(task)
        if self._may_start(state, why):
            self._workers[self.pool.start()] = _WorkerState()

    def _may_start(self, ended: _WorkerState, why: str) -> bool:
        """Whether another worker may take the place of one, as it would not end at once too.

        `WorkFailed` where none is left.
        """
        self._early_deaths += not ended.started
        if self._early_deaths < ATTEMPTS * max(FEWEST_WORKERS, self.pool.workers):
            return True
        if self._workers:
            return False
        raise WorkFailed(
            f"{self._early_deaths} workers ended one after the other before their first pair "
            f"({' '.join(why.split())}); finished pairs are kept; mend that, or leave out "
            "--workers and --backend, then the same command resumes"
        )

    def _take_back(self, task: Task, why: str) -> None:
        subject = next(s for s in self.job.prepared.subjects if s.name == task.model)
        left = self._plan(subject).again(task)
        if left is None:
            return
        advanced = left.size < task.size
        self._attempts[task.number] = 1 if advanced else self._attempts.get(task.number, 0) + 1
        if self._attempts[task.number] > ATTEMPTS:
            first = next((pair.pair_id for pair in left.pairs if pair.pair_id in left.missing), "")
            raise WorkFailed(
                f"{ATTEMPTS + 1} workers ended one after the other on the same {len(left.pairs)} "
                f"pairs of {task.model}, {first} among them: {why.strip()}"
            )
        self._again.append(left)

    def _plan(self, subject: Subject) -> TaskPlan:
        planned = self.job.prepared.pairs[subject.name]
        job = self.job
        return TaskPlan(subject.name, planned, job.store, job.dropped, job.measured)

    def _to_do(self) -> tuple[int, float]:
        count, total = 0, 0.0
        # Backwards: the plan that is made last is the first that is worked on.
        for subject in reversed(self.job.prepared.subjects):
            plan = self._plan(subject)
            pairs, mask = plan.groups.pairs, plan.missing
            self.job.save_images(subject, pairs.select(~mask))
            count += int(mask.sum())
            total += float(most_evaluations(self.job.method, pairs.select(mask)).sum())
            if plan.unfinished.any():
                self._unfinished.appendleft(subject)
                self._first = plan
        return count, total

    def _config(self) -> WorkerConfig:
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
            evaluations=dict.fromkeys(prepared.pairs, int(whole / self.pool.workers)),
        )


def _give_up(message: Failed | Died) -> None:
    """Raise what no other worker would do better state."""
    match message:
        case Failed("refused", why):
            raise UsageError(why)
        case Failed("failed", why):
            raise WorkFailed(
                f"{why}; finished pairs are kept; mend that, then the same command resumes"
            )
