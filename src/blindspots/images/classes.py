"""Class tables: what each logit is called, and what the folders of its images are called."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

from blindspots.errors import UsageError
from blindspots.specs import nearest_names, parse_json, read_text, user_path

IMAGENET_CLASSES = 1000
_SYNSET = re.compile(r"(n\d{8})\s+(\S.*)")
_PYTHON = re.compile(r"\s*\{\s*\d+\s*:")
# "0 tench", "0: tench" and "tench,0".
_NUMBERED = (
    re.compile(r"(?P<number>\d{1,6})\s*[:,\t ]\s*(?P<name>\S.*)"),
    re.compile(r"(?P<name>.*\S)\s*[,\t]\s*(?P<number>\d{1,6})"),
)
_LEAST_KNOWN = 950
_FORMS = "a list of names, one per line or as JSON, or [[folder, name], ...] as JSON"


@dataclass(frozen=True)
class ClassTable:
    """The names of the classes by index, and their folders; None: folders are called as classes.

    `origin`: where the table comes from, for messages. `synonyms`: for each class all its names,
    separated by commas; None: `names` are these.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...] | None = None
    origin: str = "the class table"
    synonyms: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def indices(self) -> Mapping[str, int]:
        """From a folder to its class: exact folders first, then names as `plain_name` spells them.

        A name that two classes share stands for neither.
        """
        by_name = _unshared((plain_name(name),) for name in self.names)
        by_folder = {composed(name): index for index, name in enumerate(self.folders or ())}
        return {**by_name, **by_folder}

    @cached_property
    def _by_synonym(self) -> Mapping[str, int]:
        return _unshared(map(_names_in, self.synonyms or self.names))

    def index(self, folder: str) -> int | None:
        """The class that `folder`, or one of the names it lists, stands for; None: none or several.

        A whole name comes before its parts: "crane" is the class of that name, "tench, Tinca tinca"
        is tench.
        """
        folder = composed(folder)
        whole = self.indices.get(folder, self.indices.get(plain_name(folder)))
        if whole is not None:
            return whole
        found = {self._by_synonym.get(name) for name in _names_in(folder)} - {None}
        return found.pop() if len(found) == 1 else None

    def has_in_order(self, names: Sequence[str]) -> bool:
        own = self.synonyms or self.names
        return len(names) == len(own) and all(
            set(_names_in(name)) & {*_names_in(mine), plain_name(called)}
            for name, mine, called in zip(names, own, self.names, strict=True)
        )

    def nearest(self, folder: str) -> str:
        return nearest_names(folder, [*(self.folders or ()), *self.names])


def plain_name(name: str) -> str:
    return " ".join(composed(name).casefold().replace("_", " ").replace("-", " ").split())


def composed(name: str) -> str:
    """A name with each accented letter as one character, which macOS writes as two."""
    return normalize("NFC", name)


def _names_in(text: str) -> tuple[str, ...]:
    """The names that a text lists, separated by commas, as `plain_name` spells them."""
    return tuple(name for name in map(plain_name, text.split(",")) if name)


def _unshared(names: Iterable[Sequence[str]]) -> dict[str, int]:
    owners: dict[str, set[int]] = defaultdict(set)
    for index, own in enumerate(names):
        for name in own:
            owners[name].add(index)
    return {name: min(having) for name, having in owners.items() if len(having) == 1}


def read_class_table(path: str | Path) -> ClassTable:
    """The table in a file: a list of names (one per line, or JSON) or `[[folder, name], ...]`.

    The position in the list is the class index. A JSON object says it: of names or pairs by "0",
    "1", ..., or of these numbers by name, as torchvision's `class_to_idx` and transformers'
    `label2id`. So do a Python dictionary in a text file, the lines "n01440764 tench, Tinca tinca"
    of ImageNet, and lines that all have their number, from 0 or 1. Refused: a missing file, and
    anything else. Of a configuration of transformers its `id2label` is read.
    """
    path = user_path(str(path))
    entries = _entries(read_text(path, f"the class file {path}"), path)
    if entries and all(isinstance(entry, str) for entry in entries):
        return ClassTable(tuple(map(composed, entries)), None, str(path))
    if entries and all(_is_pair(entry) for entry in entries):
        folders, names = zip(*[map(composed, entry) for entry in entries], strict=True)
        _refuse_repeats(folders, path)
        return ClassTable(tuple(names), tuple(folders), str(path))
    raise UsageError(f"the class file {path} is not {_FORMS}")


