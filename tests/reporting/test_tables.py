"""Tables against numbers computed by hand, and every format read back."""

import csv
import io
import json
import math

import numpy as np
import pytest

from blindspots.errors import UsageError
from blindspots.reporting.tables import FORMATS, KINDS, build_table, render
from blindspots.reporting.tables.render import spreadsheet_text
from blindspots.schema import TRIANGLE_DROPS
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, null_row, pair_row, triangle_row, write_rows

MODEL = "zoo:own"


def small_run(path, model=MODEL, method="reference", unlabelled=False, **settings):
    """Source a with three pairs and three triangles, source b with one pair and none.

    Source c did not start. Pooled and per-source means differ.
    """
    facts = {"name": model, "spec": model, "training_epsilon": 0.1}
    facts["preflight"] = {"labelled": not unlabelled}
    plan = {"method": {"name": method, "delta": 0.2, **settings}}
    info = {"format": 1, "plan": plan, "models": [facts], "finished": "now"}
    (path / "run.json").write_text(json.dumps(info))
    pairs = [
        pair("a", "1", rmse=0.1, segment_mean=0.9, p_source=0.8, segment_inside=True),
        pair("a", "2", rmse=0.2, segment_mean=0.8, p_source=0.8, segment_inside=True),
        pair("a", "3", rmse=0.3, segment_mean=0.7, p_source=0.8, segment_inside=False),
        pair("b", "1", rmse=0.6, segment_mean=0.4, p_source=0.6, segment_inside=False),
        pair("c", "1", rmse=9.0, segment_mean=9.0, p_source=0.1, ending="delta_vacuous"),
    ]
    triangles = [
        triangle_row(pairs[0], pairs[1], mean=0.5, **{"fraction_0.0": 0.1}),
        triangle_row(pairs[0], pairs[2], mean=0.6, **{"fraction_0.0": 0.2}),
        triangle_row(pairs[1], pairs[2], mean=0.7, **{"fraction_0.0": 0.3}),
        triangle_row(pairs[4], pairs[4], mean=9.0, **{"fraction_0.0": 9.0}),
    ]
    for row in (*pairs, *triangles):
        row["model"] = model
    write_rows(path, pairs, triangles)
    return Run(path)


def pair(source, target, **given):
    ids = {"pair_id": source + target, "source_id": source, "target_id": target}
    return pair_row(**ids, linf=0.5, ssim=0.9, source_linf=0.4, **given)


def cells(table, row=0):
    return {key: (c.mean, c.std) for key, c in table.rows[row].cells.items()}


def test_distances_are_pooled_over_pairs(tmp_path):
    table = build_table(small_run(tmp_path), "distance")
    assert cells(table)["rmse"] == pytest.approx((0.3, math.sqrt(0.14 / 4)))
    assert table.rows[0].cells["rmse"].n == 4
    assert table.rows[0].cells["pairs"].mean == 4


def test_confidences_are_averaged_over_a_source_and_then_over_sources(tmp_path):
    table = build_table(small_run(tmp_path), "confidence")
    assert cells(table)["p_source"] == pytest.approx((0.7, 0.1))
    assert cells(table)["segment_mean"] == pytest.approx((0.6, 0.2))  # pooled: 0.7
    assert cells(table)["mean"] == pytest.approx((0.6, 0.0))
    assert cells(table)["fraction_0.0"] == pytest.approx((0.2, 0.0))
    assert table.rows[0].cells["segment_mean"].n == 2
    assert table.rows[0].cells["mean"].n == 1


def test_the_summary_counts_endings_and_measures_in_training_epsilons(tmp_path):
    table = build_table(small_run(tmp_path), "summary")
    numbers = cells(table)
    assert numbers["pairs"][0] == 4
    assert numbers["sources"][0] == 2
    assert numbers["ending_finished"][0] == 4
    assert numbers["ending_delta_vacuous"][0] == 1
    assert numbers["segment_inside"] == (0.5, None)
    assert numbers["source_linf_epsilons"] == pytest.approx((4.0, 0.0))
    titles = [column.title for column in table.columns]
    assert "delta vacuous" in titles
    assert "stationary" not in titles
    assert "1 delta_vacuous" in " ".join(table.notes)


def test_lpips_that_is_not_known_is_a_dash_with_a_note_how_to_get_it(tmp_path):
    text = render(build_table(small_run(tmp_path), "distance"))
    assert "–" in text
    assert "--lpips-weights FILE" in text


