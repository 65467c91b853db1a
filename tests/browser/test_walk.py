"""The claim and its control: two ways walked together, differences, the card, the address."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from blindspots.reporting.page import write_report
from blindspots.store.reader import Run
from tests.browser.conftest import MODELS, downloaded, opened, pixels, wait_for_place
from tests.support.run_factory import Factory

pytestmark = pytest.mark.browser
SLIDER = "#claim input[type=range]"


def case_of(page, report):
    run = Run(report.parent)
    pair_id = page.locator("#claim").get_attribute("data-pair")
    return run, next(row for row in run.pair_rows() if row["pair_id"] == pair_id)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The report of a run whose ways are segments."""
    path = Factory(size=32, sources=2, method="star").write(tmp_path_factory.mktemp("star"))
    return write_report(Run(path))


def test_both_pictures_are_equally_large_and_the_source_is_small(shown):
    real, found = (shown.locator(f"#claim .{side} canvas").bounding_box() for side in SIDES)
    source = shown.locator("#claim .began img").first.bounding_box()
    assert real["width"] == pytest.approx(found["width"], abs=0.5)
    assert real["height"] == pytest.approx(found["height"], abs=0.5)
    assert real["y"] == found["y"]
    assert source["width"] < 0.6 * real["width"]


SIDES = ("real", "found")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1440, 900)])
def test_the_first_screen_holds_the_whole_claim(chromium, report, tmp_path, width, height):
    # An unlabelled run of models with long names has the longest words above its pictures.
    names = ("academic gown", "African hunting dog", "remote control")
    for path in (report, long_words(tmp_path, names)):
        with opened(chromium, path) as page:
            page.set_viewport_size({"width": width, "height": height})
            page.reload()
            slider = page.locator(SLIDER).bounding_box()
            assert slider["y"] + slider["height"] <= height
            assert page.locator("#claim .found canvas").bounding_box()["width"] > 0.3 * height


def long_words(path, names):
    factory = Factory(size=32, sources=3, classes=names, labelled=False, method="star")
    return write_report(Run(factory.write(path / "run")))


def test_at_the_end_stand_the_real_target_and_the_found_image(desk, report):
    run, row = case_of(desk, report)
    stored = (run.image(row["target_id"], row["model"]), run.found(row["pair_id"]))
    for side, expected in zip(SIDES, stored, strict=True):
        # Snapshots of a traversal are compressed; the real image is as it is stored.
        near = 2 if side == "real" else 12
        assert np.abs(pixels(desk.locator(f"#claim .{side} canvas")) - expected).mean() < near
    found = desk.locator("#claim .found").inner_text()
    assert row["target_name"] in found
    assert f"{row['source_name']}, 99.9\u00a0%" in found


def test_the_plain_mix_is_what_it_says_and_the_model_is_heard_on_it(desk, report):
    run, row = case_of(desk, report)
    desk.locator(SLIDER).fill("40")
    ends = [run.image(row[end], row["model"]).astype(float) for end in ("source_id", "target_id")]
    shown = pixels(desk.locator("#claim .real canvas"))
    assert np.abs(shown - (0.6 * ends[0] + 0.4 * ends[1])).max() <= 2.5
    null = next(r for r in run.null_rows(row["model"]) if r["target_id"] == row["target_id"])
    words = desk.locator("#claim .real").inner_text()
    assert "Plain mix, 40\u00a0%" in words
    nulls = [r for r in run.null_rows(row["model"]) if r["source_id"] == row["source_id"]]
    null = next(r for r in nulls if r["target_id"] == row["target_id"])
    assert f"{100 * null['interpolation_confidence'][4]:.1f}\u00a0%" in words
    assert desk.locator("#claim .real .lost").count() == 1
    assert "it leaves at 20\u00a0%" in desk.locator("#claim .key").inner_text()


def test_the_straight_way_is_the_mix_of_source_and_found(chromium, straight):
    with opened(chromium, straight) as page:
        run, row = case_of(page, straight)
        page.locator(SLIDER).fill("30")
        source, found = run.image(row["source_id"], row["model"]), run.found(row["pair_id"])
        shown = pixels(page.locator("#claim .found canvas"))
        assert np.abs(shown - (0.7 * source + 0.3 * found)).max() <= 2.5
        said = f"{min(100 * row['segment_confidence'][30], 99.9):.1f}\u00a0%"
        assert said in page.locator("#claim .found .said").inner_text()
        assert page.locator("#claim .where").inner_text() == "30\u00a0% of the way"
        assert page.locator("#claim .along .limb").count() == 2


