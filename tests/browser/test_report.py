"""The report as a person uses it, on a desk and on a phone."""

import csv
import io
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from blindspots.report import write_report
from blindspots.run_reader import Run
from blindspots.tables import build_table, render
from tests.browser.conftest import opened
from tests.run_factory import Factory

pytestmark = pytest.mark.browser

MODELS = ("zoo:shapes-resnet", "zoo:shapes-resnet-at")


def pair_table(page):
    page.locator("#pair-tools label", has_text="Table").click()


def shown_numbers(page, column):
    pair_table(page)
    headings = page.locator(".pair-table thead th").all_inner_texts()
    at = [heading.strip() for heading in headings].index(column)
    rows = page.locator(".pair-table tbody tr").all()
    return [row.locator("th, td").nth(at).inner_text() for row in rows]


def downloaded(page, press):
    with page.expect_download() as waiting:
        press()
    return waiting.value.path().read_text("utf-8")


def pixels(canvas):
    """The canvas as (height, width, 3), once it is drawn."""
    canvas.page.wait_for_function("one => one.dataset.drawn", arg=canvas.element_handle())
    drawn = canvas.evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
    )
    height, width = canvas.evaluate("one => [one.height, one.width]")
    return np.array(drawn).reshape(height, width, 4)[..., :3]


def stored(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(float)


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pair_table(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_first_screen_shows_the_case_and_on_a_desk_the_models(page):
    heading = page.locator("h1")
    assert "You see" in heading.inner_text()
    assert "99.9" in heading.inner_text()
    height = page.viewport_size["height"]
    box = page.locator("#case-player .stage").bounding_box()
    assert box["width"] > 150
    assert box["y"] + box["height"] < height
    if page.viewport_size["width"] > 1000:
        table = page.locator("#short table").bounding_box()
        assert table["y"] + table["height"] < height


def test_nothing_moves_once_it_is_there(page):
    page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    page.wait_for_timeout(300)
    shift = page.evaluate("""() => new Promise((done) => {
      let sum = 0;
      const count = (list) => { for (const entry of list.getEntries()) sum += entry.value; };
      new PerformanceObserver(count).observe({type: 'layout-shift', buffered: true});
      setTimeout(() => done(sum), 100);
    })""")
    assert shift < 0.001


def test_sorting_orders_the_rows_both_ways(page):
    page.select_option("#pair-sort", "segment_min")
    rising = [float(text) for text in shown_numbers(page, "segment min") if text != "–"]
    assert rising == sorted(rising)
    page.locator("#pair-list [data-key=segment_min]").click()
    falling = [float(text) for text in shown_numbers(page, "segment min") if text != "–"]
    assert falling == sorted(falling, reverse=True)
    heading = page.locator("#pair-list th:has([data-key=segment_min])")
    assert heading.get_attribute("aria-sort") == "descending"


def test_filtering_leaves_the_pairs_that_match(page):
    page.select_option("#pair-model", MODELS[1])
    assert "16 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-ending", "source_misclassified")
    assert "1 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-ending", "")
    page.fill("#pair-search", "Misclassified RESNET")
    assert "1 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-model", "")
    cards = page.locator("#pair-list .card")
    assert cards.count() == 2
    assert all("source misclassified" in text for text in cards.all_inner_texts())
    page.fill("#pair-search", "no such thing")
    assert cards.count() == 0


def test_a_number_can_be_searched_for(desk, report):
    rows = Run(report.parent).pair_rows(started=True)
    page = desk
    page.fill("#pair-search", "rmse<.05 segment_min>=.5")
    expected = [row for row in rows if row["rmse"] < 0.05 and row["segment_min"] >= 0.5]
    assert 0 < len(expected) < len(rows)
    assert page.locator("#pair-count").inner_text() == f"{len(expected)} of 32 pairs"


def test_more_pairs_come_when_asked_for(page):
    before = page.locator("#pair-list .card").count()
    page.locator("#pair-more").click()
    assert page.locator("#pair-list .card").count() == 32 > before
    assert page.locator("#pair-more").is_hidden()


