"""Models and image files that the tests of this folder share."""

import re
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from blindspots.cli.main import call
from blindspots.images import Preprocessing
from blindspots.images.shapes import CLASS_NAMES, shape_images

KNOWN = "zoo:shapes-resnet"


class Model:
    """As much of a classifier as images need."""

    def __init__(self, names=None, *, count=10, folders=None, size=8, preprocessing=None):
        self.name = "toy"
        self.class_names = names
        self.class_folders = folders
        self.embeds = False
        self.num_classes = count if names is None else len(names)
        self.preprocessing = preprocessing or Preprocessing(size=(size, size))


def encoded(image, kind="PNG", **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(width=64, height=48, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write(path: Path, content=None, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(noise(seed=seed)) if content is None else content)
    return path


@cache
def shapes(count=20):
    """(name, label, PNG bytes) of images that `KNOWN` names correctly, several a class."""
    return [
        (f"{CLASS_NAMES[label]}-{index:03d}.png", label, encoded(image))
        for index, (image, label) in enumerate(shape_images("test", count))
    ]


def write_shape_folders(root, count=20):
    """The shapes as one folder a class."""
    for name, label, data in shapes(count):
        write(root / CLASS_NAMES[label] / name, data)
    return root


def dry_run(spec, capsys, *arguments):
    """(exit status, what was said) of planning a run of `KNOWN` on the images of a spec."""
    command = ["run", "--model", KNOWN, "--images", spec, "--out", "never", "--dry-run"]
    status = call([*command, "--sources", "6", *arguments])
    return status, capsys.readouterr().err


def clean_accuracy(said):
    """The clean accuracy in per cent that a run's plan says of its images."""
    found = re.search(r"clean accuracy ([\d.]+)%", said)
    assert found, said
    return float(found[1])


def refusal(spec, capsys, *arguments):
    """The one sentence that refuses a spec; the exit status must be 2, without a traceback."""
    capsys.readouterr()
    status, said = dry_run(spec, capsys, "--quiet", *arguments)
    assert status == 2, said
    (line,) = [line for line in said.splitlines() if line and "warning" not in line]
    assert line.startswith("blindspots: ")
    return line
