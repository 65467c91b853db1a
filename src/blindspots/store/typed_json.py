"""JSON read by the types of a dataclass; another type is refused. No torch here."""

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MOST_LEVELS = 100


def load_json(text: str) -> Any:
    """What a JSON text holds; ValueError where it is nested too deep or has no finite numbers."""
    stored = json.loads(text)
    if _levels(stored) > MOST_LEVELS:
        raise ValueError(f"it is nested more than {MOST_LEVELS} deep")
    # What could not be written again is not taken: NaN, infinity, half a surrogate pair.
    json.dumps(stored, ensure_ascii=False, allow_nan=False).encode()
    return stored


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
    """The object as a dataclass of this kind."""
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
    """A value as its type says; ValueError where it is of another one."""
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
    """The value, of this type; true and false are no numbers."""
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
