"""Pictures on their way to the page, as base64 text inside events."""

import base64
import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from blindspots.engine.batch import to_8bit

SMALL = 96
JPEG_QUALITY = 88
GAIN = 50

Pixels = UInt8[np.ndarray, "height width 3"]


def pixels_of(image: Float[Tensor, "3 height width"]) -> Pixels:
    """An image in [0, 1] as 8 bits, rounded."""
    return to_8bit(image.detach().cpu()).permute(1, 2, 0).contiguous().numpy()


def png(pixels: Pixels) -> bytes:
    """The picture as a PNG file, exact."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def exact(pixels: Pixels) -> str:
    """The picture for the page to compute with: lossless."""
    return _text(png(pixels))


def glimpse(pixels: Pixels) -> str:
    """The picture for the page to show for a moment: lossless where that is small."""
    if max(pixels.shape[:2]) <= SMALL:
        return exact(pixels)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=JPEG_QUALITY)
    return _text(out.getvalue())


def change(
    before: Float[Tensor, "3 height width"], after: Float[Tensor, "3 height width"]
) -> Pixels:
    """The change × 50 around middle grey, as the slides show it."""
    return pixels_of((0.5 + GAIN * (after.cpu() - before.cpu())).clamp(0, 1))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