def test_the_pairs_are_a_file_with_the_stored_numbers(desk, report):
    desk.select_option("#pair-model", MODELS[0])
    desk.select_option("#pair-sort", "rmse")
    rows = list(csv.DictReader(io.StringIO(downloaded(desk, desk.locator("#pair-csv").click))))
    known = {row["pair_id"]: row for row in Run(report.parent).pair_rows(MODELS[0])}
    assert {row["pair_id"] for row in rows} == known.keys()
    distances = [float(row["rmse"]) for row in rows if row["rmse"]]
    assert distances == sorted(distances)
    for row in rows:
        for key in ("rmse", "p_found", "segment_min"):
            kept = known[row["pair_id"]][key]
            assert (row[key] == "") == (kept is None)
            assert kept is None or float(row[key]) == pytest.approx(kept, abs=1e-5)
    assert {row["source_name"] for row in rows} >= {"a<b>", "c d"}


def test_the_selection_has_its_mean_and_deviation(desk, report):
    pair_table(desk)
    desk.select_option("#pair-model", MODELS[0])
    foot = desk.locator(".pair-table tfoot td").first.inner_text()
    values = [row["rmse"] for row in Run(report.parent).pair_rows(MODELS[0], started=True)]
    mean, deviation = (float(f"0{part}") for part in foot.split(" ± "))
    assert mean == pytest.approx(np.mean(values), abs=6e-4)
    assert deviation == pytest.approx(np.std(values), abs=6e-4)


def test_the_slider_walks_the_path(page):
    slider = page.locator("#case-player input[type=range]")
    stage = page.locator("#case-player .stage canvas")
    readout = page.locator("#case-player .readout")
    assert "step 400 of 400" in readout.inner_text()
    slider.focus()
    slider.press("Home")
    assert "step 0 of 400" in readout.inner_text()
    assert "RMSE .000 from the source" in readout.inner_text()
    pixels(stage)
    assert stage.get_attribute("data-drawn") == "picture 0"
    slider.press("ArrowRight")
    assert "step 40 of 400" in readout.inner_text()
    page.locator("#case-player .play").click()
    page.wait_for_timeout(700)
    assert int(slider.input_value()) > 2


def test_the_slider_can_be_dragged(page, report):
    slider = page.locator("#case-player input[type=range]")
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 8, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, y, steps=6)
    page.mouse.up()
    assert int(slider.input_value()) == 5
    pair_id = page.locator("#case-player").get_attribute("data-pair")
    row = next(row for row in Run(report.parent).pair_rows() if row["pair_id"] == pair_id)
    shown = f"{min(100 * row['path_confidence'][5], 99.9):.1f}\u00a0%"
    assert shown in page.locator("#case-player .readout").inner_text()


def test_distances_on_the_way_are_those_of_the_stored_snapshots(desk, report):
    pair_id = desk.locator("#case-player").get_attribute("data-pair")
    run = Run(report.parent)
    row = next(row for row in run.pair_rows() if row["pair_id"] == pair_id)
    frame = run.frames(pair_id, 11)[4].astype(float)
    ends = [run.image(row[name], row["model"]) for name in ("source_id", "target_id")]
    far, near = (np.sqrt(((frame - end) ** 2).mean()) / 255 for end in ends)
    desk.locator("#case-player input[type=range]").fill("4")
    words = desk.locator("#case-player .far").inner_text()
    shown = [float(f"0{word}") for word in words.split() if word.startswith(".")]
    assert shown == pytest.approx([far, near], abs=6e-4)


def test_the_difference_is_that_of_the_stored_images(desk, report):
    pair_id = desk.locator("#case-player").get_attribute("data-pair")
    run = Run(report.parent)
    row = next(row for row in run.pair_rows() if row["pair_id"] == pair_id)
    found, target = run.found(pair_id), run.image(row["target_id"], row["model"])
    desk.locator("#case-player .views label", has_text="target").click()
    desk.select_option("#case-player .views select", "8")
    canvas = desk.locator("#case-player canvas")
    assert canvas.get_attribute("data-drawn") == "target 10"
    expected = np.clip(8 * np.abs(found.astype(float) - target), 0, 255)
    # Residuals are kept as four times themselves about grey, so beyond 31 levels they are cut off.
    fits = np.abs(found.astype(float) - target) < 31
    assert np.abs(pixels(canvas) - expected)[fits].max() <= 8
    desk.locator("#case-player .views label", has_text="Picture").click()
    assert canvas.get_attribute("data-drawn") == "picture 10"


