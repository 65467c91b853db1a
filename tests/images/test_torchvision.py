"""`torchvision:` on files laid out as each data set's own archive lays them."""

import hashlib
import json
import pickle
import struct
import sys

import numpy as np
import pytest
from torchvision import datasets

from blindspots.images import load_images
from blindspots.images.shapes import CLASS_NAMES, shape_images
from tests.images.material import (
    Model,
    clean_accuracy,
    dry_run,
    encoded,
    noise,
    refusal,
    shapes,
    write,
)

SCHEME = "images:torchvision"


def write_idx(path, array):
    """An idx file: zero, zero, a type (8: unsigned bytes), the rank; the lengths; the values."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return write(path, header + array.tobytes())


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """MNIST and FashionMNIST of noise: 12 digits to test with, 3 to train with."""
    root = tmp_path_factory.mktemp("mnist")
    random = np.random.default_rng(0)
    for name in ("MNIST", "FashionMNIST"):
        for part, count in (("t10k", 12), ("train", 3)):
            raw = root / name / "raw"
            digits = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            write_idx(raw / f"{part}-images-idx3-ubyte", digits)
            write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    return root


@pytest.fixture(scope="module")
def food(tmp_path_factory):
    """Food101's layout, filled with the shapes."""
    root, rows = tmp_path_factory.mktemp("food"), shapes()
    split: dict[str, list[str]] = {name: [] for name in CLASS_NAMES}
    for name, label, data in rows:
        path = f"{CLASS_NAMES[label]}/{name.removesuffix('.png')}"
        split[CLASS_NAMES[label]].append(path)
        write(root / "food-101" / "images" / f"{path}.jpg", data)
    for part in ("test", "train"):
        write(root / "food-101" / "meta" / f"{part}.json", json.dumps(split).encode())
    return root


@pytest.mark.scheme(SCHEME, "loads")
def test_a_run_takes_a_data_set_of_files(food, capsys):
    status, said = dry_run(f"torchvision:Food101?root={food}", capsys)
    assert status == 0
    assert clean_accuracy(said) > 90


def test_files_keep_their_names_and_ids(food):
    images = load_images(f"torchvision:Food101?root={food}&split=train")
    assert images.names[0] == "food-101/images/apple/apple-000.jpg"
    assert set(images.ids) == set(load_images(f"folder:{food}/food-101/images").ids)


@pytest.mark.scheme(SCHEME, "preprocessing")
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_pixels_and_labels_are_those_torchvision_reads(mnist, name):
    theirs = getattr(datasets, name)(mnist, train=False)
    model = Model(count=10)
    images = load_images(f"torchvision:{name}?root={mnist}", model)
    assert images.class_names == tuple(theirs.classes)
    assert len(images) == len(theirs) == 12
    for index in (0, 11):
        image, label = theirs[index]
        assert int(images.labels[index]) == label
        expected = model.preprocessing(image.convert("RGB"))
        assert np.array_equal(images.uint8(index), np.asarray(expected))
    assert len(load_images(f"torchvision:{name}?root={mnist}&split=train")) == 3


def write_cifar(root, monkeypatch):
    """CIFAR-10 batches of the shapes, whose checksums torchvision is told."""
    rows = list(shape_images("test", 20))
    pixels = [
        np.asarray(image.resize((32, 32))).transpose(2, 0, 1).reshape(-1) for image, _ in rows
    ]
    batch = {"data": np.stack(pixels), "labels": [label for _, label in rows]}
    folder = root / "cifar-10-batches-py"
    sums = {}
    for name, content in (("test_batch", batch), ("batches.meta", {"label_names": CLASS_NAMES})):
        data = pickle.dumps(content)
        write(folder / name, data)
        sums[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return batch


@pytest.mark.scheme(SCHEME, "loads")
def test_cifars_batches_are_read_where_their_checksums_are_right(tmp_path, capsys, monkeypatch):
    batch = write_cifar(tmp_path, monkeypatch)
    spec = f"torchvision:CIFAR10?root={tmp_path}"
    images = load_images(spec, Model(names=CLASS_NAMES, size=32))
    assert images.labels.tolist() == batch["labels"]
    assert np.array_equal(images.uint8(3).transpose(2, 0, 1).reshape(-1), batch["data"][3])
    status, said = dry_run(spec, capsys)
    assert status == 0
    assert clean_accuracy(said) > 50
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"cut")
    assert "torchvision finds no whole CIFAR10 (test)" in refusal(spec, capsys)


def test_pets_and_textures_are_read_file_by_file(tmp_path):
    pets, textures = tmp_path / "oxford-iiit-pet", tmp_path / "dtd" / "dtd"
    for index, name in enumerate(("Birman_1", "pug_7")):
        write(pets / "images" / f"{name}.jpg", encoded(noise(seed=index), "JPEG"))
        kind = name.partition("_")[0].lower()
        write(textures / "images" / kind / f"{name}.jpg", encoded(noise(seed=index), "JPEG"))
    write(pets / "annotations" / "test.txt", b"Birman_1 1 1 1\npug_7 2 2 1\n")
    write(textures / "labels" / "test1.txt", b"birman/Birman_1.jpg\npug/pug_7.jpg\n")
    for name, classes in (("OxfordIIITPet", ("Birman", "Pug")), ("DTD", ("birman", "pug"))):
        images = load_images(f"torchvision:{name}?root={tmp_path}")
        assert images.class_names == classes
        assert images.labels.tolist() == [0, 1]
        assert images.ids == load_images(f"folder:{pets}/images").ids


@pytest.mark.scheme(SCHEME, "extra")
def test_what_a_data_set_needs_besides_is_named(tmp_path, capsys, monkeypatch):
    data = b"a house number"
    write(tmp_path / "test_32x32.mat", data)
    split = ["", "test_32x32.mat", hashlib.md5(data).hexdigest()]
    monkeypatch.setitem(datasets.SVHN.split_list, "test", split)
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    assert "type pip install scipy" in refusal(f"torchvision:SVHN?root={tmp_path}", capsys)


@pytest.mark.scheme(SCHEME, "broken")
def test_what_is_not_whole_is_refused(mnist, food, tmp_path, capsys):
    nothing = refusal(f"torchvision:CIFAR10?root={tmp_path}", capsys)
    assert "Dataset not found" in nothing
    assert "or add download=true" in nothing
    assert "did you mean CIFAR10" in refusal("torchvision:CIFAR-10", capsys)
    assert "did you mean train" in refusal(f"torchvision:Food101?root={food}&split=trian", capsys)
    assert "neither true nor false" in refusal("torchvision:MNIST?download=yes", capsys)
    assert "did you mean root?" in refusal("torchvision:MNIST?rot=data", capsys)
    raw = (mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()
    for part in ("t10k", "train"):
        write(tmp_path / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", raw[:-40])
        labels = np.zeros(12, np.uint8)
        write_idx(tmp_path / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", labels)
    assert "no whole MNIST (test)" in refusal(f"torchvision:MNIST?root={tmp_path}", capsys)
