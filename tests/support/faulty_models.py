"""Models as users bring them, one fault planted in each; a test writes this file beside itself.

All but `hue` and its `bgr` wrap an embedded model; `sound`, `plain` and `hue` have no fault. The
embedded models do not care for colours, so what is trained on BGR needs one that does.
"""

import torch
from torch import nn
from torch.nn import functional as F

from blindspots import Classifier, load_model

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Wrapped(nn.Module):
    """A model with something done before or behind it."""

    def __init__(self, inner, before=lambda x: x, behind=lambda z: z):
        super().__init__()
        self.inner, self.before, self.behind = inner, before, behind

    def forward(self, images):
        return self.behind(self.inner(self.before(images)))


class Training(nn.Module):
    """A model that puts itself into train mode."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        self.inner.train()
        return self.inner(images)


class Hue(nn.Module):
    """Three classes by the nearest of three colours to the mean one: red, yellow, green."""

    def forward(self, images):
        colours = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0]])
        mean = images.mean(dim=(2, 3))
        return -10 * (mean[:, None] - colours).square().sum(dim=2)


def _classifier(name, wrap, mean=MEAN, std=STD):
    whole = load_model(f"zoo:{name}")
    return Classifier(
        wrap(whole.module), size=64, mean=mean, std=std, class_names=whole.class_names
    )


def _around(name, **bends):
    return _classifier(name, lambda inner: Wrapped(inner, **bends))


def sound(base="shapes-resnet"):
    return _around(base)


def plain(base="shapes-resnet"):
    return load_model(f"zoo:{base}").module


def hue():
    return Classifier(Hue(), size=16, class_names=("red", "yellow", "green"))


def bgr():
    inner = Wrapped(Hue(), before=lambda x: x.flip(1))
    return Classifier(inner, size=16, class_names=("red", "yellow", "green"))


def double_normalisation(base="shapes-resnet"):
    return _around(base, before=lambda x: (x - 0.5) / 0.25)


def no_normalisation(base="shapes-resnet"):
    return _classifier(base, Wrapped, mean=None, std=None)


def half_the_contrast(base="shapes-resnet"):
    return _classifier(base, Wrapped, std=(0.5, 0.5, 0.5))


def grey_levels(base="shapes-resnet"):
    inside = {"before": lambda x: (x / 255 - 0.5) / 0.25}
    return _classifier(base, lambda inner: Wrapped(inner, **inside), mean=None, std=None)


def softmaxed(base="shapes-resnet"):
    return _around(base, behind=lambda z: z.softmax(1))


def log_softmaxed(base="shapes-resnet"):
    return _around(base, behind=lambda z: z.log_softmax(1))


def sigmoid(base="shapes-resnet"):
    return _around(base, behind=lambda z: z.sigmoid())


def cosine(base="shapes-resnet"):
    return _around(base, behind=lambda z: z / 100)


def train_mode(base="shapes-resnet"):
    return _classifier(base, Training)


def dropout(base="shapes-resnet"):
    return _around(base, before=lambda x: F.dropout(x, 0.1, training=True))


def dropout_layer(base="shapes-resnet"):
    return _around(base, behind=nn.Sequential(nn.Dropout(0.1), Training(nn.Dropout(0.1))))


def shuffled(base="shapes-resnet"):
    return _around(base, behind=lambda z: z[:, [3, 7, 0, 9, 1, 8, 2, 5, 4, 6]])


def two_swapped(base="shapes-resnet"):
    return _around(base, behind=lambda z: z[:, [0, 1, 2, 4, 3, 5, 6, 7, 8, 9]])


def off_by_one(base="shapes-resnet"):
    return _around(base, behind=lambda z: z.roll(1, dims=1))


def detached(base="shapes-resnet"):
    return _around(base, behind=lambda z: z.detach())


def half_detached(base="shapes-resnet"):
    return _around(base, before=lambda x: 0.3 * x + 0.7 * x.detach())


def flat_where_sure(base="shapes-resnet"):
    def cut(logits):
        sure = logits.softmax(1).amax(dim=1, keepdim=True) > 0.999
        return torch.where(sure, logits.detach(), logits)

    return _around(base, behind=cut)


def nan_gradient(base="shapes-resnet"):
    return _around(base, before=lambda x: x + 0 * (x - x.detach()).abs().sqrt())


def embedding(base="shapes-resnet"):
    inner = load_model(f"zoo:{base}").module
    return Classifier(Wrapped(inner), size=64, mean=MEAN, std=STD, embeds=True)


def detached_embedding(base="shapes-resnet"):
    inner = load_model(f"zoo:{base}").module
    return Classifier(Wrapped(inner, behind=lambda z: z.detach()), size=64, embeds=True)


def rounded(base="shapes-resnet"):
    return _around(base, before=lambda x: (x * 64).round() / 64)


def nan(base="shapes-resnet"):
    return _around(base, behind=lambda z: z * torch.nan)


def nan_for_some(base="shapes-resnet"):
    return _around(base, behind=lambda z: torch.where(z[:, :1] > 0, torch.nan, z))
