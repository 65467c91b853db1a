"""A real ImageNet classifier on real photographs: sound as it is, and trained on BGR."""

import json

import pytest

from blindspots.cli.app import call
from tests.real.assets import ASSETS, IMAGES, MODEL, WEIGHTS, needs_assets

pytestmark = needs_assets

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
def half_of_the_images(tmp_path_factory):
    """Every second class folder, linked: 60 images."""
    folder = tmp_path_factory.mktemp("doctor") / "images"
    folder.mkdir()
    for one in sorted((ASSETS / "imagenet-sample").iterdir())[::2]:
        (folder / one.name).symlink_to(one, target_is_directory=True)
    return folder


def found(capsys, status, *arguments):
    assert call(["doctor", *arguments, "--json", "--quiet"]) == status
    findings = json.loads(capsys.readouterr().out)["findings"]
    return {one["name"]: one["level"] for one in findings if one["level"] != "ok"}


def test_a_sound_model_is_left_alone(capsys):
    assert found(capsys, 0, MODEL, "--images", IMAGES) == {}


def test_bgr_is_named(tmp_path, capsys, half_of_the_images):
    (tmp_path / "model.py").write_text(BGR)
    images = f"folder:{half_of_the_images}"
    model = f"file:{tmp_path}/model.py:bgr"
    assert found(capsys, 1, model, "--images", images) == {"channel order": "wrong"}
