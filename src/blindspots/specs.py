"""`scheme:name?key=value&key=value`: how models and images are named everywhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import quote, unquote

from blindspots.errors import UsageError


@dataclass(frozen=True)
class Spec:
    """A parsed spec: `scheme`, `name` and the `options` behind the question mark, all text."""

    scheme: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        pairs = [f"{key}={quote(value, safe=',./:~ ')}" for key, value in self.options.items()]
        return f"{self.scheme}:{self.name}" + (f"?{'&'.join(pairs)}" if pairs else "")


def parse_spec(text: str, schemes: Iterable[str], example: str) -> Spec:
    """The parts of a spec; refused where the scheme is none of `schemes` or a part is malformed.

    `example` is a valid spec, shown in the refusal. Only the first colon and the first question
    mark separate, so a name may hold further colons.
    """
    scheme, colon, rest = text.partition(":")
    known = sorted(schemes)
    if not colon or scheme not in known:
        nearest = get_close_matches(scheme, known, n=1)
        hint = f"did you mean {nearest[0]}:?" if nearest else f"try {example}"
        raise UsageError(
            f"{text!r} names no known scheme; expected one of "
            f"{', '.join(f'{name}:' for name in known)}; {hint}"
        )
    name, _, query = rest.partition("?")
    return Spec(scheme, name, _options(text, query, example))


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> str:
    """The spellings in `known` nearest to `name`, as one phrase; empty where none is near."""
    nearest = get_close_matches(name, list(known), n=count, cutoff=0.5)
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""


def _options(text: str, query: str, example: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key or key in options:
            raise UsageError(f"{part!r} in {text!r} is not one key=value; write it as in {example}")
        options[key] = unquote(value)
    return options
