"""Figures for papers: their size on the page, their fonts, and a sentence where a file is gone."""

import json
import re
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.text import Text
from PIL import Image

from blindspots.cli.figure_commands import FigureName
from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.reporting.figures.curve_plots import distances
from blindspots.reporting.figures.hull_plots import triangle
from blindspots.reporting.figures.paper_figures import (
    FIGURES,
    FORMATS,
    RESOLUTION,
    draw_figure,
    write_figure,
)
from blindspots.reporting.figures.style import COLOUR_MAP, LIMBS, MODEL, PERSON, PRINT, short
from blindspots.reporting.selection import by_source
from blindspots.schema import SIMPLICES, TRANSFER
from blindspots.store.reader import Run
from blindspots.store.width_rows import add_widths
from tests.support.run_factory import Factory, simplex_row

MODELS = ("zoo:own", "timm:vit_base_patch16_clip_quickgelu_224.openai_ft_in12k_in1k-at")
LONG = ("soft-coated_wheaten_terrier", "disc", "American_Staffordshire_terrier", "cup")
INCHES = {"1": 3.25, "1.5": 5.5, "2": 6.75}
NARROW = (("transfer", "1"), ("transfer", "1.5"))
POINTS_AN_INCH, SMALLEST = 72, 6


def widths(row, radii=(0.5, 2.0), points=3):
    """Made-up rows of a pair's widths."""
    return [
        {
            "model": row["model"],
            "pair_id": row["pair_id"],
            "point": point,
            "along": point / (points - 1),
            "confidence": 0.99,
            "radius": radius,
            "directions": 8,
            "seed": 0,
            "low": 0.9 - 0.2 * radius,
            "median": 0.9,
            "high": 0.95,
            "inside": 0.5,
        }
        for point in range(points)
        for radius in radii
    ]


