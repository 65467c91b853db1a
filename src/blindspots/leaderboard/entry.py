"""An entry: what is claimed of a model on a protocol, and the files that prove it. No torch here.

`NAME.json` is the entry, `NAME.zip` its witnesses, `NAME.shown.zip` the most telling of them with
their sources and targets. The second may lie elsewhere; the entry has its hash.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from blindspots.errors import UsageError
from blindspots.leaderboard.numbers import LevelNumbers, Numbers
from blindspots.leaderboard.protocol import HASH, SUFFIX, read_strictly, write_json
from blindspots.leaderboard.witnesses import Judgement, render_manifest, write_zip
from blindspots.specs import read_text
from blindspots.store.atomic import write_text

FORMAT, LARGEST = 1, 100_000
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._+-]{0,58}[A-Za-z0-9])?")
_ADDRESS = re.compile(r"(https?://[!-;=?-~]{1,300})?")
_TEXT = re.compile(r"[^\x00-\x1f<>]{0,400}")
# What nobody can prove by forwards; nothing is ranked by it, and the entry's own hash covers it.
TOLD = ("paper", "method", "seed", "versions", "evaluations")


@dataclass(frozen=True, kw_only=True)
class BoardEntry:
    """What is claimed of a model; docs/leaderboard.md says who checks what.

    `model`: the spec without its options, by which others know it; `spec`: how it was loaded.
    `evaluations`: what the method spent on all pairs. `manifest_sha256`, `witnesses_sha256`,
    `shown_sha256`: of the manifest and of the two zips; `sha256`: of all other members.
    """

    format: int
    name: str
    model: str
    spec: str
    fingerprint: str
    paper: str
    protocol: str
    protocol_version: int
    protocol_sha256: str
    method: Mapping[str, Any]
    seed: int
    evaluations: float
    numbers: Numbers
    versions: Mapping[str, str]
    manifest_sha256: str
    witnesses_sha256: str
    witnesses_bytes: int
    shown_sha256: str
    sha256: str = ""

    def sealed(self) -> "BoardEntry":
        """The same with the hash of all its other members."""
        members = {key: value for key, value in asdict(self).items() if key != "sha256"}
        text = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return BoardEntry(**{**self.__dict__, "sha256": hashlib.sha256(text.encode()).hexdigest()})


@dataclass(frozen=True)
class EntryFiles:
    path: Path

    @property
    def witnesses(self) -> Path:
        return self.path.with_suffix(".zip")

    @property
    def shown(self) -> Path:
        return self.path.with_suffix(".shown.zip")


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def public_name(spec: str) -> str:
    """A model's spec without its options, and without the folder of its file."""
    scheme, _, rest = spec.partition(":")
    name = rest.partition("?")[0]
    return f"{scheme}:{name.rpartition('/')[2] if scheme in ('file', 'exported') else name}"


def read_entry(path: Path) -> BoardEntry:
    """The entry in a JSON file; refused in one sentence where it is none."""
    entry = read_strictly(BoardEntry, read_text(path, str(path)), str(path), LARGEST)
    if fault := _fault(entry, path):
        raise UsageError(f"{path} is no entry: {fault}; submit it again")
    return entry


def write_files(
    out: Path,
    claim: BoardEntry,
    lines: Sequence[Judgement],
    pictures: Mapping[str, bytes],
    trios: Mapping[str, bytes],
) -> BoardEntry:
    """Write both zips and then the entry, which has their hashes."""
    files = EntryFiles(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    witnesses, shown = (
        write_zip(files.witnesses, lines, pictures),
        write_zip(files.shown, lines, trios),
    )
    sealed = replace(
        claim,
        manifest_sha256=hashlib.sha256(render_manifest(lines)).hexdigest(),
        witnesses_sha256=witnesses,
        witnesses_bytes=files.witnesses.stat().st_size,
        shown_sha256=shown,
    ).sealed()
    write_text(out, write_json(sealed))
    return sealed


def check_name(name: str, file: Path) -> None:
    """Refuse a name that is none, and a file that is not called after it."""
    if not _NAME.fullmatch(name) or not slug(name):
        raise UsageError(
            f"--name {name[:60]!r} was given; expected 1 to 60 letters, digits, spaces, dots, "
            "dashes or plus signs, as in --name 'ResNet-50 AT'"
        )
    if file.name != slug(name) + SUFFIX:
        raise UsageError(
            f"--entry {file} was given for {name}; expected a file that is called after it, as "
            f"--entry {file.parent / (slug(name) + SUFFIX)}"
        )


def check_paper(address: str) -> None:
    if not _ADDRESS.fullmatch(address):
        raise UsageError(
            f"--paper {address[:60]!r} was given; expected a web address, as in "
            "--paper https://arxiv.org/abs/2310.19889"
        )


def _fault(entry: BoardEntry, path: Path) -> str | None:
    hashes = (entry.protocol_sha256, entry.manifest_sha256, entry.witnesses_sha256)
    texts = (entry.model, entry.spec, entry.protocol, *entry.versions, *entry.versions.values())
    settings = [*entry.method, *entry.method.values()]
    checks = {
        f"its format is {entry.format}, expected {FORMAT}": entry.format == FORMAT,
        "its name has other signs than letters, digits, spaces, dots, dashes and plus": (
            _NAME.fullmatch(entry.name) is not None
        ),
        f"its file is not called {slug(entry.name)}{SUFFIX}": path.name
        == slug(entry.name) + SUFFIX,
        "its paper is no web address": _ADDRESS.fullmatch(entry.paper) is not None,
        "a text of it is too long, or has signs of markup": all(map(_TEXT.fullmatch, texts)),
        "its method has other settings than names and numbers": all(
            isinstance(one, str | int | float) and _TEXT.fullmatch(str(one)) for one in settings
        ),
        "one of its hashes is no SHA-256": all(
            map(HASH.fullmatch, (*hashes, entry.shown_sha256, entry.sha256))
        ),
        "its fingerprint is none": re.fullmatch(r"[0-9a-f]{16}", entry.fingerprint) is not None,
        "its intervals are none": all(map(_is_sound, (entry.numbers.delta, entry.numbers.margin)))
        and len(entry.numbers.coverage) == 3,
    }
    return next((fault for fault, holds in checks.items() if not holds), None)


def _is_sound(level: LevelNumbers) -> bool:
    return all(len(one) == 3 for one in (level.reach, level.blind, level.line))
