"""`run.json`: its one definition, its one reader and its one writer. No torch here.

A member that an older run lacks has the default of its field; one of a later version that is not
known here is kept in `more` and written back. What is there and has another type is refused.
"""

import json
import platform
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from blindspots.errors import UsageError
from blindspots.settings import Keep, Shard, shortened
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place, find_place

MOST_LEVELS = 100


def load_json(text: str) -> Any:
    """What a JSON text holds; ValueError where it is nested too deep or has no finite numbers.

    Also where an object says something twice: readers would differ in which they take.
    """
    stored = json.loads(text, object_pairs_hook=_once)
    if _levels(stored) > MOST_LEVELS:
        raise ValueError(f"it is nested more than {MOST_LEVELS} deep")
    # What could not be written again is not taken: NaN, infinity, half a surrogate pair.
    json.dumps(stored, ensure_ascii=False, allow_nan=False).encode()
    return stored


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        twice = next(key for key, _ in members if sum(key == other for other, _ in members) > 1)
        raise ValueError(f"{shortened(twice)} stands there twice")
    return found


def _levels(value: Any) -> int:
    """How deep lists and objects are nested, counted no further than is allowed."""
    level, depth = [value], 0
    while level and depth <= MOST_LEVELS:
        inner = [one.values() if isinstance(one, dict) else one for one in level if _nests(one)]
        level, depth = [one for ones in inner for one in ones], depth + 1
    return depth


def _nests(value: Any) -> bool:
    return isinstance(value, dict | list)


