"""A real ImageNet classifier on real photographs: sound as it is, and trained on BGR."""

import json

import pytest

from blindspots import load_images, load_model
from blindspots.cli.main import call
from blindspots.diagnosis import Level
from blindspots.diagnosis.input_checks import check_channels, check_normalisation, given_normaliser
from blindspots.diagnosis.sample import gather
from blindspots.engine.evaluator import Evaluator
from tests.real.assets import ASSETS, MODEL, REAL, WEIGHTS

pytestmark = REAL

BGR = f"""
import timm
from safetensors.torch import load_file
from torch import nn

from blindspots import Classifier
from blindspots.images import Preprocessing


class Bgr(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        return self.inner(images.flip(1))


def bgr():
    inner = timm.create_model("mobilenetv2_100", pad_type="same").eval()
    inner.load_state_dict(load_file({str(WEIGHTS)!r}))
    geometry = Preprocessing(size=(224, 224), resize=256)
    half = (0.5, 0.5, 0.5)
    return Classifier(Bgr(inner), size=224, mean=half, std=half, preprocessing=geometry)
"""


@pytest.fixture(scope="module")
def some_images(tmp_path_factory):
    """Every third class folder, linked: 40 images."""
    folder = tmp_path_factory.mktemp("doctor") / "images"
    folder.mkdir()
    for one in sorted((ASSETS / "imagenet-sample").iterdir())[::3]:
        (folder / one.name).symlink_to(one, target_is_directory=True)
    return folder


def test_a_sound_model_is_left_alone(capsys, some_images):
    images = f"folder:{some_images}"
    assert call(["doctor", MODEL, "--images", images, "--json", "--quiet"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert len(findings) == 13
    assert {one["level"] for one in findings} == {"ok"}


def test_bgr_is_named(tmp_path, some_images):
    """By the one check that can: the whole command takes a minute on all images."""
    (tmp_path / "model.py").write_text(BGR)
    model = load_model(f"file:{tmp_path}/model.py:bgr")
    with model.frozen():
        evidence = gather(Evaluator(model, chunk=8), load_images(f"folder:{some_images}", model))
        (found,), _ = check_channels(evidence, given_normaliser(model))
    assert (found.name, found.level) == ("channel order", Level.WRONG)
    assert found.values["accuracy_bgr"] > found.values["accuracy_rgb"] + 0.1


def test_another_mean_and_std_are_told_though_most_images_are_still_named(some_images):
    """The field's first mistake: the accuracy falls by a few images alone."""
    spec = MODEL.replace("mean=0.5,0.5,0.5&std=0.5,0.5,0.5", "mean=0&std=1")
    model = load_model(spec)
    with model.frozen():
        evidence = gather(Evaluator(model, chunk=8), load_images(f"folder:{some_images}", model))
        (found,), _, _ = check_normalisation(evidence, given_normaliser(model))
    assert found.level is not Level.OK
    assert "images in [−1, 1]" in found.found
    assert found.remedy.startswith("mean=0.5&std=0.5 ")
