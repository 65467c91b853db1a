"""A list of images: which there are, and how to get each one; no model and no torch here."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from PIL import Image

_SLUG_LENGTH = 40
_HASH_DIGITS = 8


class Remark(NamedTuple):
    """An image file and what is to be said about it."""

    name: str
    reason: str


@dataclass(frozen=True)
class Item:
    """One image of a listing: a stable id, its name, its class by name, and a way to get it.

    `folder`: its class folder; None: no class. `size`: upright (width, height) in pixels.
    `content`: SHA-256 of what it was read from. `open`: decodes it to an upright RGB image.
    `aliases`: names of further files of the same content.
    """

    id: str
    name: str
    folder: str | None
    size: tuple[int, int]
    content: str
    open: Callable[[], Image.Image]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """What a source holds: `items` in a stable order, `folders` by name, files left out or changed.

    `generated`: the folders are names of classes for sure, not what a user called a directory.
    """

    spec: str
    items: Sequence[Item]
    folders: tuple[str, ...] = ()
    skipped: Sequence[Remark] = ()
    converted: Sequence[Remark] = ()
    notes: tuple[str, ...] = ()
    generated: bool = False


def image_id(name: str, content: str) -> str:
    """A file-name-safe id from a file's own name and its content's hash, wherever it lies."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(name).stem).strip("-.")[:_SLUG_LENGTH]
    return f"{slug or 'image'}-{content[:_HASH_DIGITS]}"
