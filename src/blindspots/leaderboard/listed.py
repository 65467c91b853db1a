"""The entries of a folder as their pages need them, each held against its own files."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from blindspots.errors import UsageError
from blindspots.leaderboard.entry import BoardEntry, EntryFiles, public_name, read_entry
from blindspots.leaderboard.numbers import best_witness, reaches
from blindspots.leaderboard.protocol import SUFFIX, Protocol, find_protocol
from blindspots.leaderboard.witnesses import ENDS, Contents, by_pair, read_png, read_zip
from blindspots.specs import parse_json, read_text

# From half of the way on a picture is nearer to the target, and named like it.
ARRIVED = 0.5
ROBUST = "robust-accuracy.json"


@dataclass(frozen=True)
class Listed:
    """An entry with what its pages show; `robust`: (robust accuracy, under what), where known."""

    entry: BoardEntry
    protocol: Protocol
    content: Contents
    files: EntryFiles
    robust: tuple[float, str] | None

    @property
    def track(self) -> str:
        return self.protocol.track(self.entry.method)

    @property
    def page(self) -> str:
        return f"{self.protocol.name}/{self.files.path.stem}.html"

    @property
    def ranked(self) -> bool:
        """Whether it has a rank: of a pinned track, or joined, and naming enough sources."""
        covered = (self.entry.numbers.coverage[0] or 0) >= self.protocol.ranked_from
        return covered and (self.track != "open" or self.entry.method.get("name") == "merged")

    @cached_property
    def reaches(self) -> list[float]:
        return reaches(self.content.lines, self.protocol, "delta")

    def trios(self) -> list[dict[str, Any]]:
        """The pairs that are shown, farthest first, with the places of their pictures."""
        numbers = {int(name.partition("-")[0]) for name in self.content.pictures}
        own = by_pair(self.content.lines)
        best = [best_witness(own[number], "delta", self.protocol.delta) for number in numbers]
        shown = sorted(filter(None, best), key=lambda one: -one.reach)
        return [
            {
                "name": self.entry.name,
                "source": _class(self.protocol, one.pair, 0),
                "target": _class(self.protocol, one.pair, 1),
                "reach": f"{one.reach:.3f}",
                "rmse": f"{one.rmse:.4f}",
                "p": f"{one.p_source:.3f}",
                "lowest": f"{one.lowest:.3f}",
                "by": one.by,
                "arrived": one.reach >= ARRIVED,
                "files": {end: f"{self.page[:-5]}/{one.pair:05d}-{end}.png" for end in ENDS},
            }
            for one in shown
        ]


def read_folder(folder: Path) -> Iterator[Listed]:
    """Every entry, by protocol and name; refused where one cannot be read, or disagrees."""
    robust = _robust(folder / ROBUST)
    for own in sorted(one for one in folder.glob("*") if one.is_dir()):
        protocol = _protocol(own)
        for path in sorted(own.glob(f"*{SUFFIX}")):
            entry, known = read_entry(path), EntryFiles(path)
            content = read_zip(known.shown, protocol)
            _check(path, entry, protocol, content, known)
            yield Listed(entry, protocol, content, known, _known(robust, entry, protocol))


def _protocol(folder: Path) -> Protocol:
    """The protocol of a folder's name: that in a file beside it, or the one of the package."""
    own = folder.with_suffix(f"{folder.suffix}{SUFFIX}")
    return find_protocol(str(own) if own.is_file() else folder.name)


def _check(
    path: Path, entry: BoardEntry, protocol: Protocol, content: Contents, known: EntryFiles
) -> None:
    shown = hashlib.sha256(known.shown.read_bytes()).hexdigest()
    held = (entry.protocol_sha256, entry.shown_sha256, entry.manifest_sha256, entry.sha256)
    own = (protocol.sha256, shown, content.manifest_sha256, entry.sealed().sha256)
    pairs = {line.pair for line in content.lines}
    try:
        for picture in content.pictures.values():
            read_png(picture)
        whole = {int(name.partition("-")[0]) for name in content.pictures} <= pairs
        sound = held == own and pairs == set(range(len(protocol.pairs))) and whole
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(
            f"{path} disagrees with its own files; expected an entry as it was submitted; type "
            f"blindspots leaderboard verify {path} --files-only"
        )


def _robust(file: Path) -> list[Mapping[str, Any]]:
    if not file.is_file():
        return []
    rows = parse_json(read_text(file, str(file)), str(file))
    wanted = {"data": str, "model": str, "accuracy": float, "under": str}
    for row in rows if isinstance(rows, list) else [rows]:
        fits = isinstance(row, dict) and wanted.keys() == row.keys()
        if not fits or not all(isinstance(row.get(key), kind) for key, kind in wanted.items()):
            raise UsageError(
                f"{file} has a row that is none; expected data, model, accuracy (0 to 1) and under"
            )
    return rows


def _known(
    rows: Sequence[Mapping[str, Any]], entry: BoardEntry, protocol: Protocol
) -> tuple[float, str] | None:
    """By fingerprint, or by name where the weights are those that the name stands for."""
    named = "" if "weights=" in entry.spec else public_name(entry.spec)
    own = (row for row in rows if row["data"] == protocol.data)
    found = next((row for row in own if row["model"] in (entry.fingerprint, named)), None)
    return None if found is None else (found["accuracy"], found["under"])


def _class(protocol: Protocol, pair: int, end: int) -> str:
    """The class of a source (0) or target (1): the file's name says more than a folder's number."""
    picture = protocol.pictures[protocol.pairs[pair][end]]
    if not re.fullmatch(r"n\d{8}", picture.label):
        return picture.label
    stem = Path(picture.name).stem.removeprefix(picture.label).strip("_")
    return stem.replace("_", " ") or picture.label
