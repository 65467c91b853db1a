"""docs/library.md: its examples run from top to bottom, and its names exist."""

import re
from pathlib import Path

import pytest

import blindspots as bs

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS:
        exec(compile(block, "docs/library.md", "exec"), names)
    assert len(BLOCKS) == 7
    assert "Distance of the found image from its target" in capsys.readouterr().out
    assert {"result.safetensors", "path.pdf", "run"} <= {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`bs\.(\w+)", PAGE))))
def test_every_name_of_the_page_is_public(name):
    assert name in bs.__all__


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`run\.(\w+)\(", PAGE))))
def test_every_method_of_a_run_on_the_page_exists(name):
    assert callable(getattr(bs.OpenRun, name))
