"""Models for the explorer's browser tests that answer in well under a millisecond.

Each sees an image of 16 × 16 pixels as eight numbers and gives it the class of the nearest picture
of `sample:shapes`. Nearly every direction is blind to it, so that found images come close to
their targets; and the few others are short, so that 8/255 per pixel is enough for another class.
"""

import time

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from blindspots import Classifier
from blindspots.images.shapes import CLASS_NAMES, shape_images

SIZE, FEATURES, SLOPE = 16, 8, 16.0
PAUSE = 0.004


class Glance(nn.Module):
    """Logits: minus the squared distance to each class's picture in a few random directions."""

    def __init__(self, seed: int, pause: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(FEATURES, 3 * SIZE * SIZE, generator=generator)
        self.directions = nn.Parameter(directions / directions.norm(dim=1, keepdim=True))
        self.register_buffer("known", self.glance(_pictures()).detach())
        self.pause = pause

    known: Tensor

    def glance(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.directions.T

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(self.pause)
        gaps = self.glance(images)[:, None] - self.known
        return -SLOPE * gaps.square().sum(dim=2)


def first() -> Classifier:
    return _classifier(seed=0)


def second() -> Classifier:
    return _classifier(seed=1)


def slow() -> Classifier:
    """As the first, but so slow that long work cannot be over before it is stopped."""
    return _classifier(seed=0, pause=PAUSE)


def _classifier(seed: int, pause: float = 0.0) -> Classifier:
    return Classifier(Glance(seed, pause), size=SIZE, class_names=CLASS_NAMES)


def _pictures() -> Tensor:
    """One picture per class, as the explorer's tests offer them: (classes, 3, size, size)."""
    small = (_pixels(image) for image, _ in shape_images("test", len(CLASS_NAMES)))
    return torch.stack(list(small))


def _pixels(image: Image.Image) -> Tensor:
    shrunk = image.resize((SIZE, SIZE), Image.Resampling.BOX)
    return torch.tensor(np.asarray(shrunk)).permute(2, 0, 1) / 255