def test_exact_pictures_come_from_the_run_directory(desk, report):
    card = desk.locator("#pair-list .card").first
    pair_id = card.get_attribute("data-pair")
    card.click()
    dialog = desk.locator("#pair-dialog")
    dialog.locator(".full input").check()
    dialog.locator(".full", has_text="exact").wait_for()
    dialog.locator("input[type=range]").fill("10")
    # A picture from a file may be shown but not read back, so what the eye sees is compared.
    shown = Image.open(io.BytesIO(dialog.locator(".stage canvas").screenshot())).convert("RGB")
    small = np.asarray(shown.resize((32, 32), Image.Resampling.BOX)).astype(float)
    assert np.abs(small - stored(report.parent / "found" / f"{pair_id}.png")).mean() < 6


def test_a_report_that_was_sent_on_says_that_the_run_is_not_beside_it(chromium, report, tmp_path):
    alone = tmp_path / "sent.html"
    shutil.copy(report, alone)
    page = chromium.new_page()
    page.goto(alone.as_uri())
    page.locator("#pair-list .card").first.click()
    box = page.locator("#pair-dialog .full input")
    box.click()
    page.locator(".full", has_text="not beside this file").wait_for()
    assert not box.is_checked()
    assert pixels(page.locator("#pair-dialog .stage canvas")).std() > 5
    page.close()


def test_a_straight_way_is_told_in_per_cent(chromium, tmp_path):
    factory = Factory(size=32, sources=2, method="star")
    with opened(chromium, write_report(Run(factory.write(tmp_path)))) as page:
        slider = page.locator("#case-player input[type=range]")
        slider.focus()
        slider.press("Home")
        readout = page.locator("#case-player .readout")
        assert "0\u00a0% of the way" in readout.inner_text()
        slider.press("ArrowRight")
        assert "10\u00a0% of the way" in readout.inner_text()
        assert "step" not in readout.inner_text()


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


def test_models_are_sorted_by_any_number_of_a_table(desk):
    rows = desk.locator("#short tbody th")
    heading = desk.locator("#short th:has(.sort)", has_text="RMSE")
    heading.locator(".sort").click()
    assert rows.all_inner_texts() == list(MODELS)
    heading.locator(".sort").click()
    assert rows.all_inner_texts() == list(reversed(MODELS))
    assert heading.get_attribute("aria-sort") == "descending"


def test_in_a_turned_table_the_models_columns_change_places(desk):
    table = desk.locator("[data-table=summary] table")
    before = table.locator("tr", has_text="RMSE").first.locator("td").all_inner_texts()
    button = table.locator(".sort", has_text="RMSE").first
    button.click()
    button.click()
    assert table.locator("thead th").all_inner_texts() == list(reversed(MODELS))
    after = table.locator("tr", has_text="RMSE").first.locator("td").all_inner_texts()
    assert after == list(reversed(before))


def test_the_rows_of_a_table_are_filtered(page):
    table = page.locator("[data-table=summary]")
    table.locator("input[type=search]").fill("segment")
    assert table.locator("tbody tr:visible th").all_inner_texts() == ["segment min"]


@pytest.mark.parametrize("kind", ["distance", "confidence", "summary"])
def test_a_table_is_the_same_as_the_file_that_is_kept_of_it(desk, report, kind):
    save = desk.locator(f"[data-table={kind}] button", has_text="CSV")
    assert downloaded(desk, save.click) == render(build_table(Run(report.parent), kind), "csv")


def test_the_spread_of_a_number_counts_every_traversed_pair(page):
    page.select_option("#spread-choice", "rmse")
    figures = page.locator(".spread svg")
    counts = figures.evaluate_all(
        "all => all.map((one) => [...one.querySelectorAll('rect title')]"
        ".reduce((sum, title) => sum + parseInt(title.textContent), 0))"
    )
    assert counts == [15, 15]


