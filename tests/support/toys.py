"""Classifiers small enough to know by heart; each is a `torch.nn.Module` on 3 × 4 × 4 images."""

import torch
from torch import Tensor, nn

from blindspots import Classifier

SIDE = 4
OUT_OF_MEMORY = torch.OutOfMemoryError("out of memory")
PIXELS = 3 * SIDE * SIDE


class Linear(nn.Module):
    """Logits W x + b."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(len(weight)) if bias is None else bias)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


class Radial(nn.Module):
    """Two classes by the distance to a centre: level sets are spheres around it."""

    def __init__(self, centre: Tensor, radius: float, slope: float) -> None:
        super().__init__()
        self.centre, self.radius, self.slope = centre, radius, slope

    def forward(self, images: Tensor) -> Tensor:
        distance = (images - self.centre).flatten(1).norm(dim=1)
        logit = self.slope * (self.radius - distance)
        return torch.stack((logit, torch.zeros_like(logit)), dim=1)


class Cliff(nn.Module):
    """Two classes by the mean brightness alone, with a zero gradient everywhere."""

    def __init__(self, edge: float) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, images: Tensor) -> Tensor:
        flat = 0 * images.flatten(1).sum(dim=1)
        dark = (images.flatten(1).mean(dim=1) < self.edge).float()
        return torch.stack((flat + 6 * dark, flat + 3), dim=1)


class Counting(nn.Module):
    """Passes on to another module and counts the images it was shown, with and without graph."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.with_gradient = self.without = self.largest = 0

    def forward(self, images: Tensor) -> Tensor:
        self.largest = max(self.largest, len(images))
        if images.requires_grad:
            self.with_gradient += len(images)
        else:
            self.without += len(images)
        return self.module(images)


class Cramped(nn.Module):
    """Runs out of memory with more than `most` images at once, as a GPU or as a processor says."""

    def __init__(self, module: nn.Module, most: int, error: Exception = OUT_OF_MEMORY) -> None:
        super().__init__()
        self.module, self.most, self.error = module, most, error

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise self.error
        return self.module(images)


def toy(module: nn.Module) -> Classifier:
    """The module as a classifier of 4 × 4 images."""
    return Classifier(module, size=SIDE)


def random_linear(seed: int, classes: int = 2, scale: float = 1.0) -> Linear:
    """A linear classifier with normal weights."""
    generator = torch.Generator().manual_seed(seed)
    return Linear(scale * torch.randn(classes, PIXELS, generator=generator))


def convolutional(seed: int = 0, classes: int = 5) -> nn.Module:
    """A small smooth non-linear classifier with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(8, 8, 3, padding=1, stride=2),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(8 * (SIDE // 2) ** 2, classes),
        )


def random_images(count: int, seed: int = 0, low: float = 0.3, high: float = 0.7) -> Tensor:
    """Images away from the bounds, so that clamping plays no part."""
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(count, 3, SIDE, SIDE, generator=generator)
