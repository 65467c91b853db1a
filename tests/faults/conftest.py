"""One server of drivers for the whole session, and the run that nothing disturbs."""

import os
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.faults.cluster import opened
from tests.faults.drivers import ADDRESS, serving
from tests.faults.runs import LARGE, SLOW, Site, make_site

STACK = pytest.StashKey[ExitStack]()


def pytest_configure(config):
    """Before xdist starts its workers, all of which then find this one server."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        config.stash[STACK] = ExitStack()
        config.stash[STACK].enter_context(serving())


def pytest_unconfigure(config):
    config.stash.get(STACK, ExitStack()).close()


@pytest.fixture(scope="session", autouse=True)
def drivers():
    """The server, where this is the only process."""
    with ExitStack() as stack:
        if ADDRESS not in os.environ:
            stack.enter_context(serving())
        yield


def undisturbed_site(folder, size) -> Site:
    site = make_site(folder, size)
    site.finish()
    return site


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return undisturbed_site(tmp_path_factory.mktemp("small"), 12)


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """With found images larger than any other file of a run."""
    return undisturbed_site(tmp_path_factory.mktemp("large"), LARGE)


@pytest.fixture
def undisturbed(small):
    """What one process makes of it when nothing happens."""
    return small.out


@pytest.fixture
def site(tmp_path, small):
    """A folder of this test's own; models are slow in it until it says otherwise."""
    here = replace(small, folder=tmp_path)
    here.go(SLOW)
    return here


@pytest.fixture
def large_site(tmp_path, large):
    return replace(large, folder=tmp_path)


@pytest.fixture(scope="session")
def ray_nodes():
    """For tests of the xdist group `ray`, so that one process has the cluster."""
    with opened() as nodes:
        yield nodes
