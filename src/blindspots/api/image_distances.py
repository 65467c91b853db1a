"""Distances between images, as every table of a run has them; `blindspots.metrics`.

Each takes two batches `(batch, 3, height, width)` of floats in [0, 1], tensors or arrays, or two
images `(3, height, width)`, and returns one number per pair of images; a single image goes with
every one of the other side. Another type, shape or range raises `UsageError`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from blindspots.api.arguments import Images, ImagesLike, as_images, as_same_count
from blindspots.errors import UsageError
from blindspots.measure import metrics as measured

__all__ = ["linf", "lpips", "rmse", "ssim"]

PerImage = Float[Tensor, "_batch"]


def rmse(a: ImagesLike, b: ImagesLike) -> PerImage:
    """Root mean square difference over channels and pixels, in [0, 1]."""
    return measured.rmse(*_alike(a, b))


def linf(a: ImagesLike, b: ImagesLike) -> PerImage:
    """Largest absolute difference of a channel of a pixel, in [0, 1]."""
    return measured.linf(*_alike(a, b))


def ssim(a: ImagesLike, b: ImagesLike) -> PerImage:
    """Structural similarity (Wang et al. 2004), 1 for equal images; sides of at least 11 pixels."""
    return measured.ssim(*_alike(a, b))


def lpips(a: ImagesLike, b: ImagesLike, weights: str | Path | None = None) -> PerImage:
    """Perceptual distance (Zhang et al. 2018) with AlexNet, 0 for equal images.

    `weights`: AlexNet's file of torchvision; None: the usual cache. Raises `UsageError` where they
    are not there, and for images that are too small.
    """
    alike = _alike(a, b)
    network, note = _network(None if weights is None else Path(weights))
    if network is None:
        raise UsageError(
            f"LPIPS was asked for and cannot be computed: {note}; in Python weights='download' or "
            "weights=FILE"
        )
    return network(*alike)


@lru_cache(maxsize=2)
def _network(weights: Path | None) -> tuple[Any, str | None]:
    return measured.find_lpips(weights)


def _alike(a: ImagesLike, b: ImagesLike) -> tuple[Images, Images]:
    one, two = as_same_count(as_images("a", a), as_images("b", b))
    if one.shape != two.shape:
        raise UsageError(
            f"images of shape {tuple(one.shape)} and {tuple(two.shape)} were given; expected the "
            "same; resize one of them"
        )
    return one, two
