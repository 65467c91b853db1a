"""`map=`: which class of a model each class of the images is, as the user says it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from blindspots.errors import UsageError

_FORM = 'a JSON object from the images\' classes to class indices or names, as {"cat": 281}'


@dataclass(frozen=True)
class ClassMap:
    """What `map=` said: `given`, the entries of a file; `identity`, the images' own integers are
    the model's indices; `none`, the images are to have no labels.

    `origin`: what messages call it.
    """

    kind: Literal["given", "identity", "none"]
    entries: Mapping[str, int | str] = field(default_factory=dict)
    origin: str = "map="


def read_mapping(text: str) -> ClassMap:
    """What `map=identity`, `map=none` or `map=FILE` says; the file is JSON such as {"cat": 281}.

    Its keys are the images' classes, its values class indices or names of the model. Refused: a
    missing file, and anything else.
    """
    if text == "identity" or text == "none":
        return ClassMap(text, origin=f"map={text}")
    path = Path(text).expanduser()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"map={text} cannot be read ({error}); expected identity, none, or a file with {_FORM}"
        ) from error
    if not isinstance(found, dict) or not found or not all(map(_is_class, found.values())):
        raise UsageError(f"map={text} does not hold {_FORM}")
    return ClassMap("given", found, f"map={text}")


def _is_class(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
