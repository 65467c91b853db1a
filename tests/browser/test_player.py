"""The path player: slider, play, distances, differences, exact pictures."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from blindspots.reporting.page import write_report
from blindspots.store.reader import Run
from tests.browser.conftest import MODELS, opened, pixels, wait_for_place
from tests.support.run_factory import Factory

pytestmark = pytest.mark.browser


def stored(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(float)


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
    wait_for_place(slider, 3)


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


def test_an_exact_picture_is_larger_than_the_report_s_own(chromium, tmp_path):
    report = write_report(Run(Factory(size=320, sources=2, models=MODELS[:1]).write(tmp_path)))
    with opened(chromium, report) as page:
        page.locator("#pair-list .card").first.click()
        dialog = page.locator("#pair-dialog")
        canvas = dialog.locator(".stage canvas")
        page.wait_for_function("one => one.dataset.drawn", arg=canvas.element_handle())
        before = canvas.evaluate("one => one.width")
        dialog.locator(".full input").check()
        dialog.locator(".full", has_text="exact").wait_for()
        dialog.locator("input[type=range]").fill("10")
        assert before < 320
        assert canvas.evaluate("one => one.width") == 320


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
