"""CIFAR-10 as Hugging Face writes it: ten thousand images in one file, and fifty thousand."""

from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from blindspots import load_images, load_model
from blindspots.errors import Refused
from tests.real.assets import ASSETS, MODEL, needs_assets

pytestmark = needs_assets

FILE = ASSETS / "cifar10" / "test.parquet"


@pytest.fixture(scope="module")
def images():
    return load_images(f"parquet:{FILE}")


def agrees(images, path):
    table = pq.read_table(path)
    assert len(images) + len(images.skipped) == len(table)
    if not images.skipped:
        assert images.labels.tolist() == table.column("label").to_pylist()
    for row in range(0, len(table), len(table) // 7):
        cell = table.column("image")[row].as_py()
        index = images.find(f"{path.name}/{cell['path']}")
        with Image.open(BytesIO(cell["bytes"])) as image:
            assert np.array_equal(images.uint8(index), np.asarray(image.convert("RGB")))


@pytest.mark.scheme("images:parquet", "preprocessing")
def test_the_test_images_are_read_as_they_are(images):
    assert images.class_names is not None
    assert images.class_names[::9] == ("airplane", "truck")
    assert len(set(images.ids)) == len(images)
    agrees(images, FILE)


@pytest.mark.slow
def test_the_training_images_are_too():
    path = FILE.with_name("train.parquet")
    agrees(load_images(f"parquet:{path}"), path)


def test_its_classes_are_not_imagenets_and_nothing_is_guessed(images):
    with pytest.raises(Refused, match="10 classes of the images"):
        images.for_model(load_model(MODEL))
