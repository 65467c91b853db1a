"""docs/benchmark.md shows the committed results, and only them."""

from pathlib import Path
from shutil import copy

from benchmarks import noise, sensitivity
from benchmarks.results import fill, models
from benchmarks.yardstick_page import write_page

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def test_the_page_is_what_the_results_make_of_it(tmp_path):
    page = Path(copy(ROOT / "docs" / "benchmark.md", tmp_path))
    write_page(RESULTS / "yardstick", RESULTS / "methods", page)
    fill(page, noise.table(models(RESULTS / "noise")), "noise")
    fill(page, sensitivity.table(models(RESULTS / "sensitivity")), "sensitivity")
    assert page.read_text() == (ROOT / "docs" / "benchmark.md").read_text()
