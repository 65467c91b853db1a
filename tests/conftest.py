"""Shapes and types are checked at run time in tests; one thread, so that tests share two cores."""

from pathlib import Path

from jaxtyping import install_import_hook

import tests.support.checker  # noqa: F401  (the hook looks its decorator up as an attribute)

hook = install_import_hook("blindspots", "tests.support.checker.checked")

import hypothesis  # noqa: E402
import torch  # noqa: E402

pytest_plugins = [f"tests.support.{name}" for name in ("object_store", "snapshots", "tiny")]
hypothesis.settings.register_profile("blindspots", deadline=None, max_examples=15, derandomize=True)
hypothesis.settings.load_profile("blindspots")
torch.set_num_threads(1)


def pytest_addoption(parser):
    parser.addoption("--schemes-page", type=Path, help="write what is tested of every scheme there")


def pytest_configure(config):
    target = config.getoption("--schemes-page")
    # Workers of xdist report to the process that writes.
    if target is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SchemesPage(target))


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
