"""The docs' tables of measurements show the committed results, and only them."""

from pathlib import Path
from shutil import copy

import pytest

from benchmarks import (
    batches,
    engine,
    findings,
    noise,
    precision,
    robust_training,
    sensitivity,
    steady,
    survival,
    torture_rows,
)
from benchmarks.results import fill, known, models
from benchmarks.yardstick_page import write_page

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def test_the_page_is_what_the_results_make_of_it(tmp_path):
    page = Path(copy(ROOT / "docs" / "benchmark.md", tmp_path))
    write_page(RESULTS / "yardstick", RESULTS / "methods", page)
    fill(page, noise.table(models(RESULTS / "noise")), "noise")
    fill(page, sensitivity.table(models(RESULTS / "sensitivity")), "sensitivity")
    assert page.read_text() == (ROOT / "docs" / "benchmark.md").read_text()


def test_the_findings_are_what_results_and_entries_make_of_them(tmp_path):
    page = Path(copy(ROOT / "docs" / "findings.md", tmp_path))
    measured = models(RESULTS / "findings"), models(RESULTS / "survival")
    assert all(measured)
    fill(page, findings.table(measured[0]), "distance")
    fill(page, survival.table(measured[1]), "survival")
    fill(page, robust_training.table(), "training")
    assert page.read_text() == (ROOT / "docs" / "findings.md").read_text()


@pytest.mark.parametrize(
    ("page", "results", "table"),
    [
        ("decisions.md", "batches.json", batches.table),
        ("decisions.md", "steady.json", steady.table),
        ("scaling.md", "torture.json", torture_rows.table),
        ("benchmark-engine.md", "engine.json", engine.table),
        ("benchmark-engine.md", "precision.json", precision.table),
    ],
    ids=["batches", "steady", "torture", "engine", "precision"],
)
def test_a_table_is_what_its_results_make_of_it(page, results, table):
    rows = known(RESULTS / results)
    assert rows
    assert table(rows) in (ROOT / "docs" / page).read_text()


def test_what_torture_did_in_pieces_is_one_row(tmp_path):
    results = tmp_path / "torture.json"
    for first, count in ((0, 3), (3, 9), (3, 2)):  # the second is done again
        row = torture_rows.Row("kill −9", count=count, wrong=["odd"] * (first > 0))
        row.counts["`run`"] += count
        torture_rows.keep(results, first, row)
    (line,) = torture_rows.table(known(results)).splitlines()[4:]
    assert line == "| kill −9 | 5 | nothing wrong | `run` 5; odd |"
