"""One thread per model: short questions first, then everybody's long work, a turn each.

A question (the confidence at a point) is answered before every forward of long work, so it waits
for one batch at most, however long a traversal is.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from blindspots.engine.evaluator import Evaluator
from blindspots.errors import BlindspotsError
from blindspots.explorer.event_queue import Event, EventQueue
from blindspots.explorer.refusals import Busy
from blindspots.explorer.thread_budget import ThreadBudget
from blindspots.models.classifier import Classifier

MOST_TASKS, MOST_QUESTIONS = 8, 64
WENT_WRONG = "Something went wrong in the explorer; the terminal it was started from says what."
PIXELS_A_BATCH, SMALLEST_BATCH = 16 * 64 * 64, 2

Answer = TypeVar("Answer")
log = logging.getLogger("blindspots.explorer")


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
        """Whether it has something to do: cancelled work has to be cleared away."""
        return self.cancelled or not (self.paused or self.outbox.full)

    def advance(self) -> bool:
        """One turn; whether there may be another."""
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
        """Let go of what the work holds; on the worker's thread alone."""
        close = getattr(self.turns, "close", None)
        if close is not None:
            close()
        self.outbox.leave()


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
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; what waits is dropped."""
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.cancelled = True
            self._changed.notify()
        self._thread.join(timeout=10)

    def ask(self, question: Callable[[Evaluator], Answer]) -> "Future[Answer]":
        """The answer to a short question, soon."""
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
        """Long work, accepted; its events go to the outbox."""
        task = ModelTask(turns, outbox)
        with self._changed:
            self.check_room()
            outbox.join(self.look_again)
            self._tasks.append(task)
            self._changed.notify()
        return task

    def check_room(self) -> None:
        """Raise `Busy` where no further long work would be taken."""
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
        """How much long work is here now."""
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
        """One turn of the next task that is ready; afterwards it stands last."""
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
