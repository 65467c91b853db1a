"""What a run is asked to do: science settings, which make the plan, apart from machine settings.

No torch here: a run's settings can be read, checked and compared on any laptop.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from blindspots.errors import UsageError

LEAST_IMAGES = 100
LEAST_ACCURACY = 0.2

Keep = Literal["none", "found", "path"]
Precision = Literal["fp32", "tf32", "bf16"]
LayoutChoice = Literal["auto", "contiguous", "channels_last"]
CompileChoice = Literal["auto", "on", "off"]
BackendName = Literal["auto", "serial", "processes", "ray"]
PATHS_BELOW = 1000
SNAPSHOTS = 11
MOST_LISTED_PAIRS = 10_000
ARCHIVES_ABOVE = 10_000
MOST_SEED = 2**63
_BATCH_DIGITS, _SHOWN = 5, 60


@dataclass(frozen=True, kw_only=True)
class ScienceSettings:
    """What decides a run's results, beside its models' weights and its images' content.

    `method`, `score`: their name and settings. `sources`: how many; `targets_per_source`: how
    many each. `pairs`: (source id, target id) where they were given instead of chosen.
    `precision`: arithmetic of the model's convolutions and products while it is traversed; what
    is stored of the result is measured in fp32 whatever it is.
    """

    method: Mapping[str, Any]
    score: Mapping[str, Any] = field(default_factory=lambda: {"name": "confidence"})
    seed: int = 0
    precision: str = "fp32"
    sources: int = 20
    targets_per_source: int = 2
    pairs: tuple[tuple[str, str], ...] | None = None

    def __post_init__(self) -> None:
        check_choice("--precision", self.precision, get_args(Precision))
        check_seed(self.seed)
        for name, usual in (("sources", 20), ("targets_per_source", 2)):
            if getattr(self, name) < 1:
                option = "--" + name.replace("_", "-")
                raise UsageError(
                    f"{option} {getattr(self, name)} was given; expected at least 1, "
                    f"as in {option} {usual}"
                )

    def identity(self) -> dict[str, Any]:
        """The settings as they stand in the plan."""
        chosen: dict[str, Any] = {
            "sources": self.sources,
            "targets_per_source": self.targets_per_source,
        }
        if self.pairs is not None:
            chosen = {"pairs": _pairs_identity(self.pairs)}
        return {
            "method": dict(self.method),
            "score": dict(self.score),
            "seed": self.seed,
            "precision": self.precision,
            **chosen,
        }


@dataclass(frozen=True)
class Shard:
    """A share of a plan's sources, each with all its targets: share `number` of `of`, from 1."""

    number: int = 1
    of: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def whole(self) -> bool:
        """Whether it is the whole plan."""
        return self.of == 1

    def takes(self, places: np.ndarray) -> np.ndarray:
        """Which of these places in the order of the sources are its own, as a mask."""
        return places % self.of == self.number - 1


WHOLE = Shard()


def parse_shard(text: str) -> Shard:
    """The shard that `3/64` names; refused where it names none."""
    number, slash, of = text.partition("/")
    if slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
        return Shard(int(number), int(of))
    raise UsageError(
        f"--shard {text} was given; expected a number and how many there are, counted from 1, "
        "as in --shard 3/64"
    )


@dataclass(frozen=True, kw_only=True)
class MachineSettings:
    """What changes results by rounding alone, and what to keep on disk.

    `device`: auto, cpu, cuda, cuda:1 …; `batch`: pairs in flight at once, None: by the device.
    `layout`: how images lie in memory inside the model; auto: what was measured as faster for its
    kind. `compile`: whether the traversal's forward and gradient are compiled; auto: on a
    GPU, where the plan is long and it is measured as faster.
    `keep`: none, found or path; None: path below 1,000 pairs per model, else found.
    `lpips_weights`: AlexNet's weights, or "download"; None: torch's hub cache. `shard`: the share
    of the plan's sources that is worked on. `hulls`: whether triangles, simplices and nulls are
    measured as well; a run without them gets them when it is resumed with them.
    """

    device: str = "auto"
    batch: int | None = None
    layout: str = "auto"
    compile: str = "auto"
    keep: Keep | None = None
    lpips_weights: Path | None = None
    shard: Shard = WHOLE
    hulls: bool = True

    def __post_init__(self) -> None:
        if self.batch is not None:
            check_batch(str(self.batch))
        check_choice("--layout", self.layout, get_args(LayoutChoice))
        check_choice("--compile", self.compile, get_args(CompileChoice))

    def kept(self, pairs: int) -> Keep:
        """What to keep for that many pairs per model."""
        return self.keep or ("path" if pairs < PATHS_BELOW else "found")

    @staticmethod
    def archives(pairs: int) -> bool:
        """Whether the images of that many pairs per model go into archives."""
        return pairs > ARCHIVES_ABOVE


def _pairs_identity(pairs: Sequence[tuple[str, str]]) -> Any:
    """The given pairs as they stand in the plan: themselves, or where they are many their hash."""
    if len(pairs) <= MOST_LISTED_PAIRS:
        return [list(pair) for pair in pairs]
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(repr(pair).encode())
    return {"count": len(pairs), "sha256": digest.hexdigest()}


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Which code that comes with a model may be run. It is said anew each time and never stored.

    `file`: what unpickling an exported program runs. `remote_code`: Python files in a hub's
    repository or in a local directory of that form. `run_code`: what a `file:` or `python:` spec
    makes that nobody typed, because it was read from a run directory.
    """

    file: bool = False
    remote_code: bool = False
    run_code: bool = False


NO_TRUST = Trust()


def check_seed(seed: int) -> None:
    """Refuse a seed that torch's generators do not take."""
    if not 0 <= seed < MOST_SEED:
        raise UsageError(f"--seed {seed} was given; expected 0 to 2**63 - 1, as in --seed 0")


def check_batch(text: str) -> int:
    """The number of images at once that a text says; refused where it says none, or far too many.

    The largest is more than any machine's memory holds.
    """
    if not text.isdecimal() or len(text) > _BATCH_DIGITS or int(text) < 1:
        raise UsageError(
            f"--batch-size {shortened(text)} was given; expected auto or at least 1 and less than "
            f"{10**_BATCH_DIGITS:,}, as in --batch-size 8"
        )
    return int(text)


def shortened(text: str) -> str:
    """What was typed, for a sentence: the beginning of what is very long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def check_choice(option: str, given: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among an option's choices."""
    if given not in choices:
        raise UsageError(
            f"{option} {given} was given; expected {', '.join(choices[:-1])} or {choices[-1]}, "
            f"as in {option} {choices[0]}"
        )


def plan_hash(plan: Mapping[str, Any]) -> str:
    """16 hex digits that two plans share only if they mean the same results."""
    text = json.dumps(plan, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Where two plans differ, one phrase each: `method.delta is 0.2 there and 0.3 here`."""
    there, here = _flat(stored), _flat(asked)
    return [
        f"{name} is {there.get(name, 'absent')} there and {here.get(name, 'absent')} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, Mapping):
        inner = [_flat(v, f"{name}.{k}" if name else str(k)) for k, v in value.items()]
        return {key: text for part in inner for key, text in part.items()}
    text = json.dumps(value, default=str)
    return {name: text if len(text) <= 60 else f"{text[:57]}..."}
