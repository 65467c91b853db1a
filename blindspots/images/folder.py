"""`folder:DIR`: every image file below a directory, checked to its last byte when it is listed.

Where sub-folders hold images, each is a class (and what lies beside them is left out, with a
reason); else the directory is flat and its images have no class. Every file is decoded once here,
so that a damaged one is known before anything is planned; its pixels are not kept.
"""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from blindspots.errors import Refused, WorkFailed
from blindspots.images.decode import SUFFIXES, Examined, Unreadable, decode, examine
from blindspots.images.listing import Item, Listing, Remark, image_id

_THREADS, _CHUNK = 4, 1024
_SHOWN = 3


class _Checked(NamedTuple):
    name: str
    item: Item | None
    reason: str
    converted: tuple[str, ...] = ()


def list_folder(spec: str, directory: Path) -> Listing:
    """The images below a directory, sorted by their paths.

    Hidden files and files whose suffix is no image's are passed over; a file that is missing,
    damaged, no image, or of the same content as an earlier one is in `skipped`. Refused: no such
    directory, one that may not be read, and one without a single readable image.
    """
    if not directory.is_dir():
        raise Refused(f"{spec} names no directory ({directory}); type folder:DIR")
    names, others = _walk(directory)
    folders = _class_folders(directory, names)
    strays = [
        Remark(name, "it lies beside the class folders")
        for name in names
        if folders and "/" not in name
    ]
    inside = [name for name in names if not folders or "/" in name]
    checked = _checked(directory, inside, labelled=bool(folders))
    items, repeats = _without_repeats([check.item for check in checked if check.item])
    failed = [Remark(check.name, check.reason) for check in checked if not check.item]
    if not items:
        raise Refused(_nothing(spec, [*strays, *failed]))
    kept = {item.name for item in items}
    return Listing(
        spec,
        items,
        folders,
        skipped=sorted([*strays, *failed, *repeats]),
        converted=[
            Remark(check.name, "; ".join(check.converted))
            for check in checked
            if check.converted and check.name in kept
        ],
        notes=_passed_over(others),
    )


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
        for name in filter(lambda file: file[0] != ".", files):
            path = Path(root, name)
            is_image = path.suffix.lower() in SUFFIXES
            (images if is_image else others).append(path.relative_to(directory).as_posix())
    return sorted(images), sorted(others)


def _unlistable(error: OSError) -> None:
    raise Refused(f"{error.filename} cannot be listed: {error.strerror}") from error


def _class_folders(directory: Path, names: Sequence[str]) -> tuple[str, ...]:
    """All visible sub-folders, also those without images; none where no image lies in one."""
    if not any("/" in name for name in names):
        return ()
    visible = (path for path in directory.iterdir() if path.is_dir() and path.name[0] != ".")
    return tuple(sorted(path.name for path in visible))


def _checked(directory: Path, names: Sequence[str], *, labelled: bool) -> list[_Checked]:
    check = partial(_check, directory.absolute(), labelled)
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        # Pillow warns of large images that are fine here, and of oddities in EXIF data.
        warnings.simplefilter("ignore")
        chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
        return [checked for chunk in chunks for checked in pool.map(check, chunk)]


def _check(directory: Path, labelled: bool, name: str) -> _Checked:
    path = directory / name
    if path.exists() and not path.is_file():
        return _Checked(name, None, "it is no regular file")
    try:
        data = path.read_bytes()
        found = examine(data)
    except Unreadable as error:
        return _Checked(name, None, str(error))
    except FileNotFoundError:
        return _Checked(name, None, "it is missing (a link that leads nowhere)")
    except OSError as error:
        return _Checked(name, None, f"it cannot be read ({error.strerror})")
    folder = name.partition("/")[0] if labelled else None
    return _Checked(name, _item(path, name, folder, data, found), "", found.converted)


def _item(path: Path, name: str, folder: str | None, data: bytes, found: Examined) -> Item:
    digest = sha256(data).hexdigest()
    read = partial(_read, path, digest)
    return Item(image_id(name, digest), name, folder, found.size, digest, read)


def _read(path: Path, digest: str) -> Image.Image:
    """The image of a listed file; the work fails where it is not any more what it was."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkFailed(
            f"{path} was listed but cannot be read now: {error.strerror}; run again"
        ) from error
    if sha256(data).hexdigest() != digest:
        raise WorkFailed(f"{path} has changed since it was listed; run again")
    return decode(data).image


def _without_repeats(items: Sequence[Item]) -> tuple[list[Item], list[Remark]]:
    """The first item of every content, knowing its repetitions' names, and a remark on each."""
    first: dict[str, Item] = {}
    remarks = []
    for item in items:
        kept = first.setdefault(item.content, item)
        if kept is not item:
            first[item.content] = replace(kept, aliases=(*kept.aliases, item.name))
            remarks.append(Remark(item.name, f"it has the same content as {kept.name}"))
    return list(first.values()), remarks


def _nothing(spec: str, failed: Sequence[Remark]) -> str:
    if not failed:
        return f"{spec} holds no image file; expected files that end in .jpg, .png or the like"
    listed = "; ".join(f"{remark.name}: {remark.reason}" for remark in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return f"{spec} holds no readable image ({listed}{more}); give a directory with images"


def _passed_over(others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    shown = ", ".join(others[:_SHOWN]) + (" ..." if len(others) > _SHOWN else "")
    return (f"{len(others)} files were passed over, their suffix being no image's: {shown}",)
