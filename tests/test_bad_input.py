"""Wrong input gets one clear sentence, exit status 2, no traceback and nothing written."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from blindspots.cli.app import call

MODEL = "zoo:shapes-resnet"

FACTORIES = """
import torch
from torch import nn
from blindspots import Classifier, load_model


class Bent(nn.Module):
    def __init__(self, bend):
        super().__init__()
        self.whole, self.bend = load_model("zoo:shapes-resnet"), bend

    def forward(self, images):
        return self.bend(self.whole(images))


def _named(bend):
    return Classifier(Bent(bend), size=64, class_names=load_model("zoo:shapes-resnet").class_names)


def probabilities():
    return _named(lambda z: z.softmax(1))


def nan():
    return _named(lambda z: z * torch.nan)


def shuffled():
    return _named(lambda z: z.roll(1, dims=1))


def flat():
    return nn.Flatten(0)


def broken():
    raise RuntimeError("no such luck")
"""


@pytest.fixture
def place(tmp_path):
    """A folder with what the cases refer to."""
    (tmp_path / "models.py").write_text(FACTORIES)
    (tmp_path / "three.txt").write_text("house\ncar\ntree\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.png").write_text("no image")
    for name in ("a", "b", "c"):
        folder = tmp_path / "one class" / "apple"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.full((64, 64, 3), ord(name), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "misfit.pth")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(print))
    (tmp_path / "pairs.csv").write_text("source,target\nnobody.png,nothing.png\n")
    return tmp_path


TIMM = "timm:resnet10t?num_classes=10"
CASES = {
    "unknown scheme": (["--model", "tim:resnet18"], "did you mean timm:"),
    "no scheme": (["--model", "resnet18"], "names no known scheme"),
    "unknown zoo model": (["--model", "zoo:shapes-resnett"], "did you mean"),
    "unknown timm model": (["--model", "timm:resnet5O", "--weights", "{0}/misfit.pth"], "resnet5"),
    "weights that do not fit": (["--model", f"{TIMM}&weights={{0}}/misfit.pth"], "conv1"),
    "weights that are missing": (["--model", f"{TIMM}&weights={{0}}/none.pth"], "none.pth"),
    "a pickle": (["--model", f"{TIMM}&weights={{0}}/evil.pth"], "weights"),
    "a factory that fails": (["--model", "file:{0}/models.py:broken?size=64"], "no such luck"),
    "no such factory": (["--model", "file:{0}/models.py:shufled"], "shuffled"),
    "no logits": (["--model", "file:{0}/models.py:flat?size=64"], "logits"),
    "probabilities": (["--model", "file:{0}/models.py:probabilities"], "returns probabilities"),
    "nan": (["--model", "file:{0}/models.py:nan"], "NaN"),
    "wrong class order": (["--model", "file:{0}/models.py:shuffled"], "class order"),
    "class file of the wrong length": (["--classes", "{0}/three.txt"], "3"),
    "no such class file": (["--classes", "{0}/none.txt"], "none.txt"),
    "no such folder": (["--images", "folder:{0}/nowhere"], "nowhere"),
    "empty folder": (["--images", "folder:{0}/empty"], "image"),
    "no readable image": (["--images", "folder:{0}/words"], "image"),
    "unknown sample": (["--images", "sample:shades"], "sample:shapes"),
    "unknown option of a spec": (["--images", "sample:shapes?m=3"], "n"),
    "delta of one": (["--delta", "1"], "--delta 0.2"),
    "negative delta": (["--delta", "-0.1"], "--delta 0.2"),
    "delta by --set": (["--set", "delta=2"], "--delta 0.2"),
    "unknown method": (["--method", "papr"], "did you mean paper"),
    "unknown setting": (["--set", "max_stepz=1"], "did you mean max_steps"),
    "setting without a value": (["--set", "max_steps"], "name=value"),
    "no sources": (["--sources", "0"], "at least 1"),
    "too many targets": (["--targets-per-source", "40"], "targets of another class"),
    "batch size": (["--batch-size", "none"], "--batch-size 8"),
    "device": (["--device", "cuda:99"], "--device auto"),
    "precision": (["--precision", "fp64"], "fp32"),
    "pairs of unknown images": (["--pairs", "{0}/pairs.csv"], "nobody.png"),
    "the same model twice": (["--model", MODEL], "same model twice"),
    "unknown option": (["--sorces", "3"], "--sources"),
    "score": (["--score", "margn"], "confidence"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_refused_in_one_sentence(place, capsys, case):
    given, words = CASES[case]
    given = [text.format(place) for text in given]
    base = {"--model": MODEL, "--images": "sample:shapes?n=30", "--out": str(place / "out")}
    if "--model" in given and case != "the same model twice":
        del base["--model"]
    if "--images" in given:
        del base["--images"]
    arguments = [*(text for pair in base.items() for text in pair), *given]
    before = sorted(place.rglob("*"))
    assert call(["run", *arguments, "--set", "max_steps=2", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert words in error, error
    assert "Traceback" not in error
    sentences = [line for line in error.splitlines() if line and "warning" not in line]
    assert len(sentences) == 1, error
    assert sentences[0].startswith("blindspots: ")
    assert [p for p in sorted(place.rglob("*")) if "__pycache__" not in str(p)] == before


def test_images_of_one_class_only_are_refused(place, capsys):
    arguments = [
        "--model",
        MODEL,
        "--images",
        f"folder:{place}/one class",
        "--out",
        str(place / "o"),
    ]
    assert call(["run", *arguments, "--quiet"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (place / "o").exists()


def test_flags_beside_several_models_are_refused(place, capsys):
    models = ["--model", MODEL, "--model", "zoo:shapes-vit"]
    assert (
        call(
            ["run", *models, "--images", "sample:shapes", "--out", str(place / "o"), "--size", "9"]
        )
        == 2
    )
    assert "exactly one --model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["table", "{0}"], "run.json"),
        (["report", "{0}/nowhere"], "nowhere"),
        (["verify", "{0}"], "run.json"),
        (
            ["traverse", "{0}/none.png", "{0}/none.png", "--model", MODEL, "--out", "{0}/t"],
            "none.png",
        ),
        (
            ["traverse", "{0}/words/a.png", "{0}/words/a.png", "--model", MODEL, "--out", "{0}/t"],
            "a.png",
        ),
        (
            [
                "sensitivity",
                "{0}/one class/apple/a.png",
                "--model",
                MODEL,
                "--target",
                "hous",
                "--out",
                "{0}/t",
            ],
            "did you mean house",
        ),
        (["doctor", "zoo:nothing"], "nothing"),
        (["zoo", "train", "shapes-resnett", "--out", "{0}/z"], "did you mean"),
        (["tabel", "{0}"], "table"),
        (["table", "{0}", "--format", "word"], "latex"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_other_commands_refuse_too(place, capsys, command, words):
    assert call([text.format(place) for text in command]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (place / "t").exists()
    assert not (place / "z").exists()


def test_what_can_be_skipped_or_converted_is_named_and_the_run_goes_on(place, capsys):
    """A truncated, an empty and a grey file among others: a warning each, exit status 0."""
    import json

    from blindspots.images.shapes import CLASS_NAMES, shape_image

    for index in range(20):
        image, label = shape_image("test", index, 0)
        folder = place / "mixed" / CLASS_NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{index}.png")
    whole = (folder / "19.png").read_bytes()
    (folder / "torn.png").write_bytes(whole[: len(whole) // 2])
    (folder / "nothing.jpg").write_bytes(b"")
    Image.open(folder / "19.png").convert("L").save(folder / "grey.png")
    arguments = ["--model", MODEL, "--images", f"folder:{place}/mixed", "--out", str(place / "out")]
    assert call(["run", *arguments, "--set", "max_steps=1", "--sources", "4", "--quiet"]) == 0
    error = capsys.readouterr().err
    info = json.loads((place / "out" / "run.json").read_text())
    for name in ("torn.png", "nothing.jpg"):
        assert name in error
        assert any(name in entry["name"] for entry in info["images"]["skipped"])
    assert "grey.png" in error
    assert any("grey.png" in entry["name"] for entry in info["images"]["converted"])
