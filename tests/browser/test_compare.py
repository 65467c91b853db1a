"""The page of a comparison, opened as the report is."""

import pytest

from blindspots.compare import compare, write_page
from blindspots.run_reader import Run
from tests.browser.conftest import DESKTOP, MODELS, PHONE, opened
from tests.run_factory import Factory

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    run = Run(Factory(size=16, sources=5, targets=3, models=MODELS).write(folder / "run"))
    return write_page(compare([run]), folder / "compare.html")


@pytest.fixture(params=["desktop", "phone", "dark phone"])
def page(chromium, comparison, request):
    scheme = "dark" if "dark" in request.param else "light"
    viewport = PHONE if "phone" in request.param else DESKTOP
    with opened(chromium, comparison, viewport, color_scheme=scheme) as page:
        yield page


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_verdict_comes_first_and_every_interval_is_drawn(page):
    assert MODELS[1] in page.locator("main").inner_text()
    rows = page.locator("table tbody tr")
    assert rows.count() > 5
    assert page.locator("table .drawn svg").count() > 5


def test_axe_finds_nothing(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
