"""Networks that RobustBench's checkpoints are of, their parts named as there.

Wide ResNets for 32 × 32 images: Zagoruyko and Komodakis, *Wide Residual Networks* (2016). Blocks
of batch norm, ReLU and convolution in that order, twice; three groups of (depth - 4) / 6 blocks,
16, 32 and 64 times `width` channels wide, the last two groups halving the resolution.

timm's ViT and ConvNeXt with convolutional stems: Singh, Croce and Hein, *Revisiting Adversarial
Training for ImageNet* (2023), replace the patches by 3 × 3 convolutions, each with LayerNorm over
the channels and GELU behind it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import timm
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F


class WideResNet(nn.Module):
    """WRN-`depth`-`width`: logits `(batch, classes)` of images `(batch, 3, 32, 32)`."""

    def __init__(self, depth: int, width: int, classes: int = 10) -> None:
        super().__init__()
        widths = [16, 16 * width, 32 * width, 64 * width]
        blocks = (depth - 4) // 6
        self.conv1 = _conv3(3, widths[0], stride=1)
        self.block1 = _Group(blocks, widths[0], widths[1], stride=1)
        self.block2 = _Group(blocks, widths[1], widths[2], stride=2)
        self.block3 = _Group(blocks, widths[2], widths[3], stride=2)
        self.bn1 = nn.BatchNorm2d(widths[3])
        self.fc = nn.Linear(widths[3], classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.block3(self.block2(self.block1(self.conv1(images))))
        return self.fc(F.relu(self.bn1(maps)).mean((2, 3)))


class _Group(nn.Module):
    def __init__(self, blocks: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        rest = (_Block(outputs, outputs, stride=1) for _ in range(blocks - 1))
        self.layer = nn.Sequential(_Block(inputs, outputs, stride), *rest)

    def forward(self, maps: Tensor) -> Tensor:
        return self.layer(maps)


class _Block(nn.Module):
    """Pre-activation; where the width changes, the shortcut starts behind the first ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _conv3(inputs, outputs, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv3(outputs, outputs, stride=1)
        self.convShortcut = (
            None
            if inputs == outputs
            else nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)
        )

    def forward(self, maps: Tensor) -> Tensor:
        active = F.relu(self.bn1(maps))
        shortcut = maps if self.convShortcut is None else self.convShortcut(active)
        return shortcut + self.conv2(F.relu(self.bn2(self.conv1(active))))


def _conv3(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)


# Channels behind each convolution and its stride; a ViT has a 1 × 1 convolution to its width last.
_VIT_STEM = ((48, 2), (96, 2), (192, 2), (384, 2))
_CONVNEXT_STEMS = {
    "convnext_tiny": ((48, 2), (96, 2)),
    "convnext_small": ((48, 2), (96, 2)),
    "convnext_base": ((64, 2), (96, 2), (128, 1)),
    "convnext_large": ((96, 2), (144, 2), (192, 1)),
}


class ConvStem(nn.Module):
    """Feature maps `(batch, channels, height / 2^k, width / 2^k)` by k halvings."""

    def __init__(self, layers: Sequence[tuple[int, int]], last: int | None = None) -> None:
        super().__init__()
        projection = [] if last is None else [nn.Conv2d(layers[-1][0], last, kernel_size=1)]
        self.stem = nn.Sequential(*_layers(layers), *projection)

    def forward(self, images: Tensor) -> Tensor:
        return self.stem(images)


def conv_stem_vit(name: str) -> nn.Module:
    """timm's ViT `name` with patches of 16 pixels, which four halvings make instead."""
    vit: Any = timm.create_model(name)
    vit.patch_embed.proj = ConvStem(_VIT_STEM, last=vit.embed_dim)
    return vit.eval()


def conv_stem_convnext(name: str) -> nn.Module:
    """timm's ConvNeXt `name`, whose patches of 4 pixels two halvings make instead."""
    convnext: Any = timm.create_model(name)
    convnext.stem = ConvStem(_CONVNEXT_STEMS[name])
    return convnext.eval()


def _layers(layers: Sequence[tuple[int, int]]) -> Iterator[nn.Module]:
    inputs = 3
    for outputs, stride in layers:
        yield nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1)
        yield LayerNorm2d(outputs, eps=1e-6)
        yield nn.GELU()
        inputs = outputs
