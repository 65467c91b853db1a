"""How an image becomes the square a model sees."""

import numpy as np
import pytest
from PIL import Image

from blindspots.images import Preprocessing, preprocessing
from tests.images.material import noise

GEOMETRIES = [
    ((64, 48), 40, 32),
    ((47, 91), 36, 32),
    ((500, 375), 256, 224),
    ((101, 33), 33, 32),
    ((30, 20), 36, 32),
]


@pytest.mark.parametrize(("shape", "resize", "size"), GEOMETRIES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.scheme("images:folder", "preprocessing")
def test_geometry_equals_timms_evaluation_transform(shape, resize, size, interpolation):
    from timm.data.transforms_factory import create_transform

    image = noise(*shape)
    theirs = create_transform(
        (3, size, size), interpolation=interpolation, crop_pct=size / resize, mean=0.0, std=1.0
    )
    ours = Preprocessing(size=(size, size), resize=resize, interpolation=interpolation)
    expected = (theirs(image).permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(np.asarray(ours(image)), expected)


def test_squashing_keeps_the_whole_image():
    from timm.data.transforms_factory import create_transform

    theirs = create_transform(
        (3, 32, 32), interpolation="bicubic", crop_pct=1, crop_mode="squash", mean=0.0, std=1.0
    )
    image = noise()
    expected = (theirs(image).permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(np.asarray(Preprocessing(size=(32, 32), squash=True)(image)), expected)


def test_an_image_of_the_right_size_is_left_alone():
    image = noise(32, 32)
    assert Preprocessing(size=(32, 32), resize=40)(image) is image


def test_without_a_resize_the_image_covers_a_size_of_any_shape():
    tall = Preprocessing(size=(40, 10))(noise(64, 48))
    assert tall.size == (10, 40)


@pytest.mark.parametrize("shape", [(1000, 1), (1, 777), (3000, 2), (500, 40), (1200, 300)])
@pytest.mark.parametrize("crop", ["round", "floor"])
@pytest.mark.parametrize("kind", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_scaling_the_window_alone_gives_the_same_pixels(monkeypatch, shape, crop, kind):
    image, see = noise(*shape), Preprocessing(size=(32, 32), interpolation=kind, crop=crop)
    whole = np.asarray(see(image))
    monkeypatch.setattr(preprocessing, "MOST_SCALED", 0)
    assert np.array_equal(np.asarray(see(image)), whole)


@pytest.mark.parametrize("shape", [(10_000, 1), (1, 200_000), (200_000, 1)])
def test_an_image_of_extreme_proportions_is_never_scaled_whole(monkeypatch, shape):
    scaled, resize = [], Image.Image.resize

    def resized(image, size, *given):
        scaled.append(size[0] * size[1])
        assert scaled[-1] <= preprocessing.MOST_SCALED
        return resize(image, size, *given)

    monkeypatch.setattr(Image.Image, "resize", resized)
    seen = np.asarray(Preprocessing(size=(224, 224))(noise(*shape)))
    assert seen.shape == (224, 224, 3)
    assert scaled == [224 * 224]
