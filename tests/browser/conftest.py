"""A real Chromium, or a sentence why there is none; no request may leave the disk."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from blindspots.report import write_report
from blindspots.run_reader import Run
from tests.support.run_factory import Factory

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 812}
STAYS = ("file:", "data:", "blob:")
MODELS = ("zoo:shapes-resnet", "zoo:shapes-resnet-at")


@pytest.fixture(scope="session")
def chromium():
    """A running browser for the whole session."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed; type pip install -e .[browser]"
    )
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium on this machine; on Debian type apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The report of a small run: two models, five sources, three targets each."""
    factory = Factory(size=32, sources=5, targets=3, classes=("a<b>", "b", "c d", "e", "f", "g"))
    return write_report(Run(factory.write(tmp_path_factory.mktemp("run"))))


@contextmanager
def opened(chromium, report, viewport=DESKTOP, **context):
    """The report in a window; fails on any console error and any request that leaves the disk."""
    window = chromium.new_context(viewport=viewport, **context)
    page, faults = window.new_page(), []
    page.set_default_timeout(10_000)
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(STAYS) else faults.append(r.url))
    page.goto(report.as_uri())
    yield page
    window.close()
    assert faults == []


def opened_on(chromium, path, device):
    """The page on a `desktop`, a `phone` or a `dark phone`."""
    scheme, phone = "dark" if "dark" in device else "light", "phone" in device
    viewport = PHONE if phone else DESKTOP
    return opened(chromium, path, viewport, color_scheme=scheme, has_touch=phone)


@pytest.fixture(params=["desktop", "phone", "dark phone"])
def page(chromium, report, request):
    """The opened report on a desk and on a phone, by day and by night."""
    with opened_on(chromium, report, request.param) as page:
        yield page


@pytest.fixture
def desk(chromium, report):
    """The opened report on a desk, for what is the same on a phone."""
    with opened(chromium, report) as page:
        yield page


def check_accessible(page, part):
    """What axe finds in the page, in its table of pairs or in the dialog of a pair is nothing."""
    from axe_playwright_python.sync_playwright import Axe

    if part == "table":
        pair_table(page)
    if part == "dialog":
        page.locator("#pair-list .card").first.click()
    found = Axe().run(page, "#pair-dialog" if part == "dialog" else None)
    assert found.violations_count == 0, found.generate_report()


def pair_table(page):
    page.locator("#pair-tools label", has_text="Table").click()


def pixels(canvas):
    """The canvas as (height, width, 3), once it is drawn."""
    canvas.page.wait_for_function("one => one.dataset.drawn", arg=canvas.element_handle())
    drawn = canvas.evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
    )
    height, width = canvas.evaluate("one => [one.height, one.width]")
    return np.array(drawn).reshape(height, width, 4)[..., :3]
