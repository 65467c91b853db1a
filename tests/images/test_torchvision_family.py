"""More of `torchvision:`: arrays and files as each archive lays them out."""

import bz2
import hashlib
import pickle

import numpy as np
import pytest
from torchvision import datasets

from blindspots.images import load_images
from blindspots.images.classes import imagenet_table
from tests.images.material import Model, encoded, noise, write

SCHEME = "images:torchvision"
RANDOM = np.random.default_rng(0)


def pixels_as_torchvision_reads_them(images, theirs):
    """Whether every image and label is the one that torchvision's own class hands out."""
    assert len(images) == len(theirs)
    for index, (image, label) in enumerate(theirs):
        assert int(images.labels[index]) == label
        assert np.array_equal(images.uint8(index), np.asarray(image.convert("RGB")))
    return True


def write_listed(folder, files):
    """The files, and torchvision's list of them: name and MD5."""
    for name, data in files.items():
        write(folder / name, data)
    return [[name, hashlib.md5(data).hexdigest()] for name, data in files.items()]


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_cifar_100_has_its_fine_classes(tmp_path, monkeypatch):
    names = tuple(f"kind {number}" for number in range(100))
    batch = {
        "data": RANDOM.integers(0, 256, (5, 3072), dtype=np.uint8),
        "fine_labels": [3, 99, 0, 41, 7],
        "coarse_labels": [1, 2, 3, 4, 5],
    }
    folder = tmp_path / "cifar-100-python"
    test = write_listed(folder, {"test": pickle.dumps(batch)})
    ((meta, digest),) = write_listed(folder, {"meta": pickle.dumps({"fine_label_names": names})})
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", test)
    said = {"filename": meta, "key": "fine_label_names", "md5": digest}
    monkeypatch.setattr(datasets.CIFAR100, "meta", said)
    images = load_images(f"torchvision:CIFAR100?root={tmp_path}", Model(names=names, size=32))
    assert images.class_names == names
    assert pixels_as_torchvision_reads_them(images, datasets.CIFAR100(tmp_path, train=False))


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_stl_10_has_its_classes_in_a_file(tmp_path, monkeypatch):
    folder = tmp_path / "stl10_binary"
    data = RANDOM.integers(0, 256, (4, 3, 96, 96), dtype=np.uint8)
    files = {"test_X.bin": data.tobytes(), "test_y.bin": bytes([1, 10, 3, 2])}
    monkeypatch.setattr(datasets.STL10, "test_list", write_listed(folder, files))
    monkeypatch.setattr(datasets.STL10, "train_list", [])
    names = [f"thing {number}" for number in range(10)]
    write(folder / "class_names.txt", "\n".join(names).encode())
    images = load_images(f"torchvision:STL10?root={tmp_path}")
    assert images.class_names == tuple(names)
    assert images.labels.tolist() == [0, 9, 2, 1]
    assert pixels_as_torchvision_reads_them(images, datasets.STL10(tmp_path, split="test"))


@pytest.mark.scheme(SCHEME, "preprocessing")
@pytest.mark.parametrize(("split", "file"), [("test", "usps.t.bz2"), ("train", "usps.bz2")])
def test_usps_has_digits_from_text(tmp_path, split, file):
    rows = [
        " ".join([str(label), *(f"{place + 1}:{v:.4f}" for place, v in enumerate(values))])
        for label, values in zip((1, 10, 4), RANDOM.uniform(-1, 1, (3, 256)), strict=True)
    ]
    write(tmp_path / file, bz2.compress("\n".join(rows).encode()))
    images = load_images(f"torchvision:USPS?root={tmp_path}&split={split}", Model(size=16))
    assert images.labels.tolist() == [0, 9, 3]
    theirs = datasets.USPS(tmp_path, train=split == "train")
    assert pixels_as_torchvision_reads_them(images, theirs)


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_gtsrb_has_its_labels_in_a_table(tmp_path):
    folder = tmp_path / "gtsrb"
    for number in range(3):
        name = f"{number:05d}.ppm"
        write(folder / "GTSRB" / "Final_Test" / "Images" / name, encoded(noise(seed=number), "PPM"))
    table = "Filename;Width;ClassId\n00000.ppm;64;42\n00001.ppm;64;0\n00002.ppm;64;7\n"
    write(folder / "GT-final_test.csv", table.encode())
    images = load_images(f"torchvision:GTSRB?root={tmp_path}&map=identity", Model(count=43))
    assert images.labels.tolist() == [42, 0, 7]
    assert images.names[0] == "gtsrb/GTSRB/Final_Test/Images/00000.ppm"
    whole = load_images(f"torchvision:GTSRB?root={tmp_path}")
    assert pixels_as_torchvision_reads_them(whole, datasets.GTSRB(tmp_path, split="test"))


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_imagenette_finds_its_classes_among_imagenets(tmp_path):
    for seed, wnid in enumerate(("n01440764", "n03888257", "n03028079")):
        data = encoded(noise(seed=seed), "JPEG")
        write(tmp_path / "imagenette2" / "val" / wnid / f"{seed}.JPEG", data)
    images = load_images(f"torchvision:Imagenette?root={tmp_path}", Model(count=1000))
    called = [imagenet_table().names[label] for label in images.labels.tolist()]
    assert called == ["tench", "church", "parachute"]
    whole = load_images(f"torchvision:Imagenette?root={tmp_path}")
    assert pixels_as_torchvision_reads_them(whole, datasets.Imagenette(tmp_path, split="val"))
