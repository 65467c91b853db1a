"""Many small files of a folder as a few zip archives, without compression. No torch here.

A file lies in its folder, or under its own name in one of the folder's archives. An archive's
comment lists what it holds, so that finding a file among a million reads no directory of members.
Zip keeps a checksum of every member, which is compared when it is read. Nothing is ever unpacked:
a member that is compressed or encrypted, or larger than what lies there, is damage.
"""

import hashlib
import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load

from blindspots.errors import UsageError, first_line
from blindspots.store.atomic import write_whole
from blindspots.store.paths import Place, children, inside

PICTURES, KINDS = ("images", "found", "path"), (".png", ".safetensors")

UNIT = 512
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 2**16 - 1
_ARCHIVE = re.compile(r"[0-9a-f]{16}\.zip")
SINCE = (1980, 1, 1, 0, 0, 0)


# What the copies of an image end with for a model that sees it otherwise.
_COPY = re.compile(r"-[0-9]+$")


def naming_columns(folder: str) -> tuple[str, ...]:
    """The columns of pairs after which the pictures of a folder are called."""
    return ("source_id", "target_id") if folder == "images" else ("pair_id",)


def named_stems(stems: Iterable[str], rows: pa.Table) -> set[str]:
    """Those of the stems that a value of the rows names, or of whose copies it is the image."""
    known = {name for column in rows.to_pydict().values() for name in column}
    return {stem for stem in stems if stem in known or _COPY.sub("", stem) in known}


class Damaged(UsageError, OSError):
    """A stored picture that cannot be read; OSError too, which stops a run with its pairs kept."""


class Archives:
    """The files of one folder, loose and packed. `stems`: names without their suffix."""

    def __init__(self, folder: Place) -> None:
        self.folder = folder
        self._listed: set[Place] = set()

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none. `Damaged` where it cannot be read."""
        try:
            return inside(self.folder, name).read_bytes()
        except FileNotFoundError:
            archive = self._places.get(Path(name).stem) or self._look_again().get(Path(name).stem)
        except OSError as error:
            raise _damaged(self.folder / name, error) from error
        return None if archive is None else self._member(archive, name)

    def has(self, name: str) -> bool:
        """Whether there is such a file, by its stem alone where it is packed."""
        return Path(name).stem in self._places or inside(self.folder, name).is_file()

    def stems(self, suffix: str) -> set[str]:
        """The stems of all files, packed ones and loose ones with that suffix."""
        return set(self._look_again()) | self.loose(suffix)

    def loose(self, suffix: str | None = None) -> set[str]:
        return {
            file.stem
            for file in children(self.folder)
            if file.suffix in KINDS and suffix in (None, file.suffix)
        }

    def pack(self, stems: Iterable[str]) -> None:
        """Pack the loose files with these stems, `UNIT` stems an archive, and remove them.

        A kill on the way leaves files twice, never less than once.
        """
        files = _by_stem(self.folder)
        waiting = sorted(stem for stem in stems if stem in files)
        for start in range(0, len(waiting), UNIT):
            unit = {stem: files[stem] for stem in waiting[start : start + UNIT]}
            _write(self.folder, unit)
            self._look_again()
            for file in (file for own in unit.values() for file in own):
                file.unlink()

    def drop(self, stems: Iterable[str]) -> None:
        """Remove the loose files with these stems, and the archives that hold no others."""
        stems, files = set(stems), _by_stem(self.folder)
        for file in (file for stem in stems for file in files.get(stem, ())):
            file.unlink()
        for archive in self._archives():
            if stems.issuperset(_contents(archive) or {""}):
                archive.unlink()
                for stem in stems:
                    self._places.pop(stem, None)

    def damaged(self) -> Iterator[Place]:
        archives = sorted(self._archives(), key=str)
        return (archive for archive in archives if _contents(archive) is None)

    def _archives(self) -> list[Place]:
        return [file for file in self.folder.glob("*.zip") if _ARCHIVE.fullmatch(file.name)]

    @cached_property
    def _places(self) -> dict[str, Place]:
        return self._add({}, self._archives())

    def _look_again(self) -> Mapping[str, Place]:
        """Where each stem is packed, in archives written since too."""
        places = self._places
        return self._add(places, set(self._archives()) - self._listed)

    def _add(self, places: dict[str, Place], archives: Iterable[Place]) -> dict[str, Place]:
        for archive in archives:
            places.update(dict.fromkeys(_contents(archive) or (), archive))
            self._listed.add(archive)
        return places

    @cached_property
    def _opened(self) -> Callable[[Place], zipfile.ZipFile]:
        # A source's found images are asked for one after the other, and lie in few archives.
        return lru_cache(maxsize=8)(_open_zip)

    def _member(self, archive: Place, name: str) -> bytes | None:
        try:
            opened = self._opened(archive)
            member = opened.NameToInfo.get(name)
            if member is None:
                return None
            # Its data lie before the directory of members, so they are no longer than that is far.
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > opened.start_dir:
                raise zipfile.BadZipFile(f"{name} in it is not as a run packs it")
            return opened.read(member)
        except Exception as error:
            raise _damaged(archive, error) from error


def _open_zip(archive: Place) -> zipfile.ZipFile:
    if isinstance(archive, Path):
        return zipfile.ZipFile(archive)
    return zipfile.ZipFile(archive.open("rb"))


def _by_stem(folder: Place) -> dict[str, list[Place]]:
    files: dict[str, list[Place]] = {}
    for file in sorted(children(folder), key=str):
        if file.suffix in KINDS:
            files.setdefault(file.stem, []).append(file)
    return files


def _write(folder: Place, unit: Mapping[str, Sequence[Place]]) -> Place:
    """An archive of these files, whole; its name follows from what it holds."""
    comment = "\n".join(unit).encode()
    name = hashlib.sha256(comment).hexdigest()[:16]

    def write(aside: Path) -> None:
        with zipfile.ZipFile(aside, "w") as archive:
            archive.comment = comment
            for file in (file for own in unit.values() for file in own):
                archive.writestr(zipfile.ZipInfo(file.name, SINCE), file.read_bytes())

    return write_whole(folder / f"{name}.zip", write)


def _contents(archive: Place) -> list[str] | None:
    """The stems in an archive, from the comment at its end; None where it is not whole."""
    try:
        with archive.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
            tail = file.read()
        start = tail.rfind(_END)
        if start < 0 or len(tail) - start < _END_SIZE:
            return None
        (length,) = struct.unpack_from("<H", tail, start + _END_SIZE - 2)
        comment = tail[start + _END_SIZE :]
        return comment.decode().splitlines() if len(comment) == length else None
    except (IsADirectoryError, UnicodeDecodeError):
        return None


def load_exact(found: Archives, pair_id: str) -> Float[np.ndarray, "3 height width"] | None:
    """The exact float32 image of a pair in `found/`; None where it was not kept."""
    content = found.read(f"{pair_id}.safetensors")
    try:
        return None if content is None else load(content)["found"]
    except (SafetensorError, KeyError) as error:
        raise _damaged(found.folder / f"{pair_id}.safetensors", error) from error


def _damaged(file: Place, error: Exception) -> Damaged:
    reason = f"{file} is damaged ({first_line(error)})"
    return Damaged(f"{reason}; remove it, and give the run's command again")
