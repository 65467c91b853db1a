"""What `traverse` returns: entries, distances, a table, a file, and something to look at."""

import base64
import io
import os
import re
import sys
from contextlib import nullcontext
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import blindspots as bs
from blindspots import progress
from blindspots.progress import Reporter
from tests.support.toys import convolutional, random_images, toy

SIDE, SNAPSHOTS = 12, 4


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return 0.3 + 0.4 * torch.rand(6, 3, SIDE, SIDE, generator=generator)


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, 3))
    return bs.Classifier(module, size=SIDE)


@pytest.fixture(scope="module")
def result(model, images):
    """Three pairs; the last of them cannot start, because its label is not what the model says."""
    labels = model(images[:3]).argmax(1)
    labels[2] = (labels[2] + 1) % 3
    method = bs.Reference(max_steps=3)
    return bs.traverse(
        model,
        images[:3],
        images[3:],
        labels,
        method=method,
        snapshots=SNAPSHOTS,
        ids=["a", "b", "c"],
    )


def test_entries_are_counted_indexed_sliced_and_iterated(result):
    assert len(result) == 3
    assert [one.id for one in result] == ["a", "b", "c"]
    assert result[-1].ending is bs.Ending.SOURCE_MISCLASSIFIED
    assert result[1].confidence == result.confidence[1].item()
    assert result[1:].ids == ["b", "c"]
    assert torch.equal(result[1:].found, result.found[1:])
    with pytest.raises(IndexError):
        result[3]


def test_distances_are_those_of_a_run_and_unknown_where_nothing_started(result, images):
    found, target, source = (x[:2] for x in (result.found, images[3:], images))
    expected = (found - target).square().flatten(1).mean(1).sqrt()
    torch.testing.assert_close(result.rmse[:2], expected)
    torch.testing.assert_close(result.linf[:2], (found - target).abs().flatten(1).amax(1))
    torch.testing.assert_close(
        result.source_rmse[:2], (found - source).square().flatten(1).mean(1).sqrt()
    )
    assert (result.ssim[:2] < 1).all()
    for name in ("rmse", "linf", "ssim", "source_rmse"):
        assert getattr(result, name)[2].isnan()
        assert getattr(result[0], name) == getattr(result, name)[0].item()


def test_images_too_small_for_ssim_have_none():
    small = bs.traverse(
        toy(convolutional()),
        random_images(1),
        random_images(1, 1),
        method=bs.Reference(max_steps=1),
    )
    assert small.ssim.isnan().all()
    assert not small.rmse.isnan().any()


def test_the_path_is_there_when_it_is_asked_for(result, model, images):
    first, _, none = result.path
    assert first.dtype == np.uint8
    assert first.shape[1:] == (3, SIDE, SIDE)
    assert np.array_equal(first[-1], (255 * result.found[0]).round().byte().numpy())
    assert none is None
    bare = bs.traverse(model, images[:1], images[1:2], method=bs.Reference(max_steps=1))
    with pytest.raises(bs.UsageError, match="snapshots=12"):
        _ = bare.path


def test_a_frame_has_a_row_per_pair(result):
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["id"]) == ["a", "b", "c"]
    assert {"confidence", "rmse", "ssim", "ending", "steps"} <= set(frame.columns)
    assert list(frame["ending"]) == [str(ending) for ending in result.ending]
    assert frame["rmse"].isna().tolist() == [False, False, True]


