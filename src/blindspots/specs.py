"""`scheme:name?key=value&key=value`: how models and images are named everywhere.

A question mark inside a name is written `%3F`, and `%3F` itself `%253F`. The files that users name
beside are read through the one gate for text and the one for JSON here.
"""

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from blindspots.errors import UsageError, first_line

# A path from the root, the home or a drive; no address and no fraction.
_FOLDERS = re.compile(r"(?<![\w./\\~])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"?&,;:|<>]+[/\\])+")
# Its names, separated by commas, are decoded one by one.
_SEVERAL = "files"


@dataclass(frozen=True)
class Spec:
    """A parsed spec: `scheme`, `name` and the `options` behind the question mark, all text."""

    scheme: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        pairs = [f"{key}={quote(value, safe=',./:~ ')}" for key, value in self.options.items()]
        name = self.name if self.scheme == _SEVERAL else _coded(self.name)
        return f"{self.scheme}:{name}" + (f"?{'&'.join(pairs)}" if pairs else "")


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
    name = name if scheme == _SEVERAL else _decoded(name)
    return Spec(scheme, name, _options(text, query, example))


def _coded(name: str) -> str:
    return re.sub("%(?=(25)*3[Ff])", "%25", name).replace("?", "%3F")


def _decoded(name: str) -> str:
    return re.sub("%25(?=(25)*3[Ff])|%3[Ff]", lambda m: "%" if m[0] == "%25" else "?", name)


def without_folders(text: str, instead: str = "…/") -> str:
    """The text with the folders of every absolute path in it left out: they name who was here."""
    return _FOLDERS.sub(instead, text)


def user_path(text: str) -> Path:
    """The path that a user typed, `~` being the home directory; refused where none is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{text} was given, and no home directory is known here ({first_line(error)}); "
            "type the whole path, or ./~ for a directory of that name"
        ) from error


def read_text(path: Path, what: str) -> str:
    """The text of a file in UTF-8, or UTF-16 with its mark; a byte-order mark is no part of it.

    `what`: what a refusal calls the file.
    """
    try:
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
        # UTF-16 without its mark, or UTF-32: each of their letters has bytes that are zero.
        if "\0" in text:
            raise ValueError
        return text
    except FileNotFoundError as error:
        raise UsageError(f"{what} cannot be read: there is no such file") from error
    except OSError as error:
        raise UsageError(f"{what} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{what} cannot be read: it is not UTF-8 text; save it as that") from error


def parse_json(text: str, what: str, expected: str = "write it again") -> Any:
    """What JSON stands for; refused where it is none, too deep, or has numbers of absurd length."""
    try:
        found = json.loads(text)
        # What could not be printed or written again is not taken: half a surrogate pair.
        json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{what} is not valid JSON: {first_line(error)}; {expected}") from error


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> str:
    """The spellings in `known` nearest to `name`, as one phrase; empty where none is near."""
    nearest = get_close_matches(name, list(known), n=count, cutoff=0.5)
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""


def _options(text: str, query: str, example: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key or key in options:
            raise UsageError(
                f"{part!r} in {text!r} is not one key=value; write it as in {example}, and a ? of "
                "a name as %3F"
            )
        options[key] = unquote(value)
    return options
