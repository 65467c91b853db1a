"""A cluster that is not there, or too small; one of its two nodes goes away during a run."""

import pytest
import ray

from blindspots.cli.main import call
from tests.process.runs import assert_same, ended, wait, wait_for
from tests.support.refusal_sites import raised

pytestmark = pytest.mark.faults


def test_a_node_that_goes_away_takes_nothing_with_it(site, undisturbed, ray_nodes):
    driver = site.start(site.out, *ray_nodes.options)
    wait_for(site.out, driver, 4)
    # An actor and a process of each worker: else nothing may be on the node that goes.
    wait(driver, lambda: len(ray_nodes.workers()) == 4)
    ray_nodes.lose_second()
    site.go(0)
    error = ended(driver)
    ray_nodes.add_second()
    assert "a worker ended" in error
    assert_same(site.out, undisturbed)
    site.verify()


def test_what_the_refusal_of_a_cluster_says_to_do_succeeds(
    site, undisturbed, ray_nodes, followed, monkeypatch, capsys
):
    """One is started, and is asked for as many workers as it holds."""
    site.go(0)
    address = ray_nodes.cluster.address
    run = site.arguments(site.out, "--backend", "ray", "--address")
    with raised() as refused:
        assert call([*run, "127.0.0.1:1"]) == 2
        with monkeypatch.context() as nobody:
            nobody.setattr(ray, "init", no_cluster)
            assert call([*run, address]) == 2
        assert call([*run, address, "--workers", "9"]) == 2
    assert "as in --workers 2" in " ".join(capsys.readouterr().err.split())
    assert call([*run, address, "--workers", "2"]) == 0
    assert_same(site.out, undisturbed)
    for refusal in set(refused):
        followed(refusal, "tests/process/test_nodes.py")
    assert len(set(refused)) == 3


def no_cluster(**_options):
    raise ConnectionError("no running instance")
