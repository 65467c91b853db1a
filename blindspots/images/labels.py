"""Which class of a model the images of a folder belong to: said, evident, or refused; no guess."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from blindspots.errors import Refused
from blindspots.images.classes import ClassTable, imagenet_table
from blindspots.images.preprocessing import Preprocessing

_SHOWN = 3
_IMAGENET = 1000
_WNID_LENGTH = 9


@runtime_checkable
class Viewer(Protocol):
    """What a model tells of how it sees images and what it calls them; a `Classifier` does."""

    name: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None
    class_folders: tuple[str, ...] | None
    embeds: bool

    @property
    def num_classes(self) -> int:
        """How many classes it tells apart."""
        ...


class Labelling(NamedTuple):
    """The class index by folder, the classes' names, and what a user should know of it."""

    indices: Mapping[str, int]
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def label_folders(
    folders: Sequence[str], model: Viewer | None, table: ClassTable | None
) -> Labelling:
    """The classes of images in the sub-folders `folders`, all of them, also those without images.

    In order: the table where one is given; the model's own classes where any folder is called as
    one of them (or as an ImageNet wnid, for a model of 1000 classes that has no names); the
    folders' sorted order where the model has as many classes, or where there is no model. Refused
    where none of these applies, and where some folders are classes and others are not.
    """
    if table is not None:
        _check_length(table, model)
        return _by_table(folders, table)
    if model is None:
        return _by_order(folders, tuple(sorted(folders)), ())
    known = _own_table(model, folders)
    if known is not None and any(known.index(folder) is not None for folder in folders):
        return _by_table(folders, known)
    if len(folders) == model.num_classes:
        note = (
            f"the {len(folders)} folders are taken as {model.name}'s classes in sorted order; "
            "give --classes FILE if they are others"
        )
        return _by_order(folders, model.class_names or tuple(sorted(folders)), (note,))
    raise Refused(_no_mapping(folders, model))


def label_known(names: Sequence[str], model: Viewer | None, what: str) -> Labelling:
    """The classes of images whose class names are known for sure, such as a generator's.

    Without a model: by position. With one whose classes include all the names: by name. With any
    other: no labels, and a note; `what` is what the note calls the images.
    """
    if model is None:
        return Labelling({name: index for index, name in enumerate(names)}, tuple(names))
    own = _own_table(model, names)
    found = {name: None if own is None else own.index(name) for name in names}
    indices = {name: place for name, place in found.items() if place is not None}
    if len(indices) == len(names):
        return Labelling(indices, model.class_names)
    note = f"{what} have no labels, because {model.name} has other classes than theirs"
    return Labelling({}, model.class_names, (note,))


def _by_table(folders: Sequence[str], table: ClassTable) -> Labelling:
    found = {folder: table.index(folder) for folder in folders}
    unknown = [folder for folder, index in found.items() if index is None]
    if unknown:
        raise Refused(
            f"{len(unknown)} of {len(folders)} folders are no class of {table.origin} "
            f"({_some(unknown)}); {table.nearest(unknown[0]) or 'give --classes FILE'}"
        )
    return Labelling({k: v for k, v in found.items() if v is not None}, table.names)


def _by_order(folders: Sequence[str], names: tuple[str, ...], notes: tuple[str, ...]) -> Labelling:
    return Labelling({name: index for index, name in enumerate(sorted(folders))}, names, notes)


def _own_table(model: Viewer, folders: Sequence[str]) -> ClassTable | None:
    if model.class_names is not None:
        return ClassTable(model.class_names, model.class_folders, f"{model.name}'s classes")
    if all(map(_is_wnid, folders)) and model.num_classes == _IMAGENET:
        return imagenet_table()
    return None


def _is_wnid(folder: str) -> bool:
    return len(folder) == _WNID_LENGTH and folder[0] == "n" and folder[1:].isdecimal()


def _check_length(table: ClassTable, model: Viewer | None) -> None:
    if model is not None and len(table) != model.num_classes:
        raise Refused(
            f"{table.origin} has {len(table)} classes, but {model.name} has {model.num_classes}; "
            "give --classes a file with one entry a class of the model"
        )


def _no_mapping(folders: Sequence[str], model: Viewer) -> str:
    names = model.class_names
    have = f" ({_some(names)})" if names else " without names"
    return (
        f"none of the {len(folders)} folders ({_some(folders)}) is one of {model.name}'s "
        f"{model.num_classes} classes{have}; say which is which by --classes FILE, a JSON list "
        "[[folder, name], ...] in the order of the model's classes"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
