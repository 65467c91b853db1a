"""How a decoded image becomes the square a model sees: resize, then centre crop; no torch here."""

from dataclasses import dataclass, fields
from typing import Literal

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
        scaled = image.resize(self._scaled_size(image), _RESAMPLING[self.interpolation])
        left, top = self._offset(scaled.width - width), self._offset(scaled.height - height)
        return scaled.crop((left, top, left + width, top + height))

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
