"""Images that a script holds already: PIL images, a data set, a tensor, a tensor with classes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from blindspots.errors import UsageError
from blindspots.images.classes import ClassMap
from blindspots.images.collect import Entry, classed, collect
from blindspots.images.listing import Listing, class_of, distinct_names
from blindspots.progress import Reporter

MEMORY = "memory"
_NOTE = "images were handed over in memory, without a spec, and are rounded to 8 bits"
_EXPECTED = (
    "expected a spec such as 'folder:photos', a list of PIL images, a data set of images or of "
    "(image, class), or floats (images, 3, height, width) in [0, 1], alone or with their classes"
)


def list_in_memory(given: Any, reporter: Reporter) -> tuple[Listing, ClassMap | None]:
    """What is given as a listing, and how its classes are the model's; None: by their names.

    Refused: what is no sequence of images, and an image of another type, shape or range.
    """
    images, labels = _parts(given)
    names = _names(given)
    count = len(images)
    spec = f"{MEMORY}:{count}-images"
    entries = _entries(images, labels, names)
    listing = replace(collect(spec, entries, count, reporter, expected=_EXPECTED), notes=(_NOTE,))
    if names is not None:
        return replace(listing, classes=names, kind="names"), None
    listing = classed(listing)
    own = listing.kind == "numbers" and listing.classes
    return listing, ClassMap("identity", {}, "the labels") if own else None


def _parts(given: Any) -> tuple[Any, Any]:
    if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], Image.Image):
        images, labels = given
        if len(images) != len(labels):
            raise UsageError(
                f"{len(images)} images and {len(labels)} classes were given; expected one class "
                "per image; type blindspots.load_images((images, classes), model)"
            )
        return images, labels
    listed = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    if not listed or isinstance(given, Mapping):
        raise UsageError(
            f"{type(given).__name__} was given as images; {_EXPECTED}; type "
            "blindspots.load_images([PIL.Image.open('cat.png')], model)"
        )
    return given, None


def _names(given: Any) -> tuple[str, ...] | None:
    names = getattr(given, "classes", None)
    return distinct_names([str(name) for name in names]) if isinstance(names, list) else None


def _entries(images: Any, labels: Any, names: Sequence[str] | None) -> Iterator[Entry]:
    for index in range(len(images)):
        given = _label(images[index]) if labels is None else labels[index]
        text = class_of(given, f"image {index}")
        text = text if names is None or text is None else names[int(text)]
        yield Entry(f"{index:06d}", text, partial(_content, images, index), unnamed=True)


def _label(item: Any) -> Any:
    return item[1] if isinstance(item, tuple | list) and len(item) > 1 else None


def _content(images: Any, index: int) -> bytes:
    """An image as the bytes of a PNM file, so that it is hashed and read as others are."""
    item = images[index]
    picture = _picture(item[0] if isinstance(item, tuple | list) else item, index)
    stream = BytesIO()
    picture.convert("RGB").save(stream, "PPM")
    return stream.getvalue()


def _picture(image: Any, index: int) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
    if not isinstance(image, np.ndarray) or image.dtype.kind != "f" or image.shape[:1] != (3,):
        what = getattr(image, "shape", type(image).__name__)
        raise UsageError(
            f"image {index} ({what}) is no image; expected a PIL image or floats (3, height, "
            "width) in [0, 1]; type torchvision.transforms.functional.to_pil_image(x) for others"
        )
    if image.ndim != 3 or not (image.min() >= -1e-4 and image.max() <= 1 + 1e-4):
        raise UsageError(
            f"image {index} has shape {image.shape} and values from {image.min():g} to "
            f"{image.max():g}; expected (3, height, width) in [0, 1]; leave a normalisation out of "
            "the data set, because the model normalises by itself"
        )
    return Image.fromarray((255 * image.clip(0, 1)).round().astype(np.uint8).transpose(1, 2, 0))