def judged(run, judges=MODELS):
    """Made-up rows of a transfer: every model believes what was found for it."""
    return [
        {
            "model": row["model"],
            "judge": judge,
            "pair_id": row["pair_id"],
            "source_id": row["source_id"],
            "target_id": row["target_id"],
            "source_class": row["source_class"],
            "judge_class": row["source_class"],
            **{f"p_{one}": 0.9 for one in ("found", "source", "target")},
            **{f"kept_{one}": judge == row["model"] for one in ("found", "source", "target")},
            "resized": False,
        }
        for row in run.pair_rows(started=True)
        for judge in judges
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    factory = Factory(size=16, sources=3, frames=4, models=MODELS, classes=LONG)
    run = Run(factory.write(tmp_path_factory.mktemp("run")))
    pq.write_table(pa.Table.from_pylist(judged(run), TRANSFER), run.path / "transfer.parquet")
    hulls = [simplex_row(group) for group in by_source(run.pair_rows(started=True)).values()]
    pq.write_table(pa.Table.from_pylist(hulls, SIMPLICES), run.path / "simplices.parquet")
    for row in run.pair_rows(started=True)[:2]:
        add_widths(run.path, widths(row))
    return run


def media_box(pdf):
    """Width and height of a PDF's page in inches, from its bytes."""
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    return tuple(float(side) / POINTS_AN_INCH for side in box.groups())


def svg_size(svg):
    """Width and height of an SVG's page in inches, from its bytes."""
    found = (
        re.search(rb'<svg [^>]*?width="([\d.]+)pt"', svg),
        re.search(rb'height="([\d.]+)pt"', svg),
    )
    return tuple(float(side[1]) / POINTS_AN_INCH for side in found)


def test_a_matrix_that_cannot_be_read_on_a_column_is_refused(run):
    with pytest.raises(UsageError, match="--columns 2"):
        FIGURES["transfer"].draw(run, run.pair_rows(started=True), PRINT["1"])


@pytest.mark.parametrize(
    ("figure", "columns"),
    [(name, width) for name in FIGURES for width in INCHES if (name, width) not in NARROW],
)
def test_a_figure_is_as_wide_as_its_columns_and_all_its_words_are_on_the_page(run, figure, columns):
    kind = FIGURES[figure]
    page = kind.draw(
        run, kind.usual(run, [facts.name for facts in run.models]), PRINT[columns]
    ).figure
    width, height = page.get_size_inches()
    assert width == INCHES[columns]
    assert 0.5 < height <= 9
    page.set_dpi(RESOLUTION)
    drawn = page.get_tightbbox(FigureCanvasAgg(page).get_renderer())
    assert min(drawn.x0, drawn.y0) > -1e-9
    assert drawn.x1 < width + 1e-9
    assert drawn.y1 < height + 1e-9
    assert min(text.get_fontsize() for text in page.findobj(Text) if text.get_text()) >= SMALLEST


@pytest.fixture(scope="module")
def pdf(run, tmp_path_factory):
    drawn = write_figure(run, "curves", columns=2, out=tmp_path_factory.mktemp("new") / "a.b.pdf")
    return drawn, drawn.file.read_bytes()


def test_a_pdf_has_the_size_of_its_figure(pdf):
    drawn, text = pdf
    assert drawn.file.name == "a.b.pdf"
    assert media_box(text) == pytest.approx(drawn.size, abs=0.01)
    assert drawn.size[0] == INCHES["2"]


def test_every_font_of_a_pdf_is_embedded_as_truetype(pdf):
    descriptors = re.findall(rb"/Type /FontDescriptor.*?endobj", pdf[1], re.DOTALL)
    assert descriptors
    assert all(b"/FontFile2" in descriptor for descriptor in descriptors)
    assert b"/Type3" not in pdf[1]
    used = set(re.findall(rb"/BaseFont /([\w+-]+)", pdf[1]))
    known = {re.search(rb"/FontName /([\w+-]+)", descriptor)[1] for descriptor in descriptors}
    assert used
    assert used <= known


@pytest.fixture(scope="module")
def judged_by_two(tmp_path_factory):
    """A run whose matrix has room on one column."""
    models = ("zoo:one", "zoo:two")
    run = Run(Factory(size=8, sources=2, models=models).write(tmp_path_factory.mktemp("judged")))
    rows = judged(run, models)
    pq.write_table(pa.Table.from_pylist(rows, TRANSFER), run.path / "transfer.parquet")
    return run


# A PDF takes a second, most of it for its fonts: every figure once, and one of every width.
PDFS = [*((figure, "1.5") for figure in FIGURES), *(("curves", width) for width in ("1", "2"))]


@pytest.mark.parametrize(("figure", "columns"), PDFS)
def test_a_pdf_has_a_page_as_wide_as_its_columns_and_embeds_its_fonts(
    run, judged_by_two, figure, columns, tmp_path
):
    shown = judged_by_two if figure == "transfer" else run
    drawn = write_figure(shown, figure, columns=columns, out=tmp_path / "a.pdf")
    text = drawn.file.read_bytes()
    assert media_box(text) == pytest.approx((INCHES[columns], drawn.size[1]), abs=0.005)
    descriptors = re.findall(rb"/Type /FontDescriptor.*?endobj", text, re.DOTALL)
    assert descriptors
    assert all(b"/FontFile2" in descriptor for descriptor in descriptors)
    assert b"/Type3" not in text


@pytest.mark.parametrize("figure", FIGURES)
def test_an_svg_is_as_wide_as_its_columns_and_asks_for_no_fonts(
    run, judged_by_two, figure, tmp_path
):
    shown = judged_by_two if figure == "transfer" else run
    drawn = write_figure(shown, figure, columns="1.5", format="svg", out=tmp_path / "a.svg")
    text = drawn.file.read_bytes()
    assert svg_size(text) == pytest.approx((INCHES["1.5"], drawn.size[1]), abs=0.005)
    # Letters are outlines.
    assert b"<text" not in text
    assert b"<use" in text


def test_a_matrix_on_one_column_can_be_read_and_is_whole(judged_by_two):
    rows = judged_by_two.pair_rows(started=True)
    page = FIGURES["transfer"].draw(judged_by_two, rows, PRINT["1"]).figure
    texts = [text for text in page.findobj(Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= SMALLEST
    assert sum(text.get_text() == ".90" for text in texts) >= 4
    page.set_dpi(RESOLUTION)
    drawn = page.get_tightbbox(FigureCanvasAgg(page).get_renderer())
    assert drawn.x0 > -1e-9
    assert drawn.x1 < INCHES["1"] + 1e-9


def test_the_triangle_has_the_colours_of_the_stored_grid(run):
    page = FIGURES["triangle"].draw(run, FIGURES["triangle"].usual(run, MODELS), PRINT["2"]).figure
    drawn = [cells for ax in page.axes for cells in ax.findobj(PolyCollection)]
    FigureCanvasAgg(page).draw()
    stored = {tuple(row["confidence"]): row["model"] for row in run.triangle_rows()}
    assert [stored[tuple(cells.get_array())] for cells in drawn] == list(MODELS)
    for cells in drawn:
        expected = colormaps[COLOUR_MAP](np.asarray(cells.get_array()))
        assert cells.get_facecolors() == pytest.approx(expected)
        assert len(np.unique(expected, axis=0)) > 5


def test_the_same_figure_has_the_same_bytes(run, pdf, tmp_path):
    again = write_figure(run, "curves", columns=2, out=tmp_path / "a.pdf")
    assert again.file.read_bytes() == pdf[1]


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_what_it_says_and_goes_into_the_run(run, format, capsys):
    assert call(["plot", str(run.path), "--figure", "path", "--format", format, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    file = run.path / "figures" / f"path-1-column.{format}"
    assert told["file"] == str(file)
    starts = {"pdf": b"%PDF-", "svg": b"<?xml", "png": b"\x89PNG"}
    assert file.read_bytes().startswith(starts[format])
    if format == "png":
        size = Image.open(file).size
        expected = [told[f"{side}_inches"] * RESOLUTION for side in ("width", "height")]
        assert size == pytest.approx(expected, abs=1)


def test_the_command_knows_every_figure():
    assert set(get_args(FigureName)) == set(FIGURES)


def test_without_pairs_every_model_shows_its_most_telling_one(run, tmp_path):
    drawn = write_figure(run, "path", out=tmp_path / "a.svg", format="svg")
    rows = {row["pair_id"]: row for row in run.pair_rows(started=True)}
    assert [rows[pair]["model"] for pair in drawn.pairs] == [facts.name for facts in run.models]


def test_a_pair_is_named_by_its_id_or_the_beginning_that_only_it_has(run, tmp_path):
    pair = run.pair_rows(started=True)[-1]["pair_id"]
    for name in (pair, pair[:7]):
        drawn = write_figure(run, "curves", pairs=[name], out=tmp_path / "a.svg", format="svg")
        assert drawn.pairs == (pair,)


def test_the_curve_ends_at_the_distance_of_the_stored_found_image(run):
    row = run.pair_rows(started=True)[0]
    found = run.found(row["pair_id"]).astype(float)
    target = run.image(row["target_id"], row["model"]).astype(float)
    expected = np.sqrt(np.mean((found / 255 - target / 255) ** 2))
    along = distances(run, row)
    assert len(along) == len(row["path_step"])
    assert along[-1] == pytest.approx(expected, rel=0.02)
    assert along[0] > along[-1]


def test_more_limbs_or_lines_than_can_be_told_apart_are_refused(tmp_path):
    factory = Factory(size=8, sources=9, targets=8, keep="found", models=["zoo:one"])
    run = Run(factory.write(tmp_path))
    rows = run.pair_rows(started=True)
    for figure in ("star", "curves"):
        with pytest.raises(UsageError, match="name fewer"):
            write_figure(run, figure, pairs=[row["pair_id"] for row in rows[:8]])


def test_an_empty_run_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    for figure in FIGURES:
        with pytest.raises(UsageError, match="no pair that was traversed"):
            write_figure(Run(tmp_path), figure)


@pytest.mark.parametrize("figure", ["path", "star", "curves"])
def test_a_slide_is_16_to_9_and_holds_the_figure(run, figure, tmp_path):
    pair = run.pair_rows(started=True)[0]["pair_id"]
    format, size = ("pdf", media_box) if figure == "path" else ("svg", svg_size)
    out = tmp_path / f"a.{format}"
    drawn = write_figure(run, figure, pairs=[pair], columns="slide", format=format, out=out)
    assert drawn.size == (13.333, 7.5)
    assert size(drawn.file.read_bytes()) == pytest.approx((13.333, 7.5), abs=0.01)
    page, _ = draw_figure(run, figure, pairs=[pair], columns="slide")
    page = page.figure
    page.set_dpi(100)
    box = page.get_tightbbox(FigureCanvasAgg(page).get_renderer())
    assert min(box.x0, box.y0) > 0
    assert (box.x1, box.y1) < (13.333, 7.5)
    assert min(t.get_fontsize() for t in page.findobj(Text) if t.get_text()) >= 12


def texts_with_boxes(page):
    page.set_dpi(100)
    renderer = FigureCanvasAgg(page).get_renderer()
    page.draw(renderer)
    shown = [one for one in page.findobj(Text) if one.get_text().strip() and one.get_visible()]
    return [(one.get_text(), one.get_window_extent(renderer)) for one in shown]


def overlapping(boxes, slack=1.0):
    """Pairs of texts of which one lies over the other by more than `slack` pixels both ways."""
    for at, (text, a) in enumerate(boxes):
        for other, b in boxes[:at]:
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            down = min(a.y1, b.y1) - max(a.y0, b.y0)
            if min(across, down) > slack:
                yield text, other


@pytest.mark.parametrize("columns", PRINT)
@pytest.mark.parametrize("figure", [name for name in FIGURES if name != "transfer"])
def test_no_word_lies_over_another_and_a_slide_is_filled(run, figure, columns):
    page, _ = draw_figure(run, figure, models=MODELS, columns=columns)
    page = page.figure
    boxes = texts_with_boxes(page)
    assert list(overlapping(boxes)) == []
    if columns == "slide":
        box = page.get_tightbbox(FigureCanvasAgg(page).get_renderer())
        assert box.width > 0.9 * 13.333 - 1 or box.height > 0.85 * 7.5 - 1


@pytest.mark.parametrize("columns", PRINT)
@pytest.mark.parametrize("sides", [(0.5, 0.505, 0.02), (0.5, 0.5, 0.23), (0.3, 0.32, 0.6)])
def test_the_words_of_a_triangle_lie_over_nothing(sides, columns):
    corners = [np.zeros((8, 8, 3), np.uint8)] * 3
    names = ("fish", "looks like\nmushroom", "looks like\ntree")
    page = triangle(corners, np.ones(66), sides=sides, names=names, style=PRINT[columns])
    boxes = texts_with_boxes(page.figure)
    assert list(overlapping(boxes)) == []
    pictures = [one for one in page.get_images() if one.get_array().shape[:2] == (8, 8)]
    placed = [one.get_window_extent() for one in pictures]
    assert len(placed) == 3
    assert list(overlapping([*((str(i), box) for i, box in enumerate(placed))])) == []
    assert list(overlapping([*boxes, *(("picture", box) for box in placed)])) == []


def test_a_name_that_has_no_room_is_shortened_as_the_field_does(tmp_path):
    run = Run(Factory(size=8, sources=1, models=["zoo:shapes-resnet-at", "zoo:b"]).write(tmp_path))
    trained = "Shapes ResNet, adversarially trained"
    wide, narrow = (
        texts_of(draw_figure(run, "triangle", columns=columns)[0]) for columns in ("1", "1.5")
    )
    assert trained in wide
    assert "Shapes ResNet AT" in narrow


def test_the_headings_of_a_grid_break_no_word(tmp_path):
    names = ("mushroom", "cup", "fish", "house", "tree", "car")
    run = Run(Factory(size=8, sources=6, targets=5, classes=names).write(tmp_path))
    for columns in PRINT:
        drawn = texts_of(draw_figure(run, "grid", models=["zoo:shapes-resnet"], columns=columns)[0])
        assert drawn.count("mushroom") == 2, columns


def test_a_figure_that_is_taller_than_a_page_is_refused_and_the_advice_helps(tmp_path):
    run = Run(Factory(size=8, sources=2, models=[f"zoo:m{i}" for i in range(6)]).write(tmp_path))
    with pytest.raises(UsageError, match=r"inches tall, and a page has 9.*--model"):
        write_figure(run, "triangle")
    write_figure(run, "triangle", models=["zoo:m0", "zoo:m1"])


@pytest.mark.parametrize(("columns", "models"), [("1", 4), ("1", 18), ("2", 18), ("slide", 18)])
def test_a_wider_page_is_advised_only_where_the_figure_fits_on_it(columns, models, tmp_path):
    names = [f"zoo:m{i}" for i in range(models)]
    run = Run(Factory(size=8, sources=1, models=names).write(tmp_path))
    with pytest.raises(UsageError, match=r"inches tall.*--model") as refused:
        write_figure(run, "triangle", columns=columns)
    wider = "--columns 2" in str(refused.value)
    assert wider == (models == 4)
    if wider:
        write_figure(run, "triangle", columns="2")
    write_figure(run, "triangle", columns=columns, models=names[:1])


def texts_of(page):
    return [text.get_text() for text in page.figure.findobj(Text)]


def test_models_are_called_as_asked_for(run, tmp_path, capsys):
    page, _ = draw_figure(run, "star", names={MODELS[0]: "The clinic’s CNN"})
    assert "The clinic’s CNN" in texts_of(page)
    out = str(tmp_path / "a.png")
    words = ["plot", str(run.path), "--figure", "star", "--out", out]
    assert call([*words, "--name", f"{MODELS[0]}=ResNet-50 AT"]) == 0
    assert call([*words, "--name", "ResNet-50 AT"]) == 2
    assert call([*words, "--name", "zoo:ownn=x"]) == 2
    assert "--name zoo:ownn" in capsys.readouterr().err


def test_simplices_are_averaged_over_sources_with_the_number_of_their_corners(run):
    page, _ = draw_figure(run, "simplex", models=[MODELS[0]], names={MODELS[0]: "Ours"})
    assert "Ours: .50 on average" in texts_of(page)
    assert "inside, of a source and 2 found images" in texts_of(page)
    (shown,) = (line for line in page.child_axes[0].lines if len(line.get_xdata()) > 2)
    assert set(shown.get_ydata()) == {0.5}
    with pytest.raises(UsageError, match="--targets-per-source 3"):
        FIGURES["simplex"].draw(run, [{"model": "zoo:none"}], PRINT["1"])


def test_a_strip_has_the_plain_mix_below_and_the_targets_own_confidence(run):
    row = run.pair_rows(started=True)[0]
    page, _ = draw_figure(run, "path", pairs=[row["pair_id"]], columns="2")
    texts = texts_of(page)
    assert "plain mix" in texts
    nulls = [null for null in run.null_rows(row["model"]) if null["source_id"] == row["source_id"]]
    null = next(null for null in nulls if null["target_id"] == row["target_id"])
    assert short(null["p_target"]) in texts
    assert sum(text == short(null["interpolation_confidence"][-1]) for text in texts) >= 2
    pictures = page.images
    ends = [np.asarray(one.get_array(), float) for one in pictures]
    source, target = (run.image(row[f"{e}_id"], row["model"]) / 255 for e in ("source", "target"))
    assert any(one.max() <= 1 and np.allclose(one, source, atol=1e-6) for one in ends)
    assert any(one.max() <= 1 and np.allclose(one, target, atol=1e-6) for one in ends)


@pytest.mark.parametrize("figure", ["star", "triangle"])
def test_several_panels_share_one_bar_that_says_what_it_is_of(run, figure):
    page, rows = draw_figure(run, figure, columns="2")
    of = [t for t in texts_of(page) if "confidence in" in t]
    assert len(of) == 1
    assert len({row["model"] for row in rows}) == 2


def test_no_curve_has_the_colour_of_a_person_or_of_the_model():
    hues = [hue(colour) for colour in LIMBS if saturation(colour) > 0.3]
    for own in (PERSON, MODEL):
        assert min(abs(hue(own) - one) for one in hues) > 0.05


def hue(colour):
    return rgb_to_hsv(to_rgb(colour))[0]


def saturation(colour):
    return rgb_to_hsv(to_rgb(colour))[1]
