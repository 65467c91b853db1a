"""`folder:DIR` and `files:a.jpg,b.png`: image files; and how a spec says files and keys.

Where sub-folders of a directory hold images, each is a class (and what lies beside them is left
out, with a reason); else the directory is flat and its images have no class. Files that are named
one by one have none either; a comma inside such a name is written `%2C`, a question mark `%3F`, and
`%` itself `%25`.
"""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from itertools import takewhile
from pathlib import Path, PurePosixPath
from textwrap import shorten
from urllib.parse import unquote

from blindspots.errors import UsageError
from blindspots.images.classes import composed
from blindspots.images.collect import Entry, classed, collect, is_number
from blindspots.images.decode import SUFFIXES, Unreadable
from blindspots.images.listing import LABEL_NAMES, Issue, Listing
from blindspots.progress import Reporter
from blindspots.specs import Spec, nearest_names, read_text, user_path

MAP = "map"
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_SHOWN = 3
# More shards than any data set has; the first that is missing is refused.
_MOST_FILES = 1_000_000
_METADATA = "metadata.csv"
# What macOS, Windows and network drives lay beside a user's own folders.
_JUNK = frozenset(
    ("__MACOSX", "@eaDir", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot", "@tmp")
) | {"$RECYCLE.BIN", "System Volume Information", "lost+found", "Network Trash Folder"}
_EXAMPLE = "type files:a.jpg,b.png, or files:@LIST with a path a line"


def list_folder(spec: Spec, reporter: Reporter) -> Listing:
    """The images below a directory, sorted by their paths.

    Hidden files, what systems lay beside them, and files whose suffix is no image's are passed
    over. The images of a flat directory have the classes in its `metadata.csv`. Refused: no such
    directory, one that may not be read, and one without a single readable image.
    """
    said_options(spec, {})
    directory = check_folder(spec)
    names, others, runs = _walk(directory)
    folders = _class_folders(directory, names, runs)
    strays = [
        Issue(name, "it lies beside the class folders")
        for name in names
        if folders and "/" not in name
    ]
    inside = [name for name in names if not folders or "/" in name]
    said, notes = _metadata(directory, others, bool(folders), inside)
    labels = said or {name: composed(name.partition("/")[0]) for name in inside if folders}
    entries = [_entry(directory.absolute(), name, labels.get(name)) for name in inside]
    listing = collect(
        str(spec),
        entries,
        len(entries),
        reporter,
        skipped=strays,
        expected="expected files that end in .jpg, .png or the like",
    )
    listing = (
        replace(classed(listing), labels_in=_METADATA)
        if said
        else replace(listing, classes=folders)
    )
    empty = sorted({*folders} - {composed(name.partition("/")[0]) for name in inside})
    notes += _phrase(empty, "folders hold no image")
    others = [name for name in others if name != _METADATA]
    notes += _phrase(others, "files were passed over, their suffix being no image's")
    notes += _phrase(runs, "folders were passed over, being runs of blindspots")
    return replace(listing, notes=notes)


def check_folder(spec: Spec) -> Path:
    directory = user_path(spec.name)
    if not directory.is_dir():
        raise UsageError(f"{spec} names no directory ({directory}); type folder:DIR")
    return directory


def _metadata(
    directory: Path, others: Sequence[str], classed: bool, names: Sequence[str]
) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """The class of each image by `metadata.csv`, as Hugging Face writes it; and notes."""
    if _METADATA not in others or classed:
        note = f"{_METADATA} was not read, because the folders are the classes"
        return {}, (note,) * (_METADATA in others)
    path = directory / _METADATA
    try:
        rows = list(csv.DictReader(StringIO(read_text(path, str(path)))))
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV file ({error}); write it again") from error
    columns = list(rows[0]) if rows else []
    label = next((name for name in LABEL_NAMES if name in columns), None)
    if label is None or "file_name" not in columns:
        have = shorten(", ".join(filter(None, columns)), 200) or "none"
        wanted = f"file_name and {LABEL_NAMES[0]}"
        return {}, (f"the images have no classes: {path} has the columns {have}, not {wanted}",)
    classes: dict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        name = PurePosixPath(composed(row["file_name"] or "").replace("\\", "/")).as_posix()
        classes[name].add(" ".join(composed(row[label] or "").split()) or None)
    several = sorted(name for name, own in classes.items() if len(own) > 1)
    own = {composed(name): name for name in names}
    notes = _phrase(several, f"files have several classes in {_METADATA}, so none of them has one")
    notes += _phrase(sorted(classes.keys() - own.keys()), f"files of {_METADATA} are not there")
    known = {name: classes[key] for key, name in own.items() if key in classes}
    return {name: next(iter(one)) if len(one) == 1 else None for name, one in known.items()}, notes


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; raises `Unreadable` for a pipe, which would block."""
    if path.exists() and not path.is_file():
        raise Unreadable("it is no regular file")
    return path.read_bytes()


def _entry(directory: Path, name: str, label: str | None) -> Entry:
    return Entry(name, label, partial(read_file, directory / name))


def _walk(directory: Path) -> tuple[list[str], list[str], list[str]]:
    """The relative paths of image files, other files and runs, sorted; hidden ones left out."""
    images, others, runs, seen = [], [], [], set()
    for root, folders, files in os.walk(directory, followlinks=True, onerror=_unlistable):
        seen.add(os.path.realpath(root))
        folders[:] = sorted(
            name
            for name in folders
            if _is_visible(name) and os.path.realpath(Path(root, name)) not in seen
        )
        below = Path(root).relative_to(directory).as_posix()
        if below != "." and _is_run(Path(root)):
            runs.append(below)
            folders.clear()
            continue
        for name in filter(lambda file: file[0] != ".", files):
            is_image = os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 (a Path each)
            (images if is_image else others).append(name if below == "." else f"{below}/{name}")
    return sorted(images), sorted(others), sorted(runs)


def _in_run(file: Path, said: int) -> bool:
    """Whether a run holds a file, below the folders that were said by their names."""
    return any(_is_run(Path(*file.parts[:depth])) for depth in range(said + 1, len(file.parts)))


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run's: the pictures and tables in it are none that a user gave."""
    return (folder / "run.json").is_file() and (folder / "parts").is_dir()


def _unlistable(error: OSError) -> None:
    raise UsageError(
        f"{error.filename} cannot be listed: {error.strerror}; make it readable, or name another"
    ) from error


def _class_folders(directory: Path, names: Sequence[str], runs: Sequence[str]) -> tuple[str, ...]:
    """All visible sub-folders, also those without images; none where no image lies in one."""
    if not any("/" in name for name in names):
        return ()
    folders = (path.name for path in directory.iterdir() if path.is_dir())
    visible = {composed(name) for name in folders if _is_visible(name) and name not in runs}
    return tuple(sorted(visible, key=int if all(map(is_number, visible)) else None))


def _is_visible(folder: str) -> bool:
    return folder[0] != "." and folder not in _JUNK


def _phrase(names: Sequence[str], what: str) -> tuple[str, ...]:
    if not names:
        return ()
    shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    return (f"{len(names)} {what}: {shown}",)


def said_options(spec: Spec, defaults: Mapping[str, str]) -> dict[str, str]:
    """The options of a spec over their defaults; refused where one is none of these."""
    unknown = [key for key in spec.options if key not in defaults]
    if unknown:
        known = [*defaults, MAP]
        raise UsageError(
            f"{spec.scheme}:{spec.name} has no option {unknown[0]!r}; expected {', '.join(known)}; "
            f"{nearest_names(unknown[0], known) or f'type {spec.scheme}:{spec.name}'}"
        )
    return {**defaults, **spec.options}


def whole_number(spec: Spec, key: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise UsageError(
            f"{key}={text} in {spec} is not a whole number from {least}; type {key}=100"
        )
    return int(text)


def yes_or_no(spec: Spec, key: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise UsageError(f"{key}={text} in {spec} is neither true nor false; type {key}=true")
    return text == "true"


def named_files(spec: Spec, pattern: str) -> list[Path]:
    """The files that a name stands for, in order.

    `{000..003}` and `{a,b}` stand for several, and `*` as in a shell. Refused where one is missing,
    with the names nearest to it.
    """
    return [path for name in _expanded(pattern) for path in _matching(spec, name)]


def missing_file(spec: Spec, path: Path) -> UsageError:
    if path.is_dir():
        # Files that are named one by one are no pattern.
        instead = f"folder:{path}" if spec.scheme == "files" else f"{spec.scheme}:{path}/*"
        return UsageError(f"{spec} names a directory ({path}); expected a file; type {instead}")
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest_names(path.name, beside) or "check the path"
    return UsageError(f"{spec}: there is no file {path}; {hint}")


def _matching(spec: Spec, name: str) -> list[Path]:
    path = user_path(name)
    if path.is_file():
        return [path]
    start = Path(path.anchor) if path.is_absolute() else Path()
    relative = str(path.relative_to(start)) if path.is_absolute() else str(path)
    matching = start.glob(relative) if "*" in name else ()
    said = len(list(takewhile(lambda part: "*" not in part, path.parts)))
    found = sorted(one for one in matching if one.is_file() and not _in_run(one, said))
    if not found:
        raise missing_file(spec, path)
    return found


def _expanded(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    choices = _choices(found[1]) if found else ()
    if not found or not choices:
        yield pattern
        return
    for choice in choices:
        yield from _expanded(pattern[: found.start()] + choice + pattern[found.end() :])


def _choices(inside: str) -> list[str]:
    bounds = _RANGE.fullmatch(inside)
    if bounds:
        first, last = bounds.groups()
        width = len(first) if first[0] == "0" else 0
        last = min(int(last), int(first) + _MOST_FILES)
        return [str(number).zfill(width) for number in range(int(first), last + 1)]
    return inside.split(",") if "," in inside else []


def list_files(spec: Spec, reporter: Reporter) -> Listing:
    """The named files, in the order given; `files:@LIST` reads the names from a file, one per line.

    Refused: a name without a file (a damaged file is skipped as everywhere), and no name at all.
    """
    said_options(spec, {})
    names = _names(spec)
    entries = [_file_entry(spec, name) for name in names]
    return collect(str(spec), entries, len(entries), reporter, expected=_EXAMPLE)


def check_files(spec: Spec) -> None:
    for name in _names(spec):
        _file_entry(spec, name)


def _names(spec: Spec) -> list[str]:
    if not spec.name.startswith("@"):
        return [unquote(name) for name in spec.name.split(",") if name]
    path = user_path(spec.name[1:])
    lines = read_text(path, f"{spec}: the list {path}").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _file_entry(spec: Spec, name: str) -> Entry:
    path = user_path(name)
    if path.is_dir() or not path.exists():
        raise missing_file(spec, path)
    return Entry(path.as_posix(), None, partial(read_file, path.absolute()))
