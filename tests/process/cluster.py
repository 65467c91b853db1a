"""A Ray cluster of two nodes of a core each on this machine, which all of a session's runs use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.process.runs import environment, worker_processes

STARTS = 3


@dataclass
class Nodes:
    """The cluster, and its second node."""

    cluster: Any
    second: Any

    @property
    def options(self) -> list[str]:
        """How a driver is told to have two workers there."""
        return ["--backend", "ray", "--workers", "2", "--address", self.cluster.address]

    def workers(self) -> list[int]:
        """The processes of all workers there; one driver at a time may have some."""
        raylets = [
            info.process.pid
            for node in (self.cluster.head_node, self.second)
            for info in node.all_processes["raylet"]
        ]
        return worker_processes(raylets, "ray")

    def lose_second(self) -> None:
        """Kill all that runs on the second node."""
        self.cluster.remove_node(self.second, allow_graceful=False)

    def add_second(self) -> None:
        """A second node, fresh."""
        self.second = patiently(lambda: self.cluster.add_node(num_cpus=1))
        self.cluster.wait_for_nodes()


def patiently(start: Callable[[], Any]) -> Any:
    """What is started, on a busy machine too: Ray itself waits 30 s for a node, and no longer."""
    for _ in range(STARTS - 1):
        with suppress(Exception):
            return start()
    return start()


@contextmanager
def opened() -> Iterator[Nodes]:
    """The cluster, shut down afterwards."""
    utilities = pytest.importorskip("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        given = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", **environment()}
        for name, value in given.items():
            patch.setenv(name, value)
        head = {"num_cpus": 1, "include_dashboard": False}
        start = partial(utilities.Cluster, initialize_head=True, head_node_args=head)
        nodes = Nodes(patiently(start), None)
        try:
            nodes.add_second()
            yield nodes
        finally:
            nodes.cluster.shutdown()
