"""The report as a person uses it, on a desk and on a phone."""

import pyarrow.parquet as pq
import pytest

from blindspots.reporting.page import write_report
from blindspots.store.reader import Run
from tests.browser.conftest import MODELS, check_accessible, opened, pair_table
from tests.support.run_factory import Factory

pytestmark = pytest.mark.browser

# How much has moved since the page came, once all its pictures are there and were laid out.
SHIFT = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await Promise.all([...document.images].map((one) => one.decode()));
  await frame();
  await frame();
  return new Promise((done) => {
    let sum = 0;
    const count = (list) => { for (const entry of list.getEntries()) sum += entry.value; };
    new PerformanceObserver(count).observe({type: 'layout-shift', buffered: true});
    setTimeout(() => done(sum), 50);
  });
}"""


def test_the_first_screen_shows_the_case_and_on_a_desk_the_models(shown):
    heading = shown.locator("h1")
    assert "You see" in heading.inner_text()
    assert "99.9" in heading.inner_text()
    height = shown.viewport_size["height"]
    box = shown.locator("#case-player .stage").bounding_box()
    assert box["width"] > 150
    assert box["y"] + box["height"] < height
    if shown.viewport_size["width"] > 1000:
        table = shown.locator("#short table").bounding_box()
        assert table["y"] + table["height"] < height


def test_endings_are_told_in_words(shown):
    words = shown.locator("#endings").inner_text()
    assert "All steps were done." in words
    assert "The model does not give the source its class" in words
    assert "zoo:shapes-resnet-at 15" in words


def test_every_field_has_a_name_and_every_picture_words(shown):
    assert shown.locator("img:not([alt])").count() == 0
    unnamed = "canvas:not([aria-label]), svg[role]:not([aria-label])"
    assert shown.locator(unnamed).count() == 0


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pair_table(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_moves_once_it_is_there(page):
    page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    assert page.evaluate(SHIFT) < 0.001


def test_a_pair_opens_by_keyboard_and_closes_again(page):
    page.locator("#pair-list .card").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#pair-dialog")
    assert dialog.is_visible()
    assert "You see" in dialog.inner_text()
    assert "evaluations" in dialog.inner_text()
    assert "All steps were done." in dialog.inner_text()
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    page.keyboard.press("Escape")
    assert dialog.is_hidden()


def test_a_number_explains_itself_to_pointer_and_keyboard(page):
    tooltip = page.locator("#definition")
    term = page.locator("#short .sort", has_text="RMSE")
    term.focus()
    assert "Root mean square" in tooltip.inner_text()
    assert term.get_attribute("aria-describedby") == "definition"
    box = tooltip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    page.keyboard.press("Escape")
    assert tooltip.is_hidden()
    page.locator("#short .sort", has_text="p found").hover()
    assert "found image" in tooltip.inner_text()


def test_the_worst_pairs_come_first_whichever_way_a_number_runs(desk, report):
    rows = Run(report.parent).pair_rows(started=True)
    for key, worst in (("rmse", min), ("segment_min", max)):
        desk.select_option("#ends-choice", key)
        first = desk.locator("#ends-view .card").first
        assert first.get_attribute("data-pair") == worst(rows, key=lambda r: r[key])["pair_id"]
        assert desk.locator("#ends-view h4").first.inner_text().startswith("Worst:")
    desk.select_option("#ends-choice", "steps")
    assert desk.locator("#ends-view h4").first.inner_text() == "The lowest steps"


def test_the_grid_changes_with_the_model(page):
    page.locator("#grid-choice").select_option(label=MODELS[1])
    assert page.locator("#grid-view img").count() > 0
    region = page.locator("#grid-view .scroll")
    assert MODELS[1] in region.get_attribute("aria-label")


def test_a_cell_of_the_grid_opens_the_pair_that_it_shows(desk, report):
    run = Run(report.parent)
    desk.locator("#grid-choice").select_option(label=MODELS[0])
    cell = desk.locator("#grid-view button").nth(1)
    row = cell.locator("xpath=ancestor::tr").locator("th").inner_text()
    cell.click()
    pair_id = desk.locator("#pair-dialog").get_attribute("data-pair")
    pair = next(one for one in run.pair_rows(MODELS[0]) if one["pair_id"] == pair_id)
    assert pair["source_name"] == row
    assert pair["target_name"] in cell.locator("img").get_attribute("alt")


def test_a_hostile_class_name_is_shown_as_text(page):
    page.fill("#pair-search", "a<b>")
    assert page.locator("#pair-list .card", has_text="a<b>").count() > 0


def test_on_paper_the_tools_are_gone_and_the_content_is_there(chromium, report):
    with opened(chromium, report) as desk:
        desk.emulate_media(media="print")
        check_printed(desk)


def check_printed(desk):
    for hidden in ("nav", "#pair-tools", ".table-tools", "#case-player .views"):
        assert desk.locator(hidden).first.is_hidden()
    for shown in (
        "h1",
        "#short table",
        ".star >> nth=0",
        ".heat >> nth=0",
        "#pair-list .card >> nth=0",
    ):
        assert desk.locator(shown).is_visible()
    assert desk.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    desk.set_viewport_size({"width": 740, "height": 1000})
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.pdf().startswith(b"%PDF")


def test_nothing_moves_by_itself_where_motion_is_not_wanted(chromium, report):
    with opened(chromium, report, reduced_motion="reduce", clock=True) as page:
        behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
        assert page.evaluate(behaviour) == "auto"
        assert page.evaluate("document.getAnimations().length") == 0
        before = page.locator("#case-player input[type=range]").input_value()
        page.clock.run_for(5_000)
        assert page.locator("#case-player input[type=range]").input_value() == before


def test_axe_finds_nothing_in_the_page_its_table_and_its_dialog(page):
    check_accessible(page)


def test_a_run_of_many_pairs_says_what_is_shown(chromium, tmp_path):
    factory = Factory(size=8, sources=110, targets=2, models=MODELS[:1], frames=2)
    path = factory.write(tmp_path)
    total = pq.read_metadata(path / "pairs.parquet").num_rows
    with opened(chromium, write_report(Run(path))) as page:
        words = page.locator("#sampled").inner_text()
        assert f"all {total} pairs" in words
        assert "200 of them" in words
        assert "2 lowest and 2 highest" in words
        assert page.locator("#pair-count").inner_text() == "200 of 200 pairs"
        assert page.locator("#ends-view .card").count() == 4


@pytest.mark.parametrize(
    "wishes",
    [{"keep": "none"}, {"keep": "found"}, {"targets": 1}, {"labelled": False}],
    ids=["no picture", "no path", "no triangle", "no label"],
)
def test_what_a_run_lacks_is_said_or_left_out(chromium, tmp_path, wishes):
    path = Factory(size=16, sources=3, frames=3, **{"targets": 2, **wishes}).write(tmp_path)
    with opened(chromium, write_report(Run(path))) as page:
        assert page.locator("#pair-list .card").count() > 0
        assert page.locator(".map").count() == (0 if "targets" in wishes else 2)
        assert page.locator("#triangle-label").is_visible() == ("targets" not in wishes)
        page.locator("#pair-list .card").first.click()
        assert page.locator("#pair-dialog").is_visible()


def test_a_run_without_pairs_is_still_a_page(chromium, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with opened(chromium, write_report(Run(tmp_path))) as page:
        assert page.locator("h1").inner_text() == "Nothing was traversed yet."
        assert page.locator("#pair-count").inner_text() == "0 of 0 pairs"
