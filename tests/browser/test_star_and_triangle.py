"""The star and the triangle: by mouse, by touch and by keyboard; what they say is stored."""

import json
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib import colormaps

from blindspots.reporting.figures.style import COLOUR_MAP
from blindspots.reporting.page import write_report
from blindspots.reporting.page.report_data import page_html, report_data
from blindspots.reporting.score_labels import run_scales
from blindspots.store.reader import Run
from tests.browser.conftest import MODELS, opened, pixels
from tests.support.run_factory import ZOO, Factory, hold

pytestmark = pytest.mark.browser


def test_a_limb_of_the_star_opens_its_pair(page):
    sheet = page.locator("#source-view .sheet").first
    assert sheet.locator(".spoke").count() == 3
    limb = sheet.locator(".spoke").nth(1)
    name = limb.locator("text.person").text_content()
    limb.locator(".tip").click()
    dialog = page.locator("#pair-dialog")
    assert f"You see {'an' if name[0] in 'aeiou' else 'a'} {name}" in dialog.inner_text()
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


def believed(page):
    """What the one readout says of each model, in their order."""
    return [float(text.split()[-1]) for text in page.locator(".mixed dd").all_inner_texts()]


@pytest.mark.parametrize("weights", [(0.3, 0.45, 0.25), (0.05, 0.52, 0.43), (0.62, 0.09, 0.29)])
def test_pointing_into_a_triangle_shows_the_mixed_image_and_its_confidence(page, report, weights):
    run, maps = Run(report.parent), page.locator(".map")
    maps.first.scroll_into_view_if_needed()
    (x, y), exact = place(maps.first, np.array(weights))
    if page.viewport_size["width"] < 500:
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y)
    for said, model in zip(believed(page), MODELS, strict=True):
        confidence, corners = interpolator(run, page, model)
        assert said == pytest.approx(confidence(exact), abs=1e-3)
        if model == MODELS[0]:
            mixed = sum(w * image.astype(float) for w, image in zip(exact, corners, strict=True))
            assert np.abs(pixels(page.locator(".mixed canvas")) - mixed).max() <= 2.5


def heat(map_):
    """The heat map as it is shown: its pixels (height, width, 3), and its corners among them."""
    picture = map_.locator(".heat > g > image")
    drawn = picture.evaluate("""async (one) => {
      const shown = new Image();
      shown.src = one.getAttribute("href");
      await shown.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [shown.width, shown.height];
      const pen = canvas.getContext("2d");
      pen.drawImage(shown, 0, 0);
      const { data, height, width } = pen.getImageData(0, 0, shown.width, shown.height);
      return [height, width, [...data]];
    }""")
    box = picture.evaluate(
        "one => ['x', 'y', 'width', 'height'].map((name) => +one.getAttribute(name))"
    )
    corners = map_.locator(".outline").evaluate("one => [...one.points].map(({ x, y }) => [x, y])")
    height, width, values = drawn
    shares = (np.array(corners) - box[:2]) / box[2:]
    return np.array(values).reshape(height, width, 4)[..., :3], shares * (width, height)


def colours(page):
    """The page's colour ramp, which is matplotlib's: (steps, 3)."""
    said = json.loads(page.locator("#run-data").text_content())["colours"]
    ramp = np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in said])
    theirs = colormaps[COLOUR_MAP](np.linspace(0, 1, len(ramp)))[:, :3]
    assert ramp == pytest.approx(255 * theirs, abs=1)
    return ramp


GRID_POINTS = [(8, 1, 1), (4, 3, 3), (1, 8, 1), (1, 1, 8), (2, 5, 3), (5, 1, 4)]


@pytest.mark.parametrize("score", ["confidence", "margin"])
def test_the_heat_map_has_the_colour_of_the_stored_confidence(chromium, tmp_path, score):
    Factory(size=16, sources=2, models=MODELS).write(tmp_path)
    if score == "margin":
        hold(tmp_path, "margin", 2.0, lambda p: 10 * p - 2)
    run = Run(tmp_path)
    over, seen = run_scales(run).over, []
    with opened(chromium, write_report(run)) as page:
        ramp = colours(page)
        for map_, model in zip(page.locator(".map").all(), MODELS, strict=True):
            confidence, _ = interpolator(run, page, model)
            shown, corners = heat(map_)
            for parts in GRID_POINTS:
                x, y = np.floor(np.array(parts) / 10 @ corners).astype(int)
                # The pixel's middle is up to half a pixel off the grid's point.
                exact = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), [x + 0.5, y + 0.5, 1])
                value = over.share(confidence(exact))
                step = round(value * (len(ramp) - 1))
                # The outline is written to a tenth, so the value is known to a step of the ramp.
                near = ramp[max(step - 1, 0) : step + 2]
                assert shown[y, x].tolist() in near.tolist(), (model, parts)
                seen.append(value)
    assert np.ptp(seen) > 0.3


