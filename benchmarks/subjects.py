"""The models, images and pairs that the benchmarks of methods work on."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

import blindspots as bs
from blindspots.engine.batch import Pair
from blindspots.engine.device import lay_out
from blindspots.images.listing import seeded_order

ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"
IMAGENET_SAMPLE = f"folder:{ASSETS / 'imagenet-sample'}"
MOBILENETV2 = (
    f"timm:mobilenetv2_100?pad_type=same&weights={ASSETS / 'mobilenetv2_imagenet.safetensors'}"
    f"&mean=0.5,0.5,0.5&std=0.5,0.5,0.5&classes={ASSETS / 'imagenet_classes.json'}"
)
LITE0 = (
    f"timm:tf_efficientnet_lite0?weights={ASSETS / 'tf_efficientnet_lite0.safetensors'}"
    f"&mean=0.5,0.5,0.5&std=0.5,0.5,0.5&classes={ASSETS / 'imagenet_classes.json'}"
)
CIFAR = {
    "resnet20": "mean=0.485,0.456,0.406&std=0.229,0.224,0.225",
    "resnet4b": "mean=0.4914,0.4822,0.4465&std=0.2471,0.2435,0.2616",
}
FIRST_CIFAR = 1000
IMAGENET = {"mobilenetv2": MOBILENETV2, "efficientnet-lite0": LITE0}
ZOO = ("shapes-resnet", "shapes-resnet-at", "shapes-vit", "shapes-vit-at")
SHAPES = "sample:shapes?split=test&n=100&seed=0"


@dataclass(frozen=True)
class Subject:
    """A model with images it can be shown."""

    name: str
    model: bs.Classifier
    images: bs.ImageSet

    def pairs(
        self, sources: int, targets: int, seed: int = 1, sure: tuple[float, float] = (0.0, 1.0)
    ) -> list[Pair]:
        """Correctly classified sources in a seeded order, each with targets of other classes.

        `sure`: sources whose confidence is within these bounds alone.
        """
        order = seeded_order(self.images.ids, seed)
        right = list(islice((i for i in order if self._starts(i, sure)), sources))
        return [pair for source in right for pair in self._pairs_of(source, targets, seed)]

    def _starts(self, index: int, sure: tuple[float, float]) -> bool:
        with torch.no_grad():
            p = self.model(self.images.take([index])).softmax(dim=1)[0]
        label = int(self.images.labels[index])
        return int(p.argmax()) == label and sure[0] <= float(p[label]) <= sure[1]

    def _pairs_of(self, source: int, targets: int, seed: int) -> list[Pair]:
        own, ids = self.images.labels[source], self.images.ids
        order = [ids.index(name) for name in sorted(ids)]
        shuffled = [order[i] for i in seeded_order([f"{ids[source]}:{i}" for i in order], seed)]
        others = [i for i in shuffled if self.images.labels[i] != own][:targets]
        image = self.images.take([source])[0]
        return [
            Pair(f"{ids[source]}~{ids[i]}", image, self.images.take([i])[0], int(own), ids[source])
            for i in others
        ]


def subject(name: str) -> Subject:
    """A model by its short name, with the images it is shown."""
    if name in CIFAR:
        model = _prepared(cifar_model(name))
        return Subject(name, model, bs.load_images(_cifar_images(), model))
    spec, listing = (
        (IMAGENET[name], IMAGENET_SAMPLE) if name in IMAGENET else (f"zoo:{name}", SHAPES)
    )
    model = _prepared(spec)
    return Subject(name, model, bs.load_images(listing, model))


def available() -> list[str]:
    """The names for which everything is there."""
    return [*((*IMAGENET, *CIFAR) if ASSETS.is_dir() else ()), *ZOO]


def cifar_model(name: str) -> str:
    """The spec of one of the two CIFAR-10 networks of the assets."""
    folder = ASSETS / "cifar10-models"
    weights = folder / f"{name}.safetensors"
    return f"file:{folder / 'factories.py'}:{name}?weights={weights}&{CIFAR[name]}&size=32"


def _cifar_images() -> tuple[torch.Tensor, Sequence[int]]:
    """The first thousand test images; the file holds JPEGs, which costs accuracy."""
    file = pq.ParquetFile(ASSETS / "cifar10" / "test.parquet")
    table = file.read_row_group(0).slice(0, FIRST_CIFAR)
    decoded = [Image.open(BytesIO(cell["bytes"])) for cell in table.column("image").to_pylist()]
    pixels = torch.stack([torch.from_numpy(np.array(image)) for image in decoded])
    return pixels.permute(0, 3, 1, 2).float() / 255, table.column("label").to_pylist()


def _prepared(spec: str) -> bs.Classifier:
    return lay_out(bs.load_model(spec).eval().requires_grad_(False))
