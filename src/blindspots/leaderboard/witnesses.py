"""The witnesses of an entry: a line per pair, and 8-bit PNGs, in one zip. No torch here.

The zip is the same, byte for byte, whenever it holds the same. What is read from a stranger's zip
is refused unless it is what would have been written: no folder, nothing compressed, nothing twice.
"""

import csv
import hashlib
import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from blindspots.errors import UsageError, first_line
from blindspots.images.decode import Unreadable, beside_pixels, decode
from blindspots.leaderboard.protocol import DIGITS, Protocol
from blindspots.store.archives import SINCE
from blindspots.store.atomic import write_whole
from blindspots.store.reader import Pixels

MANIFEST, TWO = "manifest.csv", 2
PLACES, MARGIN_PLACES = 7, 4  # as many as float32 has, for a confidence and for a margin
ENDS = ("source", "found", "target")
_NAME = re.compile(r"manifest\.csv|\d{5,6}-([0-9a-f]{16}|source|found|target)\.png")
_LONGEST_LINE, _LARGEST_PICTURE = 600, 8 * 2**20
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A line of the manifest: what forwards say of a pair, and of one witness of it or none.

    `pair`: its place in the protocol; `source`, `target`: 16 digits of their pictures' SHA-256.
    `named`: whether the model gives the source its class; `p_source`, `margin`: of the source.
    `apart`: RMSE of source and target. `line`, `line_margin`: how far the straight line to the
    target holds, within delta and at a margin of at least 0. `evaluations`: spent on the pair.
    `witness`: SHA-256 of the PNG; `lowest`, `lowest_margin`: over its whole segment; `rmse`: to the
    target; `by`: the entry that found it. These five are None, or empty, without a witness.
    """

    pair: int
    source: str
    target: str
    named: bool
    p_source: float
    margin: float
    apart: float
    line: float
    line_margin: float
    evaluations: float
    witness: str
    lowest: float | None
    lowest_margin: float | None
    rmse: float | None
    by: str

    @property
    def reach(self) -> float:
        """1 − rmse / apart, in [0, 1]; 0 without a witness."""
        if self.rmse is None or not self.apart > 0:
            return 0.0
        return min(1.0, max(0.0, 1 - self.rmse / self.apart))

    @property
    def file(self) -> str:
        return f"{self.pair:05d}-{self.witness[:DIGITS]}.png"


COLUMNS = tuple(one.name for one in fields(Judgement))
_VALUES = attrgetter(*COLUMNS)


class Contents(NamedTuple):
    """What a zip holds: the manifest's lines, its SHA-256, and the PNGs by name."""

    lines: Sequence[Judgement]
    manifest_sha256: str
    pictures: Mapping[str, bytes]


def render_manifest(lines: Iterable[Judgement]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_text(value) for value in _VALUES(one)] for one in lines)
    return out.getvalue().encode()


def write_zip(path: Path, lines: Iterable[Judgement], pictures: Mapping[str, bytes]) -> str:
    files = {MANIFEST: render_manifest(lines), **dict(sorted(pictures.items()))}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, SINCE)
            member.create_system = 3  # else it tells on which system it was written
            archive.writestr(member, data)
    write_whole(path, lambda aside: aside.write_bytes(content.getbuffer()))
    return hashlib.sha256(content.getbuffer()).hexdigest()


def read_zip(path: Path, protocol: Protocol) -> Contents:
    """What a zip holds, every line in order; refused in a sentence where it is not as written."""
    most = TWO * len(protocol.pairs)
    try:
        with zipfile.ZipFile(path) as archive:
            files = _members(archive, path, most)
        content = files.pop(MANIFEST)
        if len(content) > _LONGEST_LINE * (most + 1):
            raise ValueError(f"its manifest has more than {most:,} lines")
        lines = _parse(content.decode("ascii"), most)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = "it has no manifest" if isinstance(error, KeyError) else first_line(error)
        raise UsageError(f"{path} is no archive of witnesses: {reason}; submit it again") from error
    return Contents(lines, hashlib.sha256(content).hexdigest(), files)


def encode(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=9)
    return out.getvalue()


def read_png(data: bytes, size: tuple[int, int] | None = None) -> Pixels:
    """The pixels of a PNG of that height and width; ValueError where it is anything else."""
    if not data.startswith(_PNG) or len(data) < 26:
        raise ValueError("it is no PNG")
    width, height = struct.unpack(">II", data[16:24])
    if size is not None and (height, width) != tuple(size):
        raise ValueError(f"it has {width} × {height} pixels, expected {size[1]} × {size[0]}")
    if len(data) > _LARGEST_PICTURE or width * height > _LARGEST_PICTURE:
        raise ValueError("it is too large")
    try:
        decoded = decode(data)
    except Unreadable as error:
        raise ValueError(str(error)) from error
    more = beside_pixels(data)
    if decoded.converted or more:
        raise ValueError(f"it is not 8-bit RGB alone ({more})")
    return np.asarray(decoded.image)


def by_pair(lines: Iterable[Judgement]) -> dict[int, list[Judgement]]:
    pairs: dict[int, list[Judgement]] = {}
    for line in lines:
        pairs.setdefault(line.pair, []).append(line)
    return pairs


def _members(archive: zipfile.ZipFile, path: Path, most: int) -> dict[str, bytes]:
    listed = archive.infolist()
    names = [one.filename for one in listed]
    if len(listed) > 2 * most + 1:
        raise ValueError(f"it has {len(listed):,} files, expected at most {2 * most + 1:,}")
    if odd := next((name for name in names if not _NAME.fullmatch(name)), None):
        raise ValueError(f"it holds {odd[:80]!r}, which is no name of a witness")
    if len(set(names)) < len(names):
        raise ValueError("it holds a name twice")
    # Nothing unpacks to more than it is: there is no bomb where nothing is compressed.
    if any(one.compress_type or one.file_size != one.compress_size for one in listed):
        raise ValueError("something in it is compressed")
    if sum(one.file_size for one in listed) > path.stat().st_size:
        raise ValueError("its files overlap")
    return {one.filename: archive.read(one) for one in listed}


def _parse(text: str, most: int) -> list[Judgement]:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise ValueError(f"the columns of its manifest are not {', '.join(COLUMNS)}")
    if len(rows) > most + 1:
        raise ValueError(f"its manifest has {len(rows) - 1:,} lines, expected at most {most:,}")
    lines = [_line(row, number) for number, row in enumerate(rows[1:], 2)]
    if render_manifest(lines).decode() != text:
        raise ValueError("its manifest is not as it is written")
    return lines


def _line(row: Sequence[str], number: int) -> Judgement:
    if len(row) != len(COLUMNS):
        raise ValueError(f"line {number} of its manifest has {len(row)} columns")
    try:
        values = [read(text) for read, text in zip(_READERS, row, strict=True)]
        return Judgement(**dict(zip(COLUMNS, values, strict=True)))
    except ValueError as error:
        raise ValueError(f"line {number} of its manifest is wrong ({error})") from error


def _yes_or_no(text: str) -> bool:
    return text == "yes" if text in ("yes", "no") else _wrong(text)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _wrong(text)


def _finite_or_none(text: str) -> float | None:
    return None if text == "" else _finite(text)


def _wrong(text: str) -> Any:
    raise ValueError(f"{text[:40]!r} is no value of it")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


_BY_KIND: dict[Any, Callable[[str], Any]] = {
    bool: _yes_or_no,
    int: int,
    str: str,
    float: _finite,
    float | None: _finite_or_none,
}
_READERS = tuple(_BY_KIND[one.type] for one in fields(Judgement))
