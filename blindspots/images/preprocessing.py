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
    """

    size: tuple[int, int]
    resize: int | None = None
    interpolation: Interpolation = "bicubic"

    def __call__(self, image: Image.Image) -> Image.Image:
        """The RGB image scaled and cropped to `size`; an image that already has it is unchanged."""
        height, width = self.size
        if image.size == (width, height):
            return image
        scale = self._scale(image)
        scaled = image.resize(
            (max(width, round(image.width * scale)), max(height, round(image.height * scale))),
            _RESAMPLING[self.interpolation],
        )
        left, top = (scaled.width - width) // 2, (scaled.height - height) // 2
        return scaled.crop((left, top, left + width, top + height))

    def _scale(self, image: Image.Image) -> float:
        if self.resize is not None:
            return self.resize / min(image.size)
        height, width = self.size
        return max(height / image.height, width / image.width)