@cache
def _types(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def read_members(kind: Any, value: Any, name: str) -> Any:
    stored, known = _checked(dict, value, name), dict(_types(kind))
    more = known.pop("more", None) is not None
    within = f"{name}." if name else ""
    own = {
        key: _read(own, stored[key], f"{within}{key}")
        for key, own in known.items()
        if key in stored
    }
    rest = {key: each for key, each in stored.items() if key not in known}
    return kind(**own, **({"more": rest} if more else {}))


def _read(kind: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _read(inner[0], value, name)
    if origin is Literal:
        return _chosen(inner, value, name)
    if is_dataclass(kind):
        return read_members(kind, value, name)
    if origin is Mapping:
        stored = _checked(dict, value, name)
        return {key: _read(inner[1], each, f"{name}.{key}") for key, each in stored.items()}
    if origin is Sequence:
        listed = enumerate(_checked(list, value, name))
        return tuple(_read(inner[0], each, f"{name}[{index}]") for index, each in listed)
    return _checked(kind, value, name)


_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _checked(kind: type, value: Any, name: str) -> Any:
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(_wrong(value, name, _WORDS[kind]))
    if kind is float:
        float(value)  # a whole number may be too large to be one
    return value


def _chosen(choices: tuple[str, ...], value: Any, name: str) -> Any:
    if value in choices:
        return value
    raise ValueError(_wrong(value, name, f"{', '.join(choices[:-1])} or {choices[-1]}"))


def _wrong(value: Any, name: str, expected: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"{name} is {text if len(text) <= 40 else f'{text[:37]}...'}, expected {expected}"


FORMAT = 1
INFO_FILE = "run.json"
PACKAGES = ("blindspots", "torch", "torchvision", "timm", "numpy", "pillow")
AGAIN = "start it again with blindspots run and another --out"
# Marks members that are not written while they are None; a finished run has them all, but for those
# of which this is said: runs of 682a269 lack some, and only some runs have others.
LEFT_OUT = {"left out": True}
LATER = {**LEFT_OUT, "later": True}
AT_TIMES = {**LEFT_OUT, "at times": True}
# Marks members that are null in some finished runs.
NULL = {"null": True}

Facts = Mapping[str, Any]
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class StoredFinding:
    """What a check of the doctor found; `level`: ok, note or wrong."""

    name: str = ""
    level: str = ""
    found: str = ""
    why: str = ""
    remedy: str = ""
    values: Facts = field(default_factory=dict)
    more: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What a model says of the clean images; `findings`: None where they were not looked for.

    `accuracy`: None without labels. `mean_confidence`: None of an embedding.
    """

    images: int | None = None
    labelled: bool = True
    accuracy: float | None = field(default=None, metadata=NULL)
    mean_confidence: float | None = field(default=None, metadata=NULL)
    findings: Sequence[StoredFinding] | None = field(default=None, metadata=AT_TIMES)
    more: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is stored of one model.

    `size`: (height, width) in pixels. `training_epsilon`: the l-infinity radius in [0, 1] it was
    adversarially trained for. `image_suffix`: what its copies of sources and targets end with.
    `title`: what people call it, where they said so.
    """

    spec: str = ""
    name: str = ""
    title: str | None = field(default=None, metadata=AT_TIMES)
    fingerprint: str = ""
    num_classes: int | None = field(default=None, metadata=NULL)
    size: Sequence[int] | None = None
    training_epsilon: float | None = field(default=None, metadata=NULL)
    image_suffix: str = ""
    preflight: Preflight = field(default_factory=Preflight)
    more: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImagesFacts:
    """The images of a run; `skipped`, `converted`: `name` and `reason` of each."""

    spec: str = ""
    count: int | None = None
    skipped: Sequence[Mapping[str, str]] = ()
    converted: Sequence[Mapping[str, str]] = ()
    more: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ShardFacts:
    number: int = 1
    of: int = 1
    device: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    started: str | None = None
    finished: str | None = None
    command: str = ""
    more: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SensitivityFacts:
    """The contrast to a run's headline pair: PGD on its source, towards its target's class.

    `before`, `after`: the names of the classes that the model gives, with `p_before`, `p_after`.
    `linf`: of the change, at most `epsilon`. The image is `figures/contrast.png`, exact in 8 bits.
    """

    pair_id: str = ""
    before: str = ""
    p_before: float | None = None
    after: str = ""
    p_after: float | None = None
    linf: float | None = None
    epsilon: float | None = None
    steps: int | None = None
    more: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The whole of `run.json`, its members in the order in which they are written.

    `plan`: what makes the run's results, as it is hashed to `plan_hash`. `pairs`: the planned pairs
    of each model here; `pairs_hash`: over those of the whole plan; `row_sums`: of the ids of all
    rows here, by model, as `row_sum` has them. `straight`: whether the method's
    path is the segment (None in runs before it was stored). `found_dropped`: found images
    were removed on purpose. `finished`: None while the run is not. `tables`: the SHA-256 of each.
    `shards`: of a merged run alone. `contrast`: of the headline pair, where it was asked for.
    """

    format: int = FORMAT
    plan_hash: str | None = field(default=None, metadata=LEFT_OUT)
    plan: Facts = field(default_factory=dict)
    shard: Shard | None = field(default=None, metadata=NULL)
    pairs: Mapping[str, int] = field(default_factory=dict)
    pairs_hash: str | None = field(default=None, metadata=LEFT_OUT)
    row_sums: Mapping[str, str] | None = field(default=None, metadata=LATER)
    models: Sequence[ModelFacts] = ()
    images: ImagesFacts = field(default_factory=ImagesFacts)
    straight: bool | None = field(default=None, metadata=LATER)
    keep: Keep | None = field(default=None, metadata=LEFT_OUT)
    found_dropped: bool = False
    backend: str | None = field(default=None, metadata=LEFT_OUT)
    device: str | None = field(default=None, metadata=LEFT_OUT)
    layout: Mapping[str, str] = field(default_factory=dict)
    compiled: Mapping[str, bool] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    command: str = ""
    started: str | None = field(default=None, metadata=LEFT_OUT)
    finished: str | None = None
    seconds: float | None = field(default=None, metadata=LEFT_OUT)
    tables: Mapping[str, str] = field(default_factory=dict)
    shards: Sequence[ShardFacts] | None = field(default=None, metadata=AT_TIMES)
    contrast: SensitivityFacts | None = field(default=None, metadata=AT_TIMES)
    more: Facts = field(default_factory=dict)

    @property
    def method(self) -> Facts:
        """The plan's method: its `name` and settings; empty where none is stored."""
        return self.plan.get("method") or {}

    @property
    def earlier(self) -> bool:
        """Whether it has none of the members that earlier versions did not write."""
        later = [one.name for one in fields(self) if one.metadata.get("later")]
        return all(getattr(self, name) is None for name in later)

    @property
    def score(self) -> Facts:
        """The plan's score, likewise; confidence where none is stored."""
        return self.plan.get("score") or {"name": "confidence"}


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is read of a plan; it is kept as it is stored, because it is hashed and compared."""

    method: "_Method | None" = None
    score: "_Score | None" = None
    seed: int = 0
    precision: str = ""
    sources: int | None = None
    targets_per_source: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Method:
    name: str = ""
    delta: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Score:
    name: str = ""


def installed_versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def row_sum(pair_ids: Iterable[str]) -> str:
    """16 hex digits that tell pairs from others in any order: the sum of their ids.

    An id is a hash already, and the sums of shards add up to that of the whole.
    """
    return f"{sum(int(one, 16) for one in pair_ids if _ID.fullmatch(one)) % 2**64:016x}"


def write_run_info(path: Place | str, info: RunInfo) -> None:
    """Write a run directory's `run.json`, whole."""
    text = json.dumps(plain(info), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(find_place(path) / INFO_FILE, text + "\n")


def read_run_info(path: Place | str) -> RunInfo | None:
    """The `run.json` of a run directory; None where there is none yet.

    Refused where it cannot be read, is of a later format, or has a member of another type.
    """
    folder = find_place(path)
    file = folder / INFO_FILE
    if not file.exists():
        return None
    try:
        stored = load_json(file.read_text(encoding="utf-8"))
        known = isinstance(stored, dict) and stored.get("format", FORMAT) == FORMAT
        info = _described(stored) if known else None
    except (OSError, ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"{file} cannot be read ({error}); {AGAIN}") from error
    if info is None:
        raise UsageError(f"{folder} is not a run of format {FORMAT}; {AGAIN}")
    return info


def _described(stored: Facts) -> RunInfo:
    info: RunInfo = read_members(RunInfo, stored, "")
    read_members(_Plan, info.plan, "plan")
    for name, value in info.method.items():
        if name != "name" and value is not None and not isinstance(value, bool):
            _checked(float, value, f"plan.method.{name}")
    if info.shard is not None and not 1 <= info.shard.number <= info.shard.of:
        raise ValueError(f"shard is {info.shard}, expected a number from 1 to how many there are")
    return info


def missing_members(path: Place | str) -> Iterator[str]:
    """What is absent, or null, though it is in the `run.json` of every finished run."""
    file = find_place(path) / INFO_FILE
    return _missing(RunInfo, load_json(file.read_text(encoding="utf-8")), "")


def _missing(kind: Any, stored: Facts, within: str) -> Iterator[str]:
    earlier = kind is RunInfo and _described(stored).earlier
    for one in (one for one in fields(kind) if one.name != "more"):
        value, own = stored.get(one.name), _members_of(_types(kind)[one.name])
        free = one.metadata.get("null") and one.name in stored
        later = earlier and one.metadata.get("later")
        if value is None and not (free or later or one.metadata.get("at times")):
            yield f"{within}{one.name}"
        for each in value if isinstance(value, list) else [value]:
            if own is not None and each is not None:
                yield from _missing(own, each, f"{within}{one.name}.")


def _members_of(kind: Any) -> Any:
    """The dataclass that describes a member, or each of its items."""
    if is_dataclass(kind):
        return kind
    return next((own for inner in get_args(kind) if (own := _members_of(inner))), None)


def plain(value: Any) -> Any:
    """A dataclass as JSON takes it, without members that are left out."""
    if is_dataclass(value):
        own = {one.name: getattr(value, one.name) for one in fields(value) if _written(one, value)}
        return {name: plain(each) for name, each in (own | getattr(value, "more", {})).items()}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _written(one: Field, owner: Any) -> bool:
    left_out = one.metadata.get("left out") and getattr(owner, one.name) is None
    return one.name != "more" and not left_out
