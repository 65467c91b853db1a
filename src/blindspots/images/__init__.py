"""Images: where they come from, how files become pixels, and which class each is of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blindspots.images.classes import ClassTable, read_class_table
    from blindspots.images.imageset import ImageSet
    from blindspots.images.preprocessing import Preprocessing
    from blindspots.images.sources import load_images

_HOMES = {
    "ClassTable": "classes",
    "ImageSet": "imageset",
    "Preprocessing": "preprocessing",
    "load_images": "sources",
    "read_class_table": "classes",
}

__all__ = ["ClassTable", "ImageSet", "Preprocessing", "load_images", "read_class_table"]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: a decoder needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'blindspots.images' has no attribute {name!r}")
    return getattr(import_module(f"blindspots.images.{_HOMES[name]}"), name)
