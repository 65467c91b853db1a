"""Class tables: what each logit is called, and what the folders of its images are called."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from blindspots.errors import UsageError
from blindspots.specs import nearest_names

IMAGENET_CLASSES = 1000
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
        by_folder = {name: index for index, name in enumerate(self.folders or ())}
        return {**by_name, **by_folder}

    @cached_property
    def _by_synonym(self) -> Mapping[str, int]:
        return _unshared(map(_names_in, self.synonyms or self.names))

    def index(self, folder: str) -> int | None:
        """The class that `folder`, or one of the names it lists, stands for; None: none or several.

        A whole name comes before its parts: "crane" is the class of that name, "tench, Tinca tinca"
        is tench.
        """
        whole = self.indices.get(folder, self.indices.get(plain_name(folder)))
        if whole is not None:
            return whole
        found = {self._by_synonym.get(name) for name in _names_in(folder)} - {None}
        return found.pop() if len(found) == 1 else None

    def has_in_order(self, names: Sequence[str]) -> bool:
        """Whether these are the names of all classes in their order, each by one name at least."""
        own = self.synonyms or self.names
        return len(names) == len(own) and all(
            set(_names_in(name)) & {*_names_in(mine), plain_name(called)}
            for name, mine, called in zip(names, own, self.names, strict=True)
        )

    def nearest(self, folder: str) -> str:
        """The spellings nearest to `folder`, as a phrase; empty where none is near."""
        return nearest_names(folder, [*(self.folders or ()), *self.names])


def plain_name(name: str) -> str:
    """A name without what file systems and habits change in it: case, underscores, hyphens."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _names_in(text: str) -> tuple[str, ...]:
    """The names that a text lists, separated by commas, as `plain_name` spells them."""
    return tuple(name for name in map(plain_name, text.split(",")) if name)


def _unshared(names: Iterable[Sequence[str]]) -> dict[str, int]:
    """From a name to the only index that has it."""
    owners: dict[str, set[int]] = defaultdict(set)
    for index, own in enumerate(names):
        for name in own:
            owners[name].add(index)
    return {name: min(having) for name, having in owners.items() if len(having) == 1}


def read_class_table(path: str | Path) -> ClassTable:
    """The table in a file: a list of names (one per line, or JSON) or `[[folder, name], ...]`.

    The position in the list is the class index; a JSON object with the keys "0", "1", ... is read
    as that list. Refused: a missing file, and anything else.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the class file {path} cannot be read: {_reason(error)}") from error
    entries = _entries(text, path)
    if entries and all(isinstance(entry, str) for entry in entries):
        return ClassTable(tuple(entries), None, str(path))
    if entries and all(_is_pair(entry) for entry in entries):
        folders, names = zip(*entries, strict=True)
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
    """For each position, the first of the spellings that no other position shares."""
    counts = [Counter(spelling) for spelling in spellings]
    return [
        next(name for name, count in zip(names, counts, strict=True) if count[name] == 1)
        for names in zip(*spellings, strict=True)
    ]


def _entries(text: str, path: Path) -> list:
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"the class file {path} is not valid JSON: {error}; give {_FORMS}"
        ) from error
    if isinstance(found, dict) and set(found) == {str(index) for index in range(len(found))}:
        return [found[str(index)] for index in range(len(found))]
    return found if isinstance(found, list) else []


def _is_pair(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(e, str) for e in entry)


def _refuse_repeats(folders: Sequence[str], path: Path) -> None:
    repeated = [folder for folder, count in Counter(folders).items() if count > 1]
    if repeated:
        raise UsageError(f"the class file {path} gives the folder {repeated[0]!r} two classes")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return str(error.strerror)
    return "it is not UTF-8 text"


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
