"""The report as a person uses it, on a desk and on a phone."""

import re

import pyarrow.parquet as pq
import pytest

from blindspots.reporting.page import write_report
from blindspots.store.reader import Run
from tests.browser.conftest import (
    DESKTOP,
    MODELS,
    PHONE,
    TITLES,
    check_accessible,
    opened,
    pair_table,
    unfold,
    with_contrast,
)
from tests.support.run_factory import ZOO, Factory

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

# Pictures that a script asks for come when they are delivered.
LATE_PICTURES = """
const { get, set } = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
const put = HTMLImageElement.prototype.setAttribute, late = [];
Object.defineProperty(HTMLImageElement.prototype, "src", {
  get, set(address) { late.push(() => set.call(this, address)); },
});
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name === "src") this.src = value; else put.call(this, name, value);
};
globalThis.deliver = () => late.splice(0).forEach((one) => one());
"""
SCROLLED = """(one) => new Promise((done) => {
  one.scrollIntoView({behavior: "instant"});
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""


def test_the_first_screen_holds_the_claim_with_its_control(shown):
    heading = shown.locator("h1")
    assert "You see" in heading.inner_text()
    assert "99.9" in heading.inner_text()
    height = shown.viewport_size["height"]
    for side in ("real", "found"):
        box = shown.locator(f"#claim .{side} canvas").bounding_box()
        assert box["width"] > 150
        assert box["y"] + box["height"] < height
    chart = shown.locator("#claim .along .chart").bounding_box()
    assert chart["y"] < height


def test_the_claim_comes_before_the_numbers_and_the_tables_last(shown):
    order = ["#claim", "#models", "#contrast", "#grids", "#sources", "#pairs", "#more"]
    tops = [shown.locator(one).bounding_box()["y"] for one in order]
    assert tops == sorted(tops)
    assert shown.locator("#more > details[open]").count() == 0


def test_the_page_is_about_five_screens(chromium, tmp_path):
    run = Run(with_contrast(Factory(size=32, sources=4, models=ZOO, method="star").write(tmp_path)))
    with opened(chromium, write_report(run)) as page:
        page.set_viewport_size({"width": 1440, "height": 900})
        assert page.evaluate("document.documentElement.scrollHeight") < 6 * 900


def test_each_model_has_one_number_with_its_null_its_interval_and_a_sentence(shown, report):
    rows = shown.locator("#models .measured li")
    assert rows.locator("h3").all_inner_texts() == list(TITLES)
    assert rows.locator("code").all_inner_texts() == list(MODELS)
    first = rows.first.inner_text()
    for words in ("Reach", " to ", "plain mix .20", "Blind pairs", "of 15 pairs", "of the way"):
        assert words in first
    assert rows.first.locator("svg rect").count() >= 6


def test_both_ways_to_be_wrong_are_shown(shown):
    section = shown.locator("#contrast")
    assert section.locator("h3").all_inner_texts() == ["Over-sensitive", "Under-sensitive"]
    assert section.locator("img").count() == 6
    words = section.inner_text()
    assert "no pixel moved by more than 8/255" in words
    assert "the model: c d 88.0" in words


def test_the_footer_says_how_the_page_was_made_and_what_comes_next(shown):
    words = shown.locator("footer").inner_text()
    for part in ("blindspots run --model zoo:shapes-resnet", "blindspots verify", "arXiv 2310.19"):
        assert part in words
    assert "--model 'file:model.py:build?size=224&mean=" in words
    assert re.search(r"--out demo, version \d+\.\d+\.\d+, \d{4}-\d\d-\d\d\n", words)


def test_endings_are_told_in_words_where_something_failed(page):
    unfold(page, "How the traversals ended")
    words = page.locator("#endings").inner_text()
    assert "All steps were done." in words
    assert "The model does not give the source its class" in words
    assert "zoo:shapes-resnet-at 15" in words


def test_endings_are_left_out_where_nothing_failed(chromium, tmp_path):
    run = Run(Factory(size=8, sources=2, frames=3, unstarted=False).write(tmp_path))
    with opened(chromium, write_report(run)) as page:
        assert page.locator("#endings").count() == 0
        assert "used up" not in page.locator("body").inner_text()


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


@pytest.mark.parametrize("place", ["#claim", "#grids", "#sources", "#pairs", "footer"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_moves_when_pictures_come_late(chromium, report, viewport, place):
    with chromium.new_context(viewport=viewport) as window:
        late = window.new_page()
        late.add_init_script(LATE_PICTURES)
        late.goto(report.as_uri())
        late.locator(place).evaluate(SCROLLED)
        late.evaluate("deliver()")
        late.locator("#claim .found canvas[data-drawn]").wait_for()
        late.locator("#sources canvas.shot[data-drawn]").first.wait_for()
        assert late.evaluate(SHIFT) < 0.001


def test_a_pair_opens_by_keyboard_and_closes_again(page):
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#pair-dialog")
    assert dialog.is_visible()
    assert "You see" in dialog.inner_text()
    assert "evaluations" in dialog.inner_text()
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    page.keyboard.press("Escape")
    assert dialog.is_hidden()


def test_a_number_explains_itself_to_pointer_and_keyboard(page):
    tooltip = page.locator("#definition")
    term = page.locator("#models .term", has_text="Reach").first
    term.focus()
    assert "A lower bound on the model's blindness" in tooltip.inner_text()
    assert term.get_attribute("aria-describedby") == "definition"
    box = tooltip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    page.keyboard.press("Escape")
    assert tooltip.is_hidden()
    page.locator("#models .term", has_text="Blind pairs").first.hover()
    assert "looks like the target" in tooltip.inner_text()


def test_the_nearest_pairs_come_first_and_those_that_did_not_get_there_last(desk, report):
    rows = Run(report.parent).pair_rows()
    ends = desk.locator("#ends-view .end")
    assert ends.locator("h3").all_inner_texts() == ["Nearest to the target", "Did not get there"]
    nearest = ends.first.locator(".card").evaluate_all("all => all.map((a) => a.dataset.pair)")
    known = sorted((r for r in rows if r["rmse"] is not None), key=lambda r: r["rmse"])
    assert nearest == [row["pair_id"] for row in known[: len(nearest)]]
    assert desk.locator("#ends-view .card").count() <= 12
    assert "does not give the source its class" in ends.last.inner_text()


def test_a_normal_and_a_trained_model_stand_side_by_side_on_the_same_images(desk):
    grids = desk.locator("#grid-view > div")
    assert grids.locator("h3").all_inner_texts() == list(TITLES)
    left, right = (grid.bounding_box() for grid in grids.all())
    assert left["y"] == right["y"]
    alts = [grid.locator("img").evaluate_all(ALTS) for grid in grids.all()]
    assert alts[0] == alts[1]


ALTS = "all => all.map((one) => one.alt.replace(/, the model.*/, ''))"


def test_of_several_models_any_two_can_stand_side_by_side(chromium, tmp_path):
    run = Run(Factory(size=8, sources=3, frames=3, models=ZOO).write(tmp_path))
    with opened(chromium, write_report(run)) as page:
        choice = page.locator("#grid-view select").nth(1)
        assert choice.locator("option:checked").inner_text() == TITLES[1]
        choice.select_option(label="Shapes ViT")
        region = page.locator("#grid-view .scroll").nth(1)
        assert "Shapes ViT" in region.get_attribute("aria-label")


BROKEN = """all => all.filter((one) => {
  const range = document.createRange();
  range.selectNodeContents(document.createTreeWalker(one, NodeFilter.SHOW_TEXT).nextNode());
  return !one.textContent.includes(" ") && range.getClientRects().length > 1;
}).map((one) => one.textContent)"""


def test_a_grid_breaks_no_name_and_no_number(chromium, tmp_path):
    classes = ("mushroom", "butterfly", "fish", "house", "tree", "cup")
    run = Run(Factory(size=8, sources=6, targets=5, frames=3, classes=classes).write(tmp_path))
    with opened(chromium, write_report(run)) as page:
        for width in (390, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.locator(".grid tbody th").count() == 12
            assert page.locator(".grid th:not(:has(.unseen))").evaluate_all(BROKEN) == []
            assert page.locator(".grid .model").evaluate_all(BROKEN.replace('" "', '"!"')) == []


def test_a_source_is_called_by_its_class_where_that_tells_it(chromium, tmp_path):
    run = Run(
        Factory(size=8, sources=6, targets=3, frames=3, classes=("a", "b", "c")).write(tmp_path)
    )
    with opened(chromium, write_report(run)) as page:
        names = page.locator("#source-choice option").all_inner_texts()
        alike = [one for one in names if sum(one.split()[0] == n.split()[0] for n in names) > 1]
        assert all(("," in one) == (one in alike) for one in names)


def test_others_that_agree_stand_beside_what_they_say_of_sources(chromium, tmp_path):
    judged = Factory(size=8, sources=3, frames=3, judges=("zoo:other",)).write(tmp_path)
    with opened(chromium, write_report(Run(judged))) as page:
        said = page.locator(".measured li").first.inner_text()
        assert re.search(r"Others agree\n\d+\s%\nof found images, \d+\s% of sources", said)


def test_a_cell_of_the_grid_opens_the_pair_that_it_shows(desk, report):
    run = Run(report.parent)
    cell = desk.locator("#grid-view > div").first.locator("button").nth(1)
    row = cell.locator("xpath=ancestor::tr").locator("th").inner_text()
    cell.click()
    pair_id = desk.locator("#pair-dialog").get_attribute("data-pair")
    pair = next(one for one in run.pair_rows(MODELS[0]) if one["pair_id"] == pair_id)
    assert pair["source_name"] == row
    assert pair["target_name"] in cell.locator("img").get_attribute("alt")


def test_what_is_cut_shows_that_it_goes_on(chromium, tmp_path):
    """On a phone a table that is wider than the window has a shadow where it goes on."""
    run = Run(Factory(size=8, sources=3, frames=3).write(tmp_path))
    with opened(chromium, write_report(run)) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        cut = page.locator(".scroll").evaluate_all(
            "all => all.filter((one) => one.scrollWidth > one.clientWidth + 1)"
            ".map((one) => getComputedStyle(one).backgroundImage)"
        )
        unfold(page, "Distance of the found")
        assert all("linear-gradient" in one for one in cut)


def test_a_hostile_class_name_is_shown_as_text(page):
    pair_table(page)
    page.fill("#pair-search", "a<b>")
    assert page.locator("#pair-list tr", has_text="a<b>").count() > 0


def test_on_paper_the_tools_are_gone_and_the_content_is_there(chromium, report):
    with opened(chromium, report) as desk:
        desk.emulate_media(media="print")
        check_printed(desk)


def check_printed(desk):
    for hidden in ("nav", "#pair-tools", ".table-tools", "#claim .controls"):
        assert desk.locator(hidden).first.is_hidden()
    for shown in (
        "h1",
        "#models svg >> nth=0",
        ".star >> nth=0",
        ".heat >> nth=0",
        ".card >> nth=0",
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
        before = page.locator("#claim input[type=range]").input_value()
        page.clock.run_for(5_000)
        assert page.locator("#claim input[type=range]").input_value() == before


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
        pair_table(page)
        assert page.locator("#pair-count").inner_text() == "200 of 200 pairs"


@pytest.mark.parametrize(
    "wishes",
    [{"keep": "none"}, {"keep": "found"}, {"targets": 1}, {"labelled": False}],
    ids=["no picture", "no path", "no triangle", "no label"],
)
def test_what_a_run_lacks_is_said_or_left_out(chromium, tmp_path, wishes):
    path = Factory(size=16, sources=3, frames=3, **{"targets": 2, **wishes}).write(tmp_path)
    with opened(chromium, write_report(Run(path))) as page:
        assert page.locator(".card").count() > 0
        assert page.locator(".map").count() == (0 if "targets" in wishes else 2)
        assert page.locator("#triangle-label").is_visible() == ("targets" not in wishes)
        page.locator(".card").first.click()
        assert page.locator("#pair-dialog").is_visible()


def test_a_run_without_pairs_is_still_a_page(chromium, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with opened(chromium, write_report(Run(tmp_path))) as page:
        assert page.locator("h1").inner_text() == "Nothing was traversed yet."
        pair_table(page)
        assert page.locator("#pair-count").inner_text() == "0 of 0 pairs"
