"""The processor's cores, shared by the models that compute at a moment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 128 * 128


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
        return 1 if pixels <= SMALL else self._total

    @contextmanager
    def taken(self, most: int) -> Iterator[None]:
        """Inside, the calling thread computes with its share, `most` at most."""
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