def test_numbers_are_written_as_on_the_slides(tmp_path):
    text = render(build_table(small_run(tmp_path), "distance"))
    assert ".300 ± .187" in text
    assert "0.300" not in text


@pytest.mark.parametrize(
    ("model", "theirs"),
    [
        ("timm:resnet50", "ResNet-50 normal (slides)"),
        ("timm:resnet50.a1_in1k", "ResNet-50 normal (slides)"),
        ("robustbench:Salman2020Do_R50", "ResNet-50 AT (slides)"),
        ("timm:deit_small_patch16_224", "DeiT-S normal (slides)"),
        ("robustbench:Singh2023Revisiting_ViT-S-ConvStem", "DeiT-S AT (slides)"),
        ("timm:wide_resnet50_2", None),
        ("timm:resnet50d", None),
        (MODEL, None),
    ],
)
def test_the_slides_rows_stand_beside_their_models_only(tmp_path, model, theirs):
    run = small_run(tmp_path, model)
    for kind in ("distance", "confidence"):
        labels = [row.label for row in build_table(run, kind).rows]
        assert labels == [model, *([theirs] if theirs else [])]


def test_the_slides_rows_hold_their_numbers(tmp_path):
    run = small_run(tmp_path, "timm:resnet50")
    assert cells(build_table(run, "distance"), 1)["linf"] == (0.046, 0.020)
    assert cells(build_table(run, "confidence"), 1)["segment_mean"] == (0.96, 0.05)
    assert ".96 ± .05" in render(build_table(run, "confidence"))
    assert [row.origin for row in build_table(run).rows] == ["run", "slides"]


def test_another_method_has_no_slides_row_and_other_settings_have_a_note(tmp_path):
    assert len(build_table(small_run(tmp_path, "timm:resnet50", "star")).rows) == 1
    notes = build_table(small_run(tmp_path, "timm:resnet50", max_steps=10)).notes
    assert any("max_steps 10 (slides: 400)" in note for note in notes)


