"""Every refusal of the package's source, and which of them a test raised.

A refusal is called by its module, its function, and a number where a function has several.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import blindspots
from blindspots.errors import UsageError

PACKAGE = Path(blindspots.__file__).parent


@cache
def refusals() -> dict[str, tuple[Path, range]]:
    """File and lines of each `UsageError(…)`."""
    found: dict[str, tuple[Path, range]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        counts: Counter[str] = Counter()
        for function, node in _calls(ast.parse(file.read_text(encoding="utf-8")), "module"):
            counts[function] += 1
            more = f" {counts[function]}" if counts[function] > 1 else ""
            name = f"{file.relative_to(PACKAGE).as_posix()} {function}{more}"
            found[name] = file, range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return found


def _calls(tree: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "UsageError":
            yield function, node
        named = isinstance(node, ast.FunctionDef)
        yield from _calls(node, node.name if named else function)


@contextmanager
def raised() -> Iterator[list[str]]:
    """The refusals that are made meanwhile, by name, in their order."""
    made: list[str] = []
    original = UsageError.__init__

    def note(self: UsageError, *words: object) -> None:
        original(self, *words)
        frame = sys._getframe(1)
        made.extend(_named(frame.f_code.co_filename, frame.f_lineno))

    UsageError.__init__ = note
    try:
        yield made
    finally:
        UsageError.__init__ = original


def _named(file: str, line: int) -> list[str]:
    return [
        name for name, (path, lines) in refusals().items() if line in lines and path == Path(file)
    ]
