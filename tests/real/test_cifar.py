"""CIFAR-10 as Hugging Face writes it, in one file a split."""

from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from blindspots import load_images, load_model
from blindspots.errors import UsageError
from tests.real.assets import ASSETS, MODEL, REAL

pytestmark = REAL

FOLDER = ASSETS / "cifar10"


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """The first row group of the test images, with the file's own metadata."""
    path = tmp_path_factory.mktemp("cifar") / "test.parquet"
    pq.write_table(pq.ParquetFile(FOLDER / "test.parquet").read_row_group(0), path)
    return path


@pytest.fixture(scope="module")
def images(thousand):
    return load_images(f"parquet:{thousand}")


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
def test_its_images_are_read_as_they_are(images, thousand):
    assert images.class_names is not None
    assert images.class_names[::9] == ("airplane", "truck")
    assert len(set(images.ids)) == len(images) == 1000
    agrees(images, thousand)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["test", "train"])
def test_the_whole_files_are_too(split):
    path = FOLDER / f"{split}.parquet"
    agrees(load_images(f"parquet:{path}"), path)


def test_its_classes_are_not_imagenets_and_nothing_is_guessed(images):
    with pytest.raises(UsageError, match="10 classes of the images"):
        images.for_model(load_model(MODEL))
