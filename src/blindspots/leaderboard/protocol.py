"""A protocol: exact pairs, by the content of their images, and what counts as a witness.

It is drawn once by a seed and committed, so nobody chooses pairs. No torch here.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from blindspots.errors import UsageError
from blindspots.specs import nearest_names, read_text
from blindspots.store.run_info import load_json, read_members

FORMAT = 1
COARSE = 10  # every so many points of a straight line are looked at first
MOST_PAIRS, MOST_POINTS, LARGEST_FILE = 100_000, 10_001, 32 * 2**20
HASH, DIGITS = re.compile(r"[0-9a-f]{64}"), 16
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}")
SUFFIX = ".json"

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image: SHA-256 of what it is read from, its name and class as its source has them."""

    sha256: str
    name: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What every entry of a leaderboard is measured on.

    `images`: their spec, empty where everybody has them elsewhere; `obtain`: how to get them;
    `data`: by which name published robust accuracies know them; `drawn`: the command that drew the
    pairs. `methods`: the pinned settings of each track's method; the first is the usual one.
    `delta`: the allowed drop of confidence; `points`: looked at on each segment, ends included;
    `blind_rmse`: from where on a witness looks like its target; `least_accuracy`: below it, on the
    sources, a model is refused; `ranked_from`: the accuracy from which on it has a rank. `pairs`:
    (source, target) as places in `pictures`.
    """

    format: int
    name: str
    version: int
    title: str
    data: str
    images: str
    obtain: str
    drawn: str
    methods: Mapping[str, Mapping[str, float]]
    delta: float
    points: int
    seed: int
    blind_rmse: float
    least_accuracy: float
    ranked_from: float
    pictures: Sequence[Picture]
    pairs: Sequence[Sequence[int]]

    @cached_property
    def sources(self) -> list[int]:
        """The places of the pictures that are sources, each once, in the order of the pairs."""
        return list(dict.fromkeys(source for source, _ in self.pairs))

    @cached_property
    def sha256(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def track(self, method: Mapping[str, Any]) -> str:
        """The track whose pinned settings a method has; `open` where it has none's."""
        name = method.get("name")
        pinned = self.methods.get(name, {}) if isinstance(name, str) else {}
        same = pinned and all(method.get(key) == value for key, value in pinned.items())
        return str(name) if same else "open"


def known_protocols() -> list[str]:
    """The names of the protocols that come with the package."""
    return sorted(one.name.removesuffix(SUFFIX) for one in _shipped().iterdir())


def find_protocol(text: str) -> Protocol:
    """The protocol that comes with the package under this name, or that of a file; else refused."""
    if text in known_protocols():
        return read_protocol((_shipped() / f"{text}{SUFFIX}").read_text("utf-8"), text)
    file = Path(text)
    if text.endswith(SUFFIX):
        return read_protocol(read_text(file, f"--protocol {text}"), text)
    hint = nearest_names(text, known_protocols()) or "type blindspots leaderboard protocols"
    raise UsageError(
        f"--protocol {text} is unknown; expected one of {', '.join(known_protocols())}, or a file "
        f"that blindspots leaderboard draw wrote; {hint}"
    )


def read_protocol(text: str, what: str) -> Protocol:
    """The protocol that a JSON text holds; refused where it is none; `what`: what it is called."""
    protocol = read_strictly(Protocol, text, what, LARGEST_FILE)
    if fault := _fault(protocol):
        raise UsageError(f"{what} is no protocol: {fault}; draw it again")
    return protocol


def read_strictly(kind: type[Kind], text: str, what: str, largest: int) -> Kind:
    """A dataclass from JSON that has exactly its members, of their types, and finite numbers."""
    try:
        if len(text) > largest:
            raise ValueError(f"it has more than {largest:,} characters")
        stored = load_json(text)
        found = read_members(kind, stored, "")
        _check_members(kind, stored, "")
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{what} cannot be read ({reason}); make it again") from error
    return found


def _check_members(kind: Any, stored: Mapping[str, Any], name: str) -> None:
    known = {one.name for one in fields(kind)}
    if odd := sorted(known ^ stored.keys()):
        raise ValueError(f"{name}{odd[0]} is {'missing' if odd[0] in known else 'unknown'}")
    for one in fields(kind):
        inner = stored[one.name]
        if isinstance(one.type, type) and isinstance(inner, dict):
            _check_members(one.type, inner, f"{one.name}.")


def write_json(value: Any) -> str:
    """A dataclass as JSON text, one line per member and per entry of a long list."""
    lines = [f" {json.dumps(key)}: {_lines(one)}" for key, one in asdict(value).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(value: Any) -> str:
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {_json(one)}" for one in value) + "\n ]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _shipped() -> Any:
    return files("blindspots.leaderboard") / "protocols"


def _fault(one: Protocol) -> str | None:
    """Why it cannot be used, as the end of a sentence."""
    count, pairs = len(one.pictures), [tuple(pair) for pair in one.pairs]
    labels = [picture.label for picture in one.pictures]
    inside = all(len(p) == 2 and min(p) >= 0 and max(p) < count for p in pairs)
    checks = {
        f"its format is {one.format}, expected {FORMAT}": one.format == FORMAT,
        f"its name is {one.name[:60]!r}, expected small letters, digits, dots and dashes": (
            NAME.fullmatch(one.name) is not None
        ),
        "a picture has no SHA-256": all(HASH.fullmatch(p.sha256) for p in one.pictures),
        "a picture is there twice": len({p.sha256 for p in one.pictures}) == count,
        f"it has {len(pairs):,} pairs, expected 1 to {MOST_PAIRS:,}": 0 < len(pairs) <= MOST_PAIRS,
        "a pair names no picture": inside,
        "a pair is there twice": len(set(pairs)) == len(pairs),
        "a pair has one class": inside and all(labels[s] != labels[t] for s, t in pairs),
        f"its delta is {one.delta}, expected one between 0 and 1": 0 < one.delta < 1,
        f"it has {one.points} points, expected 11, 21, ... to {MOST_POINTS}": (
            one.points % COARSE == 1 and COARSE < one.points <= MOST_POINTS
        ),
        "it pins no method": len(one.methods) > 0,
    }
    return next((fault for fault, holds in checks.items() if not holds), None)
