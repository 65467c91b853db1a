"""`torchvision:NAME?root=DIR`: data sets as torchvision keeps them below a directory.

Nothing is downloaded unless `download=true` is said. torchvision compares checksums where it has
any. Keys: `root=` (data unless said), `split=`, `download=`.

Data sets of files are read file by file. CIFAR, MNIST and the like, SVHN and STL10 are arrays that
torchvision itself holds in memory in 8 bits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

from blindspots.errors import UsageError, first_line
from blindspots.images.collect import Entry, classed, collect
from blindspots.images.listing import Listing, distinct_names
from blindspots.images.sources.files import read_file, said_options, yes_or_no
from blindspots.progress import Reporter
from blindspots.specs import Spec, nearest_names, user_path


class _Kind(NamedTuple):
    """How a data set is asked for: its splits, the first by default; empty: it has none.

    `train`: the split is said by `train=True` or `False`. `paths`: where it keeps the paths of its
    files; `loader`: it hands them out itself; empty: it holds arrays.
    """

    splits: Sequence[str] = ()
    train: bool = False
    paths: Literal["", "loader", "_images", "_samples"] = ""


_THREE = ("test", "val", "train")
_ARRAYS = _Kind(("test", "train"), train=True)
_FAMILY: Mapping[str, _Kind] = {
    "CIFAR10": _ARRAYS,
    "CIFAR100": _ARRAYS,
    "Country211": _Kind(("test", "valid", "train"), paths="loader"),
    "DTD": _Kind(_THREE, paths="loader"),
    "EuroSAT": _Kind(paths="loader"),
    "FGVCAircraft": _Kind((*_THREE, "trainval"), paths="loader"),
    "FashionMNIST": _ARRAYS,
    "Flowers102": _Kind(_THREE, paths="loader"),
    "Food101": _Kind(("test", "train"), paths="loader"),
    "GTSRB": _Kind(("test", "train"), paths="_samples"),
    "Imagenette": _Kind(("val", "train"), paths="loader"),
    "KMNIST": _ARRAYS,
    "MNIST": _ARRAYS,
    "OxfordIIITPet": _Kind(("test", "trainval"), paths="_images"),
    "RenderedSST2": _Kind(_THREE, paths="loader"),
    "STL10": _Kind(("test", "train")),
    "SUN397": _Kind(paths="loader"),
    "SVHN": _Kind(("test", "train", "extra")),
    "StanfordCars": _Kind(("test", "train"), paths="loader"),
    "USPS": _ARRAYS,
}


def list_torchvision(spec: Spec, reporter: Reporter) -> Listing:
    """The images of a data set's split, in its order.

    Refused: an unknown name or split, and a data set that is not whole below `root`.
    """
    kind = _FAMILY.get(spec.name)
    if kind is None:
        hint = nearest_names(spec.name, _FAMILY) or "for folders of images type folder:DIR"
        raise UsageError(f"{spec} is none of torchvision's {', '.join(_FAMILY)}; {hint}")
    said = said_options(spec, {"root": "data", "split": "", "download": "false"})
    root = user_path(said["root"])
    split = _split(spec, kind, said["split"])
    dataset = _opened(spec, kind, root, split, yes_or_no(spec, "download", said["download"]))
    names = _class_names(dataset)
    listing = collect(
        str(spec),
        _entries(spec, dataset, kind, root.absolute(), names),
        len(dataset),
        reporter,
        expected="expected a whole data set",
    )
    return classed(listing) if names is None else replace(listing, classes=names, kind="names")


def _split(spec: Spec, kind: _Kind, said: str) -> str:
    if said and said not in kind.splits:
        have = f"one of {', '.join(kind.splits)}" if kind.splits else "none, as there is one part"
        hint = nearest_names(said, kind.splits) or f"type torchvision:{spec.name}"
        raise UsageError(f"{spec} has no split {said!r}; expected {have}; {hint}")
    return said or (kind.splits[0] if kind.splits else "")


def _opened(spec: Spec, kind: _Kind, root: Path, split: str, download: bool) -> Any:
    from torchvision import datasets

    options: dict[str, Any] = {"train": split == "train"} if kind.train else {}
    options |= {"split": split} if split and not kind.train else {}
    options |= {"loader": Path} if kind.paths == "loader" else {}
    options |= {"download": True} if download else {}
    try:
        return getattr(datasets, spec.name)(str(root), **options)
    except ImportError as error:
        raise UsageError(f"{spec} needs {error.name}; type pip install {error.name}") from error
    except Exception as error:
        # Each data set reads files of its own format, and raises whatever that brings.
        raise UsageError(_not_whole(spec, root, split, download, error)) from error


def _not_whole(spec: Spec, root: Path, split: str, download: bool, error: Exception) -> str:
    reason = first_line(error).partition(". You can")[0]
    again = "" if download else ", or add download=true to the spec"
    return (
        f"{spec}: torchvision finds no whole {spec.name}{f' ({split})' if split else ''} below "
        f"{root} ({reason.rstrip('.')}); give root=DIR with its files as torchvision lays them "
        f"out{again}"
    )


def _class_names(dataset: Any) -> tuple[str, ...] | None:
    names = getattr(dataset, "classes", None)
    if not names:
        return None
    return distinct_names([name if isinstance(name, str) else ", ".join(name) for name in names])


def _entries(
    spec: Spec, dataset: Any, kind: _Kind, root: Path, names: Sequence[str] | None
) -> Iterator[Entry]:
    if kind.paths not in ("", "loader") and not hasattr(dataset, kind.paths):
        raise UsageError(
            f"{spec}: this version of torchvision keeps {spec.name}'s files in another way; "
            f"type folder:DIR with the directory of its images"
        )
    for index in range(len(dataset)):
        path, label = _path_and_label(dataset, kind, index)
        text = None if label < 0 else str(label) if names is None else names[label]
        if path is None:
            yield Entry(f"{index:06d}", text, partial(_pixels, dataset, index), unnamed=True)
        else:
            name = path.relative_to(root) if path.is_relative_to(root) else path
            yield Entry(name.as_posix(), text, partial(read_file, path))


def _path_and_label(dataset: Any, kind: _Kind, index: int) -> tuple[Path | None, int]:
    """The file of an image, None where it is held in an array, and its class index."""
    if kind.paths == "_samples":
        path, label = dataset._samples[index]
    elif kind.paths == "_images":
        path, label = dataset._images[index], dataset._labels[index]
    else:
        path, label = dataset[index]
    return (Path(path).absolute() if kind.paths else None), int(label)


def _pixels(dataset: Any, index: int) -> bytes:
    """An image of an array as the bytes of a PNM file, so that it is hashed and read as others."""
    stream = BytesIO()
    dataset[index][0].save(stream, "PPM")
    return stream.getvalue()
