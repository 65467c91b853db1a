"""From the bytes of an image file to an upright 8-bit RGB image; no torch here.

| what a file holds | becomes |
|---|---|
| grey | that grey in all three channels |
| 16 bits per channel | value / 257 rounded (grey), the high byte (colour) |
| a palette | its colours |
| transparency | composited on white |
| CMYK, LAB, HSV, ... | RGB by Pillow's formulas; embedded colour profiles are ignored |
| an EXIF orientation | turned upright |
| several frames or pages | the first |

Every conversion that changes more than the layout of numbers is named, so that it can be reported.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from blindspots.errors import first_line

T = TypeVar("T")

_SIGNATURE, _PLAIN = b"\x89PNG\r\n\x1a\n", (b"IHDR", b"IDAT", b"IEND")
# Eight bits each of red, green and blue, where the header of a PNG tells depth and kind.
_RGB, _PLACE = b"\x08\x02", slice(24, 26)

# Named, because Pillow would hand other formats to programs outside Python.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000", "TGA")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".tga"),
)
MAX_PIXELS = 178_956_970
_TOO_LARGE = f"it has more than {MAX_PIXELS // 10**6} million pixels; scale it down first"
_ORIENTATION, _STRIP = 0x0112, 2**20
# Chunks of a PNG that say nothing of its pixels, and that Pillow refuses where they are long, or
# where their check sum is another.
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"tIME", b"pHYs")
_PNG = b"\x89PNG\r\n\x1a\n"
# Above, the frames of a GIF are not counted, because all before the last must be read for that.
_MOST_FRAMES, _FRAME = 1000, b"!\xf9\x04"


class Unreadable(Exception):
    """A file that does not hold one readable image; the text says why, as the end of a sentence."""


class Decoded(NamedTuple):
    """An upright 8-bit RGB image, and what had to be converted for it."""

    image: Image.Image
    converted: tuple[str, ...]


class Examined(NamedTuple):
    """The upright width and height in pixels of a file's image, and what is converted."""

    size: tuple[int, int]
    converted: tuple[str, ...]


def decode(data: bytes) -> Decoded:
    return _read(_decode, data)


def _decode(data: bytes) -> Decoded:
    image = _open(data)
    converted, turning = tuple(_conversions(image)), _turned_by_loading(image)
    image.load()
    return Decoded(_rgb(_upright(image)), converted + (turning or _turning(image)))


def examine(data: bytes) -> Examined:
    """What an image's header says, once its bytes are known to reach its end; raises `Unreadable`.

    JPEG, GIF and WebP are not decoded where their last bytes are those of a whole file, nor PNG
    where its checksums are right, so damage inside one is found by `decode` alone. Whatever else
    is decoded to its end; JPEGs at an eighth of their size, which follows every byte.
    """
    return _read(_examine, data)


def _examine(data: bytes) -> Examined:
    image = _open(data)
    converted, turning = tuple(_conversions(image)), _turned_by_loading(image)
    width, height = image.size
    if not _is_whole(image, data):
        image.draft("RGB", (1, 1))
        _rgb(image)
    upright = (height, width) if _orientation(image) >= 5 else (width, height)
    return Examined(upright, converted + (turning or _turning(image)))


def _read(reader: Callable[[bytes], T], data: bytes) -> T:
    """What the reader makes of the bytes; whatever a damaged file raises becomes `Unreadable`."""
    try:
        return past_texts(reader, data)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable(
            "it is no image that can be read here, or its beginning is damaged"
        ) from error
    except Image.DecompressionBombError as error:
        raise Unreadable(_TOO_LARGE) from error
    except MemoryError as error:
        raise Unreadable("there is not enough memory for it") from error
    except Exception as error:
        raise Unreadable(f"it is damaged ({first_line(error)})") from error


def past_texts(reader: Callable[[bytes], T], data: bytes) -> T:
    """What the reader makes of the bytes; of a PNG whose texts Pillow refuses, without them."""
    try:
        return reader(data)
    except Exception:
        bare = _without_texts(data) if data.startswith(_PNG) else data
        if len(bare) == len(data):
            raise
    return reader(bare)


