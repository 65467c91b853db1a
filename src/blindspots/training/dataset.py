"""Batches of `sample:shapes` as tensors, and how training varies them."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from blindspots.images.shapes import shape_images

Images = Float[Tensor, "batch 3 height width"]
Labels = Int[Tensor, " batch"]

_LARGEST_SHIFT = 3


def load_split(split: str, n: int, seed: int = 0) -> tuple[Images, Labels]:
    """The first `n` images of a split of `sample:shapes` as float32 in [0, 1], and their labels."""
    pixels, labels = zip(*shape_images(split, n, seed), strict=True)
    stack = torch.from_numpy(np.stack([np.asarray(image) for image in pixels]))
    return stack.permute(0, 3, 1, 2).contiguous().float() / 255, torch.tensor(labels)


def augmented(images: Images, generator: torch.Generator) -> Images:
    """The images, half of them mirrored, all shifted, recoloured and relit; again in [0, 1]."""
    mirrored = torch.rand(len(images), generator=generator).view(-1, 1, 1, 1) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    images = _shifted(images[:, torch.randperm(3, generator=generator)], generator)
    light = 0.85 + 0.25 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (images * light).clamp(0, 1)


def _shifted(images: Images, generator: torch.Generator) -> Images:
    height, width = images.shape[2:]
    padded = F.pad(images, [_LARGEST_SHIFT] * 4, mode="replicate")
    down, right = torch.randint(0, 2 * _LARGEST_SHIFT + 1, (2,), generator=generator).tolist()
    return padded[:, :, down : down + height, right : right + width]
