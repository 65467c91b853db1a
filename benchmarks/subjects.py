"""The models, images and pairs that the benchmarks of methods work on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

import blindspots as bs
from blindspots.engine.batch import Pair
from blindspots.engine.evaluator import lay_out
from blindspots.images.listing import seeded_order

ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"
IMAGENET_SAMPLE = f"folder:{ASSETS / 'imagenet-sample'}"
MOBILENETV2 = (
    f"timm:mobilenetv2_100?pad_type=same&weights={ASSETS / 'mobilenetv2_imagenet.safetensors'}"
    f"&mean=0.5,0.5,0.5&std=0.5,0.5,0.5&classes={ASSETS / 'imagenet_classes.json'}"
)
ZOO = ("shapes-resnet", "shapes-resnet-at", "shapes-vit", "shapes-vit-at")
SHAPES = "sample:shapes?split=test&n=100&seed=0"


@dataclass(frozen=True)
class Subject:
    """A model with images it can be shown."""

    name: str
    model: bs.Classifier
    images: bs.ImageSet

    def pairs(self, sources: int, targets: int, seed: int = 1) -> list[Pair]:
        """Correctly classified sources in a seeded order, each with targets of other classes."""
        order = seeded_order(self.images.ids, seed)
        right = [i for i in order if self._names_rightly(i)][:sources]
        return [pair for source in right for pair in self._pairs_of(source, targets, seed)]

    def _names_rightly(self, index: int) -> bool:
        with torch.no_grad():
            logits = self.model(self.images.take([index]))
        return int(logits.argmax()) == int(self.images.labels[index])

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
    """A model by its short name: `mobilenetv2`, or one of the zoo's."""
    model = _prepared(mobilenetv2 if name == "mobilenetv2" else lambda: _zoo(name))
    listing = IMAGENET_SAMPLE if name == "mobilenetv2" else SHAPES
    return Subject(name, model, bs.load_images(listing, model))


def available() -> list[str]:
    """The names for which everything is there."""
    return [*(["mobilenetv2"] if ASSETS.is_dir() else []), *ZOO]


def _prepared(load: Callable[[], bs.Classifier]) -> bs.Classifier:
    return lay_out(load().eval().requires_grad_(False))


def _zoo(name: str) -> bs.Classifier:
    return bs.load_model(f"zoo:{name}")


def mobilenetv2() -> bs.Classifier:
    """The MobileNetV2 of the assets, as timm names and normalises it."""
    return bs.load_model(MOBILENETV2)
