"""The page of a comparison, opened as the report is."""

import numpy as np
import pytest

from blindspots.reporting.compare import compare, write_page
from blindspots.store.reader import Run
from tests.browser.conftest import (
    DEVICES,
    MODELS,
    TITLES,
    check_accessible,
    opened,
    pair_table,
    pixels,
    wait_for_place,
)
from tests.support.run_factory import Factory, hold

pytestmark = pytest.mark.browser
LABELS = [f"{run}/{title}" for title in TITLES for run in ("old", "new")]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Two models in one run by steps and in one along straight lines, with fewer targets."""
    folder = tmp_path_factory.mktemp("compared")
    wishes = {"size": 32, "sources": 4, "models": MODELS, "classes": ("a<b>", "b", "c d", "e")}
    old = Factory(**wishes, targets=3).write(folder / "old")
    new = Factory(**wishes, targets=2, method="star").write(folder / "new")
    return write_page(compare([Run(old), Run(new)]), folder / "compare.html")


@pytest.fixture(params=DEVICES)
def page(tabs, comparison, request):
    with tabs.opened(comparison, request.param) as page:
        yield page


@pytest.fixture(params=DEVICES)
def shown(tabs, comparison, request):
    with tabs.opened(comparison, request.param, acted_on=False) as page:
        yield page


@pytest.fixture
def desk(tabs, comparison):
    with tabs.opened(comparison, "desktop") as page:
        yield page


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pair_table(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_verdicts_come_first_and_every_interval_is_drawn(shown):
    assert LABELS[1] in shown.locator("main h2").first.inner_text()
    assert "zoo:" not in shown.locator("section.contrast").first.inner_text()
    tables = shown.locator("section.contrast table")
    assert tables.count() == 2
    assert tables.first.locator("tbody tr").count() > 5
    assert shown.locator("table .drawn svg").count() > 5
    verdict, case = (shown.locator(one).first.bounding_box() for one in (".verdict", "#case"))
    assert verdict["y"] < case["y"]


def test_a_number_explains_itself(page):
    page.locator(".contrast .term", has_text="RMSE").first.focus()
    assert "Root mean square" in page.locator("#definition").inner_text()


def test_one_slider_leads_all_walks_to_their_own_place(page):
    sheets = page.locator("#case .sheet")
    assert sheets.locator("h3").all_inner_texts() == LABELS
    slider = page.locator("#case input[type=range]").nth(1)
    slider.fill("30")
    for sheet, way in zip(
        sheets.all(), ("step 120 of 400", "30\u00a0% of the way") * 2, strict=True
    ):
        assert sheet.locator(".where").inner_text() == way
        pixels(sheet.locator(".found canvas"))
        assert sheet.locator(".found canvas").get_attribute("data-drawn") == "0.30"
    sheets.first.locator(".play").click()
    wait_for_place(slider, 34)
    sheets.first.locator(".play").click()
    places = page.locator("#case input[type=range]").evaluate_all("all => all.map((s) => s.value)")
    assert len(set(places)) == 1


def test_the_bars_of_all_sides_are_those_of_the_shared_pairs(page):
    sheets = page.locator("#source-view .sheet")
    assert sheets.locator("h3").all_inner_texts() == LABELS
    names = [sheet.locator(".ray .person").all_inner_texts() for sheet in sheets.all()]
    assert names == [names[0]] * 4
    assert len(names[0]) == 2
    sheets.nth(3).locator(".ray").first.click()
    dialog = page.locator("#pair-dialog")
    assert dialog.locator("[aria-pressed=true]").inner_text() == LABELS[3]


def test_the_cursor_of_one_triangle_moves_those_of_all_sides(page):
    maps = page.locator(".map")
    assert maps.count() == 4
    maps.nth(2).focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    places = maps.locator(".cursor").evaluate_all("""all => all.map((one) => {
      const [, x, y] = one.getAttribute("transform").match(/([\\d.]+) ([\\d.]+)/);
      return one.closest(".map").getAttribute("aria-valuetext").split(":")[0];
    })""")
    assert len(set(places)) == 1
    assert places[0].startswith("95\u00a0% ")


def test_a_pair_opens_and_turns_to_the_other_sides(page):
    page.locator(".card").first.click()
    dialog = page.locator("#pair-dialog")
    title = dialog.locator("h3").inner_text()
    seen = set()
    for place, label in enumerate(LABELS):
        button = dialog.locator(".same button").nth(place)
        button.focus()
        page.keyboard.press("Enter")
        assert (
            dialog.locator(".same button").nth(place).evaluate("b => b === document.activeElement")
        )
        assert dialog.locator(".aside").first.inner_text().startswith(f"{label}.")
        assert dialog.locator("h3").inner_text().split(",")[0] == title.split(",")[0]
        seen.add(dialog.get_attribute("data-pair"))
    assert len(seen) == len(LABELS)
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    page.keyboard.press("Escape")
    assert dialog.is_hidden()


def test_the_grids_are_those_of_the_sides_asked_for(desk):
    choice = desk.locator("#grid-view select").first
    choice.select_option(label=LABELS[3])
    assert LABELS[3] in desk.locator("#grid-view .scroll").first.get_attribute("aria-label")
    desk.locator("#grid-view button").first.click()
    assert LABELS[3] in desk.locator("#pair-dialog .aside").first.inner_text()


def test_pairs_are_filtered_by_side_and_said_to_be_shared(desk):
    assert desk.locator("#pairs-title").inner_text() == "Shared pairs"
    pair_table(desk)
    assert desk.locator("#pair-count").inner_text() == "32 of 32 pairs"
    desk.select_option("#pair-model", LABELS[2])
    assert desk.locator("#pair-count").inner_text() == "8 of 32 pairs"
    desk.fill("#pair-search", "a<b>")
    assert desk.locator("#pair-list tr", has_text="a<b>").count() > 0


def test_axe_finds_nothing_in_the_page_its_table_and_its_dialog(page):
    check_accessible(page)


@pytest.mark.parametrize(
    "wishes",
    [{"keep": "none"}, {"keep": "found"}, {"targets": 1}, {"finished": False}],
    ids=["no picture", "no path", "no triangle", "not finished"],
)
def test_what_runs_lack_is_said_or_left_out(chromium, tmp_path, wishes):
    run = Run(Factory(**{"size": 16, "sources": 3, "targets": 2, **wishes}).write(tmp_path / "run"))
    with opened(chromium, write_page(compare([run]), tmp_path / "compare.html")) as page:
        assert page.locator("#case .sheet").count() == 2
        sliders = page.locator("#case input[type=range]").count()
        assert sliders == (0 if wishes.get("keep") == "none" else 2)
        assert page.locator(".map").count() == (0 if "targets" in wishes else 2)
        page.locator(".card").first.click()
        assert page.locator("#pair-dialog").is_visible()


def test_margins_are_compared_on_their_own_scale(chromium, tmp_path):
    Factory(size=16, sources=3, models=MODELS).write(tmp_path / "run")
    run = Run(hold(tmp_path / "run", "margin", 2.0, lambda p: 10 * p - 2))
    with opened(chromium, write_page(compare([run]), tmp_path / "compare.html")) as page:
        assert "margin 7.9" in page.locator("#case").inner_text()
        assert "lowest margin" in page.locator(".ray").first.get_attribute("aria-label")


def test_the_pictures_are_those_of_each_run(chromium, tmp_path):
    runs = []
    for name, size in (("small", 16), ("large", 24)):
        path = Factory(size=size, sources=2, models=MODELS[:1]).write(tmp_path / name)
        runs.append(Run(path))
    with opened(chromium, write_page(compare(runs), tmp_path / "compare.html")) as page:
        canvases = page.locator("#case .found canvas").all()
        drawn = [pixels(canvas) for canvas in canvases]
        ids = [page.locator(".case-walk").nth(i).get_attribute("data-pair") for i in range(2)]
    for run, pair_id, shown in zip(runs, ids, drawn, strict=True):
        found = run.found(pair_id.partition("-")[2])
        assert shown.shape == found.shape
        # Snapshots are compressed, and these are as noisy as they are small.
        assert np.abs(shown - found).mean() < 12