def _without_texts(data: bytes) -> bytes:
    """A PNG without its texts and colour profile, which other programs read past."""
    kept, place = [_PNG], len(_PNG)
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4])
        if data[place + 4 : place + 8] not in _TEXTS:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _is_whole(image: Image.Image, data: bytes) -> bool:
    """Whether the bytes are surely not cut short; False: only decoding can tell."""
    match image.format:
        case "JPEG":
            return data.endswith(b"\xff\xd9")
        case "GIF":
            return data.endswith(b";")
        case "WEBP":
            return int.from_bytes(data[4:8], "little") + 8 <= len(data)
        case "PNG" if b"eXIf" not in data:
            image.verify()
            return True
    return False


def _open(data: bytes) -> Image.Image:
    if not data:
        raise Unreadable("it is empty (0 bytes)")
    image = Image.open(BytesIO(data), formats=_formats())
    if math.prod(image.size) > MAX_PIXELS:
        raise Unreadable(_TOO_LARGE)
    return image


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _conversions(image: Image.Image) -> Iterator[str]:
    """What decoding will convert, in words; read from the header alone."""
    if getattr(image, "is_animated", False):
        yield f"first of {_frames(image)} frames taken"
    if _is_16_bit(image):
        yield "16-bit scaled to 8-bit"
    if image.has_transparency_data:
        yield "transparency composited on white"
    if _colours(image) is not None:
        yield f"{_colours(image)} converted to RGB"


def _frames(image: Any) -> int | str:
    many = image.format == "GIF" and image.fp.getvalue().count(_FRAME) > _MOST_FRAMES
    return "many" if many else getattr(image, "n_frames", "several")


def _turning(image: Image.Image) -> tuple[str, ...]:
    """Asked when a PNG is loaded, which may tell behind its pixels."""
    return ("turned upright by its EXIF orientation",) if _orientation(image) > 1 else ()


def _turned_by_loading(image: Image.Image) -> tuple[str, ...]:
    """Asked before a TIFF is loaded, which turns itself then and forgets it."""
    return _turning(image) if image.format == "TIFF" else ()


def _colours(image: Image.Image) -> str | None:
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return "greyscale"
    if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX"):
        return None
    return image.mode


def _is_16_bit(image: Image.Image) -> bool:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return True
    # Pillow keeps the high byte of 16-bit colour; only the decoder's own mode tells.
    tiles = getattr(image, "tile", None) or []
    return any(";16" in str(tile[3]) for tile in tiles)


def _orientation(image: Image.Image) -> int:
    try:
        # A PNG's own getexif decodes the image first, in case the data stands at its end.
        turned = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:
        return 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if _orientation(image) > 1 else image


def _rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _scaled_grey(np.asarray(image).astype(np.int64), 65535)
    if image.mode == "F":
        image = _scaled_grey(np.asarray(image), 1.0)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Composited in strips, because three more whole images would take all the memory there is."""
    whole, rows = Image.new("RGB", image.size), max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, bottom)).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        whole.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, top))
    return whole


def _scaled_grey(values: np.ndarray, top: float) -> Image.Image:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top):
        raise Unreadable(f"its values run from {low:g} to {high:g}, expected 0 to {top:g}")
    return Image.fromarray((values * (255 / top)).round().astype(np.uint8))


def beside_pixels(content: bytes) -> str:
    """What a PNG holds besides 8-bit RGB pixels, by name; empty where there is nothing."""
    if not content.startswith(_SIGNATURE):
        return "it is no PNG"
    found, place, name = [], len(_SIGNATURE), b""
    while place < len(content) and name != b"IEND":
        size, name = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        found += [] if name in _PLAIN else [name.decode("latin-1")]
        place += 12 + size
    if content[_PLACE] != _RGB:
        found.append("another kind than 8-bit RGB")
    if place != len(content):
        found.append("bytes behind its end")
    return ", ".join(dict.fromkeys(found))