def test_arrow_keys_move_the_cursor_of_every_model(page, report):
    run, maps = Run(report.parent), page.locator(".map")
    maps.first.focus()
    page.keyboard.press("Home")
    confidence, _ = interpolator(run, page, MODELS[0])
    assert believed(page)[0] == pytest.approx(confidence((1, 0, 0)), abs=1e-3)
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("Shift+ArrowDown")
    weights = (0.89, 0.105, 0.005)
    for said, model in zip(believed(page), MODELS, strict=True):
        confidence, _ = interpolator(run, page, model)
        assert said == pytest.approx(confidence(weights), abs=1e-3)
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


def test_a_margin_is_drawn_on_its_own_scale_and_called_so(chromium, tmp_path):
    Factory(size=16, sources=2, models=MODELS[:1]).write(tmp_path)
    run = Run(hold(tmp_path, "margin", 2.0, lambda p: 10 * p - 2))
    along = run_scales(run).along
    with opened(chromium, write_report(run)) as page:
        assert "margin 7.9" in page.locator("h1").inner_text()
        limb = page.locator(".ray").first
        assert "lowest margin" in limb.get_attribute("aria-label")
        chart = page.locator("#claim .along .chart")
        marks = chart.locator("text").all_text_contents()
        assert marks[: len(along.ticks)] == along.labels
        assert "outside: below source margin − δ" in marks
        ground, line = (chart.locator(one).first.bounding_box() for one in (".axis", ".limb"))
        assert chart.bounding_box()["y"] <= line["y"]
        assert line["y"] + line["height"] <= ground["y"]
        words = page.locator(".map").first.get_attribute("aria-valuetext")
        assert re.search(r": margin −?\d*\.\d+$", words)


def test_a_number_of_a_group_stands_beside_the_group_and_not_beside_one_class(chromium, tmp_path):
    Factory(size=16, sources=2, models=MODELS[:1]).write(tmp_path)
    run = Run(hold(tmp_path, "group", 0.2, lambda p: p))
    with opened(chromium, write_report(run)) as page:
        name = page.locator(".mixed dd").first.inner_text().rpartition(" ")[0]
        assert name.endswith("’s group")
        assert f"% {name.partition('’')[0]}" in page.locator(".mixed p").inner_text()
        assert f"the model: {name}, 99.9" in page.locator("#claim .found").inner_text()


def test_two_targets_make_bars_and_three_a_star(chromium, tmp_path, page):
    assert page.locator("#source-view .star").count() == 2
    run = Run(Factory(size=16, sources=3, targets=2, frames=3).write(tmp_path))
    with opened(chromium, write_report(run)) as other:
        assert other.locator("#source-view .star").count() == 0
        assert other.locator("#source-view .ray").count() == 4
        other.locator("#source-view .ray").first.click()
        assert other.locator("#pair-dialog").is_visible()


def test_all_models_stand_in_one_row_under_one_legend(chromium, tmp_path):
    run = Run(Factory(size=16, sources=3, frames=3, models=ZOO).write(tmp_path))
    with opened(chromium, write_report(run)) as page:
        for width in (390, 700, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            sheets = page.locator("#source-view .sheet").all()
            tops = {sheet.bounding_box()["y"] for sheet in sheets}
            assert (len(sheets), len(tops)) == (4, 1)
        legend = page.locator("#sources .legend").bounding_box()
        assert legend["y"] < tops.pop()
        assert page.locator(".mixed canvas").count() == 1


@pytest.mark.parametrize("sides", [(1.0, 1.0, 0.1), (0.3, 1.0, 0.8), (1.0, 0.4, 0.7), (0.5,) * 3])
def test_labels_of_a_triangle_never_overlap_and_stay_in_the_drawing(chromium, tmp_path, sides):
    classes = ("a very long class name indeed", "another quite long name", "c", "d")
    run = Run(Factory(size=16, sources=2, frames=3, classes=classes, models=ZOO).write(tmp_path))
    data = report_data(run)
    triangles = [replace(one, sides=list(sides)) for one in data.triangles]
    (tmp_path / "page.html").write_text(page_html(replace(data, triangles=triangles)))
    with opened(chromium, tmp_path / "page.html") as page:
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            drawing = page.locator(".heat").first
            boxes = drawing.locator("text:visible, image:visible").all()[1:]
            places = [box.bounding_box() for box in boxes]
            whole = drawing.bounding_box()
            for one in places:
                assert one["x"] >= whole["x"] - 1
                assert one["x"] + one["width"] <= whole["x"] + whole["width"] + 1
            assert not [(a, b) for a, b in combinations(places, 2) if overlap(a, b)]


def overlap(a, b):
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return across > 1 and down > 1