def test_classes_that_are_predictions_are_said_to_be(tmp_path):
    notes = build_table(small_run(tmp_path, unlabelled=True), "summary").notes
    assert any("no labels" in note for note in notes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    models = ("timm:resnet50", "zoo:under_score-at")
    factory = Factory(size=8, sources=3, models=models, judges=(*models, "own:a_b_c"))
    return Run(factory.write(tmp_path_factory.mktemp("run")))


@pytest.mark.parametrize("kind", KINDS)
def test_csv_holds_every_digit_of_every_row(run, kind):
    table = build_table(run, kind)
    read = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [line["model"] for line in read] == [row.label for row in table.rows]
    for line, row in zip(read, table.rows, strict=True):
        for column in table.columns:
            mean = row.cells[column.key].mean if column.key in row.cells else None
            text = line[f"{column.key}_mean"]
            assert text == "" if mean is None else float(text) == mean


@pytest.mark.parametrize("name", ["=cmd|'x'!A0", "+1", "-1+1", "@SUM(A1)", " =1"])
def test_names_that_begin_like_formulas_are_text_in_csv(tmp_path, name):
    factory = Factory(size=8, sources=2, models=(name,), judges=(name,))
    read = Run(factory.write(tmp_path / "run"))
    for kind in KINDS:
        for line in csv.DictReader(io.StringIO(render(build_table(read, kind), "csv"))):
            assert not line["model"].lstrip().startswith(("=", "+", "-", "@")), kind


@pytest.mark.parametrize("name", ["plain", "a=b", "timm:x@y", "", "−1"])
def test_other_names_are_as_they_are_in_csv(name):
    assert spreadsheet_text(name) == name
    assert spreadsheet_text(f"\t{name}")[0] == "'"


@pytest.mark.parametrize("kind", KINDS)
def test_json_holds_mean_std_and_n(run, kind):
    table = build_table(run, kind)
    read = json.loads(render(table, "json"))
    assert read["kind"] == kind
    for line, row in zip(read["rows"], table.rows, strict=True):
        assert set(line["cells"]) == {column.key for column in table.columns}
        cell = line["cells"][table.columns[1].key]
        assert cell["mean"] == row.cells.get(table.columns[1].key).mean
        assert set(cell) >= {"mean", "std", "n"}


@pytest.mark.parametrize("kind", KINDS)
def test_latex_is_a_booktabs_table_with_its_marks_escaped(run, kind):
    text = render(build_table(run, kind), "latex")
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert [text.count(mark) for mark in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    widths = {line.count("&") for line in body if line.endswith(r"\\")}
    assert len(widths) == 1
    joined = "\n".join(body).replace(r"\_", "").replace(r"{}_\infty", "")
    assert "_" not in joined
    assert joined.isascii()
    assert joined.count("$") % 2 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_markdown_lines_have_equally_many_cells(run, kind):
    lines = [
        line for line in render(build_table(run, kind), "markdown").splitlines() if "|" in line
    ]
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1]) <= set("|:- ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_text_is_aligned_and_turned_where_the_terminal_is_narrow(run, kind, width):
    text = render(build_table(run, kind), "text", width)
    grid = text.split("\n\n")[1].splitlines()
    rule = next(index for index, line in enumerate(grid) if set(line) == {"─"})
    assert {len(line) for line in grid} == {len(grid[rule])}
    if width == 80:
        assert max(map(len, text.splitlines())) <= 80


def test_every_column_and_ending_is_defined(run):
    for kind in KINDS:
        assert all(column.definition for column in build_table(run, kind).columns)


def test_an_empty_run_has_tables_too(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    for kind in KINDS:
        for style in FORMATS:
            assert render(build_table(Run(tmp_path), kind), style)


def test_unknown_tables_and_formats_are_refused(run):
    with pytest.raises(UsageError, match="distance"):
        build_table(run, "distances")
    with pytest.raises(UsageError, match="markdown"):
        render(build_table(run), "html")


def test_fraction_columns_are_the_stored_ones(run):
    keys = {column.key for column in build_table(run, "confidence").columns}
    assert {f"fraction_{drop}" for drop in TRIANGLE_DROPS} <= keys


def run_with_nulls(path, **given):
    """The small run, its pairs of source a with nulls; two of them measured with LPIPS."""
    run = small_run(path, **given)
    started = [row for row in run.pair_rows(started=True) if row["source_id"] == "a"]
    for number, row in enumerate(started):
        row["lpips"] = 0.1 if number < 2 else None
    nulls = [null_row(started[i], random_pair_rmse=(i + 1) / 10, p_target=i / 2) for i in range(3)]
    write_rows(path, started, [], [], nulls)
    return Run(path)


def test_the_nulls_are_rows_below_their_model(tmp_path):
    table = build_table(run_with_nulls(tmp_path, model="timm:resnet50"), "distance")
    assert [(row.label, row.origin, row.heading) for row in table.rows] == [
        ("timm:resnet50", "run", "timm:resnet50"),
        ("timm:resnet50", "random_pair", "random pair"),
        ("timm:resnet50", "interpolation", "straight line"),
        ("timm:resnet50", "target", "target itself"),
        ("ResNet-50 normal (slides)", "slides", "ResNet-50 normal (slides)"),
    ]
    pair, line, itself = (cells(table, number) for number in (1, 2, 3))
    assert pair["rmse"] == pytest.approx((0.2, math.sqrt(0.02 / 3)))
    assert pair["p_found"][0] == pytest.approx(0.8)
    assert line["rmse"] == pytest.approx((0.24, 0))
    assert line["p_found"][0] == pytest.approx(0.8 - 2 * 0.079)
    assert itself["rmse"] == itself["linf"] == itself["lpips"] == (0, 0)
    assert itself["ssim"] == (1, 0)
    assert itself["p_found"] == pytest.approx((0.5, math.sqrt(0.5 / 3)))
    assert table.rows[3].cells["lpips"].n == 2


def test_the_nulls_are_numbers_of_the_summary(tmp_path):
    table = build_table(run_with_nulls(tmp_path), "summary")
    numbers = cells(table)
    assert numbers["random_pair_rmse"][0] == pytest.approx(0.2)
    assert numbers["interpolation_t"] == pytest.approx((0.2, 0))
    assert numbers["p_target"][0] == pytest.approx(0.5)
    lines = [line.split("  ")[0] for line in render(table).splitlines()]
    assert {"random pair RMSE", "straight line holds to", "target itself p"} <= set(lines)


def test_reach_is_the_share_of_the_way_that_is_not_seen(tmp_path):
    """Against the rows, one by one: of the nulls it needs the distance of source and target."""
    run = Run(Factory(size=12, sources=3).write(tmp_path / "made"))
    found = []
    nulls = {
        (r["model"], r["source_id"], r["target_id"]): r for r in run.arrow("nulls").to_pylist()
    }
    for row in build_table(run, "summary").rows:
        reaches, lines, blind = [], [], []
        for pair in run.pair_rows(model=row.label, started=True):
            null = nulls[row.label, pair["source_id"], pair["target_id"]]
            inside = pair["segment_inside"] and (
                pair["p_found_8bit"] >= pair["p_source"] - run.delta
            )
            reaches.append(inside * max(0, 1 - pair["rmse"] / null["random_pair_rmse"]))
            lines.append(max(0, 1 - null["interpolation_rmse"] / null["random_pair_rmse"]))
            blind.append(inside and pair["rmse"] <= 0.02)
        assert row.cells["reach"].mean == pytest.approx(np.mean(reaches))
        assert row.cells["reach"].std == pytest.approx(np.std(reaches))
        assert row.cells["reach_line"].mean == pytest.approx(np.mean(lines))
        assert row.cells["blind"].mean == np.mean(blind)
        found += reaches
    assert 0 == min(found) < max(found) < 1


def test_a_run_without_nulls_has_the_tables_it_had(tmp_path):
    run = small_run(tmp_path)
    keys = [column.key for column in build_table(run, "distance").columns]
    assert keys == ["pairs", "rmse", "linf", "ssim", "lpips"]
    assert "random_pair_rmse" not in {c.key for c in build_table(run, "summary").columns}


def test_every_format_shows_the_nulls_below_their_model(tmp_path):
    table = build_table(run_with_nulls(tmp_path), "distance")
    shown = {style: render(table, style) for style in FORMATS}
    assert "\n  random pair " in shown["text"]
    assert r"\quad straight line &" in shown["latex"]
    assert "| *target itself* |" in shown["markdown"]
    lines = list(csv.DictReader(io.StringIO(shown["csv"])))
    assert [(line["model"], line["origin"]) for line in lines[1:]] == [
        (MODEL, origin) for origin in ("random_pair", "interpolation", "target")
    ]
    assert json.loads(shown["json"])["rows"][2]["origin"] == "interpolation"


def test_a_table_too_wide_is_cut_between_models_never_within_one(tmp_path):
    models = [f"zoo:model-{number}" for number in range(4)]
    run = Run(Factory(size=8, sources=2, keep="none", models=models).write(tmp_path))
    text = render(build_table(run, "distance"), "text", 80)
    title, *grids, _ = text.split("\n\n")
    assert len(grids) == 4
    assert title == "Distance of the found image from its target"
    for model, grid in zip(models, grids, strict=True):
        head = " ".join(grid.split("─")[0].split())
        assert model.removeprefix("zoo:") in head
        assert "random pair" in head or "random" in head
        assert all(len(line) <= 80 for line in grid.splitlines())


def test_lpips_of_some_pairs_only_is_said_to_be(tmp_path):
    for kind in ("distance", "summary"):
        notes = " ".join(build_table(run_with_nulls(tmp_path), kind).notes)
        assert "measured of 2 of 3 pairs" in notes
        assert "--lpips-weights FILE" in notes


def test_the_transfer_is_a_matrix_with_its_nulls_below(run):
    table = build_table(run, "transfer")
    assert [column.key for column in table.columns] == [
        *("timm:resnet50", "zoo:under_score-at", "own:a_b_c"),
    ]
    origins = [row.origin for row in table.rows]
    assert origins == ["run", "kept", "run", "kept", "source", "target"]
    assert cells(table, 0)["timm:resnet50"][0] == pytest.approx(0.999)
    assert cells(table, 0)["own:a_b_c"] == (0.25, 0)
    assert cells(table, 3) == {
        "timm:resnet50": (0, None),
        "zoo:under_score-at": (1, None),
        "own:a_b_c": (0, None),
    }
    assert cells(table, 5)["own:a_b_c"] == pytest.approx((0.01, 0))


def test_a_run_that_was_not_judged_says_what_to_type(tmp_path):
    table = build_table(small_run(tmp_path), "transfer")
    assert table.rows == ()
    assert f"blindspots transfer {tmp_path}" in table.notes[0]
