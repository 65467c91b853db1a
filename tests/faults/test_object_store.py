"""Drivers and workers that die while they write to an object store, and two at once there."""

import signal
import time

import pytest

from blindspots.locks import LOCK
from blindspots.places import find_place
from tests.faults.test_damage import verified
from tests.faults.test_kill import assert_same
from tests.faults.test_workers import BACKENDS, start
from tests.support.object_store import fetch, names

pytestmark = pytest.mark.faults


def wait_for(out, process, count):
    """Until so many parts of pairs are stored."""
    until = time.monotonic() + 240
    while sum(name.startswith("parts/pairs-") for name in names(out)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no rows came"
        time.sleep(0.3)


@pytest.mark.parametrize("backend", ["serial", *BACKENDS])
def test_a_killed_run_resumes_in_its_store(tmp_path, undisturbed, bucket, backend):
    out = f"{bucket}/run"
    process = start(out, backend)
    wait_for(out, process, 4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = {name for name in names(out) if name.startswith("found/")}
    assert before
    again = start(out, backend)
    _, error = again.communicate(timeout=600)
    assert again.returncode == 0, error
    assert LOCK not in names(out)
    assert before <= names(out)
    copy = fetch(out, tmp_path / "copy")
    assert_same(copy, undisturbed)
    verified(out)


def test_the_second_driver_in_a_store_is_refused(tmp_path, undisturbed, bucket):
    out = f"{bucket}/run"
    first = start(out, "serial")
    wait_for(out, first, 1)
    second = start(out, "serial")
    _, error = second.communicate(timeout=120)
    assert second.returncode == 2
    assert f"process {first.pid} on" in " ".join(error.split())
    _, error = first.communicate(timeout=600)
    assert first.returncode == 0, error
    assert_same(fetch(find_place(out), tmp_path / "copy"), undisturbed)
