"""One of a cluster's two nodes goes away in the middle of a run."""

import pytest

from tests.process.runs import assert_same, ended, wait, wait_for

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
