"""`webdataset:SHARD-{000..003}.tar`: samples of files that share their name up to its first dot.

Shards are plain tar files, so nothing but Python is needed to read them, and an image is read from
its place in the shard when it is taken. Keys: `image=`, `label=`: the suffixes of a sample's image
and class, where they are not the usual ones; `label=json.KEY` is a key of its JSON.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

from blindspots.errors import UsageError
from blindspots.images.collect import Entry, classed, collect
from blindspots.images.decode import SUFFIXES, Unreadable
from blindspots.images.listing import Listing, class_of
from blindspots.images.sources.files import named_files, said_options
from blindspots.progress import Reporter
from blindspots.specs import Spec, nearest_names, parse_json

_LABELS = ("cls", "cls.txt", "json")
# How files that gzip, bzip2, xz and zstd packed begin.
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_JSON_KEYS = ("label", "cls", "class")


@dataclass(frozen=True)
class _Sample:
    shard: Path
    key: str
    files: dict[str, tuple[int, int]] = field(default_factory=dict)

    def read(self, suffix: str) -> bytes:
        return _read(self.shard, *self.files[suffix])


def list_webdataset(spec: Spec, reporter: Reporter) -> Listing:
    """The samples of the shards, in order.

    Refused: a missing, broken or compressed shard, and suffixes that no sample has.
    """
    said = said_options(spec, {"image": "", "label": ""})
    shards = named_files(spec, spec.name)
    samples = [sample for shard in shards for sample in _samples(shard)]
    image, label = _suffixes(spec, samples, said["image"], said["label"])
    entries = (_entry(sample, image, label) for sample in samples)
    listing = collect(
        str(spec),
        filter(None, entries),
        len(samples),
        reporter,
        expected="expected samples with .jpg, .png or .webp files",
    )
    found = f"their files .{label}" if label else f"a file .{_LABELS[0]} beside them"
    return replace(classed(listing), labels_in=found)


def _samples(shard: Path) -> Iterator[_Sample]:
    members = [one for one in _members(shard) if one.isfile() and not _is_hidden(one.name)]
    for key, files in groupby(members, lambda one: _split(one.name)[0]):
        places = {_split(one.name)[1]: (one.offset_data, one.size) for one in files}
        yield _Sample(shard.absolute(), key, places)


def _members(shard: Path) -> Sequence[tarfile.TarInfo]:
    try:
        with tarfile.open(shard, "r:") as tar:
            members, end = tar.getmembers(), tar.offset
    except Exception as error:
        with shard.open("rb") as file:
            packed = file.read(6).startswith(_PACKED)
        remedy = "unpack it first, as by gunzip" if packed else "copy or write it again"
        raise UsageError(
            f"{shard} is no whole, uncompressed tar file ({error}); {remedy}"
        ) from error
    sparse = next((one.name for one in members if one.issparse()), None)
    if sparse is not None:
        raise UsageError(
            f"{shard} keeps {sparse} without its zeros, as tar --sparse does; pack it again "
            "without that option"
        )
    _check_end(shard, end, members)
    return members


def _check_end(shard: Path, end: int, members: Sequence[tarfile.TarInfo]) -> None:
    """Refuse a shard that goes on where reading stopped, or that lacks its end."""
    # Python's reader takes a header that it cannot read for the end, and says nothing.
    size = shard.stat().st_size
    behind = f"behind {members[-1].name}" if members else "at its beginning"
    with shard.open("rb") as file:
        file.seek(end)
        while block := file.read(2**20):
            if block.strip(b"\0"):
                raise UsageError(
                    f"{shard} is damaged {behind}: the {size - end:,} bytes that follow hold no "
                    "readable file, so samples are missing; copy or write it again"
                )
    if size - end < 2 * tarfile.BLOCKSIZE:
        raise UsageError(
            f"{shard} is cut short {behind}: the two empty blocks that end a tar file are "
            "missing, and perhaps samples before them; copy or write it again"
        )


def _split(name: str) -> tuple[str, str]:
    """(key, suffix): what stands before and behind the first dot of the file's own name."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return (path.parent / stem).as_posix(), suffix.lower()


def _is_hidden(name: str) -> bool:
    own = PurePosixPath(name).name
    return own.startswith(".") or (own.startswith("__") and own.endswith("__"))


def _suffixes(
    spec: Spec, samples: Sequence[_Sample], image: str, label: str
) -> tuple[Sequence[str], str]:
    """The suffixes that hold the image, the best first, and the one that holds the class."""
    present = list(dict.fromkeys(suffix for sample in samples for suffix in sample.files))
    for key, said in (("image", image), ("label", label.partition(".")[0] and label)):
        if said and said not in present and not (said.startswith("json.") and "json" in present):
            raise UsageError(
                f"{spec}: no sample has a file .{said}; expected one of {', '.join(present)}; "
                f"{nearest_names(said, present) or f'leave {key}= out'}"
            )
    usual = [suffix.lstrip(".") for suffix in SUFFIXES]
    images = [one for one in usual if one in present]
    images += [one for one in present if f".{one.rpartition('.')[2]}" in SUFFIXES]
    return [image] if image else images, label or next((s for s in _LABELS if s in present), "")


def _entry(sample: _Sample, images: Sequence[str], label: str) -> Entry | None:
    suffix = next((one for one in images if one in sample.files), None)
    if suffix is None:
        return None
    name = f"{sample.shard.name}/{sample.key}.{suffix}"
    read = partial(_read, sample.shard, *sample.files[suffix])
    return Entry(name, _label(sample, label), read)


def _label(sample: _Sample, said: str) -> str | None:
    kind, _, key = said.partition(".") if said.startswith("json.") else (said, "", "")
    if kind not in sample.files:
        return None
    text = sample.read(kind).decode("utf-8-sig", errors="replace").strip()
    if kind != "json" and not kind.endswith(".json"):
        return text or None
    return _of_json(sample, text, [key] if key else _JSON_KEYS)


def _of_json(sample: _Sample, text: str, keys: Sequence[str]) -> str | None:
    where = f"the JSON file for {sample.key} in {sample.shard}"
    found = parse_json(text, where, "write it again, or say another label=")
    values = [found[key] for key in keys if isinstance(found, dict) and key in found]
    return class_of(values[0], where) if values else None


def _read(shard: Path, offset: int, size: int) -> bytes:
    with shard.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise Unreadable("its shard is cut short")
    return data
