"""`folder:DIR`: every image file below a directory.

Where sub-folders hold images, each is a class (and what lies beside them is left out, with a
reason); else the directory is flat and its images have no class.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from blindspots.errors import UsageError
from blindspots.images.collect import Entry, collect
from blindspots.images.decode import SUFFIXES, Unreadable
from blindspots.images.listing import Issue, Listing
from blindspots.images.sources.source_options import said_options
from blindspots.progress import Reporter
from blindspots.specs import Spec

_SHOWN = 3


def list_folder(spec: Spec, reporter: Reporter) -> Listing:
    """The images below a directory, sorted by their paths.

    Hidden files and files whose suffix is no image's are passed over. Refused: no such directory,
    one that may not be read, and one without a single readable image.
    """
    said_options(spec, {})
    directory = Path(spec.name).expanduser()
    if not directory.is_dir():
        raise UsageError(f"{spec} names no directory ({directory}); type folder:DIR")
    names, others = _walk(directory)
    folders = _class_folders(directory, names)
    strays = [
        Issue(name, "it lies beside the class folders")
        for name in names
        if folders and "/" not in name
    ]
    inside = [name for name in names if not folders or "/" in name]
    entries = [_entry(directory.absolute(), name, labelled=bool(folders)) for name in inside]
    listing = collect(
        str(spec),
        entries,
        len(entries),
        reporter,
        skipped=strays,
        expected="expected files that end in .jpg, .png or the like",
    )
    return replace(listing, classes=folders, notes=_passed_over(others))


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; raises `Unreadable` for a pipe, which would block."""
    if path.exists() and not path.is_file():
        raise Unreadable("it is no regular file")
    return path.read_bytes()


def _entry(directory: Path, name: str, *, labelled: bool) -> Entry:
    label = name.partition("/")[0] if labelled else None
    return Entry(name, label, partial(read_file, directory / name))


def _walk(directory: Path) -> tuple[list[str], list[str]]:
    """The relative paths of image files, and of other files, sorted; hidden ones left out."""
    images, others, seen = [], [], set()
    for root, folders, files in os.walk(directory, followlinks=True, onerror=_unlistable):
        seen.add(os.path.realpath(root))
        folders[:] = sorted(
            name
            for name in folders
            if name[0] != "." and os.path.realpath(Path(root, name)) not in seen
        )
        below = Path(root).relative_to(directory).as_posix()
        for name in filter(lambda file: file[0] != ".", files):
            is_image = os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 (a Path each)
            (images if is_image else others).append(name if below == "." else f"{below}/{name}")
    return sorted(images), sorted(others)


def _unlistable(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be listed: {error.strerror}") from error


def _class_folders(directory: Path, names: Sequence[str]) -> tuple[str, ...]:
    """All visible sub-folders, also those without images; none where no image lies in one."""
    if not any("/" in name for name in names):
        return ()
    visible = (path for path in directory.iterdir() if path.is_dir() and path.name[0] != ".")
    return tuple(sorted(path.name for path in visible))


def _passed_over(others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    shown = ", ".join(others[:_SHOWN]) + (" ..." if len(others) > _SHOWN else "")
    return (f"{len(others)} files were passed over, their suffix being no image's: {shown}",)
