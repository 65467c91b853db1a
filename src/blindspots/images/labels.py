"""Which class of a model each class of the images is: said, evident, or refused; no guess."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from blindspots.errors import UsageError
from blindspots.images.classes import (
    IMAGENET_CLASSES,
    ClassMap,
    ClassTable,
    imagenet_table,
    is_imagenet,
    plain_name,
)
from blindspots.images.listing import ClassKind, Listing
from blindspots.images.preprocessing import Preprocessing

_SHOWN, _SHOWN_MAPPED = 3, 10
_WNID_LENGTH = 9
_DIGITS = 7


@runtime_checkable
class Viewer(Protocol):
    """What a model tells of how it sees images and what it calls them; a `Classifier` does."""

    name: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None
    class_folders: tuple[str, ...] | None
    embeds: bool

    @property
    def num_classes(self) -> int: ...


class Labelling(NamedTuple):
    """The class index by the images' class, the classes' names, and what a user should know."""

    indices: Mapping[str, int]
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def label_images(
    listing: Listing,
    model: Viewer | None,
    table: ClassTable | None,
    mapping: ClassMap | None = None,
) -> Labelling:
    """The classes of a listing's images, also of those classes that have no image.

    In order: what `mapping` says; the table, where one is given; without a model, or for one
    without classes, the listing's own order. Else the model's own classes, where the images'
    classes are called as they are (an ImageNet model's also by wnid); the order, where the images
    or the model have no names and the classes are as many, which is said in a note. Refused where
    none of these applies, and where some classes are the model's and others are not. A note says
    what was mapped, unless both have the same names.
    """
    model = _with_classes(model)
    own = None if model is None else model.class_names
    names = own if table is None else table.names
    if not listing.classes:
        return Labelling({}, names)
    if table is not None:
        _check_length(table, model)
    if mapping is not None and mapping.kind == "none":
        return Labelling({}, names, ("the images have no labels, as map=none says",))
    if mapping is not None:
        return _noted(_by_mapping(listing, model, table, mapping), listing, model)
    if table is not None:
        return _noted(_by_table(listing, table), listing, model)
    if model is None:
        ordered = None if listing.kind == "numbers" else listing.classes
        return _by_order(listing.classes, ordered)
    if listing.kind == "generated":
        return _label_generated(listing, model)
    return _by_model(listing, model)


def _with_classes(model: Viewer | None) -> Viewer | None:
    """The model; None for one without classes, where the images' own say which may be pairs."""
    return None if model is None or model.embeds else model


def _by_model(listing: Listing, model: Viewer) -> Labelling:
    """The classes of the images among the model's own, by name or by position; refused else."""
    classes, kind = listing.classes, listing.kind
    known = None if kind == "numbers" else _own_table(model, classes)
    if known is not None and kind in ("names", "texts") and known.has_in_order(classes):
        return _by_order(classes, known.names)
    if known is not None and any(known.index(name) is not None for name in classes):
        return _noted(_by_names(listing, known), listing, model)
    numbers = _numbers(listing)
    if numbers is not None and kind != "numbers":
        if {*numbers.values()} != {*range(model.num_classes)}:
            raise UsageError(_numbered(listing, model.name, model.num_classes))
        return Labelling(numbers, model.class_names, (_taken(listing, model),))
    unalike = kind != "numbers" and model.class_names is not None
    if len(classes) == model.num_classes and not unalike:
        return _by_order(
            classes, model.class_names or _names_of(listing), (_taken(listing, model),)
        )
    raise UsageError(_no_mapping(listing, model))


def _label_generated(listing: Listing, model: Viewer) -> Labelling:
    """By name where the model's classes include all the names; else no labels, and a note."""
    own = _own_table(model, listing.classes)
    found = {name: None if own is None else own.index(name) for name in listing.classes}
    indices = {name: place for name, place in found.items() if place is not None}
    if len(indices) == len(listing.classes):
        return Labelling(indices, model.class_names)
    note = f"{listing.spec} have no labels, because {model.name} has other classes than theirs"
    return Labelling({}, model.class_names, (note,))


def _by_mapping(
    listing: Listing, model: Viewer | None, table: ClassTable | None, mapping: ClassMap
) -> Labelling:
    known = table or (None if model is None else _own_table(model, ()))
    count = model.num_classes if model is not None else len(known) if known is not None else None
    names = None if known is None else known.names
    if mapping.kind == "identity":
        return Labelling(_identity(listing, count, mapping), names)
    missing = [name for name in listing.classes if name not in mapping.entries]
    if missing:
        raise UsageError(
            f"{mapping.origin} says nothing of {len(missing)} of {len(listing.classes)} "
            f"{_what(listing.kind)} ({_some(missing)}); give each a class index or name"
        )
    entries = mapping.entries
    indices = {name: _place(entries[name], known, count, mapping) for name in listing.classes}
    return Labelling(indices, names)


def _identity(listing: Listing, count: int | None, mapping: ClassMap) -> dict[str, int]:
    """The data set's own integers: what its classes are called, else the places it gives names."""
    numbers = _numbers(listing)
    if numbers is None and listing.kind in ("names", "generated"):
        numbers = {name: index for index, name in enumerate(listing.classes)}
    if numbers is None:
        raise UsageError(
            f"{mapping.origin} takes a data set's own integers, and the {_what(listing.kind)} of "
            f"{listing.spec} are no numbers ({_some(listing.classes)}); expected map=FILE, which "
            "says the class of each"
        )
    if count is not None and max(numbers.values()) >= count:
        raise UsageError(
            f"{mapping.origin}: the images have labels up to {max(numbers.values())} and the "
            f"model {count} classes; expected labels below that; give map=FILE"
        )
    return numbers


def _numbers(listing: Listing) -> dict[str, int] | None:
    """The number that each class is called by; None where some are not, or two by the same."""
    classes = listing.classes
    if not all(name.isascii() and name.isdecimal() and len(name) < _DIGITS for name in classes):
        return None
    numbers = {name: int(name) for name in classes}
    return numbers if len({*numbers.values()}) == len(classes) else None


def _place(value: int | str, known: ClassTable | None, count: int | None, mapping: ClassMap) -> int:
    if isinstance(value, int):
        if value < 0 or (count is not None and value >= count):
            raise UsageError(
                f"{mapping.origin} names the class {value}; expected an index from 0"
                f"{f' to {count - 1}' if count is not None else ''}"
            )
        return value
    found = None if known is None else known.index(value)
    if found is None:
        hint = "" if known is None else known.nearest(value)
        raise UsageError(
            f"{mapping.origin} names the class {value!r}, which is none of the model's; "
            f"{hint or 'give its index'}"
        )
    return found


def _by_table(listing: Listing, table: ClassTable) -> Labelling:
    """By a table that the user gave; integers by their position where it has names alone."""
    numbers = None if listing.kind == "numbers" else _numbers(listing)
    whole = numbers is not None and {*numbers.values()} == {*range(len(table))}
    if numbers is not None and whole and table.folders is None:
        return Labelling(numbers, table.names)
    if listing.kind == "numbers" and table.folders is None:
        if len(table) == len(listing.classes):
            return _by_order(listing.classes, table.names)
        raise UsageError(_numbers_alone(listing, table.origin, len(table)))
    return _by_names(listing, table)


def _by_names(listing: Listing, table: ClassTable) -> Labelling:
    # A folder without an image needs no class; a note names it.
    held = {item.label for item in listing.items}
    wanted = [n for n in listing.classes if n in held or table.index(n) is not None]
    found = {name: table.index(name) for name in wanted}
    unknown = [name for name, index in found.items() if index is None]
    if unknown:
        hint = table.nearest(unknown[0])
        raise UsageError(
            f"{len(unknown)} of {len(found)} {_what(listing.kind)} are no class of {table.origin} "
            f"({_some(unknown)}); {hint or 'say which is which by --classes FILE or map=FILE'}"
        )
    return Labelling({k: v for k, v in found.items() if v is not None}, table.names)


def _by_order(
    classes: Sequence[str], names: tuple[str, ...] | None, notes: tuple[str, ...] = ()
) -> Labelling:
    return Labelling({name: index for index, name in enumerate(classes)}, names, notes)


def _names_of(listing: Listing) -> tuple[str, ...] | None:
    return None if listing.kind == "numbers" else listing.classes


def _own_table(model: Viewer, classes: Sequence[str]) -> ClassTable | None:
    """What the model calls its classes; ImageNet's table for a model without names that fits it."""
    origin = f"{model.name}'s classes"
    if model.class_names is not None:
        if not is_imagenet(model.class_names):
            return ClassTable(model.class_names, model.class_folders, origin)
        folders = model.class_folders or imagenet_table().folders
        return ClassTable(model.class_names, folders, origin, imagenet_table().synonyms)
    if model.num_classes != IMAGENET_CLASSES or not classes:
        return None
    table = imagenet_table()
    named = all(map(_is_wnid, classes)) or all(table.index(name) is not None for name in classes)
    return table if named else None


def _is_wnid(folder: str) -> bool:
    return len(folder) == _WNID_LENGTH and folder[0] == "n" and folder[1:].isdecimal()


def _check_length(table: ClassTable, model: Viewer | None) -> None:
    if model is not None and len(table) != model.num_classes:
        raise UsageError(
            f"{table.origin} has {len(table)} classes, but {model.name} has {model.num_classes}; "
            "give --classes a file with one entry per class of the model"
        )


def _noted(labelling: Labelling, listing: Listing, model: Viewer | None) -> Labelling:
    """With a note of what was mapped to what, unless the names and their number are the same."""
    indices, names = labelling.indices, labelling.class_names
    if labelling.notes or (names is not None and _are_same(indices, names)):
        return labelling
    mapped = [f"{name} → {_called(index, names)}" for name, index in indices.items()]
    more = f", and {len(mapped) - _SHOWN_MAPPED} more" if len(mapped) > _SHOWN_MAPPED else ""
    whose = "the model" if model is None else model.name
    note = (
        f"{len(mapped)} classes of {listing.spec} map to these of {whose}: "
        f"{', '.join(mapped[:_SHOWN_MAPPED])}{more}"
    )
    return labelling._replace(notes=(note,))


def _are_same(indices: Mapping[str, int], names: Sequence[str]) -> bool:
    return len(indices) == len(names) and all(
        plain_name(name) == plain_name(names[index]) for name, index in indices.items()
    )


def _called(index: int, names: Sequence[str] | None) -> str:
    return str(index) if names is None else f"{index} {names[index]}"


def _taken(listing: Listing, model: Viewer) -> str:
    count = len(listing.classes)
    order = "sorted order" if _numbers(listing) is None else "order of their numbers"
    if listing.kind == "folders":
        return (
            f"the {count} folders are taken as {model.name}'s classes in {order}; "
            "give --classes FILE if they are others"
        )
    what = "integer labels" if listing.kind == "numbers" else f"classes ({_some(listing.classes)})"
    own = listing.kind == "numbers" or (listing.kind == "names" and _numbers(listing) is None)
    order = "their own order" if own else order
    return (
        f"the {count} {what} of {listing.spec} are taken as {model.name}'s classes in {order}; "
        "give --classes FILE or map=FILE if they are others"
    )


def _no_mapping(listing: Listing, model: Viewer) -> str:
    if listing.kind == "numbers":
        return _numbers_alone(listing, model.name, model.num_classes)
    names = model.class_names
    have = f" ({_some(names)})" if names else " without names"
    return (
        f"none of the {len(listing.classes)} {_what(listing.kind)} ({_some(listing.classes)}) is "
        f"one of {model.name}'s {model.num_classes} classes{have}; "
        "say which is which by --classes FILE, a JSON list [[folder, name], ...] in the order of "
        'the model\'s classes, or by map=FILE in the spec of the images, as {"cat": 281}'
    )


def _numbered(listing: Listing, what: str, count: int) -> str:
    kind = "folder" if listing.kind == "folders" else "one called"
    return (
        f"the {_what(listing.kind)} of {listing.spec} are numbers ({_some(listing.classes)}) and "
        f"{what} has {count} classes; add map=identity to the spec of the images where {kind} 7 "
        'is class 7, else map=FILE, a JSON object as {"1": 0}, or --classes FILE'
    )


def _numbers_alone(listing: Listing, what: str, count: int) -> str:
    return (
        f"the labels of {listing.spec} are integers without names, 0 to "
        f"{len(listing.classes) - 1}, and {what} has {count} classes; add map=identity to the spec "
        'of the images where they are the model\'s own, else map=FILE, a JSON object as {"0": 281}'
    )


def _what(kind: ClassKind) -> str:
    return "folders" if kind == "folders" else "classes of the images"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
