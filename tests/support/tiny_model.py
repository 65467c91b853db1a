"""A classifier of 12 × 12 images by their colour, in milliseconds; loaded as a user's own file.

It is smooth, and its confidence dips between the classes, so that segments, triangles and simplices
are partly outside. Weights come from the factory's own generator: the same in every process.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blindspots import Classifier

NAMES = ("red", "green", "blue")
SIDE = 12
# Ripples begin at the colours of the tiny images, and a few of them lie between two classes.
CLEAN, RIPPLES = 0.0533, 100
# Said, so that nothing is assumed of it.
AS_THEY_ARE: Any = {"mean": (0.0,) * 3, "std": (1.0,) * 3}


class Tiny(nn.Module):
    """Logits: how much a channel stands out, sinking in ripples across the colours between."""

    def __init__(self, seed: int, gain: float, bend: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.filters = nn.Parameter(torch.randn(6, 3, 3, 3, generator=generator))
        self.mix = nn.Parameter(0.03 * torch.randn(6, len(NAMES), generator=generator))
        self.gain, self.bend = gain, bend

    def features(self, images: Tensor) -> Tensor:
        """What the logits are made of, (batch, 9)."""
        colour = images.mean(dim=(2, 3))
        hidden = F.conv2d(images - 0.5, self.filters, stride=2).tanh().mean(dim=(2, 3))
        return torch.cat((colour - colour.mean(dim=1, keepdim=True), hidden), dim=1)

    def forward(self, images: Tensor) -> Tensor:
        colour, hidden = self.features(images).split((len(NAMES), len(self.mix)), dim=1)
        between = CLEAN + (colour * colour.roll(1, dims=1)).sum(dim=1, keepdim=True)
        wave = (RIPPLES * between).sin()
        return self.gain * (1 - self.bend * wave.square()) * (colour + hidden @ self.mix)


class Around(nn.Module):
    """A module with something done to its images or answers."""

    def __init__(self, module: nn.Module, before: Callable = lambda x: x, behind: Any = None):
        super().__init__()
        self.module, self.before, self.behind = module, before, behind or (lambda z: z)

    def forward(self, images: Tensor) -> Tensor:
        return self.behind(self.module(self.before(images)))


def build(seed: int = 0, gain: float = 14.0, bend: float = 0.8) -> Classifier:
    """The classifier; another `seed` makes another one of the same classes."""
    return Classifier(Tiny(seed, gain, bend), size=SIDE, class_names=NAMES, **AS_THEY_ARE)


def smooth() -> Classifier:
    """One said to be trained adversarially, without a ripple."""
    known = {"class_names": NAMES, "training_epsilon": 8 / 255, **AS_THEY_ARE}
    return Classifier(Tiny(1, 8.0, 0.0), size=SIDE, **known)


def embedding() -> Classifier:
    """Nine features in place of the logits."""
    module = Tiny(0, 14.0, 0.8)
    module.forward = module.features  # type: ignore[method-assign]
    return Classifier(module, size=SIDE, embeds=True, **AS_THEY_ARE)


def _around(names: Any = NAMES, size: int = SIDE, **bends: Callable) -> Classifier:
    module = Around(build().module, **bends)
    return Classifier(module, size=size, class_names=names, **AS_THEY_ARE)


def blind(to: int) -> Classifier:
    """The classifier with one class that it never names."""
    keep = torch.ones(len(NAMES))
    keep[to] = 0
    return _around(behind=lambda z: z * keep - 50 * (1 - keep))


def constant() -> Classifier:
    """One that names the first class always."""
    return _around(behind=lambda z: z + 50 * torch.eye(len(NAMES))[0])


def shifted() -> Classifier:
    """The same answers with the classes in another order, under their names."""
    return _around((*NAMES[-1:], *NAMES[:-1]), behind=lambda z: z.roll(1, dims=1))


def larger() -> Classifier:
    """One that wants images of twice the side."""
    return _around(size=2 * SIDE, before=lambda x: F.avg_pool2d(x, 2))


def fewer() -> Classifier:
    """One with two classes, without names."""
    return _around(None, behind=lambda z: z[:, :2])


def others() -> Classifier:
    """One whose classes have other names."""
    return _around([f"thing {number}" for number in range(len(NAMES))])


def unnamed() -> Classifier:
    """One whose classes have no names."""
    return _around(None)


def probabilities() -> Classifier:
    """One that returns what softmax makes of its logits."""
    return _around(behind=lambda z: z.softmax(1))


def nan() -> Classifier:
    """One that returns nothing but NaN."""
    return _around(behind=lambda z: z * torch.nan)


def shuffled() -> Classifier:
    """One whose logits are not in the order of its names."""
    return _around(behind=lambda z: z.roll(1, dims=1))


def flat() -> nn.Module:
    """A module that returns no logits."""
    return nn.Flatten(0)


def broken() -> nn.Module:
    """A factory that fails."""
    raise RuntimeError("no such luck")
