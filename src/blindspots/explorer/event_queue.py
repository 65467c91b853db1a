"""Events on their way from the models' threads to one browser tab."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blindspots.explorer.model_thread import ModelTask

Event = dict[str, Any]
MOST_WAITING = 16


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
        """Whether senders should wait."""
        return len(self._events) >= MOST_WAITING

    def join(self, wake: Callable[[], None]) -> None:
        """One more sender, whose `wake` is called when there is room again."""
        self._senders += 1
        self._wake.append(wake)

    def leave(self) -> None:
        """One sender has no more to send."""
        self._senders -= 1
        self._tell()

    def put(self, event: Event) -> None:
        """Send an event; from any thread."""
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


class TabJob:
    """What one tab asked for: one task a model, that are paused and ended together."""

    def __init__(
        self, outbox: EventQueue, tasks: "Sequence[ModelTask]", wake: Sequence[Callable]
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.outbox, self._tasks, self._wake = outbox, tasks, wake

    def pause(self, paused: bool) -> None:
        """Let the work rest, or go on."""
        for task in self._tasks:
            task.paused = paused
        self._look_again()

    def cancel(self) -> None:
        """Nobody waits for this any more."""
        for task in self._tasks:
            task.cancelled = True
        self._look_again()

    def _look_again(self) -> None:
        for wake in self._wake:
            wake()
