"""The images to pick from: a set of images or a run's, and what visitors bring."""

import base64
import hashlib
import io
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from blindspots.engine.batch import from_8bit, to_8bit
from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.explorer.upload_decoder import Pixels, UploadDecoder
from blindspots.images.imageset import ImageSet
from blindspots.images.listing import Item, Listing, image_id
from blindspots.images.preprocessing import Preprocessing
from blindspots.reporting.selection import class_name
from blindspots.store.reader import Row, Run

MOST_UPLOADS = 100
_NAME_LENGTH = 60
SMALL = 96
JPEG_QUALITY = 88
GAIN = 50
MOST_LISTED, MOST_SEEN = 600, 400


class Missing(UsageError):
    pass


@dataclass(frozen=True)
class Upload:
    id: str
    name: str
    seen: Mapping[Preprocessing, Pixels]


class Uploads:
    """The last uploads of all tabs, by an id that follows from name and content."""

    def __init__(self, geometries: Iterable[Preprocessing]) -> None:
        self._geometries = list(dict.fromkeys(geometries))
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._decoder, self._adding = UploadDecoder(), threading.Lock()

    def add(self, name: str, data: bytes) -> Upload:
        shown = self._decoder.decode(data, self._geometries)
        plain = PurePosixPath(name.replace("\\", "/")).name[:_NAME_LENGTH] or "image"
        upload = Upload(
            image_id(plain, hashlib.sha256(data).hexdigest()),
            plain,
            dict(zip(self._geometries, shown, strict=True)),
        )
        with self._adding:
            self._kept[upload.id] = upload
            self._kept.move_to_end(upload.id)
            while len(self._kept) > MOST_UPLOADS:
                self._kept.popitem(last=False)
        return upload

    def get(self, image: str) -> Upload | None:
        return self._kept.get(image)

    def close(self) -> None:
        self._decoder.close()


def pixels_of(image: Float[Tensor, "3 height width"]) -> Pixels:
    return to_8bit(image.detach().cpu()).permute(1, 2, 0).contiguous().numpy()


def png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def exact(pixels: Pixels) -> str:
    return _text(png(pixels))


def glimpse(pixels: Pixels) -> str:
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


class ImageCatalog:
    """Every image by its id, as each model sees it; models need not have the same ones."""

    def __init__(self, subjects: Mapping[str, Subject], listed: int = MOST_LISTED) -> None:
        self._subjects = subjects
        self._listed = listed
        self.spec = next(iter(subjects.values())).images.spec
        # By id: name, and label where it is known. Models may have the same ids at other places.
        self._entries: dict[str, tuple[str, str | None]] = {}
        for subject in subjects.values():
            for image, entry in _entries(subject.images):
                self._entries.setdefault(image, entry)
        self._own = {name: frozenset(one.images.ids) for name, one in subjects.items()}
        self._seen = lru_cache(maxsize=MOST_SEEN)(self._decoded)
        self.uploads = Uploads(subject.model.preprocessing for subject in subjects.values())

    def listing(self) -> dict[str, Any]:
        """The first images, one of each class in turn: a folder lists class after class."""
        turns: dict[str | None, int] = defaultdict(int)
        places = {}
        for image, (_, label) in self._entries.items():
            places[image] = turns[label]
            turns[label] += 1
        first = islice(sorted(self._entries.items(), key=lambda one: places[one[0]]), self._listed)
        entries = [{"id": image, "name": name, "label": label} for image, (name, label) in first]
        return {"spec": self.spec, "count": len(self._entries), "images": entries}

    def known(self, image: str) -> str | None:
        upload = self.uploads.get(image)
        if upload is not None:
            return upload.name
        name, label = self._entries.get(image, (None, None))
        return label or name

    def given(self, image: str, model: str) -> int:
        """The class of the model's that the image is labelled with; −1 where it is not."""
        subject = self._subjects[model]
        own = image in self._own[model]
        return subject.given[subject.images.find(image)] if own else -1

    def pixels(self, image: str, model: str) -> Pixels:
        upload = self.uploads.get(image)
        if upload is not None:
            return upload.seen[self._subjects[model].model.preprocessing]
        return self._seen(image, model)

    def image(self, image: str, model: str) -> Float[Tensor, "3 height width"]:
        pixels = torch.from_numpy(self.pixels(image, model).copy())
        return from_8bit(pixels).permute(2, 0, 1).contiguous()

    def _decoded(self, image: str, model: str) -> Pixels:
        if image not in self._entries:
            raise Missing(
                "this image is not here: uploaded images live as long as the server that they "
                "were given to, so add it again"
            )
        images = self._subjects[model].images
        if image not in self._own[model]:
            raise Missing(f"the run kept no picture of {self.known(image)} as {model} sees it")
        return images.uint8(images.find(image))


def _entries(images: ImageSet) -> Iterator[tuple[str, tuple[str, str | None]]]:
    names = images.class_names
    for image, name, label in zip(images.ids, images.names, images.labels.tolist(), strict=True):
        yield image, (name, names[label] if names and label >= 0 else None)


def run_images(run: Run, model: Any) -> ImageSet:
    names = _names(run.pair_rows())
    items = [_stored(run, image, name, model.name) for image, name in names.items()]
    found = [item for item in items if item is not None]
    if not found:
        raise UsageError(
            f"{run.path} kept no images of {model.name}, so there is nothing to show; expected "
            "images/ in it as blindspots run leaves them; name another --run"
        )
    return ImageSet(Listing(f"run:{run.name}", found), model)


def _names(rows: Sequence[Row]) -> dict[str, str]:
    pairs = [row for row in rows if row["target_id"]]
    ends = [(row, end) for row in pairs for end in ("source", "target")]
    return {row[f"{end}_id"]: class_name(row, end) for row, end in ends}


def _stored(run: Run, image: str, name: str, model: str) -> Item | None:
    content = run.image_content(image, model)
    if content is None:
        return None
    try:
        with Image.open(io.BytesIO(content)) as header:
            size = header.size
    except (OSError, Image.DecompressionBombError):
        size = _open(run, image, model).size
    return Item(image, name, None, size, image, partial(_open, run, image, model))


def _open(run: Run, image: str, model: str) -> Image.Image:
    """Refused, saying what to type, where its file is damaged or was removed since."""
    pixels = run.image(image, model)
    if pixels is None:
        raise Missing(f"{run.path} keeps no picture of {image} any more; start the explorer anew")
    return Image.fromarray(pixels)
