"""The embedded generator as a source of images."""

import numpy as np
import pytest

from blindspots.images import load_images
from blindspots.images.shapes import shape_image
from tests.images.material import Model, refusal


@pytest.mark.scheme("images:sample", "loads")
def test_shapes_are_labelled_and_named():
    images = load_images("sample:shapes?n=12&seed=1")
    assert len(images) == 12
    assert images.class_names is not None
    assert images.labels.tolist() == [*range(10), 0, 1]
    assert images.names[0] == f"test/{images.class_names[0]}-00000.png"
    assert images.images.shape == (12, 3, 64, 64)
    assert images.ids == load_images("sample:shapes?n=12&seed=1").ids
    assert images.find(f"{images.class_names[3]}-00003") == 3


@pytest.mark.scheme("images:sample", "preprocessing")
def test_shapes_are_seen_at_the_models_geometry():
    model = Model(count=10, size=32)
    expected = model.preprocessing(shape_image("val", 3, seed=2)[0])
    images = load_images("sample:shapes?split=val&n=4&seed=2", model)
    assert np.array_equal(images.uint8(3), np.asarray(expected))


@pytest.mark.scheme("images:sample", "broken")
def test_a_sample_that_is_not_there_is_refused(capsys):
    assert "type sample:shapes" in refusal("sample:shades", capsys)
    assert "did you mean test" in refusal("sample:shapes?split=tset", capsys)


def test_shapes_map_by_name_to_a_model_that_knows_them():
    names = load_images("sample:shapes?n=10").class_names
    assert names is not None
    images = load_images("sample:shapes?n=10", Model(names=(*reversed(names), "other")))
    assert images.labels.tolist() == list(reversed(range(10)))


def test_shapes_have_no_labels_for_a_model_of_other_classes():
    images = load_images("sample:shapes?n=2", Model(names=("a", "b")))
    assert images.labels.tolist() == [-1, -1]
    assert "other classes" in images.notes[0]
