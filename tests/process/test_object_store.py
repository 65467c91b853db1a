"""Drivers and workers that die while they write to an object store, and two at once there."""

import pytest

from blindspots.store.lock import LOCK
from blindspots.store.paths import find_place
from tests.process.runs import (
    BACKENDS,
    assert_same,
    ended,
    kill,
    wait,
    wait_until_gone,
    worker_processes,
)
from tests.support.object_store import fetch, names

pytestmark = pytest.mark.faults

BY = {"serial": [], **BACKENDS}


def wait_for(out, process, count):
    """Until so many parts of pairs are stored."""

    def there():
        return sum(name.startswith("parts/pairs-") for name in names(out)) >= count

    wait(process, there, 0.3)


@pytest.mark.parametrize("backend", list(BY))
def test_a_killed_run_resumes_in_its_store(tmp_path, few_site, few, bucket, backend):
    """With Ray, which the driver starts itself here, its workers are killed with it too."""
    out = f"{bucket}/run"
    driver = few_site.start(out, *BY[backend])
    wait_for(out, driver, 2)
    own = worker_processes([driver.pid], backend) if BY[backend] else []
    assert bool(own) == bool(BY[backend])
    kill(driver)
    wait_until_gone(own)
    before = {name for name in names(out) if name.startswith("found/")}
    assert before
    few_site.finish(out, *BY[backend])
    assert LOCK not in names(out)
    assert before <= names(out)
    copy = fetch(out, tmp_path / "copy")
    assert_same(copy, few.out)
    few_site.verify(copy)


def test_the_second_driver_in_a_store_is_refused(tmp_path, few_site, few, bucket):
    out = f"{bucket}/run"
    first = few_site.start(out)
    wait_for(out, first, 1)
    error = ended(few_site.start(out), 2)
    assert f"process {first.pid} on" in error
    few_site.go(0)
    ended(first)
    assert_same(fetch(find_place(out), tmp_path / "copy"), few.out)
