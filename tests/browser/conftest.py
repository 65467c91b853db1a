"""A real Chromium, or a sentence why there is none; no request may leave the disk."""

import json
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from blindspots.reporting.page import write_report
from blindspots.reporting.selection import named_pairs, striking_case
from blindspots.store.reader import CONTRAST_FILE, Run
from tests.support.run_factory import Factory

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 812}
DEVICES = ("desktop", "phone", "dark phone")
STAYS = ("file:", "data:", "blob:")
MODELS = ("zoo:shapes-resnet", "zoo:shapes-resnet-at")
TITLES = ("Shapes ResNet", "Shapes ResNet, adversarially trained")


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
    return write_report(Run(with_contrast(factory.write(tmp_path_factory.mktemp("run")))))


def with_contrast(path):
    """The run with what PGD made of its headline pair's source, which here is its mirror image."""
    run, file = Run(path), path / "run.json"
    row = named_pairs(run, [striking_case(run)])[0]
    (path / "figures").mkdir()
    source = run.image(row["source_id"], row["model"])
    Image.fromarray(source[:, ::-1]).save(path / CONTRAST_FILE)
    said = {"before": "b", "p_before": 0.97, "after": "c d", "p_after": 0.88, "linf": 8 / 255}
    contrast = {"pair_id": row["pair_id"], **said, "epsilon": 8 / 255, "steps": 50}
    file.write_text(json.dumps({**json.loads(file.read_text()), "contrast": contrast}))
    return path


@contextmanager
def opened(chromium, report, clock=False, **context):
    """The report in a window of its own, with a `clock` that the test turns."""
    window = chromium.new_context(viewport=DESKTOP, **context)
    tab = Tab(window.new_page())
    if clock:
        tab.page.clock.install()
    tab.load(report.as_uri())
    yield tab.page
    window.close()
    assert tab.faults == []


class Tab:
    """A page, and its faults: console errors and requests that leave the disk."""

    def __init__(self, page):
        self.page, self.faults, self.fresh = page, [], False
        page.set_default_timeout(10_000)
        page.on("console", lambda m: self.note(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.note(str(error)))
        page.on("request", lambda r: None if r.url.startswith(STAYS) else self.note(r.url))

    def note(self, fault):
        self.faults.append(fault)

    def load(self, address):
        # The pointer would stay where the last test left it, over another element.
        self.page.mouse.move(0, 0)
        self.page.goto(address)


class Tabs:
    """One tab per page and device for all tests, loaded anew wherever a test has acted on it."""

    def __init__(self, chromium):
        self.chromium, self.tabs = chromium, {}

    def _tab(self, device):
        """On a `desktop`, a `phone` or a `dark phone`."""
        scheme, phone = "dark" if "dark" in device else "light", "phone" in device
        window = self.chromium.new_context(
            viewport=PHONE if phone else DESKTOP, color_scheme=scheme, has_touch=phone
        )
        return Tab(window.new_page())

    @contextmanager
    def opened(self, path, device, *, acted_on=True):
        """The page as it opens; `acted_on`: the test changes what is shown."""
        key = (path, device)
        tab = self.tabs[key] = self.tabs.get(key) or self._tab(device)
        tab.faults.clear()
        if not tab.fresh:
            tab.load(path.as_uri())
        tab.fresh = not acted_on
        yield tab.page
        assert tab.faults == []


@pytest.fixture(scope="session")
def tabs(chromium):
    """The tabs that tests share."""
    return Tabs(chromium)


@pytest.fixture(params=DEVICES)
def page(tabs, report, request):
    """The opened report on a desk and on a phone, by day and by night."""
    with tabs.opened(report, request.param) as page:
        yield page


@pytest.fixture(params=DEVICES)
def shown(tabs, report, request):
    """The same for tests that look at it and change nothing."""
    with tabs.opened(report, request.param, acted_on=False) as page:
        yield page


@pytest.fixture
def desk(tabs, report):
    """The opened report on a desk, for what is the same on a phone."""
    with tabs.opened(report, "desktop") as page:
        yield page


def check_accessible(page):
    """Axe finds nothing in the page, in its table of pairs and in the dialog of a pair."""
    assert violations(page) == []
    pair_table(page)
    assert violations(page, "#pair-list") == []
    page.locator("#pair-list .mini").first.click()
    assert violations(page, "#pair-dialog") == []


def violations(page, part=None, **options):
    """What axe finds in the page, or in a part of it: (rule, the elements that break it)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # Without it every element that passes is described too, which takes most of the time.
    report = axe.run(page, part, {"resultTypes": ["violations"], **options})
    found = report.response["violations"]
    return [(one["id"], [node["html"][:80] for node in one["nodes"]]) for one in found]


def pair_table(page):
    page.locator("#all-pairs > summary").click()


def unfold(page, words):
    """Opens what is folded under these words."""
    page.locator("summary", has_text=words).click()


def downloaded(page, press):
    with page.expect_download() as waiting:
        press()
    return waiting.value


def wait_for_place(slider, least):
    """Come back once the slider was walked that far."""
    reached = "([one, least]) => Number(one.value) >= least"
    slider.page.wait_for_function(reached, arg=[slider.element_handle(), least])


def pixels(canvas):
    """The canvas as (height, width, 3), once it is drawn."""
    canvas.page.wait_for_function("one => one.dataset.drawn", arg=canvas.element_handle())
    drawn = canvas.evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
    )
    height, width = canvas.evaluate("one => [one.height, one.width]")
    return np.array(drawn).reshape(height, width, 4)[..., :3]
