"""A pool of threads of this process: real workers and a real leader, without a start's imports."""

import pickle
import queue
import threading
from collections.abc import Sequence
from typing import Any

from blindspots.study.backends.worker import Worker

_ENDS = 60.0


class ThreadCrew:
    """Takes the place of `ProcessCrew`; what would go through a pipe is pickled all the same."""

    def __init__(self, devices: Sequence[str]) -> None:
        self.workers = len(devices)
        self._config = b""
        self._inboxes: dict[threading.Thread, queue.SimpleQueue] = {}
        self._messages: queue.SimpleQueue = queue.SimpleQueue()

    def prepare(self, config: Any) -> None:
        self._config = pickle.dumps(config)

    def start(self) -> threading.Thread:
        inbox: queue.SimpleQueue = queue.SimpleQueue()
        worker = threading.Thread(target=lambda: self._work(worker, inbox), daemon=True)
        self._inboxes[worker] = inbox
        worker.start()
        return worker

    def send(self, worker: threading.Thread, task: Any) -> None:
        self._inboxes[worker].put(pickle.dumps(task))

    def receive(self, seconds: float) -> list[tuple[threading.Thread, Any]]:
        try:
            worker, message = self._messages.get(timeout=seconds)
        except queue.Empty:
            return []
        return [(worker, pickle.loads(message))]

    def stop(self, worker: threading.Thread) -> None:
        self._inboxes.pop(worker).put(None)
        worker.join(_ENDS)
        assert not worker.is_alive(), "a worker does not end"

    def __enter__(self) -> "ThreadCrew":
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in list(self._inboxes):
            self.stop(worker)

    def _work(self, worker: threading.Thread, inbox: queue.SimpleQueue) -> None:
        def take() -> Any:
            task = inbox.get()
            if task is None:
                raise EOFError
            return pickle.loads(task)

        config = pickle.loads(self._config)
        Worker(
            config, take, lambda message: self._messages.put((worker, pickle.dumps(message)))
        ).run()
