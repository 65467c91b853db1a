"""The page's modules as one script: no module loader works from a file on the disk."""

import re
from collections.abc import Callable, Iterator

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function (\w+)|const (\w+)|class (\w+))", re.MULTILINE)


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """The module `entry` and all it imports, each in a scope of its own, in one strict script.

    `read`: the text of a module by its name. Imports and exports are by name and at the top level,
    one declaration an export.
    """
    order: list[str] = []
    _visit(entry, read, order, ())
    return '"use strict";\n' + "\n".join(_scope(name, read(name)) for name in order)


def _visit(name: str, read: Callable[[str], str], order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules import each other: {' → '.join((*above, name))}")
    if name in order:
        return
    for imported in _imported(read(name)):
        _visit(imported, read, order, (*above, name))
    order.append(name)


def _imported(text: str) -> Iterator[str]:
    return (found[2] for found in _IMPORT.finditer(text))


def _scope(name: str, text: str) -> str:
    exported = ", ".join(next(filter(None, found.groups())) for found in _EXPORT.finditer(text))
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_variable(found[2])};\n", text)
    body = _EXPORT.sub("", body).strip()
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


def _variable(module: str) -> str:
    return f"module_{module.replace('-', '_')}"
