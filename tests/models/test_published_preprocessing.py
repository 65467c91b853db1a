"""Images are shown as the libraries that publish weights show them, for every configuration.

docs/models.md has the counts: `--write-snapshots` writes what these tests counted, and with the
versions that stand there they must count the same. The last row takes `-m slow`.
"""

from functools import cache
from importlib.metadata import version

import numpy as np
import pytest
import timm
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg, list_pretrained
from torchvision import models

from blindspots import load_images, load_model
from blindspots.errors import UsageError
from blindspots.models.processors import read_processor
from blindspots.models.schemes.timm import timm_preprocessing
from blindspots.models.schemes.torchvision import torchvision_preprocessing
from tests.images.material import noise
from tests.support.schemes_page import ROOT

HALF_A_LEVEL = 0.5
PAGE = ROOT / "docs" / "models.md"


@pytest.fixture
def counted(writing):
    """Compares what was counted of a library with its row of the page."""

    def count(library, what, published, equal, refused):
        begin = f"| {library} | {version(library)} | {what} |"
        row = f"{begin} {published:,} | {equal:,} | {refused:,} |"
        lines = PAGE.read_text(encoding="utf-8").splitlines()
        (place,) = (n for n, line in enumerate(lines) if named(line) == named(row))
        if writing:
            lines[place] = row
            PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if lines[place].startswith(begin):
            assert lines[place] == row, "--write-snapshots writes what is counted now"

    return count


def named(row):
    """Which library, and what of it."""
    return row.split(" | ")[::2][:2]


@cache
def published():
    """timm's evaluation configurations, each once."""
    found = {}
    for name in list_pretrained():
        config = resolve_data_config({}, pretrained_cfg=get_pretrained_cfg(name).to_dict())
        means = config["crop_mode"] == "border"
        key = {k: v for k, v in config.items() if k != "std" and (means or k != "mean")}
        found.setdefault(str(key), config)
    return list(found.values())


def levels(theirs, mean, std):
    """What a library's transform gives as it was before its normalisation, in [0, 255]."""
    return (theirs.numpy().transpose(1, 2, 0) * std + mean) * 255


def farthest(image, see, transform, mean, std):
    return np.abs(levels(transform(image), mean, std) - np.asarray(see(image), float)).max()


def off_timm(config, image):
    fill = tuple(round(255 * value) for value in config["mean"])
    see = timm_preprocessing({**config, "size": tuple(config["input_size"][-2:])}, fill)
    return farthest(image, see, create_transform(**config), config["mean"], config["std"])


@pytest.mark.parametrize("shape", [(100, 75), (75, 101)])
def test_every_configuration_of_timm_shows_what_timm_shows(shape, counted):
    image, configs = noise(*shape), published()
    off = {str(config): off_timm(config, image) for config in configs}
    assert {config: by for config, by in off.items() if by > HALF_A_LEVEL} == {}
    counted("timm", "configurations that differ", len(configs), len(off), 0)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(24, 32), (32, 20)])
def test_a_size_that_is_not_square_keeps_timms_proportion(mode, size):
    config = {"input_size": (3, *size), "crop_pct": 0.8, "crop_mode": mode}
    config |= {"interpolation": "bicubic", "mean": (0.2, 0.4, 0.6), "std": (0.3, 0.2, 0.1)}
    assert off_timm(config, noise(64, 48)) < HALF_A_LEVEL


def test_a_mode_that_timm_may_add_is_refused():
    config = {"size": (32, 32), "crop_pct": 1.0, "crop_mode": "spiral", "interpolation": "bicubic"}
    with pytest.raises(UsageError, match=r"crop_mode spiral .* file:model\.py:factory"):
        timm_preprocessing(config)


@pytest.mark.parametrize("shape", [(100, 75), (75, 101)])
def test_every_preset_of_torchvision_shows_what_torchvision_shows(shape, counted):
    image, seen = noise(*shape), {}
    for name in models.list_models(module=models):
        for weights in models.get_model_weights(name):
            preset = weights.transforms()
            seen.setdefault(str(preset), preset)
    off = {
        text: farthest(image, torchvision_preprocessing(one), one, one.mean, one.std)
        for text, one in seen.items()
    }
    assert {text: by for text, by in off.items() if by > HALF_A_LEVEL} == {}
    counted("torchvision", "presets that differ", len(seen), len(off), 0)


def processors(classifiers):
    """The image processors that `hf:` gets for the types of models that transformers knows.

    timm's wrapper is left out, because it has the transform of timm.
    """
    from transformers.models.auto import image_processing_auto as images
    from transformers.models.auto import modeling_auto as models

    kinds = models.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES if classifiers else None
    found = {
        made.get("pil") or made.get("torchvision")
        for kind, made in images.IMAGE_PROCESSOR_MAPPING_NAMES.items()
        if made and kind != "timm_wrapper" and (kinds is None or kind in kinds)
    }
    return sorted(found)


def off_transformers(processor, image):
    """How far what is shown is from the processor's own; None where it is refused."""
    try:
        seen = read_processor(processor, "hf:ORG/NAME")
    except UsageError as refusal:
        assert "load the model by file:model.py:factory" in str(refusal)
        return None
    theirs = np.asarray(processor(image)["pixel_values"][0], float)
    theirs = theirs[::-1] if seen.blue_first else theirs
    levels = 255 * (theirs.transpose(1, 2, 0) * seen.std + seen.mean)
    return np.abs(levels - np.asarray(seen.preprocessing(image), float)).max()


@pytest.mark.parametrize(
    "classifiers", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["classifiers", "all"]
)
def test_every_processor_of_transformers_is_shown_alike_or_refused(classifiers, counted):
    import transformers

    image, names = noise(100, 75), processors(classifiers)
    off = {name: off_transformers(getattr(transformers, name)(), image) for name in names}
    equal = {name: by for name, by in off.items() if by is not None}
    assert {name: by for name, by in equal.items() if by > HALF_A_LEVEL} == {}
    what = "processors of image classifiers" if classifiers else "all image processors"
    counted("transformers", what, len(names), len(equal), len(names) - len(equal))


@pytest.mark.parametrize("longest", [48, 200])
def test_a_longest_edge_that_cuts_long_images_down_is_refused(longest):
    import transformers

    size, crop = {"shortest_edge": 32, "longest_edge": longest}, {"height": 24, "width": 24}
    processor = transformers.CLIPImageProcessor(size=size, crop_size=crop)
    assert off_transformers(processor, noise(100, 75)) is None


def test_a_timm_model_at_a_size_that_is_not_square_sees_what_timm_shows(tmp_path):
    network, image = timm.create_model("resnet10t", num_classes=3), noise(90, 70)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    spec = f"timm:resnet10t?num_classes=3&weights={tmp_path}/w.safetensors&size=48x64"
    image.save(tmp_path / "a.png")
    config = {**resolve_data_config({}, model=network), "input_size": (3, 48, 64)}
    theirs = levels(create_transform(**config)(image), config["mean"], config["std"])
    seen = load_images(f"files:{tmp_path}/a.png", load_model(spec)).uint8(0)
    assert np.abs(theirs - seen).max() < HALF_A_LEVEL
