"""Shapes and types are checked at run time in unit tests; one thread, so tests share two cores."""

import gc
from pathlib import Path

import pytest

from tests.support import checker

checker.install("blindspots")
# Imports make nothing but what stays: no search for garbage among it, now or later.
gc.disable()

pytest_plugins = ["tests.support.snapshots", "tests.support.advice"]
# What tests ask for; it loads torch, which takes seconds, so only a process that runs tests has it.
FIXTURES = [f"tests.support.{name}" for name in ("object_store", "tiny")]
pytest.register_assert_rewrite(*FIXTURES)
# What runs whole commands is not slowed by checks that its unit tests make already.
UNCHECKED = {"system", "process", "browser", "real"}
# Folders whose tests all have one mark: they are not imported where that mark is not asked for.
MARKED = {"browser": "browser", "process": "faults", "real": "real"}


def pytest_addoption(parser):
    parser.addoption("--schemes-page", type=Path, help="write what is tested of every scheme there")


def pytest_configure(config):
    if runs_tests(config):
        for name in FIXTURES:
            config.pluginmanager.import_plugin(name)
        set_hypothesis()
    target = config.getoption("--schemes-page")
    # Workers of xdist report to the process that writes.
    if target is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SchemesPage(target))


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def runs_tests(config) -> bool:
    """Whether tests run in this process: where xdist has workers, it only hands them out."""
    return hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)


def set_hypothesis():
    import hypothesis

    hypothesis.settings.register_profile(
        "blindspots", deadline=None, max_examples=15, derandomize=True
    )
    hypothesis.settings.load_profile("blindspots")


def pytest_ignore_collect(collection_path, config):
    mark = MARKED.get(collection_path.name)
    return True if mark and f"not {mark}" in config.option.markexpr else None


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    folders = item.path.relative_to(Path(__file__).parent).parts[:-1]
    checker.watch(UNCHECKED.isdisjoint(folders))


class SchemesPage:
    """Writes docs/schemes.md from the results of the tests that are marked with a scheme."""

    def __init__(self, target):
        self.target, self.passed = target, {}

    def pytest_runtest_logreport(self, report):
        if "scheme" in report.keywords and (report.when == "call" or not report.passed):
            name = report.nodeid.partition("[")[0]
            self.passed[name] = self.passed.get(name, True) and report.passed

    def pytest_sessionfinish(self):
        from tests.support.schemes_page import collected_marks, page

        good = {name for name, passed in self.passed.items() if passed}
        self.target.write_text(page(collected_marks(), good), encoding="utf-8")
