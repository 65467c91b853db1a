"""timm's ViT and ConvNeXt with convolutional stems: Singh, Croce and Hein (2023).

*Revisiting Adversarial Training for ImageNet: Architectures, Training and Generalization across
Threat Models* replaces the patches by 3 × 3 convolutions, each with LayerNorm over the channels and
GELU behind it. The names of the parts are those that RobustBench's checkpoints carry.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import timm
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

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
        """The maps of normalised images."""
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
