"""README's numbers are those that `make readme` measured, and its sentences follow from them.

Beside them the walks of docs/architecture.md, which are counted anew.
"""

import json
import re
import subprocess
import sys

import pytest

from benchmarks.readme import EXAMPLE, KEPT, README, ROOT, demo_numbers, filled
from blindspots.cli.main import call
from blindspots.store.reader import Run


@pytest.fixture(scope="module")
def kept():
    return json.loads(KEPT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def text():
    return README.read_text(encoding="utf-8")


def test_every_block_is_what_the_kept_numbers_give(kept, text):
    assert filled(text, kept) == text


def test_every_pair_of_the_demo_gets_there(kept):
    for name, one in kept["demo"]["models"].items():
        assert one["pairs"] == 18
        # Sources are at 1.00 and δ is .2.
        assert one["least_sure"] > 0.8, name
        assert one["most_rmse"] < 0.1, name
        assert one["low"] <= one["reach"] <= one["high"]
        assert one["line"] < 0.6 < one["reach"]


def test_what_readme_says_of_the_models_holds(kept):
    demo = kept["demo"]["models"]
    assert demo["zoo:shapes-resnet-at"]["reach"] < demo["zoo:shapes-resnet"]["reach"]
    assert demo["zoo:shapes-resnet-at"]["epsilons"] > 10
    assert kept["hero"]["p_found_8bit"] > 0.9
    assert kept["hero"]["rmse"] < 0.01


def test_the_eight_lines_are_eight():
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line]
    assert len(lines) == 8


def test_readme_is_short(text):
    assert len(text.splitlines()) < 130
    assert len(re.findall(r"^- \*\*", text, re.MULTILINE)) == 4


@pytest.mark.slow
def test_the_demo_gives_the_kept_numbers_again(kept, tmp_path):
    assert call(["demo", "--out", str(tmp_path / "demo"), "--quiet"]) == 0
    again = demo_numbers(Run(tmp_path / "demo"))["models"]
    for name, one in kept["demo"]["models"].items():
        for key in ("reach", "low", "high", "line", "least_sure"):
            assert again[name][key] == pytest.approx(one[key], abs=0.02), (name, key)


@pytest.mark.slow
def test_the_eight_lines_print_what_readme_shows(kept, capsys):
    exec(compile(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name, "exec"), {})
    assert capsys.readouterr().out.strip() == kept["python"]


@pytest.mark.slow
def test_the_walks_are_as_long_as_the_page_says():
    """In a process of its own: what is remembered from an earlier run is not walked again."""
    command = [sys.executable, "-m", "benchmarks.trace"]
    counted = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walk = re.compile(
        r"^\| (a (?:run|step|stored|number)[^|,]*?)(?:,[^|]*)? \| (\d+) \| (\d+) \|$", re.M
    )
    assert walk.findall(page) == walk.findall(counted) != []
    assert [name for name, files, most in walk.findall(page)[1:] if int(files) > int(most)] == []
