"""Tables of images as Hugging Face writes them: which column is what; a row's bytes and class.

An image is a struct of `bytes` and `path`, or plain bytes. A label is a whole number, whose name
the schema's metadata may tell, or a text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from blindspots.errors import UsageError
from blindspots.images.collect import classed
from blindspots.images.decode import Unreadable
from blindspots.images.listing import LABEL_NAMES, Listing, class_of, distinct_names
from blindspots.specs import nearest_names

if TYPE_CHECKING:
    import pyarrow as pa

_IMAGE_NAMES = ("image", "img")
_SHOWN = 3


class ImageColumns(NamedTuple):
    """The columns of a table: its images, its labels (None: it has none), the labels' names.

    `notes`: sentences on columns that were not read.
    """

    image: str
    label: str | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def with_classes(self, listing: Listing) -> Listing:
        """The listing with the classes of these columns, and what is to be said of them."""
        where = f"the column {self.label}" if self.label else ""
        listing = replace(listing, notes=self.notes, labels_in=where)
        if self.names is None:
            return classed(listing)
        return replace(listing, classes=self.names, kind="names")

    @property
    def wanted(self) -> list[str]:
        return [self.image] if self.label is None else [self.image, self.label]


class ImageRow(NamedTuple):
    """What a row holds of its image: its bytes, or a file's path; and its class by name."""

    data: bytes | None
    path: str | None
    label: str | None

    @property
    def name(self) -> str | None:
        """The path that the image had in its data set; None where the table does not tell.

        Of a path elsewhere (from the root, in an archive, on a server) the file's own name.
        """
        if not self.path:
            return None
        path = PurePosixPath(self.path)
        elsewhere = path.is_absolute() or ".." in path.parts or "://" in self.path
        return (path.name if elsewhere else path.as_posix()) or None

    def read(self, directory: Path) -> bytes:
        if self.data is not None:
            return self.data
        if self.path is None:
            raise Unreadable("its row has neither bytes nor a path")
        return (directory / self.path).read_bytes()


def choose_columns(
    what: str, schema: "pa.Schema", image: str | None, label: str | None
) -> ImageColumns:
    """The columns to read; `image` and `label` where the user said them.

    Unsaid, they must be evident: the only one of its kind, or the one with a usual name. Refused
    where none is, or several are, or a said one does not fit; `what` names the table.
    """
    features = _features(schema)
    images = [one.name for one in schema if _holds_images(one.type)]
    labels = [one.name for one in schema if _holds_labels(one.type)]
    declared = [one for one in images if features.get(one, {}).get("_type") == "Image"]
    chosen = _choose(what, "image", image, declared or images, images, _IMAGE_NAMES, schema)
    if chosen is None:
        raise UsageError(
            f"{what} has no column of images among {', '.join(schema.names) or 'none'}; expected "
            "one of bytes, or of structs with bytes and path"
        )
    named = [one for one in labels if features.get(one, {}).get("_type") == "ClassLabel"]
    usual = [one for one in LABEL_NAMES if one in labels]
    found = _choose(what, "label", label, named or usual[:1], labels, LABEL_NAMES, schema)
    names = features.get(found or "", {}).get("names") if found else None
    if found is None:
        return ImageColumns(chosen, notes=_unread(schema, chosen, labels))
    return ImageColumns(chosen, found, distinct_names(list(map(str, names))) if names else None)


def _unread(schema: "pa.Schema", images: str, labels: Sequence[str]) -> tuple[str, ...]:
    others = [one for one in schema if one.name != images and one.name not in labels]
    unfit = [one for one in others if one.name in LABEL_NAMES] or others * (not labels)
    if unfit:
        return (
            f"the images have no classes: the column {unfit[0].name} ({unfit[0].type}) holds "
            "neither names nor whole numbers",
        )
    if not labels:
        return ()
    return (
        f"the images have no classes: none of the columns {', '.join(labels[:_SHOWN])} is called "
        f"{LABEL_NAMES[0]}; add label={labels[0]} to the spec of the images if that is it",
    )


def rows(
    what: str, table: "pa.Table | pa.RecordBatch", columns: ImageColumns
) -> Iterator[ImageRow]:
    cells = table.column(columns.image).to_pylist()
    labels = table.column(columns.label).to_pylist() if columns.label else [None] * len(cells)
    for cell, label in zip(cells, labels, strict=True):
        image = cell if isinstance(cell, dict) else {"bytes": cell}
        yield ImageRow(image.get("bytes"), image.get("path"), _class(what, label, columns))


def _class(what: str, label: Any, columns: ImageColumns) -> str | None:
    text = class_of(label, f"{what}: its column {columns.label}")
    if text is None or columns.names is None or isinstance(label, str):
        return text
    if not 0 <= int(label) < len(columns.names):
        raise UsageError(
            f"{what} has a label {label} in its column {columns.label}, which names only "
            f"{len(columns.names)} classes; expected 0 to {len(columns.names) - 1}: is it whole?"
        )
    return columns.names[int(label)]


def _choose(
    what: str,
    kind: str,
    said: str | None,
    likely: Sequence[str],
    fitting: Sequence[str],
    usual: Sequence[str],
    schema: "pa.Schema",
) -> str | None:
    """The said column, the only likely one, or the likely one with a usual name; None: none."""
    if said is not None and said not in fitting:
        have = "is not one of them" if said in schema.names else "is not there"
        raise UsageError(
            f"{what} has the columns {', '.join(schema.names)}; {kind}={said} {have} that can be "
            f"read as {kind}s ({', '.join(fitting) or 'none'}); "
            f"{nearest_names(said, fitting) or f'leave {kind}= out'}"
        )
    if said is not None or not likely:
        return said
    by_name = [one for one in usual if one in likely]
    if len(likely) > 1 and not by_name:
        raise UsageError(
            f"{what} has several columns of {kind}s ({', '.join(likely)}); say which by "
            f"{kind}={likely[0]}"
        )
    return by_name[0] if len(likely) > 1 else likely[0]


def _features(schema: "pa.Schema") -> Mapping[str, Any]:
    """The Hugging Face features in a schema's metadata, by column; empty where there are none."""
    try:
        text = (schema.metadata or {}).get(b"huggingface", b"{}")
        found = json.loads(text).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return {name: one for name, one in found.items() if isinstance(one, dict)}


def _holds_images(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_bytes(field.type) for field in kind)
    return _is_bytes(kind)


def _is_bytes(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return (
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _holds_labels(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (
        *(pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal),
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    )
    return any(test(kind) for test in tests)
