"""Figures: an axis in and the same axis out, colours that mean what they say, files that open."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from blindspots.reporting import figures
from blindspots.reporting.figures.paper_figures import write_figure
from blindspots.reporting.figures.run_figures import write_figures
from blindspots.reporting.figures.style import COLOUR_MAP
from blindspots.reporting.figures.tile_plots import Tile
from blindspots.reporting.selection import first_pairs, layout_of, representative_source
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, draw

IMAGES = [draw(number, 16) for number in range(3)]
LINE = np.linspace(1, 0.5, 101)
DRAWINGS = {
    "path_strip": lambda ax: figures.path_strip(
        IMAGES, [0.9, 0.95, 1.0], steps=[0, 5, 9], target=IMAGES[0], heading="own", ax=ax
    ),
    "grid": lambda ax: figures.grid(
        [[Tile(IMAGES[0], 0.9, clean=True), None], [Tile(IMAGES[1], 0.8), Tile(None, None)]],
        ["disc", "an_underscored name"],
        ["disc", "square"],
        ax=ax,
    ),
    "grid of lines": lambda ax: figures.grid([[Tile(IMAGES[1], 0.8, "ring")]], ["disc"], ax=ax),
    "star": lambda ax: figures.star(
        [figures.Limb(LINE, "disc", IMAGES[1]), figures.Limb(LINE, "square")],
        source=IMAGES[0],
        p_source=1.0,
        delta=0.2,
        ax=ax,
    ),
    "triangle": lambda ax: figures.triangle(IMAGES, np.linspace(0, 1, 66), ax=ax),
    "triangle of reals": lambda ax: figures.triangle(
        [None, *IMAGES[1:]], [0.5] * 66, sides=(0.3, 0.4, 0.5), p_source=0.6, delta=0.2, ax=ax
    ),
    "transfer": lambda ax: figures.transfer(
        [[0.9, None], [0.2, 1.0]],
        ["one", "two"],
        ["one", "other:long.name_of-a-model"],
        kept=[[1.0, None], [0.5, 1.0]],
        nulls=[[0.99, 0.98]],
        null_names=["clean source"],
        ax=ax,
    ),
    "transfer of one": lambda ax: figures.transfer([[0.5]], ["one"], ["one"], ax=ax),
    "sensitivity": lambda ax: figures.sensitivity(
        IMAGES[0] / 255,
        IMAGES[0] / 255 + 0.01,
        before="disc",
        p_before=0.99,
        after="ring",
        p_after=0.8,
        epsilon=8 / 255,
        ax=ax,
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(Factory(size=16, sources=3, frames=4).write(tmp_path_factory.mktemp("run")))


@pytest.mark.parametrize("name", DRAWINGS)
def test_an_axis_goes_in_and_comes_out(name):
    ax = Figure().add_subplot()
    assert DRAWINGS[name](ax) is ax
    FigureCanvasAgg(ax.figure).draw()


@pytest.mark.parametrize("name", DRAWINGS)
def test_without_an_axis_one_is_made_and_saved_as_png_and_svg(name, tmp_path):
    png, svg = figures.save(DRAWINGS[name](None), tmp_path / "new" / "figure.v1")
    assert png.name == "figure.v1.png"
    with Image.open(png) as image:
        image.load()
        assert np.asarray(image.convert("L")).std() > 5
    assert svg.read_text().lstrip().startswith("<?xml")


def test_a_dollar_in_a_name_begins_no_formula(tmp_path):
    names = ("a$\\frac{$b", "$x_1$", "$$", "50 $")
    wishes = {"size": 8, "sources": 3, "frames": 3, "classes": names, "models": ("own:$\\frac{$",)}
    wishes["unstarted"] = False
    run = Run(Factory(**wishes).write(tmp_path / "run"))
    assert len(write_figures(run, run.path / "figures")) > 2
    for figure in ("path", "grid", "star", "triangle", "curves"):
        assert write_figure(run, figure, format="svg").file.exists()


def test_an_svg_has_the_same_bytes_every_time(tmp_path):
    first, second = (
        figures.save(DRAWINGS["triangle"](None), tmp_path / name, ["svg"])[0] for name in "ab"
    )
    assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in first.read_bytes()


def test_the_heat_map_has_the_colour_of_each_value_at_its_sample():
    values = np.random.default_rng(0).random(66)
    ax = figures.triangle([None] * 3, values)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    cells = next(c for c in ax.collections if isinstance(c, PolyCollection))
    interior = [i for i, w in enumerate(figures.triangle_weights()) if w.min() > 0.05]
    for index in interior:
        # Half way from a cell's centre to its corner: inside the cell, clear of the sample's dot.
        ring = cells.get_paths()[index].vertices[:6]
        x, y = ax.transData.transform(ring.mean(axis=0) * 0.4 + ring[0] * 0.6)
        shown = pixels[round(pixels.shape[0] - y), round(x)]
        assert shown == pytest.approx(colormaps[COLOUR_MAP](values[index])[:3], abs=0.02)


def test_the_triangle_is_drawn_at_its_true_side_lengths():
    source, first, second = figures.triangle_corners(0.3, 0.4, 0.5)
    assert np.linalg.norm(source - first) == pytest.approx(0.3)
    assert np.linalg.norm(source - second) == pytest.approx(0.4)
    assert np.linalg.norm(first - second) == pytest.approx(0.5)


def test_sides_that_make_no_triangle_are_drawn_flat_and_none_at_all_equal():
    flat = figures.triangle_corners(0.1, 0.1, 0.9)
    assert flat[0, 1] == 0
    equal = figures.triangle_corners(0.1, 0.1, 0.0)
    assert np.linalg.norm(equal[0] - equal[1]) == pytest.approx(1)


def test_the_grid_of_weights_is_the_one_the_store_was_written_with():
    from blindspots.methods.method import triangle_weights

    assert np.allclose(figures.triangle_weights(), triangle_weights(10).numpy())


def test_side_lengths_are_the_distances_of_the_stored_images(run):
    row = run.triangle_rows()[0]
    sides = figures.side_lengths(run, row)
    pair = next(
        p
        for p in run.pair_rows(row["model"], started=True)
        if (p["source_id"], p["target_id"]) == (row["source_id"], row["target_1"])
    )
    assert sides[0] == pytest.approx(pair["source_rmse"])


def test_the_change_is_amplified_around_grey_and_cut():
    shown = figures.amplified(np.zeros((1, 1, 3)), np.array([[[0.0, 0.004, 1.0]]]))
    assert shown[0, 0] == pytest.approx([0.5, 0.7, 1.0])


def test_a_run_is_drawn_for_each_model_and_side_by_side(run, tmp_path):
    paths = figures.write_figures(run, tmp_path)
    names = {path.name for path in paths}
    for kind in ("grid", "path"):
        assert f"{kind}-zoo-shapes-resnet-at.svg" in names
    assert {name for name in names if "star" in name} == {"star-models.png", "star-models.svg"}
    assert "triangle-models.png" in names
    assert all(path.stat().st_size > 1000 for path in paths)


def test_a_run_that_kept_no_images_still_has_its_curves(tmp_path):
    factory = Factory(size=8, sources=2, keep="none", models=["zoo:one"])
    run = Run(factory.write(tmp_path / "run"))
    names = {path.name for path in figures.write_figures(run, tmp_path / "figures")}
    assert "star-zoo-one.png" in names
    assert "path-zoo-one.png" not in names


def test_the_matrix_of_a_transfer_has_the_colour_of_each_number_and_the_number(tmp_path):
    judges = ["zoo:one", "zoo:two"]
    run = Run(Factory(size=8, sources=2, models=["zoo:one"], judges=judges).write(tmp_path / "run"))
    ax = figures.run_transfer(run)
    texts = [text.get_text() for text in ax.texts]
    expected = {"zoo:one": 0.999, "zoo:two": 0.25}
    for number, value in enumerate(expected.values()):
        assert ax.patches[number].get_facecolor() == pytest.approx(colormaps[COLOUR_MAP](value))
    assert {"1.00", "100 % kept", ".25", "0 % kept"} <= set(texts)
    assert {"clean source", "target itself", ".01"} <= set(texts)
    names = {path.name for path in figures.write_figures(run, tmp_path / "figures")}
    assert {"transfer.png", "transfer.svg"} <= names


def test_an_empty_run_has_no_figures(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert figures.write_figures(Run(tmp_path), tmp_path / "figures") == []
    assert figures.run_transfer(Run(tmp_path)) is None


def test_the_figures_start_from_a_source_with_most_targets(run):
    assert representative_source(run) in {row["source_id"] for row in run.pair_rows(started=True)}


def test_the_grid_is_square_where_classes_were_traversed_both_ways(tmp_path):
    factory = Factory(size=8, sources=8, targets=7, keep="found", models=["zoo:one"])
    run = Run(factory.write(tmp_path))
    layout = layout_of(first_pairs(run, "zoo:one"))
    assert layout.rows == layout.columns
    assert len(layout.rows) == 6
    for i, line in enumerate(layout.spots):
        for j, spot in enumerate(line):
            assert spot is None or spot.clean == (i == j)
            if spot and not spot.clean:
                assert spot.row["source_name"] == layout.rows[i]
                assert spot.row["target_name"] == layout.columns[j]


def test_the_grid_has_a_line_a_source_where_they_were_not(run):
    layout = layout_of(first_pairs(run, run.models[0].name))
    assert layout.columns == []
    assert len(layout.rows) == len(layout.spots) == 3
    assert [spot.clean for spot in layout.spots[0]] == [True, False, False]


CLASSES = "abcdefghij"
classes = st.sampled_from(CLASSES)


@given(st.sets(st.tuples(classes, classes), max_size=25))
def test_a_square_grid_is_of_the_classes_left_when_the_rarest_goes_again_and_again(missing):
    """The same by counting anew each time."""
    cells, left = set(product(CLASSES, CLASSES)) - missing, set(CLASSES)
    while len(left) > 6:
        inside = [name for cell in cells if set(cell) <= left for name in cell]
        left.remove(max(left, key=lambda name: (-inside.count(name), name)))
    rows = [{"source_id": a + b, "source_name": a, "target_name": b} for a, b in sorted(cells)]
    layout = layout_of(rows)
    assert layout.columns == sorted(left)
