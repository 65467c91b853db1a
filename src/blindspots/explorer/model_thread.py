"""One thread per model, its events and its share of the cores.

Short questions come first, then everybody's long work, a turn each.

A question (the confidence at a point) is answered before every forward of long work, so it waits
for one batch at most, however long a traversal is.
"""

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from blindspots.engine.evaluator import Evaluator
from blindspots.errors import BlindspotsError
from blindspots.models.classifier import Classifier

_SMALL = 128 * 128
Event = dict[str, Any]
MOST_WAITING = 16
MOST_TASKS, MOST_QUESTIONS = 8, 64
WENT_WRONG = "Something went wrong in the explorer; the terminal it was started from says what."
PIXELS_A_BATCH, SMALLEST_BATCH = 16 * 64 * 64, 2
Answer = TypeVar("Answer")
log = logging.getLogger("blindspots.explorer")


class ThreadBudget:
    """Whoever computes alone has all cores; two that have all of them each hinder each other.

    `total`: torch's threads unless said.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total or torch.get_num_threads()
        self._lock = threading.Lock()
        self._working = 0

    def useful(self, pixels: int) -> int:
        """How many of them help a model of that input size: one, or all.

        Outside the main thread libgomp's threads are slow to wake where they are as many as the
        cores: small models are faster with one (a ResNet of 64 px: 0.65 s a traversal, not 1.2 s).
        """
        return 1 if pixels <= _SMALL else self._total

    @contextmanager
    def taken(self, most: int) -> Iterator[None]:
        with self._lock:
            self._working += 1
            share = min(most, max(1, self._total // self._working))
        try:
            # OpenMP has a number for each thread that calls it.
            torch.set_num_threads(share)
            yield
        finally:
            with self._lock:
                self._working -= 1


class Busy(BlindspotsError):
    """As much is being done as the server takes; asking again later helps."""


class EventQueue:
    """A queue that several threads fill and one tab empties.

    It is full with 16 events: the work behind it then waits, so a slow tab costs no memory. Made
    on the event loop that empties it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._events: deque[Event] = deque()
        self._senders = 0
        self._wake: list[Callable[[], None]] = []

    @property
    def full(self) -> bool:
        return len(self._events) >= MOST_WAITING

    def join(self, wake: Callable[[], None]) -> None:
        """One more sender, whose `wake` is called when there is room again."""
        self._senders += 1
        self._wake.append(wake)

    def leave(self) -> None:
        self._senders -= 1
        self._tell()

    def put(self, event: Event) -> None:
        self._events.append(event)
        self._tell()

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come, until the last sender has left."""
        while True:
            while self._events:
                event = self._events.popleft()
                if len(self._events) == MOST_WAITING // 2:
                    for wake in self._wake:
                        wake()
                yield event
            if self._senders <= 0:
                return
            self._arrived.clear()
            if not self._events and self._senders > 0:
                await self._arrived.wait()

    def _tell(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)


class Cancelled(Exception):
    """Raised inside long work that nobody waits for any more."""


class ModelTask:
    """Long work for one model: an iterator of events, advanced a turn at a time.

    `None` among the events is a turn with nothing to show.
    """

    def __init__(self, turns: Iterator[Event | None], outbox: EventQueue) -> None:
        self.turns, self.outbox = turns, outbox
        self.paused = self.cancelled = False

    @property
    def ready(self) -> bool:
        return self.cancelled or not (self.paused or self.outbox.full)

    def advance(self) -> bool:
        if self.cancelled:
            return False
        try:
            event = next(self.turns)
        except (StopIteration, Cancelled):
            return False
        except BlindspotsError as error:
            self.outbox.put({"kind": "error", "error": str(error)})
            return False
        except Exception:
            log.exception("long work failed")
            self.outbox.put({"kind": "error", "error": WENT_WRONG})
            return False
        if event is not None:
            self.outbox.put(event)
        return True

    def finish(self) -> None:
        close = getattr(self.turns, "close", None)
        if close is not None:
            close()
        self.outbox.leave()


class TabJob:
    """What one tab asked for: one task a model, that are paused and ended together."""

    def __init__(
        self, outbox: EventQueue, tasks: Sequence[ModelTask], wake: Sequence[Callable]
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.outbox, self._tasks, self._wake = outbox, tasks, wake

    def pause(self, paused: bool) -> None:
        for task in self._tasks:
            task.paused = paused
        self._look_again()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancelled = True
        self._look_again()

    def _look_again(self) -> None:
        for wake in self._wake:
            wake()


class ModelThread:
    """Runs one frozen model on a thread of its own.

    `evaluator` is for long work and gives way to questions. `cores`: what the models share. At most
    `most_tasks` tasks and `most_questions` questions wait; beyond that `Busy` is raised.
    """

    def __init__(
        self,
        model: Classifier,
        *,
        cores: ThreadBudget | None = None,
        most_tasks: int = MOST_TASKS,
        most_questions: int = MOST_QUESTIONS,
    ) -> None:
        batch = max(SMALLEST_BATCH, PIXELS_A_BATCH // (model.size[0] * model.size[1]))
        self.model, self._cores = model, cores or ThreadBudget()
        self.evaluator = Evaluator(model, chunk=batch, give_way=self._give_way)
        self._quick = Evaluator(model, chunk=batch)
        self._most = most_tasks, most_questions
        self._changed = threading.Condition()
        self._questions: deque[tuple[Callable[[Evaluator], Any], Future[Any]]] = deque()
        self._tasks: deque[ModelTask] = deque()
        self._current: ModelTask | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=model.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.cancelled = True
            self._changed.notify()
        self._thread.join(timeout=10)

    def ask(self, question: Callable[[Evaluator], Answer]) -> "Future[Answer]":
        future: Future[Answer] = Future()
        with self._changed:
            if len(self._questions) >= self._most[1]:
                raise Busy(
                    f"{self.model.name} has too many questions waiting; ask again in a while."
                )
            self._questions.append((question, future))
            self._changed.notify()
        return future

    def take(self, turns: Iterator[Event | None], outbox: EventQueue) -> ModelTask:
        task = ModelTask(turns, outbox)
        with self._changed:
            self.check_room()
            outbox.join(self.look_again)
            self._tasks.append(task)
            self._changed.notify()
        return task

    def check_room(self) -> None:
        if len(self._tasks) >= self._most[0]:
            raise Busy(
                f"{self.model.name} is busy with {len(self._tasks)} traversals; "
                "wait for one to end, or close a tab that you no longer look at."
            )

    def look_again(self) -> None:
        """Notice that tasks were paused, resumed, cancelled, or that their outbox has room."""
        with self._changed:
            self._changed.notify()

    @property
    def tasks(self) -> int:
        return len(self._tasks)

    def _work(self) -> None:
        with self.model.frozen():
            threads = self._cores.useful(self.model.size[0] * self.model.size[1])
            while self._wait():
                with self._cores.taken(threads):
                    self._answer()
                    self._turn()
            for task in self._tasks:
                task.finish()

    def _wait(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._questions or any(t.ready for t in self._tasks)
            )
            return not self._closed

    def _answer(self) -> None:
        while self._questions:
            question, future = self._questions.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(question(self._quick))
            except Exception as error:
                future.set_exception(error)

    def _turn(self) -> None:
        with self._changed:
            task = next((task for task in self._tasks if task.ready), None)
            if task is None:
                return
            self._tasks.remove(task)
            self._tasks.append(task)
        self._current = task
        going_on = task.advance()
        self._current = None
        if not going_on:
            with self._changed:
                self._tasks.remove(task)
            task.finish()

    def _give_way(self) -> None:
        self._answer()
        if self._current is not None and self._current.cancelled:
            raise Cancelled
