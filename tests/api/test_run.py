"""The main job from a script: specs as on the command line, or what a script holds already."""

import json
import re
import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

import blindspots as bs
from blindspots.store.writer import Store
from tests.support import checker, tiny_model
from tests.support.runs import assert_same_run
from tests.support.tiny import MODEL, draw, without_figures
from tests.support.tiny import run as command
from tests.support.tiny_model import NAMES, Around, Tiny

FEW = {
    "report": False,
    "method": bs.Reference(max_steps=6, step_size=0.1),
    "sources": 6,
    "targets_per_source": 1,
}
SIX = ("--sources", "6", "--targets-per-source", "1")
PICTURES = [(draw(label, number), label) for label in range(3) for number in range(5)]


class Pictures(Dataset):
    """A data set as torch has it: (image, class)."""

    def __init__(self, classes=None):
        if classes:
            self.classes = list(classes)

    def __len__(self):
        return len(PICTURES)

    def __getitem__(self, index):
        return PICTURES[index]


def tensors():
    arrays = [np.asarray(image, dtype=np.float32) / 255 for image, _ in PICTURES]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2), [label for _, label in PICTURES]


def info(run):
    return json.loads((run.path / "run.json").read_text())


@pytest.fixture
def model():
    return tiny_model.build()


def test_a_run_by_specs_is_the_commands_run(tiny_images, tmp_path):
    with without_figures():
        assert command(tiny_images, tmp_path / "command", *SIX) == 0
    run = bs.run(model=MODEL, images=tiny_images, out=tmp_path / "script", **FEW)
    assert isinstance(run, bs.OpenRun)
    assert run.finished
    assert_same_run(tmp_path / "command", run.path, ("pairs", "nulls"))


@pytest.mark.parametrize(
    "images",
    [tensors(), Pictures(), Pictures(NAMES), bs.load_images(PICTURES)],
    ids=["tensors with classes", "a data set", "a data set with names", "an image set"],
)
def test_an_own_model_and_own_images_give_the_same_as_their_specs(
    model, images, tiny_images, tmp_path
):
    run = bs.run(model=model, images=images, out=tmp_path / "own", **FEW)
    assert {facts.spec for facts in run.models} == {"memory:model"}
    assert info(run)["images"]["spec"] == "memory:15-images"
    assert any("in memory" in note for note in info(run)["notes"])
    assert len(run.pairs) == 6
    assert set(run.pairs["source_class"]) <= {0, 1, 2}
    found = run.exact(run.pairs["pair_id"][0])
    with torch.no_grad():
        logits = model(torch.from_numpy(found)[None])
    said = logits.softmax(1)[0, run.pairs["source_class"][0]].item()
    assert said == pytest.approx(run.pairs["p_found"][0], abs=1e-5)


def test_images_without_classes_are_held_to_what_the_model_says(model, tmp_path):
    run = bs.run(model=model, images=[image for image, _ in PICTURES], out=tmp_path, **FEW)
    assert not run.labelled
    assert len(run.pairs) > 0


def test_a_plain_module_is_taken_at_the_size_of_the_tensors(tmp_path):
    with pytest.warns(UserWarning, match="Tiny was given without a normalisation"):
        run = bs.run(model=Tiny(0, 14.0, 0.8), images=tensors(), out=tmp_path, **FEW)
    assert run.models[0].name == "Tiny"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "says no mean and no std: images in .* with mean 0 and std 1 .* or to Classifier"),
        ({"mean": (0.0,) * 3}, "says no std: "),
        (tiny_model.AS_THEY_ARE, None),
    ],
    ids=["neither", "a mean", "both"],
)
@pytest.mark.parametrize("by_spec", [False, True])
def test_an_assumed_mean_and_std_is_said_aloud_and_stored(said, words, by_spec, tmp_path):
    code = "import blindspots as bs\nfrom tests.support.tiny_model import NAMES, Tiny\n\n"
    code += "def build():\n    module = Tiny(0, 14.0, 0.8)\n"
    code += f"    return bs.Classifier(module, size=12, class_names=NAMES, **{said})\n"
    (tmp_path / "model.py").write_text(code)
    spec = f"file:{tmp_path / 'model.py'}:build"
    model = (
        spec if by_spec else bs.Classifier(Tiny(0, 14.0, 0.8), size=12, class_names=NAMES, **said)
    )
    with warnings.catch_warnings(record=True) as told:
        run = bs.run(model=model, images=tensors(), out=tmp_path / "run", **FEW)
    told = [str(one.message) for one in told if "says no" in str(one.message)]
    stored = [note for note in info(run)["notes"] if "says no" in note]
    assert len(told) == len(stored) == bool(words)
    assert all(re.search(words, text) for text in (*told, *stored))
    text = repr(bs.doctor(model, tensors()))
    assert re.search(words, text) if words else "says no" not in text


