"""One server of drivers for the whole session, and the run that nothing disturbs."""

import os
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.process.cluster import opened
from tests.process.drivers import ADDRESS, serving
from tests.process.runs import FEW, LARGE, SLOW, Site, make_site

STACK = pytest.StashKey[ExitStack]()


def pytest_configure(config):
    """Before xdist starts its workers, all of which then find this one server."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        config.stash[STACK] = ExitStack()
        config.stash[STACK].enter_context(serving())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Every test for itself, but those with Ray in one process, which has the one cluster."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "ray" if "[ray]" in nodeid or "test_nodes.py" in nodeid else nodeid

    return Scheduling(config, log)


def pytest_unconfigure(config):
    config.stash.get(STACK, ExitStack()).close()


@pytest.fixture(scope="session", autouse=True)
def drivers():
    """The server, where this is the only process."""
    with ExitStack() as stack:
        if ADDRESS not in os.environ:
            stack.enter_context(serving())
        yield


def undisturbed_site(folder, **what) -> Site:
    site = make_site(folder, **what)
    site.finish()
    return site


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return undisturbed_site(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """With found images larger than any other file of a run."""
    return undisturbed_site(tmp_path_factory.mktemp("large"), size=LARGE)


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """With few files, for an object store is slow."""
    return undisturbed_site(tmp_path_factory.mktemp("few"), sources=FEW)


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
def few_site(tmp_path, few):
    """Slow until it says otherwise, too."""
    here = replace(few, folder=tmp_path)
    here.go(SLOW)
    return here


@pytest.fixture
def large_site(tmp_path, large):
    return replace(large, folder=tmp_path)


@pytest.fixture(scope="session")
def ray_nodes():
    """For tests that are called `[ray]` and those of `test_nodes.py`: the others go elsewhere."""
    with opened() as nodes:
        yield nodes
