"""Pixels at a model's geometry, and images found by what users call them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blindspots.errors import UsageError, WorkFailed
from blindspots.images import ImageSet, Preprocessing, load_images
from tests.images.material import Model, encoded, noise, write


@pytest.mark.scheme("images:folder", "preprocessing")
def test_pixels_are_exact_at_the_models_geometry(photos):
    images = load_images(f"folder:{photos}", Model(size=8, count=2))
    exact = images.uint8(0)
    expected = Preprocessing(size=(8, 8))(Image.open(photos / "cat" / "Tom & friends.png"))
    assert exact.dtype == np.uint8
    assert np.array_equal(exact, np.asarray(expected))
    taken = images.take([2, 0])
    assert taken.dtype == torch.float32
    assert torch.equal((taken[1] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(exact))
    assert images.take([]).shape == (0, 3, 8, 8)


def test_images_of_the_models_size_are_shown_as_they_are_with_a_note(tmp_path):
    for number, sides in enumerate(((16, 16), (16, 16), (40, 30))):
        write(tmp_path / "d" / f"{number}.png", encoded(noise(*sides, seed=number)))
    crops = Model(preprocessing=Preprocessing(size=(16, 16), resize=20))
    (note,) = load_images(f"folder:{tmp_path / 'd'}", crops).geometry_notes
    assert "2 of 3 images" in note
    assert "scale them to 20 × 20 and crop the middle" in note
    assert load_images(f"folder:{tmp_path / 'd'}", Model(size=16)).geometry_notes == []


def test_another_model_sees_the_same_listing_without_reading_a_file(photos, monkeypatch):
    images = load_images(f"folder:{photos}", Model(size=8, count=2))
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("a file was read"))
    other = images.for_model(Model(names=("dog", "x", "cat"), size=16))
    assert other.ids == images.ids
    assert other.labels.tolist() == [2, 2, 0]
    monkeypatch.undo()
    assert other.take([1]).shape == (1, 3, 16, 16)


def test_a_listing_holds_no_pixels(photos, monkeypatch):
    calls = []
    images = load_images(f"folder:{photos}")
    original = ImageSet._decoded
    monkeypatch.setattr(ImageSet, "_decoded", lambda s, i: calls.append(i) or original(s, i))
    images.take([1])
    assert calls == [1]


def test_several_sizes_need_a_model(photos):
    write(photos / "dog" / "small.png", encoded(noise(20, 10, seed=9)))
    images = load_images(f"folder:{photos}")
    with pytest.raises(UsageError, match="2 sizes"):
        _ = images.images
    assert images.take([0, 1]).shape == (2, 3, 48, 64)
    assert images.for_model(Model(count=2)).images.shape == (4, 3, 8, 8)


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_file_that_changes_after_listing_is_not_used_silently(photos, change):
    images = load_images(f"folder:{photos}")
    path = photos / "dog" / "b.png"
    path.unlink() if change == "gone" else write(path, seed=99)
    with pytest.raises(WorkFailed, match="listed"):
        images.uint8(2)


@pytest.mark.parametrize("text", ["cat/deep/b.JPG", "b.JPG", "{root}/cat/deep/b.JPG"])
def test_an_image_is_found_by_path_or_name(photos, text):
    assert load_images(f"folder:{photos}").find(text.format(root=photos)) == 1


def test_an_image_is_found_by_id_and_by_stem(photos):
    images = load_images(f"folder:{photos}")
    assert [images.find(one) for one in images.ids] == [0, 1, 2]
    assert images.find("Tom & friends") == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b", "any of cat/deep/b.JPG, dog/b.png"),
        ("Tom & freinds", "did you mean"),
        ("?", "there are cat/"),
    ],
)
def test_an_unknown_or_ambiguous_name_is_refused(photos, text, says):
    with pytest.raises(UsageError, match=says):
        load_images(f"folder:{photos}").find(text)
