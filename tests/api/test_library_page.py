"""docs/library.md: its examples run from top to bottom, and its names exist."""

import re
from pathlib import Path

import pytest

import blindspots as bs
from tests.support.tiny import MODEL

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

SPECS = ("zoo:shapes-resnet-at", "sample:shapes?n=10")


def test_the_examples_run_from_top_to_bottom(tmp_path, monkeypatch, capsys, tiny_images):
    """On a tiny model and tiny images, which cost next to nothing."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS:
        for spec, tiny in zip(SPECS, (MODEL, tiny_images), strict=True):
            block = block.replace(f'"{spec}"', repr(tiny))
        exec(compile(block, "docs/library.md", "exec"), names)
    assert len(BLOCKS) == 7
    assert names["model"].size == (12, 12)
    assert "Distance of the found image from its target" in capsys.readouterr().out
    assert {"result.safetensors", "path.pdf", "run"} <= {file.name for file in tmp_path.iterdir()}


def test_the_model_and_the_images_of_the_examples_are_there():
    model, images = (re.search(rf'load_{kind}\("(.+?)"', PAGE)[1] for kind in ("model", "images"))
    assert (model, images) == SPECS
    assert len(bs.load_images(images, bs.load_model(model)).images) == 10


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`bs\.(\w+)", PAGE))))
def test_every_name_of_the_page_is_public(name):
    assert name in bs.__all__


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`run\.(\w+)\(", PAGE))))
def test_every_method_of_a_run_on_the_page_exists(name):
    assert callable(getattr(bs.OpenRun, name))
