"""How a decoded image becomes what a model sees: resize, then centre crop or pad; no torch here."""

import math
from dataclasses import dataclass, fields, replace
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
    side is scaled to before the centre crop, or a (height, width) that `fit` tells how to reach;
    None: the shorter side is scaled to cover `size`. `squash`: scale both sides to `size`, cropping
    nothing. `crop`: whether the crop's offset, half of what is left over, is rounded as
    torchvision's CenterCrop rounds it or down, as transformers does. `fit`: both sides are scaled
    to the pair in `resize` whatever the image's own proportions (stretch), or the image in its
    proportions covers it (cover) or lies inside (contain), as timm rounds that. `fill`: the 8-bit
    RGB around an image that is smaller than `size`. Lengths are rounded as torchvision's Resize
    rounds them.
    """

    size: tuple[int, int]
    resize: int | tuple[int, int] | None = None
    interpolation: Interpolation = "bicubic"
    squash: bool = False
    crop: Literal["round", "floor"] = "round"
    fit: Literal["stretch", "cover", "contain"] = "stretch"
    fill: tuple[int, ...] = (0, 0, 0)

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
        scaled = self.scaled_size(image.size)
        left, top = self._offset(scaled[0] - width), self._offset(scaled[1] - height)
        inside = (
            max(left, 0),
            max(top, 0),
            min(left + width, scaled[0]),
            min(top + height, scaled[1]),
        )
        seen = self._window(image, scaled, inside)
        if seen.size == (width, height):
            return seen
        canvas = Image.new("RGB", (width, height), self.fill)
        canvas.paste(seen, (inside[0] - left, inside[1] - top))
        return canvas

    def at(self, size: tuple[int, int]) -> "Preprocessing":
        """The same geometry for an input of another size, in the same proportion."""
        if size == self.size or self.resize is None:
            return replace(self, size=size)
        if isinstance(self.resize, int) and size[0] == size[1]:
            return replace(self, size=size, resize=self.resize * size[0] // min(self.size))
        sides = self.resize if isinstance(self.resize, tuple) else (self.resize,) * 2
        old = self.size if isinstance(self.resize, tuple) else (min(self.size),) * 2
        pair = (sides[0] * size[0] // old[0], sides[1] * size[1] // old[1])
        fit = self.fit if isinstance(self.resize, tuple) else "cover"
        return replace(self, size=size, resize=pair, fit=fit)

    def scaled_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) that an image of such a (width, height) is scaled to, before the crop."""
        if self.squash:
            return self.size[1], self.size[0]
        if isinstance(self.resize, tuple):
            return self._fitted(size, self.resize)
        to, side = self._scale(size)
        return size[0] * to // side, size[1] * to // side

    def _fitted(self, size: tuple[int, int], pair: tuple[int, int]) -> tuple[int, int]:
        if self.fit == "stretch":
            return pair[1], pair[0]
        ratios = size[0] / pair[1], size[1] / pair[0]
        ratio = min(ratios) if self.fit == "cover" else max(ratios)
        return max(1, round(size[0] / ratio)), max(1, round(size[1] / ratio))

    def _scale(self, size: tuple[int, int]) -> tuple[int, int]:
        """(a, b) for a scale of a / b, in whole numbers so that no length is off by rounding."""
        if isinstance(self.resize, int):
            return self.resize, min(size)
        (height, width), (across, down) = self.size, size
        return (height, down) if height * across >= width * down else (width, across)

    def _window(
        self, image: Image.Image, scaled: tuple[int, int], window: tuple[int, int, int, int]
    ) -> Image.Image:
        """A window of the scaled image, which as a whole may be too large for the memory."""
        filter = _RESAMPLING[self.interpolation]
        if scaled[0] * scaled[1] <= MOST_SCALED:
            return image.resize(scaled, filter).crop(window)
        across = _part(image.width, scaled[0], window[0], window[2])
        down = _part(image.height, scaled[1], window[1], window[3])
        part = image.crop((across.first, down.first, across.last, down.last))
        box = across.low, down.low, across.high, down.high
        return part.resize((window[2] - window[0], window[3] - window[1]), filter, box)

    def _offset(self, left_over: int) -> int:
        if left_over < 0:
            return -(-left_over // 2)
        return left_over // 2 if self.crop == "floor" else round(left_over / 2)
