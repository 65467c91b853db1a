"""How a decoded image becomes the square a model sees: resize, then centre crop; no torch here."""

import math
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from PIL import Image

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


# Above it only the part of an image that will be seen is scaled; a photograph never comes near.
MOST_SCALED = 50_000_000
_WIDEST_FILTER = 3


class _Part(NamedTuple):
    """The pixels `first` to `last` of an axis, and where in them the window begins and ends."""

    first: int
    last: int
    low: float
    high: float


def _part(length: int, scaled: int, begin: int, end: int) -> _Part:
    """What a window of a scaled axis, and the filter around it, needs of the axis."""
    low, high = begin * length / scaled, end * length / scaled
    margin = math.ceil(_WIDEST_FILTER * max(1.0, length / scaled)) + 1
    first, last = max(0, math.floor(low) - margin), min(length, math.ceil(high) + margin)
    return _Part(first, last, low - first, min(high - first, last - first))


@dataclass(frozen=True, kw_only=True, repr=False)
class Preprocessing:
    """The geometry of a model's input; mean and std are not here, they live in the classifier.

    `size`: (height, width) in pixels of what the model sees. `resize`: the length the shorter
    side is scaled to before the centre crop, or the (height, width) that both sides are scaled to
    whatever the image's own proportions; None: the shorter side is scaled to cover `size`.
    `squash`: scale both sides to `size`, cropping nothing. `crop`: whether the crop's offset, half
    of what is left over, is rounded as torchvision's CenterCrop rounds it or down, as
    transformers does. Lengths are rounded as torchvision's Resize rounds them.
    """

    size: tuple[int, int]
    resize: int | tuple[int, int] | None = None
    interpolation: Interpolation = "bicubic"
    squash: bool = False
    crop: Literal["round", "floor"] = "round"

    def __repr__(self) -> str:
        # Part of a model's fingerprint: a new field at its default must leave older runs' alone.
        always = ("size", "resize", "interpolation", "squash")
        shown = [
            f.name for f in fields(self) if f.name in always or getattr(self, f.name) != f.default
        ]
        return f"Preprocessing({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __call__(self, image: Image.Image) -> Image.Image:
        """The RGB image scaled and cropped to `size`; an image that already has it is unchanged."""
        height, width = self.size
        if image.size == (width, height):
            return image
        across, down = self._scaled_size(image)
        left, top = self._offset(across - width), self._offset(down - height)
        window = left, top, left + width, top + height
        if across * down > MOST_SCALED and left >= 0 and top >= 0:
            return self._window(image, (across, down), window)
        return image.resize((across, down), _RESAMPLING[self.interpolation]).crop(window)

    def _window(
        self, image: Image.Image, scaled: tuple[int, int], window: tuple[int, int, int, int]
    ) -> Image.Image:
        """The same pixels of the scaled image, which itself would fill the memory."""
        across = _part(image.width, scaled[0], window[0], window[2])
        down = _part(image.height, scaled[1], window[1], window[3])
        part = image.crop((across.first, down.first, across.last, down.last))
        box = across.low, down.low, across.high, down.high
        size = window[2] - window[0], window[3] - window[1]
        return part.resize(size, _RESAMPLING[self.interpolation], box)

    def _offset(self, left_over: int) -> int:
        return left_over // 2 if self.crop == "floor" else round(left_over / 2)

    def _scaled_size(self, image: Image.Image) -> tuple[int, int]:
        height, width = self.size
        if self.squash:
            return width, height
        if isinstance(self.resize, tuple):
            return self.resize[1], self.resize[0]
        to, side = self._scale(image)
        return max(width, image.width * to // side), max(height, image.height * to // side)

    def _scale(self, image: Image.Image) -> tuple[int, int]:
        """(a, b) for a scale of a / b, in whole numbers so that no length is off by rounding."""
        if isinstance(self.resize, int):
            return self.resize, min(image.size)
        height, width = self.size
        by_height = height * image.width >= width * image.height
        return (height, image.height) if by_height else (width, image.width)
