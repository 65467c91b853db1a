"""Drivers and workers that die while they write to an object store, and two at once there."""

import os
import signal
import subprocess
import sys
import time

import pytest

from blindspots.locks import LOCK
from blindspots.places import find_place
from tests.faults.test_kill import assert_same, command, finish
from tests.object_store import fetch, names

pytestmark = pytest.mark.faults

BACKENDS = {
    "serial": [],
    "processes": ["--backend", "processes", "--workers", "2"],
    "ray": ["--backend", "ray", "--workers", "2"],
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one process makes of it on a disk."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(out)
    return out


def start(out, backend):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command(out), *BACKENDS[backend]], env=environment, **pipes)


def wait_for(out, process, count):
    """Until so many parts of pairs are stored."""
    until = time.monotonic() + 240
    while sum(name.startswith("parts/pairs-") for name in names(out)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no rows came"
        time.sleep(0.3)


@pytest.mark.parametrize("backend", list(BACKENDS))
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
    verify = [sys.executable, "-m", "blindspots", "verify", str(out), "--quiet"]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


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
