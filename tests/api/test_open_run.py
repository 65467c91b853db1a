"""A run as a researcher asks it: DataFrames, tables, figures, and the commands by their names."""

import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.axes import Axes

import blindspots as bs
from blindspots.reporting.tables import KINDS, build_table, render
from blindspots.schema import NULLS, PAIRS, SIMPLICES, TRIANGLES
from blindspots.store.reader import Run
from tests.support import checker
from tests.support.run_factory import Factory

MODELS = ("zoo:own", "zoo:other")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    factory = Factory(models=MODELS, sources=2, targets=3, size=16, judges=("zoo:judge",))
    return factory.write(tmp_path_factory.mktemp("open") / "run")


@pytest.fixture(scope="module")
def run(path):
    return bs.open_run(path)


def test_an_open_run_is_a_run_with_all_that_it_has(run, path):
    assert isinstance(run, bs.Run)
    plain = Run(path)
    assert run.pair_rows() == plain.pair_rows()
    assert run.triangle_rows() == plain.triangle_rows()
    assert run.simplex_rows() == plain.simplex_rows()
    assert run.models == plain.models
    assert bs.open_run(plain).path == plain.path
    assert bs.open_run(str(path)).finished


@pytest.mark.parametrize(
    ("name", "schema"),
    [("pairs", PAIRS), ("triangles", TRIANGLES), ("simplices", SIMPLICES), ("nulls", NULLS)],
    ids=["pairs", "triangles", "simplices", "nulls"],
)
def test_rows_are_data_frames_with_the_stored_columns(run, path, name, schema):
    frame = getattr(run, name)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == schema.names
    assert len(frame) == getattr(Run(path), name).num_rows > 0


def test_a_changed_frame_changes_nothing_in_the_run(run):
    frame = run.pairs
    frame["rmse"] = 7.0
    assert (run.pairs["rmse"] != 7.0).all()


def test_a_run_refuses_writing(run):
    with pytest.raises(AttributeError, match="a run cannot be changed: pairs was to be set"):
        run.pairs = None
    with pytest.raises(AttributeError, match="cannot be changed"):
        run.note = "mine"


def test_the_transfer_is_a_frame_too_and_its_table_is_drawn(run):
    assert set(run.transfer["judge"]) == {"zoo:judge"}
    assert "zoo:judge" in run.table("transfer").to_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_one_that_the_command_prints(run, path, kind):
    table, same = run.table(kind), build_table(Run(path), kind)
    assert table.to_latex() == render(same, "latex")
    assert table.to_markdown() == render(same, "markdown")
    assert table.to_csv() == render(same, "csv")
    assert table.to_json() == render(same, "json")
    assert str(table) == repr(table) == render(same)
    assert table.to_text(60) == render(same, "text", 60)


def test_a_table_as_a_frame_has_every_digit(run):
    frame = run.table("distance").to_frame()
    own = frame[(frame["model"] == "zoo:own") & (frame["origin"] == "run")].iloc[0]
    pairs = run.pairs
    rmse = pairs[(pairs["model"] == "zoo:own")]["rmse"].dropna()
    assert own["rmse_mean"] == pytest.approx(rmse.mean(), abs=1e-12)
    assert own["rmse_std"] == pytest.approx(rmse.std(ddof=0), abs=1e-12)
    assert own["rmse_n"] == len(rmse)
    assert pd.isna(own["pairs_std"])


def test_a_table_is_shown_in_a_notebook_with_its_numbers_as_text(run):
    html = run.table("distance")._repr_html_()
    cell = run.table("distance").table.rows[0].cells["rmse"]
    assert f"{cell.mean:.3f}".removeprefix("0") in html
    assert html.count("<tr>") == len(run.table("distance").table.rows) + 1
    assert "<caption>Distance of the found image from its target</caption>" in html
    assert html in run._repr_html_()


def test_names_in_a_shown_table_are_text(tmp_path):
    Factory(models=("zoo:<b>x",), sources=1, size=16).write(tmp_path)
    assert "<b>" not in bs.open_run(tmp_path)._repr_html_()


@pytest.mark.parametrize("figure", ["triangle", "path", "star"])
def test_a_figure_is_an_axis_and_nothing_is_written(run, path, figure):
    before = sorted(path.rglob("*"))
    assert isinstance(run.plot(figure, model="zoo:own"), Axes)
    assert sorted(path.rglob("*")) == before


def test_a_figure_shows_the_pair_that_is_named(run):
    pair = run.pairs.dropna(subset=["rmse"])["pair_id"].iloc[0]
    assert isinstance(run.plot("path", pair=pair, columns=2), Axes)


def test_a_check_says_which_limits_are_broken(run):
    held = run.check(max={"rmse": 10}, min={"p_found": 0})
    assert not held.broken
    broken = run.check(max={"rmse": 0.0}, model="zoo:own")
    assert [finding.model for finding in broken.broken] == ["zoo:own"]
    with pytest.raises(bs.BlindspotsError, match="1 of 1 limits broken: rmse of zoo:own"):
        broken.raise_if_broken()


def test_the_report_is_built_again(tmp_path, monkeypatch):
    Factory(models=MODELS[:1], sources=1, size=16).write(tmp_path)
    monkeypatch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
    report = bs.open_run(tmp_path).report()
    assert report == tmp_path / "report.html"
    assert report.read_text().startswith("<!")


def test_the_repr_is_one_line(run, path, tmp_path):
    assert repr(run) == f"<run {str(path)!r}: 2 models, {len(run.pairs)} pairs, finished>"
    Factory(models=MODELS[:1], sources=1, size=16, finished=False).write(tmp_path)
    assert repr(bs.open_run(tmp_path)).endswith("not finished>")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda run: bs.open_run(run.path / "nothing"), "is no directory, so it is not a run"),
        (lambda _: bs.open_run(7), "7 was given as a run; .*open_run"),
        (lambda run: run.table("distances"), "'distances' was given, which is no table of a run"),
        (lambda run: run.plot("pie"), "'pie' was given, which is no figure of a run"),
        (lambda run: run.plot("path", pair="none"), "which is no pair of"),
        (lambda run: run.plot("path", model="none"), "which is no model of"),
        (lambda run: run.check(), "no limit was given"),
        (lambda run: run.check(max={"rsme": 1}), "names no column of the summary"),
        (lambda run: run.check(max={"rmse": "1"}), "expected a finite number"),
        (lambda run: run.check(min={"rmse": float("nan")}), "expected a finite number"),
    ],
)
def test_what_a_run_does_not_have_is_refused(run, ask, words):
    checker.watch(False)
    with pytest.raises(bs.UsageError, match=words):
        ask(run)


def test_frames_without_pandas_are_refused_and_tables_are_not(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(bs.UsageError, match="type pip install pandas"):
        _ = run.pairs
    assert run.arrow("pairs").num_rows > 0
    assert run.table("distance").to_markdown()


def test_opening_a_run_and_its_tables_does_not_load_torch(path):
    code = (
        f"import sys, blindspots as bs; run = bs.open_run({str(path)!r}); run.table('distance');"
        "print({'torch', 'torchvision', 'timm'} & {*sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_a_verification_says_what_deviates(finished):
    with pytest.raises(bs.UsageError, match="loading it runs that code"):
        bs.open_run(finished).verify(sources=1)
    verified = bs.open_run(finished).verify(sources=1, trust_run_code=True)
    assert verified.rows > 0
    assert verified.different == []
