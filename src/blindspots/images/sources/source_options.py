"""The keys and file names in an image spec."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from blindspots.errors import UsageError
from blindspots.specs import Spec, nearest_names

MAP = "map"
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def said_options(spec: Spec, defaults: Mapping[str, str]) -> dict[str, str]:
    """The options of a spec over their defaults; refused where one is none of these."""
    unknown = [key for key in spec.options if key not in defaults]
    if unknown:
        known = [*defaults, MAP]
        raise UsageError(
            f"{spec.scheme}:{spec.name} has no option {unknown[0]!r}; expected {', '.join(known)}; "
            f"{nearest_names(unknown[0], known) or f'type {spec.scheme}:{spec.name}'}"
        )
    return {**defaults, **spec.options}


def whole_number(spec: Spec, key: str, text: str, least: int) -> int:
    """The number of an option; refused where it is none, or below `least`."""
    if not text.isdecimal() or int(text) < least:
        raise UsageError(
            f"{key}={text} in {spec} is not a whole number from {least}; type {key}=100"
        )
    return int(text)


def yes_or_no(spec: Spec, key: str, text: str) -> bool:
    """Whether an option says true; refused where it says neither true nor false."""
    if text not in ("true", "false"):
        raise UsageError(f"{key}={text} in {spec} is neither true nor false; type {key}=true")
    return text == "true"


def named_files(spec: Spec, pattern: str) -> list[Path]:
    """The files that a name stands for, in order.

    `{000..003}` and `{a,b}` stand for several, and `*` as in a shell. Refused where one is missing,
    with the names nearest to it.
    """
    return [path for name in _expanded(pattern) for path in _matching(spec, name)]


def missing_file(spec: Spec, path: Path) -> UsageError:
    """The refusal of a file that is not there, with what lies beside where it should be."""
    if path.is_dir():
        return UsageError(f"{spec} names a directory ({path}); expected a file; type {path}/*")
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest_names(path.name, beside) or "check the path"
    return UsageError(f"{spec}: there is no file {path}; {hint}")


def _matching(spec: Spec, name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    start = Path(path.anchor) if path.is_absolute() else Path()
    relative = str(path.relative_to(start)) if path.is_absolute() else str(path)
    found = sorted(one for one in start.glob(relative) if one.is_file()) if "*" in name else []
    if not found:
        raise missing_file(spec, path)
    return found


def _expanded(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    choices = _choices(found[1]) if found else ()
    if not found or not choices:
        yield pattern
        return
    for choice in choices:
        yield from _expanded(pattern[: found.start()] + choice + pattern[found.end() :])


def _choices(inside: str) -> list[str]:
    """The texts that braces stand for; none where they are part of a name."""
    bounds = _RANGE.fullmatch(inside)
    if bounds:
        first, last = bounds.groups()
        width = len(first) if first[0] == "0" else 0
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    return inside.split(",") if "," in inside else []