def test_a_limb_of_the_star_opens_its_pair(page):
    sheet = page.locator("#source-view .sheet").first
    assert sheet.locator(".spoke").count() == 3
    limb = sheet.locator(".spoke").nth(1)
    name = limb.locator("text.person").text_content()
    limb.locator(".tip").click()
    dialog = page.locator("#pair-dialog")
    assert f"It was led to\n{name}" in dialog.inner_text()
    page.keyboard.press("Escape")
    limb.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()


def test_a_limb_is_as_wide_as_the_model_is_sure(desk, report):
    limb = desk.locator("#source-view .spoke").first
    widths = limb.locator(".ribbon polygon").evaluate_all("""all => all.map((one) => {
      const [a, , , d] = [...one.points];
      return Math.hypot(a.x - d.x, a.y - d.y);
    })""")
    source = desk.locator("#source-choice").input_value()
    rows = [r for r in Run(report.parent).pair_rows(MODELS[0]) if r["source_id"] == source]
    rows = sorted((row for row in rows if row["rmse"]), key=lambda row: row["target_id"])
    confidence = rows[0]["segment_confidence"][:-1:2]
    assert np.array(widths) / 20 == pytest.approx(confidence, abs=0.011)


def test_another_source_draws_its_star_and_triangle(page):
    choice = page.locator("#source-choice")
    values = choice.locator("option").evaluate_all("all => all.map((one) => one.value)")
    choice.select_option(values[-1])
    sheets = page.locator("#source-view .sheet")
    assert sheets.count() == 2
    assert sheets.first.locator(".spoke").count() == 3
    assert sheets.first.locator(".dots circle").count() == 66
    triangles = page.locator("#triangle-choice option")
    assert triangles.count() == 3
    first = page.locator(".map").first.get_attribute("aria-label")
    page.locator("#triangle-choice").select_option(index=2)
    assert page.locator(".map").first.get_attribute("aria-label") != first


def interpolator(run, page, model):
    """Our own reading of the stored grid, by matplotlib's triangulation; and the corner images."""
    from matplotlib.tri import LinearTriInterpolator, Triangulation

    source = page.locator("#source-choice").input_value()
    targets = set(json.loads(page.locator("#triangle-choice").input_value()))
    row = next(
        row
        for row in run.triangle_rows(model)
        if row["source_id"] == source and {row["target_1"], row["target_2"]} == targets
    )
    u, v = np.array([(i, j) for i in range(11) for j in range(11 - i)]).T / 10
    # On an equilateral grid only one triangulation is Delaunay's.
    plane = Triangulation(u + v / 2, v * np.sqrt(0.75))
    read = LinearTriInterpolator(plane, row["confidence"])
    pairs = {r["target_id"]: r for r in run.pair_rows(model) if r["source_id"] == source}
    found = [run.found(pairs[row[name]]["pair_id"]) for name in ("target_1", "target_2")]
    corners = [run.image(source, model), *found]
    return lambda w: float(read(w[1] + w[2] / 2, w[2] * np.sqrt(0.75))), corners


def place(map_, weights):
    """The whole screen pixel nearest to these weights, and the weights of that very pixel."""
    corners = np.array(
        map_.locator(".outline").evaluate("""one => {
      const at = one.getScreenCTM();
      return [...one.points].map((p) => { const q = p.matrixTransform(at); return [q.x, q.y]; });
    }""")
    )
    x, y = np.rint(weights @ corners)
    system = np.vstack([corners.T, np.ones(3)])
    return (x, y), np.linalg.solve(system, [x, y, 1])


def believed(map_):
    text = map_.locator("xpath=..").locator("figcaption b").inner_text()
    return float(text.split()[-1])


@pytest.mark.parametrize("weights", [(0.3, 0.45, 0.25), (0.05, 0.52, 0.43), (0.62, 0.09, 0.29)])
def test_pointing_into_a_triangle_shows_the_mixed_image_and_its_confidence(page, report, weights):
    run, maps = Run(report.parent), page.locator(".map")
    maps.first.scroll_into_view_if_needed()
    (x, y), exact = place(maps.first, np.array(weights))
    if page.viewport_size["width"] < 500:
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y)
    for map_, model in zip(maps.all(), MODELS, strict=True):
        confidence, corners = interpolator(run, page, model)
        assert believed(map_) == pytest.approx(confidence(exact), abs=1e-3)
        mixed = sum(w * image.astype(float) for w, image in zip(exact, corners, strict=True))
        drawn = pixels(map_.locator("xpath=..").locator("canvas"))
        assert np.abs(drawn - mixed).max() <= 2.5


