"""The processor's cores, shared by the models that compute at a moment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Cores:
    """Whoever computes alone has all cores; two that have all of them each hinder each other.

    `total`: torch's threads unless said.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total or torch.get_num_threads()
        self._lock = threading.Lock()
        self._working = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, the calling thread computes with its share, which is told at the beginning."""
        with self._lock:
            self._working += 1
            share = max(1, self._total // self._working)
        try:
            # OpenMP has a number for each thread that calls it.
            torch.set_num_threads(share)
            yield
        finally:
            with self._lock:
                self._working -= 1
