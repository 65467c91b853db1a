"""The images to pick from: a set of images or a run's, and what visitors bring."""

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from blindspots.engine.batch import from_8bit
from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.explorer.image_bytes import Pixels
from blindspots.explorer.refusals import Missing
from blindspots.explorer.uploads import Upload, Uploads
from blindspots.images.imageset import ImageSet
from blindspots.images.listing import Item, Listing
from blindspots.store.reader import Run

MOST_LISTED, MOST_SEEN = 600, 400


class ImageCatalog:
    """Every image by its id, as each model sees it."""

    def __init__(self, subjects: Mapping[str, Subject], listed: int = MOST_LISTED) -> None:
        self._subjects = subjects
        self._first = next(iter(subjects.values()))
        self._index = {image: i for i, image in enumerate(self._first.images.ids)}
        self._listed = listed
        self.spec = self._first.images.spec
        self._seen = lru_cache(maxsize=MOST_SEEN)(self._decoded)
        self.uploads = Uploads(subject.model.preprocessing for subject in subjects.values())

    def listing(self) -> dict[str, Any]:
        """What the page offers: id and name of the first images, and how many there are."""
        images = self._first.images
        rows = zip(images.ids, images.names, images.labels.tolist(), strict=True)
        names = images.class_names
        entries = [
            {"id": image, "name": name, "label": names[label] if names and label >= 0 else None}
            for (image, name, label), _ in zip(rows, range(self._listed), strict=False)
        ]
        return {"spec": images.spec, "count": len(images), "images": entries}

    def known(self, image: str) -> str | None:
        """What an image is called; None where there is no such image."""
        upload = self.uploads.get(image)
        if upload is not None:
            return upload.name
        place = self._index.get(image)
        return None if place is None else self.label(image) or self._first.images.names[place]

    def label(self, image: str) -> str | None:
        """The name of the class that an image is labelled with; None where it has none."""
        images = self._first.images
        place = self._index.get(image)
        label = -1 if place is None else int(images.labels[place])
        return images.class_names[label] if images.class_names and label >= 0 else None

    def pixels(self, image: str, model: str) -> Pixels:
        """An image as a model sees it, in 8 bits; refused where there is no such image."""
        upload = self.uploads.get(image)
        if upload is not None:
            return upload.seen[self._subjects[model].model.preprocessing]
        return self._seen(self._place(image), model)

    def image(self, image: str, model: str) -> Float[Tensor, "3 height width"]:
        """The same in [0, 1]."""
        pixels = torch.from_numpy(self.pixels(image, model).copy())
        return from_8bit(pixels).permute(2, 0, 1).contiguous()

    def add(self, name: str, data: bytes) -> Upload:
        """Take an uploaded image in; refused where it is none."""
        return self.uploads.add(name, data)

    def _decoded(self, place: int, model: str) -> Pixels:
        return self._subjects[model].images.uint8(place)

    def _place(self, image: str) -> int:
        place = self._index.get(image)
        if place is None:
            raise Missing(
                "this image is not here: uploaded images live as long as the server that they "
                "were given to, so add it again"
            )
        return place


def run_images(run: Run, model: Any) -> ImageSet:
    """The sources and targets of a run as one of its models saw them."""
    ids = list(_names(run.pair_rows(model.name)))
    items = [_stored(run, image, model.name) for image in ids]
    found = [item for item in items if item is not None]
    if not found:
        raise UsageError(
            f"{run.path} kept no images of {model.name}, so there is nothing to show; expected "
            "images/ in it as blindspots run leaves them; name another --run"
        )
    return ImageSet(Listing(f"run:{run.name}", found), model)


def _names(rows: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    pairs = [(row["source_id"], row["target_id"]) for row in rows if row["target_id"]]
    return dict.fromkeys(image for pair in pairs for image in pair)


def _stored(run: Run, image: str, model: str) -> Item | None:
    content = run.image_content(image, model)
    if content is None:
        return None
    with Image.open(io.BytesIO(content)) as header:
        size = header.size
    return Item(image, image, None, size, image, partial(_open, run, image, model))


def _open(run: Run, image: str, model: str) -> Image.Image:
    with Image.open(io.BytesIO(run.image_content(image, model) or b"")) as stored:
        return stored.convert("RGB")