def test_an_own_model_is_fed_in_other_ways_too_and_a_better_one_is_warned_of(tmp_path):
    """What it tells red and green by lies below most of what images in [0, 1] hold."""

    def feed(x):
        return torch.cat((x[:, :2].clamp(max=0.2), x[:, 2:] - 0.3), dim=1)

    model = bs.Classifier(Around(Tiny(0, 14.0, 0.0), feed), size=12, class_names=NAMES)
    better = r"is better: 100% of the images are named correctly, .*; mean=.*&std="
    with pytest.warns(UserWarning, match=better):
        bs.run(model=model, images=tensors(), out=tmp_path, **FEW)


def test_two_own_models_of_one_name_are_told_apart_and_keep_their_names(tmp_path):
    models = [tiny_model.build(), tiny_model.build(1)]
    run = bs.run(model=models, images=tensors(), out=tmp_path, **FEW)
    assert [facts.name for facts in run.models] == ["memory:model", "memory:model-2"]
    assert [model.name for model in models] == ["model", "model"]


def test_the_same_call_goes_on_where_it_was_stopped(model, tmp_path, monkeypatch):
    whole = bs.run(model=model, images=tensors(), out=tmp_path / "whole", **FEW)
    save, saved = Store.save_found, []

    def failing(*given):
        saved.append(given)
        if len(saved) > 2:
            raise KeyboardInterrupt
        return save(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save_found", failing)
        with pytest.raises(KeyboardInterrupt):
            bs.run(model=model, images=tensors(), out=tmp_path / "cut", **FEW)
    assert not bs.open_run(tmp_path / "cut").finished
    again = bs.run(model=model, images=tensors(), out=tmp_path / "cut", **FEW)
    assert again.finished
    assert_same_run(whole.path, again.path, ("pairs", "nulls"))


def test_another_model_in_the_same_directory_is_refused(model, tmp_path):
    bs.run(model=model, images=tensors(), out=tmp_path, **FEW)
    with pytest.raises(bs.UsageError, match="another"):
        bs.run(model=tiny_model.build(1), images=tensors(), out=tmp_path, **FEW)


def test_an_own_model_cannot_be_loaded_again(model, tmp_path):
    run = bs.run(model=model, images=tensors(), out=tmp_path, **FEW)
    with pytest.raises(bs.UsageError, match=r"model was handed to blindspots\.run in memory"):
        run.verify()


def test_the_report_is_made_and_nothing_is_printed(model, tmp_path, capsys):
    with without_figures():
        run = bs.run(model=model, images=tensors(), out=tmp_path, **FEW | {"report": True})
    assert (run.path / "report.html").is_file()
    assert (run.path / "tables" / "distance.csv").is_file()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": []}, "no model was given"),
        ({"model": 7}, "7 was given as the model"),
        ({"images": 7}, "int was given as images"),
        ({"images": [PICTURES[0][0], "cat.png"]}, r"image 1 \(str\) is no image"),
        ({"images": [2 * tensors()[0][0]]}, r"image 0 has shape .*leave a normalisation out"),
        ({"images": (tensors()[0], [0])}, "15 images and 1 classes were given"),
        ({"method": "stra"}, "method='stra' is unknown"),
        ({"score": "margin"}, "'margin' was given as the score"),
        ({"sources": 0}, "--sources 0 was given"),
        ({"batch": 0}, "--batch-size 0 was given"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_cannot_be_run_is_refused_and_nothing_is_written(model, tmp_path, change, words):
    checker.watch(False)
    given = {"model": model, "images": tensors(), "out": tmp_path / "out", **FEW} | change
    with pytest.raises(bs.UsageError, match=words):
        bs.run(**given)
    assert not (tmp_path / "out").exists()
