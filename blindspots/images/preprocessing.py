"""How a decoded image becomes the square a model sees: resize, then centre crop; no torch here."""

from dataclasses import dataclass
from typing import Literal

from PIL import Image

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The geometry of a model's input; mean and std are not here, they live in the classifier.

    `size`: (height, width) in pixels of what the model sees. `resize`: the length the shorter
    side is scaled to before the centre crop; None: the shorter side is scaled to cover `size`.
    `squash`: scale both sides to `size` whatever the image's own proportions, cropping nothing.
    Lengths and offsets are rounded as torchvision's Resize and CenterCrop round them.
    """

    size: tuple[int, int]
    resize: int | None = None
    interpolation: Interpolation = "bicubic"
    squash: bool = False

    def __call__(self, image: Image.Image) -> Image.Image:
        """The RGB image scaled and cropped to `size`; an image that already has it is unchanged."""
        height, width = self.size
        if image.size == (width, height):
            return image
        scaled = image.resize(self._scaled_size(image), _RESAMPLING[self.interpolation])
        left, top = round((scaled.width - width) / 2), round((scaled.height - height) / 2)
        return scaled.crop((left, top, left + width, top + height))

    def _scaled_size(self, image: Image.Image) -> tuple[int, int]:
        height, width = self.size
        if self.squash:
            return width, height
        to, side = self._scale(image)
        return max(width, image.width * to // side), max(height, image.height * to // side)

    def _scale(self, image: Image.Image) -> tuple[int, int]:
        """(a, b) for a scale of a / b, in whole numbers so that no length is off by rounding."""
        if self.resize is not None:
            return self.resize, min(image.size)
        height, width = self.size
        by_height = height * image.width >= width * image.height
        return (height, image.height) if by_height else (width, image.width)
