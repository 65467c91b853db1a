"""Workers and their drivers die, and disks fill up; nothing is lost, nothing is done twice."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest

from tests.process.runs import (
    BACKENDS,
    Process,
    Site,
    assert_not_redone,
    assert_same,
    ended,
    environment,
    found,
    kill,
    wait,
    wait_for,
    wait_until_gone,
    worker_processes,
)
from tests.support.sleeping_model import model_spec

pytestmark = pytest.mark.faults

PROCESSES = BACKENDS["processes"]
ONE = [*PROCESSES[:-1], "1"]


@dataclass(frozen=True)
class Pool:
    """Two workers of a backend: the options that ask for them, and their processes."""

    options: list[str]
    of: Callable[[Process], list[int]]

    def at_work(self, site: Site, **how: object) -> tuple[Process, list[int]]:
        """A driver that has some rows already, and the processes of both its workers."""
        driver = site.start(site.out, *self.options, **how)
        wait_for(site.out, driver, 4)
        wait(driver, lambda: len(self.of(driver)) >= 2)
        return driver, self.of(driver)


@pytest.fixture(params=["processes", "ray"])
def pool(request):
    if request.param == "processes":
        return Pool(PROCESSES, lambda driver: worker_processes([driver.pid], "processes"))
    nodes = request.getfixturevalue("ray_nodes")
    wait_until_gone(nodes.workers())
    return Pool(nodes.options, lambda _driver: nodes.workers())


def test_a_killed_worker_is_replaced_and_only_its_units_are_redone(site, undisturbed, pool):
    driver, (victim, *_) = pool.at_work(site)
    before = found(site.out)
    os.kill(victim, signal.SIGKILL)
    site.go(0)
    assert "a worker ended" in ended(driver)
    assert before
    assert_not_redone(site.out, before)
    assert_same(site.out, undisturbed)
    site.verify()


def test_a_worker_that_hangs_is_replaced_and_its_units_are_redone(site, undisturbed, pool):
    patient = {"blindspots.study.backends.leader.SILENCE": 10.0}
    driver, own = pool.at_work(site, settings=patient)
    # Both of them: one may have been given nothing yet, and its silence says nothing.
    for worker in own:
        os.kill(worker, signal.SIGSTOP)
    site.go(0)
    assert "nothing was heard of it for 10 s" in ended(driver)
    wait_until_gone(own)
    assert_same(site.out, undisturbed)
    site.verify()


def test_a_killed_driver_takes_its_workers_with_it_and_the_run_resumes(site, undisturbed, pool):
    driver, own = pool.at_work(site)
    kill(driver)
    wait_until_gone(own)
    before = found(site.out)
    site.finish(site.out, *pool.options)
    assert_not_redone(site.out, before)
    assert_same(site.out, undisturbed)
    site.verify()


def test_an_interrupt_is_130_and_leaves_no_worker(site, undisturbed):
    driver = site.start(site.out, *PROCESSES)
    wait_for(site.out, driver, 2)
    own = worker_processes([driver.pid], "processes")
    assert own
    driver.send_signal(signal.SIGINT)
    ended(driver, 130)
    assert not any(map(psutil.pid_exists, own))
    site.finish()
    assert_same(site.out, undisturbed)


def test_a_disk_that_is_full_for_a_worker_ends_the_run_and_it_resumes(large_site, large):
    """Found images are larger than the limit, rows are not. One worker: another one, which is
    killed because the first one failed, may leave half a file to the next run's sweep.

    Not with Ray, whose own files would meet the limit first; a worker's code is the same.
    """
    limit = (30_000, resource.RLIM_INFINITY)
    error = ended(large_site.start(large_site.out, *ONE, file_limit=limit), 1)
    assert "disk is full" in error
    assert "resumes" in error
    assert not list(large_site.out.rglob("*.partial"))
    large_site.finish()
    assert_same(large_site.out, large.out)


def test_a_worker_that_dies_of_its_pairs_every_time_ends_the_run_with_their_names(site):
    """A model that kills its process as soon as it is asked for the gradients of a batch."""
    site.go(0)
    how = ["--batch-size", "4", "--quiet", *ONE]
    deadly = ["--model", model_spec("deadly"), *site.given, *how, "--out", str(site.out)]
    error = ended(site.drive("run", *deadly), 1)
    assert "4 workers ended one after the other" in error


@pytest.mark.parametrize("backend", ["processes", "ray"])
def test_workers_whose_processes_end_before_they_begin_end_the_run_in_a_sentence(site, backend):
    """As where a machine lacks a library: each new process ends as Python comes up."""
    site.go(0)
    broken = site.ends_as_it_starts("multiprocessing")
    error = ended(site.start(site.out, *BACKENDS[backend], within=broken), 1)
    assert "workers ended one after the other before their first pair" in error
    assert "finished pairs are kept" in error
    assert error.count("a worker ended") <= 16
    site.finish()


def test_ray_workers_that_cannot_start_at_all_end_the_run_in_a_sentence(site):
    site.go(0)
    broken = site.ends_as_it_starts("default_worker")
    impatient = {"blindspots.study.backends.leader.PATIENCE": 5.0}
    driver = site.start(site.out, *BACKENDS["ray"], within=broken, settings=impatient)
    error = ended(driver, 1)
    assert "none of 2 workers could be started in 5 s" in error


def test_a_script_without_a_guard_does_not_start_its_run_anew_in_every_worker(site, undisturbed):
    site.go(0)
    script = site.folder / "script.py"
    line = site.arguments(None, *PROCESSES)
    script.write_text(f"from blindspots.cli import main\nmain({line!r})\n")
    said = subprocess.run(
        [sys.executable, script], cwd=site.folder, env=environment(), capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "worker ended" not in said.stderr
    assert_same(site.out, undisturbed)
