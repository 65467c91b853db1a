"""A cluster of two nodes, one of which goes away in the middle of a run."""

import os
import subprocess

import pytest

from tests.faults.test_damage import verified
from tests.faults.test_kill import assert_same, command, finish
from tests.faults.test_workers import ended, wait_for

pytestmark = pytest.mark.faults


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of a core each, on this machine."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield cluster
    cluster.shutdown()


def start(out, address: str) -> subprocess.Popen:
    options = ["--backend", "ray", "--address", address, "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    return subprocess.Popen([*command(out), *options], env=environment, **pipes)


def test_a_node_that_goes_away_takes_nothing_with_it(tmp_path, cluster):
    finish(tmp_path / "undisturbed")
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    out = tmp_path / "run"
    process = start(out, cluster.address)
    wait_for(out, process, 4)
    cluster.remove_node(second, allow_graceful=False)
    assert "a worker ended" in ended(process)
    assert_same(out, tmp_path / "undisturbed")
    verified(out)
