"""A list of images: which there are, and how to get each one; no model and no torch here."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

from PIL import Image

from blindspots.errors import UsageError, plain_text

ClassKind = Literal["folders", "names", "texts", "numbers", "generated"]

# What a column or key of classes is usually called.
LABEL_NAMES = ("label", "labels", "class", "cls", "target")
_SLUG_LENGTH = 40
_HASH_DIGITS, _LONG_HASH_DIGITS = 8, 16


class Issue(NamedTuple):
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a listing: a stable id, its name, its class by name, and a way to get it.

    `label`: its class as the source calls it; None: no class. `size`: upright (width, height) in
    pixels. `content`: SHA-256 of what it was read from. `open`: decodes it to an upright RGB image;
    raises `Unreadable` where it is damaged. `aliases`: names of further files of the same content.
    """

    id: str
    name: str
    label: str | None
    size: tuple[int, int]
    content: str
    open: Callable[[], Image.Image]
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        label = None if self.label is None else plain_text(self.label)
        object.__setattr__(self, "name", plain_text(self.name))
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "aliases", tuple(map(plain_text, self.aliases)))


@dataclass(frozen=True)
class Listing:
    """What a source holds: `items` in a stable order, `classes` by name, files left out or changed.

    `kind` says what the classes are: `folders` that a user named; `names` of a data set, in the
    order of its own integers; `texts`, names without such integers, sorted; `numbers`, integers
    without names; `generated`, names that are known for sure. `labels_in`: what the classes are
    read from, where some may be missing in it.
    """

    spec: str
    items: Sequence[Item]
    classes: tuple[str, ...] = ()
    kind: ClassKind = "folders"
    skipped: Sequence[Issue] = ()
    converted: Sequence[Issue] = ()
    notes: tuple[str, ...] = ()
    labels_in: str = ""

    def __post_init__(self) -> None:
        for name in ("skipped", "converted"):
            issues = [Issue(*map(plain_text, issue)) for issue in getattr(self, name)]
            object.__setattr__(self, name, issues)
        for name in ("classes", "notes"):
            object.__setattr__(self, name, tuple(map(plain_text, getattr(self, name))))
        for name in ("spec", "labels_in"):
            object.__setattr__(self, name, plain_text(getattr(self, name)))


def class_of(label: Any, where: str) -> str | None:
    """A label as text, a number as a whole one, true as 1; None: the image has no class.

    Missing values, blanks, NaN and -1 are no class. Refused: what is neither a name nor a whole
    number; `where` names its column or place.
    """
    if label is None or isinstance(label, str):
        return label if label and label.strip() else None
    try:
        number = float(label)
    except (TypeError, ValueError, OverflowError):
        number = 0.5
    if math.isnan(number) or number == -1:
        return None
    if not number.is_integer():
        raise UsageError(
            f"{where} holds the label {label!r:.60}; expected a name or a whole number from 0; "
            "give the classes as those"
        )
    return str(int(label))


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classes; those that several have get their index as a further synonym."""
    counts = Counter(names)
    return tuple(
        name if counts[name] == 1 else f"{name}, {index}" for index, name in enumerate(names)
    )


def image_id(name: str, content: str) -> str:
    """A file-name-safe id from a file's own name and its content's hash, wherever it lies."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(name).stem).strip("-.")[:_SLUG_LENGTH]
    return f"{slug or 'image'}-{content[:_HASH_DIGITS]}"


def long_image_id(name: str, content: str) -> str:
    """An id with twice the hash, where the name tells too little apart."""
    return f"{image_id(name, '')}{content[:_LONG_HASH_DIGITS]}"


def seeded_order(ids: Sequence[str], seed: int) -> list[int]:

    def key(index: int) -> bytes:
        return hashlib.sha256(f"{seed}:{ids[index]}".encode()).digest()

    return sorted(range(len(ids)), key=key)