def test_arrow_keys_move_the_cursor_of_every_model(page, report):
    run, maps = Run(report.parent), page.locator(".map")
    maps.first.focus()
    page.keyboard.press("Home")
    confidence, _ = interpolator(run, page, MODELS[0])
    assert believed(maps.first) == pytest.approx(confidence((1, 0, 0)), abs=1e-3)
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("Shift+ArrowDown")
    weights = (0.89, 0.105, 0.005)
    for map_, model in zip(maps.all(), MODELS, strict=True):
        confidence, _ = interpolator(run, page, model)
        assert believed(map_) == pytest.approx(confidence(weights), abs=1e-3)
    said = maps.first.get_attribute("aria-valuetext")
    assert said.startswith("89\u00a0% ")
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    assert "0\u00a0%" in maps.first.get_attribute("aria-valuetext").split(",")[2]


def test_dragging_on_a_triangle_moves_its_cursor(desk):
    map_ = desk.locator(".map").first
    map_.scroll_into_view_if_needed()
    (x, y), _ = place(map_, np.array([0.4, 0.3, 0.3]))
    desk.mouse.move(x, y)
    desk.mouse.down()
    before = map_.get_attribute("aria-valuetext")
    desk.mouse.move(x + 40, y + 20, steps=3)
    desk.mouse.up()
    assert map_.get_attribute("aria-valuetext") != before


def test_the_worst_pairs_come_first_whichever_way_a_number_runs(desk, report):
    rows = Run(report.parent).pair_rows(started=True)
    for key, worst in (("rmse", min), ("segment_min", max)):
        desk.select_option("#ends-choice", key)
        first = desk.locator("#ends-view .card").first
        assert first.get_attribute("data-pair") == worst(rows, key=lambda r: r[key])["pair_id"]
        assert desk.locator("#ends-view h4").first.inner_text().startswith("Worst:")
    desk.select_option("#ends-choice", "steps")
    assert desk.locator("#ends-view h4").first.inner_text() == "The lowest steps"


def test_endings_are_told_in_words(page):
    words = page.locator("#endings").inner_text()
    assert "All steps were done." in words
    assert "The model does not give the source its class" in words
    assert "zoo:shapes-resnet-at 15" in words


def test_the_grid_changes_with_the_model(page):
    page.locator("#grid-choice").select_option(label=MODELS[1])
    assert page.locator("#grid-view img").count() > 0
    region = page.locator("#grid-view .scroll")
    assert MODELS[1] in region.get_attribute("aria-label")


def test_a_hostile_class_name_is_shown_as_text(page):
    page.fill("#pair-search", "a<b>")
    assert page.locator("#pair-list .card", has_text="a<b>").count() > 0


def test_on_paper_the_tools_are_gone_and_the_content_is_there(desk):
    desk.emulate_media(media="print")
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
    assert desk.pdf().startswith(b"%PDF")


def test_nothing_moves_by_itself_where_motion_is_not_wanted(chromium, report):
    with opened(chromium, report, reduced_motion="reduce") as page:
        behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
        assert page.evaluate(behaviour) == "auto"
        assert page.evaluate("document.getAnimations().length") == 0
        before = page.locator("#case-player input[type=range]").input_value()
        page.wait_for_timeout(500)
        assert page.locator("#case-player input[type=range]").input_value() == before


def test_every_field_has_a_name_and_every_picture_words(page):
    assert page.locator("img:not([alt])").count() == 0
    unnamed = "canvas:not([aria-label]), svg[role]:not([aria-label])"
    assert page.locator(unnamed).count() == 0


@pytest.mark.parametrize("part", ["page", "table", "dialog"])
def test_axe_finds_nothing(page, part):
    from axe_playwright_python.sync_playwright import Axe

    if part == "table":
        pair_table(page)
    if part == "dialog":
        page.locator("#pair-list .card").first.click()
    found = Axe().run(page, "#pair-dialog" if part == "dialog" else None)
    assert found.violations_count == 0, found.generate_report()


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
