"""`hf:ORG/NAME:SPLIT` and `hf:DIR:SPLIT`: data sets through the `datasets` library.

A name is looked up on the hub, unless a directory of that name exists; where the hub is out of
reach, in the library's own cache and then in the hub's. A directory is what `save_to_disk` wrote,
or holds data files as `load_dataset` reads them: Parquet files, or folders of images. `datasets`
runs no code of a data set. Keys: `split=` (the same as behind the colon), `config=`, `image=`,
`label=`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindspots.errors import UsageError, first_line
from blindspots.images.collect import Entry, collect
from blindspots.images.listing import Listing
from blindspots.images.sources.files import said_options
from blindspots.images.sources.tabular import ImageColumns, ImageRow, choose_columns, rows
from blindspots.progress import Reporter
from blindspots.specs import Spec, nearest_names, user_path

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 64
_SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")


def list_huggingface(spec: Spec, reporter: Reporter) -> Listing:
    """The images of one split, in its order.

    Refused: `datasets` is not installed, nothing of that name, a broken data set, a split that is
    not there or not said, and columns that are not evident.
    """
    said = said_options(spec, {"split": "", "config": "", "image": "", "label": ""})
    name, split = _name_and_split(spec, said["split"])
    loaded, root = _loaded(spec, name, said["config"] or None)
    dataset = _of_split(spec, name, loaded, split)
    schema = dataset.features.arrow_schema
    columns = choose_columns(str(spec), schema, said["image"] or None, said["label"] or None)
    dataset = dataset.select_columns(columns.wanted).with_format("arrow")
    listing = collect(
        str(spec),
        _entries(spec, dataset, columns, root),
        len(dataset),
        reporter,
        expected="expected rows with images",
    )
    return columns.with_classes(listing)


def _name_and_split(spec: Spec, said: str) -> tuple[str, str]:
    name, colon, split = spec.name.rpartition(":")
    if not colon or user_path(spec.name).is_dir():
        return spec.name, said
    if said and split != said:
        raise UsageError(
            f"{spec} says two splits, {split} and {said}; say one, as hf:{name}:{said}"
        )
    return name, split


def _loaded(spec: Spec, name: str, config: str | None) -> tuple[Any, Path]:
    """All splits, or a single saved one, and where they lie; files are mapped, not read."""
    try:
        import datasets  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{spec} needs the datasets package; type pip install 'blindspots[datasets]'"
        ) from error
    directory = user_path(name).absolute()
    try:
        if directory.is_dir():
            return _of_directory(directory, config), directory
        return _of_hub(name, config, directory)
    except Exception as error:
        # Whatever the library or its network client raises, the data set is not to be had.
        raise UsageError(_cannot_load(spec, name, directory, error)) from error


def _of_directory(directory: Path, config: str | None) -> Any:
    import datasets

    with _silence():
        if any((directory / one).is_file() for one in _SAVED):
            return datasets.load_from_disk(str(directory))
        return datasets.load_dataset(str(directory), config)


def _of_hub(name: str, config: str | None, directory: Path) -> tuple[Any, Path]:
    import datasets

    try:
        return datasets.load_dataset(name, config), directory
    except (OSError, ValueError):
        # Out of reach, `datasets` looks into its own cache alone, not into the hub's.
        snapshot = _snapshot(name)
        if snapshot is None:
            raise
        return _of_directory(snapshot, config), snapshot


def _snapshot(name: str) -> Path | None:
    """The files of a data set in the hub's cache; None where it has none, or not all."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", local_files_only=True))
    except (OSError, ValueError):
        return None


@contextmanager
def _silence() -> Iterator[None]:
    import datasets

    shown, level = datasets.is_progress_bar_enabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if shown:
            datasets.enable_progress_bars()


def _cannot_load(spec: Spec, name: str, directory: Path, error: Exception) -> str:
    reason = first_line(error)
    if directory.is_dir():
        return (
            f"{spec}: datasets cannot read the directory {name} ({reason}); expected one that "
            "save_to_disk wrote, or Parquet files, or folders of images"
        )
    return (
        f"{spec}: there is no directory {name}, and the hub does not give a data set of that name, "
        f"nor does its cache here ({reason}); check the name and the network, or type hf:DIR"
    )


def _of_split(spec: Spec, name: str, loaded: Any, split: str) -> "Dataset":
    from datasets import DatasetDict

    if not isinstance(loaded, DatasetDict):
        own = str(loaded.split) if loaded.split is not None else ""
        if split and split != own:
            raise UsageError(f"{spec} holds one split{f', {own}' if own else ''}; type hf:{name}")
        return loaded
    names = list(map(str, loaded))
    if not split and len(names) == 1:
        return loaded[names[0]]
    if split not in names:
        asked = f"has no split {split!r}" if split else "has several splits"
        hint = nearest_names(split, names) or f"type hf:{name}:{names[-1]}"
        raise UsageError(f"{spec} {asked}; expected one of {', '.join(names)}; {hint}")
    return loaded[split]


def _entries(spec: Spec, dataset: "Dataset", columns: ImageColumns, root: Path) -> Iterator[Entry]:
    number = 0
    for table in dataset.iter(_BATCH):
        for row in rows(str(spec), table, columns):
            yield _entry(dataset, columns.image, number, row, root)
            number += 1


def _entry(dataset: "Dataset", column: str, number: int, row: ImageRow, root: Path) -> Entry:
    read = partial(_read_row, dataset, column, number, root)
    name = _below(root, row) or f"{number:06d}"
    return Entry(name, row.label, read, row.data, unnamed=row.name is None)


def _below(root: Path, row: ImageRow) -> str | None:
    """A file's path below the directory of its data set, else its own name."""
    if row.path is not None and Path(row.path).is_relative_to(root):
        return Path(row.path).relative_to(root).as_posix()
    return row.name


def _read_row(dataset: "Dataset", column: str, number: int, root: Path) -> bytes:
    (row,) = rows("the data set", dataset[number : number + 1], ImageColumns(column))
    return row.read(root)