def test_the_slider_walks_by_key_by_play_and_by_pointer(page):
    slider, where = page.locator(SLIDER), page.locator("#claim .where")
    assert where.inner_text() == "step 400 of 400"
    slider.focus()
    slider.press("Home")
    assert where.inner_text() == "step 0 of 400"
    assert page.locator("#claim .found canvas").get_attribute("data-drawn") == "0.00"
    slider.press("ArrowRight")
    assert slider.input_value() == "1"
    page.locator("#claim .play").click()
    wait_for_place(slider, 5)
    page.locator("#claim .play").click()
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert 45 <= int(slider.input_value()) <= 55


def test_the_mark_of_the_chart_stands_over_the_thumb(shown):
    mark = shown.locator("#claim .chart .mark").bounding_box()
    slider = shown.locator(SLIDER).bounding_box()
    assert abs(mark["x"] - (slider["x"] + slider["width"] - 8)) < 8


def test_an_opened_pair_shows_both_differences_at_gains_of_their_own(page):
    page.locator(".card").first.click()
    gaps = page.locator("#pair-dialog .gaps")
    assert gaps.locator("img").count() == 2
    words = gaps.inner_text()
    assert "× 16" in words
    assert "source, × 1" in words


def test_a_pair_has_an_address_that_can_be_sent(chromium, report):
    with opened(chromium, report) as page:
        page.locator("#grid-view button").nth(1).click()
        pair_id = page.locator("#pair-dialog").get_attribute("data-pair")
        address = page.url
        assert address.endswith(f"#pair={pair_id}")
        page.keyboard.press("Escape")
        page.wait_for_function("() => !location.hash")
        page.goto("about:blank")
        page.goto(address)
        assert page.locator("#pair-dialog").is_visible()
        assert page.locator("#pair-dialog").get_attribute("data-pair") == pair_id


def test_an_address_of_no_pair_opens_nothing(chromium, report):
    with opened(chromium, report) as page:
        page.goto("about:blank")
        page.goto(f"{report.as_uri()}#pair=none%2")
        assert page.locator("#pair-dialog").is_hidden()


def test_the_claim_is_a_picture_to_paste_or_to_keep(chromium, report):
    with opened(chromium, report) as page:
        page.evaluate(
            "() => Object.defineProperty(navigator, 'clipboard', {value: {write: async (items) => "
            "{ window.pasted = await (await items[0].getType('image/png')).arrayBuffer(); }}})"
        )
        page.locator(".copy").click()
        page.wait_for_function("() => window.pasted")
        data = bytes(page.evaluate("() => [...new Uint8Array(window.pasted)]"))
        card = Image.open(io.BytesIO(data))
        assert card.size == (1200, 630)
        run, row = case_of(page, report)
        target = Image.fromarray(run.image(row["target_id"], row["model"]))
        left = np.asarray(card.convert("RGB").crop((432, 123, 776, 467)).resize(target.size, 0))
        assert np.abs(left.astype(float) - np.asarray(target)).mean() < 3


def test_without_a_clipboard_the_claim_is_a_file(chromium, report):
    with opened(chromium, report) as page:
        page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        name = downloaded(page, page.locator(".copy").click).suggested_filename
        assert name.startswith("blind-spot-")
        assert page.locator(".copy").inner_text() == "Saved as a file"


def test_a_report_that_was_sent_on_is_whole(chromium, report, tmp_path):
    alone = shutil.copy(report, tmp_path / "sent.html")
    with opened(chromium, alone) as page:
        page.locator(".card").first.click()
        assert pixels(page.locator("#pair-dialog .found canvas")).std() > 5


def test_pictures_of_many_pixels_are_shown_without_loss_on_the_first_screen(chromium, tmp_path):
    path = Factory(size=320, sources=2, models=MODELS[:1], method="star").write(tmp_path)
    with opened(chromium, write_report(Run(path))) as page:
        run, row = case_of(page, path / "report.html")
        assert np.array_equal(
            pixels(page.locator("#claim .found canvas")), run.found(row["pair_id"])
        )
