"""A model that sleeps instead of computing, small images it names correctly, and its faulty kin.

`--model file:tests/support/sleeping_model.py:build?size=12`. Before every forward it sleeps for as
many seconds as the file `pace` in the working directory says, or not at all without that file; so
a test makes a run slow before it disturbs it and quick afterwards, in workers too, which stand
where their driver stands. Logits are the same at any pace.
"""

import multiprocessing
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from blindspots import Classifier

SIZE, PACE = 12, "pace"
CLASSES = ("blue", "green", "red")
_COLOURS = torch.eye(3).flip(1)


class Sleeping(nn.Module):
    """Logits of the colours of the four quarters of an image; smooth, so gradients are right."""

    def __init__(self, lean: float) -> None:
        super().__init__()
        self.register_buffer("prototypes", _COLOURS + lean * _COLOURS.roll(1, dims=0))

    prototypes: Tensor

    def forward(self, images: Tensor) -> Tensor:
        with suppress(FileNotFoundError, ValueError):
            time.sleep(float(Path(PACE).read_text()))
        quarters = torch.tanh(4 * (F.adaptive_avg_pool2d(images, 2) - 0.5))
        return 3 * quarters.mean(dim=(2, 3)) @ self.prototypes.T


class Cramped(Sleeping):
    """Has no memory for more than three images at once."""

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(images)


class Blinded(Sleeping):
    """Says NaN of bright images."""

    def forward(self, images: Tensor) -> Tensor:
        bright = (images.mean(dim=(1, 2, 3)) > 0.55)[:, None]
        return torch.where(bright, torch.nan, super().forward(images))


class Deadly(Sleeping):
    """Kills its process as soon as it is asked for the gradients of more than two images."""

    def forward(self, images: Tensor) -> Tensor:
        if images.requires_grad and len(images) > 2:
            os._exit(9)
        return super().forward(images)


class Wary(Sleeping):
    """Warns in workers."""

    def forward(self, images: Tensor) -> Tensor:
        if multiprocessing.parent_process():
            warnings.warn("a worker is\nat work", stacklevel=1)
        return super().forward(images)


def _classifier(module: nn.Module) -> Classifier:
    return Classifier(module, size=SIZE, class_names=CLASSES)


def build() -> Classifier:
    return _classifier(Sleeping(0.0))


def other() -> Classifier:
    """A second model, which answers a little differently."""
    return _classifier(Sleeping(0.1))


def cramped() -> Classifier:
    return _classifier(Cramped(0.0))


def blinded() -> Classifier:
    return _classifier(Blinded(0.0))


def deadly() -> Classifier:
    return _classifier(Deadly(0.0))


def wary() -> Classifier:
    return _classifier(Wary(0.0))


def model_spec(factory: str = "build", size: int = SIZE) -> str:
    """The spec of a model of this file."""
    return f"file:{Path(__file__).resolve()}:{factory}?size={size}"


def picture(number: int, size: int = SIZE) -> np.ndarray:
    """A noisy image of class `number % 3`, uint8 (size, size, 3)."""
    random = np.random.default_rng(number)
    colour = 0.3 + 0.45 * _COLOURS[number % len(CLASSES)].numpy()
    noisy = colour + random.uniform(-0.15, 0.15, (size, size, 3))
    return (255 * noisy).round().astype(np.uint8)


def save_pictures(folder: Path, count: int, size: int = SIZE) -> str:
    """The image spec of a new folder with a folder of images for each class."""
    for number in range(count):
        file = folder / CLASSES[number % len(CLASSES)] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, size)).save(file)
    return f"folder:{folder}"
