"""Class tables: what each logit is called, and what the folders of its images are called."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from blindspots.errors import Refused
from blindspots.specs import nearest_names

_ALIKE = 0.95
_FORMS = "a list of names, one a line or as JSON, or [[folder, name], ...] as JSON"


@dataclass(frozen=True)
class ClassTable:
    """The names of the classes by index, and their folders; None: folders are called as classes.

    `origin`: where the table comes from, for messages.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...] | None = None
    origin: str = "the class table"

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def indices(self) -> Mapping[str, int]:
        """From a folder to its class: exact folders first, then names as `plain_name` spells them.

        A name that two classes share stands for neither.
        """
        plain = [plain_name(name) for name in self.names]
        shared = {name for name, count in Counter(plain).items() if count > 1}
        by_name = {name: index for index, name in enumerate(plain) if name not in shared}
        by_folder = {name: index for index, name in enumerate(self.folders or ())}
        return {**by_name, **by_folder}

    def index(self, folder: str) -> int | None:
        """The class of images in `folder`; None where the table does not know it."""
        return self.indices.get(folder, self.indices.get(plain_name(folder)))

    def nearest(self, folder: str) -> str:
        """The spellings nearest to `folder`, as a phrase; empty where none is near."""
        return nearest_names(folder, [*(self.folders or ()), *self.names])


def plain_name(name: str) -> str:
    """A name without what file systems and habits change in it: case, underscores, hyphens."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def read_class_table(path: str | Path) -> ClassTable:
    """The table in a file: a list of names (one a line, or JSON) or `[[folder, name], ...]`.

    The position in the list is the class index; a JSON object with the keys "0", "1", ... is read
    as that list. Refused: a missing file, and anything else.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the class file {path} cannot be read: {_reason(error)}") from error
    entries = _entries(text, path)
    if entries and all(isinstance(entry, str) for entry in entries):
        return ClassTable(tuple(entries), None, str(path))
    if entries and all(_is_pair(entry) for entry in entries):
        folders, names = zip(*entries, strict=True)
        _refuse_repeats(folders, path)
        return ClassTable(tuple(names), tuple(folders), str(path))
    raise Refused(f"the class file {path} is not {_FORMS}")


@cache
def imagenet_table() -> ClassTable:
    """ImageNet-1k's 1000 classes as timm knows them: wnids as folders, short unique names."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    folders, long = info.label_names(), list(info.label_descriptions())
    short = [name.split(",")[0] for name in long]
    unique = _first_unique(short, long, [f"{a} ({b})" for a, b in zip(long, folders, strict=True)])
    return ClassTable(tuple(unique), tuple(folders), "ImageNet-1k's class table")


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
        raise Refused(f"the class file {path} is not valid JSON: {error}; give {_FORMS}") from error
    if isinstance(found, dict) and set(found) == {str(index) for index in range(len(found))}:
        return [found[str(index)] for index in range(len(found))]
    return found if isinstance(found, list) else []


def _is_pair(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(e, str) for e in entry)


def _refuse_repeats(folders: Sequence[str], path: Path) -> None:
    repeated = [folder for folder, count in Counter(folders).items() if count > 1]
    if repeated:
        raise Refused(f"the class file {path} gives the folder {repeated[0]!r} two classes")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return str(error.strerror)
    return "it is not UTF-8 text"


def table_of(names: Sequence[str], origin: str) -> ClassTable:
    """The table of classes of these names; wnids are the folders of names that are ImageNet's.

    They are where nearly all begin as ImageNet-1k's do, in its order. Names that two classes share
    then get their wnid.
    """
    imagenet = imagenet_table()
    if len(names) != len(imagenet) or imagenet.folders is None:
        return ClassTable(tuple(names), None, origin)
    own, theirs = ([_first_word(name) for name in table] for table in (names, imagenet.names))
    alike = sum(a == b for a, b in zip(own, theirs, strict=True))
    if alike < _ALIKE * len(names):
        return ClassTable(tuple(names), None, origin)
    spelt_out = [f"{name} ({wnid})" for name, wnid in zip(names, imagenet.folders, strict=True)]
    return ClassTable(tuple(_first_unique(list(names), spelt_out)), imagenet.folders, origin)


def _first_word(name: str) -> str:
    return plain_name(name.split(",")[0]).split(" (")[0]