def test_a_frame_without_pandas_is_refused(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(bs.UsageError, match="type pip install pandas"):
        result.to_frame()


def test_what_is_saved_is_loaded_again(result, tmp_path):
    again = bs.Traversals.load(result.save(tmp_path / "result.safetensors"))
    assert again.ids == result.ids
    assert again.ending == result.ending
    for name in ("found", "confidence", "label", "steps", "check_evaluations", "source", "target"):
        assert torch.equal(getattr(again, name), getattr(result, name)), name
    torch.testing.assert_close(again.rmse, result.rmse, equal_nan=True)
    assert np.array_equal(again.path[0], result.path[0])
    assert again.path[2] is None


def test_a_file_of_the_first_format_is_loaded_and_says_what_it_lacks(result, tmp_path):
    names = ("found", "confidence", "p_source", "label", "steps", "evaluations")
    tensors = {name: getattr(result, name) for name in (*names, "check_evaluations")}
    metadata = {"ids": "a\nb\nc", "endings": "\n".join(result.ending)}
    save_file(tensors, tmp_path / "old.safetensors", metadata=metadata)
    old = bs.Traversals.load(tmp_path / "old.safetensors")
    assert torch.equal(old.found, result.found)
    assert old[0].source is None
    assert old.to_frame()["rmse"].isna().all()
    assert "<img" in old._repr_html_()
    with pytest.raises(bs.UsageError, match="rmse is not known"):
        _ = old.rmse


@pytest.mark.parametrize("content", [None, b"nothing", "tensors"])
def test_another_file_is_refused(tmp_path, content):
    file = tmp_path / "other.safetensors"
    if content == "tensors":
        save_file({"x": torch.zeros(1)}, file)
    elif content:
        file.write_bytes(content)
    with pytest.raises(bs.UsageError, match=r"cannot be read as saved traversals .* result\.save"):
        bs.Traversals.load(file)


def test_what_is_saved_can_be_read_by_whom_the_umask_lets(result, tmp_path):
    before = os.umask(0o027)
    try:
        saved = result.save(tmp_path / "result.safetensors")
    finally:
        os.umask(before)
    assert saved.stat().st_mode & 0o777 == 0o640


def test_an_id_of_several_lines_is_not_saved(model, images, tmp_path):
    method = bs.Reference(max_steps=1)
    result = bs.traverse(model, images[:1], images[1:2], method=method, ids=["a\nb"])
    with pytest.raises(bs.UsageError, match="several lines"):
        result.save(tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_the_repr_is_short_and_has_no_pixels(result):
    assert repr(result).startswith("Traversals(3 pairs of 12 × 12 px; 2 ")
    assert "1 source_misclassified" in repr(result)
    assert "tensor" not in repr(result)
    assert len(repr(result)) < 200
    assert repr(result[0]).startswith("Traversal(a: ")


def test_a_notebook_shows_source_found_and_target(result):
    html = result._repr_html_()
    pictures = re.findall(r"base64,([^\"]+)", html)
    assert len(pictures) == 9
    shown = np.array(Image.open(io.BytesIO(base64.b64decode(pictures[1]))))
    assert np.array_equal(shown, (255 * result.found[0]).round().byte().permute(1, 2, 0).numpy())
    assert f"confidence {result.p_source[0]:.4f}" in html
    assert f"RMSE {result.rmse[0]:.4f}" in html
    assert len(re.findall("base64", result[0]._repr_html_())) == 3


def test_a_notebook_shows_names_as_text_and_says_what_it_leaves_out(model, images):
    result = bs.traverse(
        model,
        images[:1],
        images[1:2].repeat(25, 1, 1, 1),
        method=bs.Reference(max_steps=1),
        ids=[f"<b>{i}" for i in range(25)],
    )
    html = result._repr_html_()
    assert "<b>" not in html
    assert "5 further pairs are not shown" in html


def test_each_pair_is_told_when_it_ends(model, images):
    told = []
    method = bs.Reference(max_steps=2)
    result = bs.traverse(model, images[:3], images[3:], method=method, batch=1, on_pair=told.append)
    assert [one.id for one in told] == result.ids
    assert [one.rmse for one in told] == result.rmse.tolist()


def test_a_bar_is_drawn_when_it_is_asked_for_and_never_into_a_file(model, images, capsys):
    ask = {"method": bs.Reference(max_steps=1)}
    bs.traverse(model, images[:1], images[1:2], **ask)
    assert capsys.readouterr().err == ""
    bs.traverse(model, images[:1], images[1:2], progress=True, **ask)
    assert "traversing: 1 pairs" in capsys.readouterr().err


def test_a_bar_is_drawn_on_a_terminal(model, images, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    bs.traverse(model, images[:1], images[1:2], method=bs.Reference(max_steps=1))
    assert "traversing" in capsys.readouterr().err


def test_a_bar_is_drawn_in_a_notebook_that_can_move_one(monkeypatch):
    reporter, drawn = Reporter(), []
    monkeypatch.setattr(
        progress, "_bar", lambda *_: drawn.append("bar") or nullcontext(MagicMock())
    )
    monkeypatch.setattr(progress, "find_spec", lambda name: name == "ipywidgets" or None)
    with reporter.work("traversing", 3, "pairs"):
        assert not reporter.watched
    assert drawn == []
    monkeypatch.setattr(reporter.console, "is_jupyter", True)
    with reporter.work("traversing", 3, "pairs"):
        assert reporter.watched
    assert drawn == ["bar"]
