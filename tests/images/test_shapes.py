import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blindspots as bs
from blindspots.images.shapes import CLASS_NAMES, shape_image, shape_images


def pixels(split, index, seed=0):
    return np.asarray(shape_image(split, index, seed)[0])


@given(st.sampled_from(["train", "val", "test"]), st.integers(0, 5000), st.integers(0, 99))
def test_an_image_depends_on_split_index_and_seed_alone(split, index, seed):
    image, label = shape_image(split, index, seed)
    again, _ = shape_image(split, index, seed)
    assert image.mode == "RGB"
    assert image.size == (64, 64)
    assert label == index % 10
    assert image.tobytes() == again.tobytes()


def test_the_number_asked_for_does_not_change_the_images():
    few, many = (list(shape_images("test", n, 3)) for n in (4, 12))
    for (one, label), (other, same) in zip(few, many, strict=False):
        assert one.tobytes() == other.tobytes()
        assert label == same


def test_splits_seeds_and_indices_differ():
    variants = [("train", 0, 0), ("val", 0, 0), ("test", 0, 0), ("test", 10, 0), ("test", 0, 1)]
    assert len({pixels(*variant).tobytes() for variant in variants}) == len(variants)


def test_a_fixed_image_is_still_what_it_was():
    """The zoo's weights belong to these drawings: a change of the generator must be noticed."""
    mean = pixels("test", 6).astype(float).mean(axis=(0, 1))
    assert mean == pytest.approx(FIXED_MEAN, abs=0.5)


FIXED_MEAN = (145.24, 126.83, 109.83)


def features(split, count, make):
    drawn = list(shape_images(split, count))
    return np.stack([make(np.asarray(image, float)) for image, _ in drawn]), np.array(
        [label for _, label in drawn]
    )


def mean_colour(image):
    return image.mean(axis=(0, 1))


def test_colour_does_not_give_the_class_away():
    """A nearest-class-mean classifier on the mean colour stays near chance."""
    train, labels = features("train", 300, mean_colour)
    test, truth = features("test", 200, mean_colour)
    centres = np.stack([train[labels == k].mean(axis=0) for k in range(10)])
    guess = np.linalg.norm(test[:, None] - centres, axis=2).argmin(axis=1)
    assert (guess == truth).mean() < 0.25


def test_images_have_contrast_and_vary():
    images, labels = features("test", 100, lambda image: image)
    assert (images.std(axis=(1, 2, 3)) > 15).all()
    for k in range(10):
        of_class = images[labels == k]
        assert of_class.std(axis=0).mean() > 25


def test_the_spec_lists_them_with_labels_and_names():
    images = bs.load_images("sample:shapes?split=val&n=20&seed=5")
    assert len(images) == 20
    assert images.labels.tolist() == [i % 10 for i in range(20)]
    assert images.class_names == CLASS_NAMES
    assert len(set(images.ids)) == 20
    assert (images.uint8(7) == pixels("val", 7, 5)).all()
