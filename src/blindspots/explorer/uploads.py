"""Images that visitors bring: looked at from outside first, then decoded, then only pixels stay.

The bytes that came are never stored and never sent back, so what else they may hold (a script
behind a picture) goes no further.
"""

import hashlib
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from blindspots.errors import UsageError
from blindspots.explorer.image_bytes import Pixels
from blindspots.images.decode import Unreadable, decode
from blindspots.images.listing import image_id
from blindspots.images.preprocessing import Preprocessing

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_BYTES = 16 * 2**20
MOST_PIXELS = 50_000_000
MOST_UPLOADS = 100
_NAME_LENGTH = 60
_EXPECTED = "expected a JPEG, PNG, WebP or GIF image"


@dataclass(frozen=True)
class Upload:
    """An uploaded image as each geometry sees it; the original is gone."""

    id: str
    name: str
    seen: Mapping[Preprocessing, Pixels]


class Uploads:
    """The last uploads of all tabs, by an id that follows from name and content."""

    def __init__(self, geometries: Iterable[Preprocessing]) -> None:
        self._geometries = list(dict.fromkeys(geometries))
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def add(self, name: str, data: bytes) -> Upload:
        """Decode and keep an image; refused where it is none, or too large."""
        # One at a time, because a decoded photograph may take hundreds of megabytes.
        with self._one_at_a_time:
            image = validated(data)
            plain = PurePosixPath(name.replace("\\", "/")).name[:_NAME_LENGTH] or "image"
            upload = Upload(
                image_id(plain, hashlib.sha256(data).hexdigest()),
                plain,
                {geometry: np.array(geometry(image)) for geometry in self._geometries},
            )
            self._kept[upload.id] = upload
            self._kept.move_to_end(upload.id)
            while len(self._kept) > MOST_UPLOADS:
                self._kept.popitem(last=False)
        return upload

    def get(self, image: str) -> Upload | None:
        """The upload with this id, where it is still kept."""
        return self._kept.get(image)


def validated(data: bytes) -> Image.Image:
    """The image in uploaded bytes; its kind and its size are read before it is decoded."""
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"the file has more than {MOST_BYTES >> 20} MB; scale the image down first"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=FORMATS) as header:
                width, height = header.size
    except Image.DecompressionBombError as error:
        raise UsageError(_too_many()) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise UsageError(f"the file is no image that can be read here; {_EXPECTED}") from error
    if width * height > MOST_PIXELS:
        raise UsageError(_too_many())
    try:
        return decode(data).image
    except Unreadable as error:
        raise UsageError(f"the file cannot be used: {error}; {_EXPECTED}") from error


def _too_many() -> str:
    return f"the image has more than {MOST_PIXELS // 10**6} million pixels; scale it down first"
