"""The report as a person uses it, on a desk and on a phone."""

import pytest

from blindspots.report import write_report
from blindspots.run_reader import Run
from tests.run_factory import Factory

pytestmark = pytest.mark.browser

CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || node.closest('script, style, svg, option, [hidden], noscript')) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgb(style.color)), light(ground(node))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) low.push(node.outerHTML.slice(0, 80));
  }
  return low;
}"""


def shown_numbers(page, column):
    page.locator("label", has_text="Table").click()
    headings = page.locator(".pair-table thead th").all_inner_texts()
    at = [heading.strip(" ↑↓") for heading in headings].index(column)
    rows = page.locator(".pair-table tbody tr").all()
    return [row.locator("th, td").nth(at).inner_text() for row in rows]


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("label", has_text="Table").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_first_screen_shows_the_case(page):
    heading = page.locator("h1")
    assert "You see" in heading.inner_text()
    assert "99.9" in heading.inner_text()
    box = page.locator("#case-player .stage").bounding_box()
    assert box["width"] > 150
    assert box["y"] + box["height"] < page.viewport_size["height"]


def test_sorting_orders_the_rows_both_ways(page):
    page.select_option("#pair-sort", "segment_min")
    rising = [float(text) for text in shown_numbers(page, "segment min") if text != "–"]
    assert rising == sorted(rising)
    page.locator("[data-key=segment_min]").click()
    falling = [float(text) for text in shown_numbers(page, "segment min") if text != "–"]
    assert falling == sorted(falling, reverse=True)
    heading = page.locator("th:has([data-key=segment_min])")
    assert heading.get_attribute("aria-sort") == "descending"


def test_filtering_leaves_the_pairs_that_match(page):
    page.select_option("#pair-model", "zoo:shapes-resnet-at")
    assert "16 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-ending", "source_misclassified")
    assert "1 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-ending", "")
    page.fill("#pair-search", "Misclassified RESNET")
    assert "1 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-model", "")
    cards = page.locator(".card")
    assert cards.count() == 2
    assert all("source misclassified" in text for text in cards.all_inner_texts())
    page.fill("#pair-search", "no such thing")
    assert cards.count() == 0


def test_more_pairs_come_when_asked_for(page):
    before = page.locator(".card").count()
    page.locator("#pair-more").click()
    assert page.locator(".card").count() == 32 > before
    assert page.locator("#pair-more").is_hidden()


def test_the_slider_walks_the_path(page):
    slider = page.locator("#case-player input[type=range]")
    stage = page.locator("#case-player .stage")
    readout = page.locator("#case-player .readout")
    assert "step 400 of 400" in readout.inner_text()
    slider.focus()
    slider.press("Home")
    assert "step 0 of 400" in readout.inner_text()
    assert stage.evaluate("one => one.style.backgroundPositionX") == "0%"
    slider.press("ArrowRight")
    assert "step 40 of 400" in readout.inner_text()
    page.locator("#case-player .play").click()
    page.wait_for_timeout(700)
    assert int(slider.input_value()) > 2


def test_a_straight_way_is_told_in_per_cent(chromium, tmp_path):
    page = chromium.new_page()
    factory = Factory(size=32, sources=2, method="star")
    page.goto(write_report(Run(factory.write(tmp_path))).as_uri())
    slider = page.locator("#case-player input[type=range]")
    slider.focus()
    slider.press("Home")
    readout = page.locator("#case-player .readout")
    assert "0\u00a0% of the way" in readout.inner_text()
    slider.press("ArrowRight")
    assert "10\u00a0% of the way" in readout.inner_text()
    assert "step" not in readout.inner_text()
    page.close()


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
    page.locator("#short .term", has_text="RMSE").focus()
    assert "Root mean square" in tooltip.inner_text()
    box = tooltip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]


def test_another_source_draws_its_star_and_triangle(page):
    choice = page.locator("#source-choice")
    values = choice.locator("option").evaluate_all("all => all.map((one) => one.value)")
    choice.select_option(values[-1])
    sheets = page.locator("#source-view .sheet")
    assert sheets.count() == 2
    assert sheets.first.locator("path.limb").count() == 3
    assert sheets.first.locator("g polygon").count() == 66
    select = sheets.first.locator("select")
    assert select.locator("option").count() == 3
    select.select_option("2")
    cell = sheets.first.locator("g polygon").nth(30)
    cell.dispatch_event("pointerenter")
    assert "confidence" in sheets.first.locator(".pick").inner_text()


def test_the_grid_changes_with_the_model(page):
    page.locator("#grid-choice").select_option(label="zoo:shapes-resnet-at")
    assert page.locator("#grid-view img").count() > 0
    region = page.locator("#grid-view .scroll")
    assert "zoo:shapes-resnet-at" in region.get_attribute("aria-label")


def test_a_hostile_class_name_is_shown_as_text(page):
    page.fill("#pair-search", "a<b>")
    assert page.locator(".card", has_text="a<b>").count() > 0


def test_every_picture_has_words_and_every_field_a_name(page):
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("svg[role=img]:not([aria-label])").count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('select, input')]"
        ".every((one) => one.labels.length || one.getAttribute('aria-label'))"
    )


def test_text_stands_out_from_its_ground(page):
    assert page.evaluate(CONTRAST) == []
    page.locator(".card").first.click()
    assert page.evaluate(CONTRAST) == []
