"""The embedded generator as a source of images."""

import pytest

from blindspots.images import load_images
from tests.images.material import Model


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


def test_shapes_map_by_name_to_a_model_that_knows_them():
    names = load_images("sample:shapes?n=10").class_names
    assert names is not None
    images = load_images("sample:shapes?n=10", Model(names=(*reversed(names), "other")))
    assert images.labels.tolist() == list(reversed(range(10)))


def test_shapes_have_no_labels_for_a_model_of_other_classes():
    images = load_images("sample:shapes?n=2", Model(names=("a", "b")))
    assert images.labels.tolist() == [-1, -1]
    assert "other classes" in images.notes[0]