@cache
def imagenet_table() -> ClassTable:
    """ImageNet-1k's 1000 classes as timm knows them: wnids as folders, short unique names."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    folders, long = info.label_names(), list(info.label_descriptions())
    short = [name.split(",")[0] for name in long]
    unique = _first_unique(short, long, [f"{a} ({b})" for a, b in zip(long, folders, strict=True)])
    return ClassTable(tuple(unique), tuple(folders), "ImageNet-1k's class table", tuple(long))


@cache
def is_imagenet(names: tuple[str, ...]) -> bool:
    """Whether these are ImageNet-1k's classes in their order, by whatever of their names."""
    if len(names) != IMAGENET_CLASSES:
        return False
    found = [imagenet_table().index(name) for name in names]
    known = [(index, place) for index, place in enumerate(found) if place is not None]
    return len(known) >= _LEAST_KNOWN and all(index == place for index, place in known)


def _first_unique(*spellings: Sequence[str]) -> list[str]:
    counts = [Counter(spelling) for spelling in spellings]
    return [
        next(name for name, count in zip(names, counts, strict=True) if count[name] == 1)
        for names in zip(*spellings, strict=True)
    ]


def _entries(text: str, path: Path) -> list:
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("[", "{")):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        parts = [_SYNSET.fullmatch(line) for line in lines]
        return _numbered([list(one.groups()) for one in parts if one] if all(parts) else lines)
    found = _python_dictionary(text)
    if found is None:
        found = parse_json(text, f"the class file {path}", f"give {_FORMS}")
    if isinstance(found, dict):
        inside = found.get("id2label")
        return _in_order(inside if isinstance(inside, dict) else found)
    return found if isinstance(found, list) else []


def _numbered(lines: list) -> list:
    """The lines in the order of the numbers that each has before its name, or behind it."""
    for form in _NUMBERED:
        found = [form.fullmatch(line[-1] if isinstance(line, list) else line) for line in lines]
        order = [int(one["number"]) for one in found if one]
        first, count = min(order, default=0), len(lines)
        if first < 2 <= count and sorted(order) == [*range(first, first + count)]:
            named = [
                [*line[:-1], one["name"]] if isinstance(line, list) else one["name"]
                for line, one in zip(lines, found, strict=True)
                if one
            ]
            return [named[place] for place in sorted(range(count), key=order.__getitem__)]
    return lines


def _python_dictionary(text: str) -> object:
    """What a text file holds that was written as Python; None where it is JSON, or neither."""
    if not _PYTHON.match(text):
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _in_order(found: Mapping[Any, Any]) -> list:
    """The entries of an object by index, or the names whose indices it gives; empty: neither."""
    by_index = {str(key): value for key, value in found.items()}
    if by_index.keys() == {str(index) for index in range(len(found))}:
        return [by_index[str(index)] for index in range(len(found))]
    # transformers' own examples write the numbers of label2id as texts.
    numbers = {k: int(v) if _is_digits(v) else v for k, v in found.items()}
    places = {place: name for name, place in numbers.items() if type(place) is int}
    whole = places.keys() == {*range(len(found))}
    return [places[place] for place in range(len(found))] if whole else []


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10


def _is_pair(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(e, str) for e in entry)


def _refuse_repeats(folders: Sequence[str], path: Path) -> None:
    repeated = [folder for folder, count in Counter(folders).items() if count > 1]
    if repeated:
        raise UsageError(f"the class file {path} gives the folder {repeated[0]!r} two classes")


def are_placeholders(names: Sequence[str]) -> bool:
    """Whether names say no more than the index, as transformers writes where it knows none."""
    return list(names) == [f"LABEL_{index}" for index in range(len(names))]


def table_of(names: Sequence[str], origin: str) -> ClassTable:
    """The table of classes of these names; wnids are the folders of names that are ImageNet's.

    They are where nearly all are ImageNet-1k's, in its order. Names that two classes share
    then get their wnid.
    """
    imagenet = imagenet_table()
    if len(names) != len(imagenet) or imagenet.folders is None:
        return ClassTable(tuple(names), None, origin)
    if not is_imagenet(tuple(names)):
        return ClassTable(tuple(names), None, origin)
    spelt_out = [f"{name} ({wnid})" for name, wnid in zip(names, imagenet.folders, strict=True)]
    return ClassTable(tuple(_first_unique(list(names), spelt_out)), imagenet.folders, origin)


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
    what, hint = f"map={text}", f"expected identity, none, or a file with {_FORM}"
    path = user_path(text)
    if not path.is_file():
        raise UsageError(f"{what} names no file; {hint}")
    found = parse_json(read_text(path, what), what, hint)
    if not isinstance(found, dict) or not found or not all(map(_is_class, found.values())):
        raise UsageError(f"map={text} does not hold {_FORM}")
    return ClassMap("given", {composed(key): value for key, value in found.items()}, what)


def _is_class(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
