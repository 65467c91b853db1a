"""From transformers' image processor to a `Preprocessing` with mean and std, and back to check it.

A processor is read by its settings. What they mean differs from class to class, so the result is
compared with what the processor itself makes of a picture; one that does anything else is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from blindspots.errors import UsageError, first_line
from blindspots.images.preprocessing import Interpolation, Preprocessing

_RESAMPLING: dict[int, Interpolation] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
# From here on ConvNeXt's processor scales both sides instead of cropping.
_SQUASHED_FROM = 384
# In 8-bit levels: less than a pixel of another value.
_TOLERANCE = 0.5


@dataclass(frozen=True, kw_only=True)
class ProcessorInput:
    """How a processor's model sees an image.

    `mean`, `std`: of images in [0, 1], in the order of the channels of the image. `blue_first`: the
    model takes blue, green, red.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    preprocessing: Preprocessing
    blue_first: bool


def read_processor(processor: Any, spec: str) -> ProcessorInput:
    """How the processor's model sees an image; refused where it cannot be had this way."""
    try:
        preprocessing = _preprocessing(processor)
        mean, std = _normalisation(processor)
        seen = ProcessorInput(
            size=preprocessing.size,
            mean=mean,
            std=std,
            preprocessing=preprocessing,
            blue_first=bool(getattr(processor, "do_flip_channel_order", False)),
        )
        off = _deviation(processor, preprocessing, seen)
    except Exception as error:
        raise UsageError(_unreadable(spec, processor, first_line(error))) from error
    if off > _TOLERANCE:
        raise UsageError(_unreadable(spec, processor, f"it differs by {off:.1f} of 255 levels"))
    return seen


def _preprocessing(processor: Any) -> Preprocessing:
    if not processor.do_resize:
        raise ValueError("it does not resize")
    interpolation = _RESAMPLING[int(processor.resample)]
    size = processor.size
    shortest, both = size.shortest_edge, (size.height, size.width)
    crop = processor.crop_size if getattr(processor, "do_center_crop", False) else None
    percentage = getattr(processor, "crop_pct", None)
    if percentage and shortest and shortest < _SQUASHED_FROM:
        return Preprocessing(
            size=(shortest, shortest),
            resize=int(shortest / percentage),
            interpolation=interpolation,
            crop="floor",
        )
    if crop is not None and (shortest or size.height):
        return Preprocessing(
            size=(crop.height, crop.width),
            resize=_shortest(processor, shortest) if shortest else both,
            interpolation=interpolation,
            crop="floor",
        )
    if shortest and not percentage:
        raise ValueError("it scales the shorter side and crops nothing")
    both = (shortest, shortest) if shortest else both
    return Preprocessing(size=both, interpolation=interpolation, squash=True)


def _shortest(processor: Any, shortest: int) -> int:
    # LeViT's processor means the side of the crop by it.
    levit = type(processor).__name__.startswith("Levit")
    return int(256 / 224 * shortest) if levit else shortest


def _normalisation(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of images in [0, 1], whatever the processor scales them to first."""
    scale = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    shift = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    mean, std = [0.0] * 3, [1.0] * 3
    if processor.do_normalize:
        mean, std = _three(processor.image_mean), _three(processor.image_std)
    if getattr(processor, "include_top", False):
        # EfficientNet's processor divides by the std twice where there is a classifier.
        twice = _three(processor.image_std)
        std = [s * again for s, again in zip(std, twice, strict=True)]
    return (
        tuple((m + shift) / scale for m in mean),
        tuple(s / scale for s in std),
    )


def _three(values: float | Sequence[float]) -> list[float]:
    return [float(values)] * 3 if isinstance(values, int | float) else [float(v) for v in values]


def _deviation(processor: Any, preprocessing: Preprocessing, seen: ProcessorInput) -> float:
    """How far it is from its own, in 8-bit levels: of a wide, a tall, a small picture, of strips.

    The first that is too far ends it.
    """
    height, width = preprocessing.size
    sizes = [
        (height * 3 // 2 + 5, width * 2 + 4),
        (height * 2 + 3, width * 3 // 2 + 2),
        (height * 2 // 3 + 1, width * 3 // 4 + 2),
        # A longest edge that is said beside the shortest shows on these alone.
        (height // 2, width * 5),
        (height * 5, width // 2),
    ]
    off = 0.0
    for size in sizes:
        off = max(off, _off(processor, preprocessing, seen, _picture(*size)))
        if off > _TOLERANCE:
            break
    return off


def _off(
    processor: Any,
    preprocessing: Preprocessing,
    seen: ProcessorInput,
    picture: Image.Image,
) -> float:
    theirs = np.asarray(processor(picture, return_tensors="np")["pixel_values"][0], np.float64)
    ours = np.asarray(preprocessing(picture), np.float64).transpose(2, 0, 1) / 255
    if seen.blue_first:
        theirs = theirs[::-1]
    if theirs.shape != ours.shape:
        return float("inf")
    mean, std = (np.array(v).reshape(3, 1, 1) for v in (seen.mean, seen.std))
    return float(np.abs(theirs * std + mean - ours).max() * 255)


def _picture(height: int, width: int) -> Image.Image:
    """A picture whose channels differ and which has sharp edges and fine detail."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([(x * 7 + y * 3) % 256, x * y // 9 % 256, (x ^ y) % 256], 2).astype(np.uint8)
    )


def _unreadable(spec: str, processor: Any, why: str) -> str:
    return (
        f"the preprocessing of {spec} ({type(processor).__name__}) is not a resize, a centre crop "
        f"and a mean and std ({why}); load the model by file:model.py:factory and say them there"
    )
