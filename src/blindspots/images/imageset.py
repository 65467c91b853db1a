"""The images of a run as one model sees them, decoded when they are asked for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from blindspots.errors import UsageError, WorkFailed
from blindspots.images.classes import ClassMap, ClassTable
from blindspots.images.decode import Unreadable
from blindspots.images.labels import Viewer, label_images
from blindspots.images.listing import Issue, Item, Listing
from blindspots.images.preprocessing import Preprocessing
from blindspots.specs import nearest_names

_UNKNOWN = -1
_SHOWN = 4


class ImageSet:
    """A listing of images with labels, at one model's geometry.

    `labels`: int64, one per image, -1 where unknown. `ids`: stable, safe as file names: the slug of
    the file's name and 8 hex digits of its content's SHA-256. `names`: paths relative to the
    source. `class_names`: by class index; None: unknown. `class_map`: the index of each class of
    the source. `converted`: `{name, reason}` of images changed beyond scaling. `notes`: sentences
    for the user; `geometry_notes`: those among them on how images reach the model's size.
    Nothing is kept in memory but the listing, unless `images` is asked for.
    """

    def __init__(
        self,
        listing: Listing,
        model: Viewer | None = None,
        classes: ClassTable | None = None,
        *,
        mapping: ClassMap | None = None,
        damaged: dict[int, str] | None = None,
    ) -> None:
        self._listing, self._classes, self._mapping = listing, classes, mapping
        self._damaged = {} if damaged is None else damaged
        self._model = model
        self._preprocessing = None if model is None else model.preprocessing
        labelling = label_images(listing, model, classes, mapping)
        self.class_map = dict(labelling.indices)
        self.labels: Int64[Tensor, " image"] = torch.tensor(
            [
                _UNKNOWN if item.label is None else self.class_map.get(item.label, _UNKNOWN)
                for item in listing.items
            ],
            dtype=torch.int64,
        )
        self.class_names = labelling.class_names
        self.ids = [item.id for item in listing.items]
        self.names = [item.name for item in listing.items]
        self.converted = _as_rows(listing.converted)
        self.geometry_notes = _shown_as_they_are(listing, self._preprocessing)
        unlabelled = _partly_unlabelled(listing, self.labels)
        self.notes = [*listing.notes, *labelling.notes, *unlabelled, *self.geometry_notes]
        self.spec = listing.spec

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def contents(self) -> list[str]:
        """The SHA-256 of what each image is read from, in hex."""
        return [item.content for item in self._listing.items]

    @property
    def source_labels(self) -> list[str | None]:
        """The class of each image as its source calls it; None: no class."""
        return [item.label for item in self._listing.items]

    @property
    def skipped(self) -> list[dict[str, str]]:
        """Files left out, `{name, reason}` each, by name: at listing, or where decoding failed."""
        damaged = [Issue(self.names[index], why) for index, why in self._damaged.items()]
        return _as_rows(sorted([*self._listing.skipped, *damaged]))

    @property
    def damaged(self) -> Mapping[int, str]:
        """Why images of the listing could not be decoded, by index; of those that were tried."""
        return self._damaged

    def for_model(self, model: Viewer | None) -> "ImageSet":
        """The same listing, with the geometry and labels of another model; no file is read."""
        return ImageSet(
            self._listing, model, self._classes, mapping=self._mapping, damaged=self._damaged
        )

    def checked(self) -> "ImageSet":
        """The set without images that do not decode: every one is decoded once, none is kept."""
        kept = [index for index in range(len(self)) if self._decoded(index) is not None]
        if not kept:
            raise UsageError(f"{self.spec} holds no readable image; give one that has images")
        lost = [Issue(self.names[index], why) for index, why in self._damaged.items()]
        items = [self._listing.items[index] for index in kept]
        skipped = sorted([*self._listing.skipped, *lost])
        return ImageSet(
            replace(self._listing, items=items, skipped=skipped),
            self._model,
            self._classes,
            mapping=self._mapping,
        )

    @cached_property
    def images(self) -> Float[Tensor, "image 3 height width"]:
        """All images in [0, 1], decoded once and kept; `take` gives some of a set too large."""
        return self.take(range(len(self)))

    def take(self, indices: Sequence[int]) -> Float[Tensor, "image 3 height width"]:
        """Some images in [0, 1], decoded now.

        Refused where there is no model to bring images of several sizes to one. The work fails
        where one is damaged inside, which listing does not find: `checked` leaves such images out.
        """
        readable, images = self.take_readable(indices)
        if len(readable) < len(indices):
            raise WorkFailed(self._damage(next(i for i in indices if i in self._damaged)))
        return images

    def take_readable(
        self, indices: Sequence[int]
    ) -> tuple[list[int], Float[Tensor, "image 3 height width"]]:
        """Which of some images decode, and these in [0, 1]; the others join `skipped`."""
        self._check_one_size([self._listing.items[index] for index in indices])
        decoded = {index: self._decoded(index) for index in indices}
        readable = [index for index in indices if decoded[index] is not None]
        pixels = [torch.from_numpy(np.array(decoded[index])) for index in readable]
        if not pixels:
            size = self._preprocessing.size if self._preprocessing else (1, 1)
            return readable, torch.zeros(0, 3, *size)
        return readable, torch.stack(pixels).permute(0, 3, 1, 2).contiguous().float() / 255

    def uint8(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """One image as the model sees it, exactly, in 8 bits; without a model at its own size."""
        image = self._decoded(index)
        if image is None:
            raise WorkFailed(self._damage(index))
        return np.array(image)

    def _decoded(self, index: int) -> Image.Image | None:
        """An image as the model sees it; None where it is damaged, which is kept in mind."""
        try:
            image = self._listing.items[index].open()
        except Unreadable as error:
            self._damaged[index] = str(error)
            return None
        return image if self._preprocessing is None else self._preprocessing(image)

    def _damage(self, index: int) -> str:
        return (
            f"{self.names[index]} of {self.spec} cannot be used: {self._damaged[index]}; "
            "leave it out"
        )

    def find(self, text: str) -> int:
        """The index of the image with this id, path below the source, file name, or stem.

        A longer path will do where it ends in the image's own. Refused where the text fits no image
        or several.
        """
        for lookup in self._lookups:
            found = lookup.get(text, lookup.get(text.rpartition(f"{self._root}/")[2], ()))
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(
                    f"{text!r} may be any of {self._some(found)}; give the id or the whole path"
                )
        known = {key for lookup in self._lookups for key in lookup}
        hint = nearest_names(text, known) or f"there are {self._some(range(len(self)))}"
        raise UsageError(f"{text!r} is no image of {self.spec}; {hint}")

    def _check_one_size(self, items: Sequence[Item]) -> None:
        sizes = sorted({item.size for item in items})
        if self._preprocessing is None and len(sizes) > 1:
            shown = ", ".join(f"{width} × {height}" for width, height in sizes[:_SHOWN])
            raise UsageError(
                f"the images of {self.spec} have {len(sizes)} sizes ({shown}) and no model says "
                "which to bring them to; give load_images a model, or images of one size"
            )

    @property
    def _root(self) -> str:
        return self.spec.partition(":")[2].partition("?")[0].rstrip("/")

    @cached_property
    def _lookups(self) -> tuple[Mapping[str, Sequence[int]], ...]:
        """What to look a text up in, most exact first."""
        paths = [(item.name, *item.aliases) for item in self._listing.items]
        return (
            _inverted([(one,) for one in self.ids]),
            _inverted(paths),
            _inverted([_unique(PurePosixPath(one).name for one in names) for names in paths]),
            _inverted([_unique(PurePosixPath(one).stem for one in names) for names in paths]),
        )

    def _some(self, indices: Sequence[int]) -> str:
        more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
        return ", ".join(self.names[index] for index in indices[:_SHOWN]) + more


def _partly_unlabelled(listing: Listing, labels: Int64[Tensor, " image"]) -> list[str]:
    missing = int((labels == _UNKNOWN).sum())
    if not missing or (missing == len(labels) and not listing.labels_in):
        return []
    # Else they have one in the source, and a map= or a class file leaves it out.
    empty = sum(item.label is None for item in listing.items) == missing
    why = f": none is in {listing.labels_in}" if listing.labels_in and empty else ""
    return [f"{missing} of {len(labels)} images of {listing.spec} have no class{why}"]


def _shown_as_they_are(listing: Listing, see: Preprocessing | None) -> list[str]:
    """A note on images that have the model's size, which its own pipeline would scale first."""
    size = None if see is None else (see.size[1], see.size[0])
    if see is None or size is None or see.scaled_size(size) == size:
        return []
    count = sum(item.size == size for item in listing.items)
    if not count:
        return []
    scaled = see.scaled_size(size)
    return [
        f"{count} of {len(listing.items)} images of {listing.spec} have the model's {size[0]} × "
        f"{size[1]} pixels and are shown as they are; its own pipeline would scale them to "
        f"{scaled[0]} × {scaled[1]} and crop the middle"
    ]


def _as_rows(remarks: Sequence[Issue]) -> list[dict[str, str]]:
    return [{"name": remark.name, "reason": remark.reason} for remark in remarks]


def _unique(texts) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _inverted(keys: Sequence[Sequence[str]]) -> Mapping[str, Sequence[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for index, own in enumerate(keys):
        for key in own:
            places[key].append(index)
    return places
