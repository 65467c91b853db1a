"""The gate: exit status 3 with the numbers that break it, and no unknown number passes."""

import json
import math
from xml.etree import ElementTree

import pytest

from blindspots.cli.main import call
from blindspots.reporting.tables import build_table
from tests.reporting.test_compare import NORMAL, TRAINED, make_run


@pytest.fixture
def run(tmp_path):
    """One third of NORMAL's segments is inside, and all of TRAINED's."""
    models = {
        NORMAL: {"segment_inside": lambda n: n % 3 == 0, "rmse": 0.1},
        TRAINED: {"segment_inside": True, "rmse": 0.2, "fraction": 0.9},
    }
    return make_run(tmp_path / "run", models)


def check(run, *given):
    return call(["check", str(run.path), *given])


def test_a_run_within_its_limits_exits_0(run, capsys):
    given = ["--max", "segment_inside=1", "--min", "segment_inside=0.3333", "--max", "rmse=0.2"]
    assert check(run, *given) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("holds") == 6


def test_a_broken_limit_exits_3_and_names_the_numbers(run, capsys):
    assert check(run, "--max", "segment_inside=0.5", "--max", "rmse=0.15", "--min", "pairs=24") == 3
    captured = capsys.readouterr()
    assert captured.err == "blindspots: 2 of 6 limits broken\n"
    assert f"broken  {TRAINED}  segment_inside 1  (≤ 0.5)" in captured.out
    assert f"broken  {TRAINED}  rmse 0.2  (≤ 0.15)" in captured.out
    assert captured.out.count("broken") == 2


def test_what_shows_tests_can_show_the_findings(run, tmp_path):
    file = tmp_path / "blindspots.xml"
    assert check(run, "--max", "rmse=0.15", "--junit", str(file)) == 3
    suite = ElementTree.parse(file).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    broken = {case.get("classname"): case.find("failure") for case in suite}
    assert broken[NORMAL] is None
    assert "is 0.2, above 0.15" in broken[TRAINED].get("message")


def test_a_model_narrows_the_check(run):
    assert check(run, "--max", "segment_inside=0.5", "--model", NORMAL) == 0
    assert check(run, "--max", "segment_inside=0.5", "--model", TRAINED) == 3


def test_values_are_the_tables(run, capsys):
    table = build_table(run, "summary")
    assert check(run, *[f"--max={key}=1000" for key in ("p_found", "source_rmse")], "--json") == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    for finding in findings:
        row = next(row for row in table.rows if row.label == finding["model"])
        assert finding["value"] == row.cells[finding["column"]].mean


def test_triangles_can_be_checked_too(run):
    assert check(run, "--max", "fraction_0.2=0.6", "--model", NORMAL) == 0
    assert check(run, "--max", "fraction_0.2=0.6") == 3


def test_json_has_every_finding_also_where_one_is_broken(run, capsys):
    assert check(run, "--max", "segment_inside=0.5", "--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert [f["broken"] for f in told["findings"]] == [False, True]


def test_quiet_prints_nothing_but_what_is_broken(run, capsys):
    assert check(run, "--max", "segment_inside=0.5", "--quiet") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"1 of 2 limits broken: segment_inside of {TRAINED} is 1, above 0.5" in captured.err
    assert NORMAL + " " not in captured.err


@pytest.mark.parametrize("kind", ["max", "min"])
def test_a_number_that_is_absent_or_nan_breaks_every_limit(tmp_path, capsys, kind):
    values = {"lpips": None, "rmse": lambda n: math.nan if n == 3 else 0.1}
    run = make_run(tmp_path / "run", {NORMAL: values})
    for column in ("lpips", "rmse", "source_linf_epsilons"):
        bound = 1000 if kind == "max" else -1000
        assert check(run, f"--{kind}={column}={bound}") == 3
        assert "is not known" in capsys.readouterr().out


def test_a_model_without_traversed_pairs_breaks_every_limit_of_a_mean(tmp_path):
    run = make_run(tmp_path / "run", {NORMAL: {"ending": "delta_vacuous"}})
    assert check(run, "--max", "rmse=1000") == 3
    assert check(run, "--max", "fraction_0.2=1000") == 3
    assert check(run, "--max", "ending_delta_vacuous=0") == 3
    assert check(run, "--max", "pairs=0") == 0
