"""docs/schemes.md: what is tested of every model and image scheme, from the tests that say so.

A test says so with `@pytest.mark.scheme("hf", "loads")`. Image schemes begin with `images:`.
"""

import ast
from collections import defaultdict
from pathlib import Path

from blindspots.images.sources import _SCHEMES as IMAGE_SCHEMES
from blindspots.models.schemes import SCHEMES

ROOT = Path(__file__).parents[2]
ASPECTS = {
    "loads": "loads",
    "logits": "right logits",
    "preprocessing": "right preprocessing",
    "extra": "extra missing",
    "broken": "file broken",
}
IMAGE_ASPECTS = {
    "loads": "loads",
    "preprocessing": "right pixels",
    "extra": ASPECTS["extra"],
    "broken": ASPECTS["broken"],
}
CORE = "its library is always installed"
DOES_NOT_APPLY = {
    ("model", "zoo", "extra"): CORE,
    ("model", "zoo", "broken"): "its files are part of the package",
    ("model", "zoo", "preprocessing"): "its images are generated at the input's size",
    ("model", "timm", "extra"): CORE,
    ("model", "torchvision", "extra"): CORE,
    ("model", "madrylab", "extra"): CORE,
    ("model", "exported", "extra"): CORE,
    ("model", "exported", "preprocessing"): "the file holds none beyond the input size",
    ("model", "python", "extra"): "needs no library but the user's own",
    ("model", "python", "preprocessing"): "what the user's function or spec says",
    ("model", "file", "extra"): "needs no library but the user's own",
    ("model", "file", "preprocessing"): "what the user's function or spec says",
    ("image", "folder", "extra"): CORE,
    ("image", "files", "extra"): CORE,
    ("image", "parquet", "extra"): CORE,
    ("image", "sample", "extra"): "it is part of the package",
    ("image", "webdataset", "extra"): "shards are read with Python's own tar reader",
}
TITLE = """# What is tested of every scheme

✓ leads to the tests, which pass; ✗: one of them failed, was skipped or did not run; –: does not
apply. An extra that is missing and a file that is broken must end in a clear error. Every test
makes its files with the library itself and reads them with the hub switched off.
`python -m pytest tests --schemes-page docs/schemes.md` writes this page.
"""
KINDS = {
    "model": ("Model schemes", SCHEMES, ASPECTS),
    "image": ("Image schemes", IMAGE_SCHEMES, IMAGE_ASPECTS),
}

Marks = dict[tuple[str, str, str], list[str]]


def collected_marks() -> Marks:
    """The marked tests as written in the files: (kind, scheme, aspect) → `file::name`."""
    marks: Marks = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                name = f"{file.relative_to(ROOT).as_posix()}::{node.name}"
                said = (_mark(decorator, names) for decorator in node.decorator_list)
                for scheme, aspect in filter(None, said):
                    marks[kind_of(scheme), scheme.removeprefix("images:"), aspect].append(name)
    return marks


def kind_of(scheme: str) -> str:
    """Whether it is an image or a model scheme."""
    return "image" if scheme.startswith("images:") else "model"


def _constants(tree: ast.Module) -> dict[str, str]:
    """The texts that a module gives names at its top."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


def _mark(decorator: ast.expr, names: dict[str, str]) -> tuple[str, str] | None:
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.scheme":
        return None
    scheme, aspect = (
        names[argument.id] if isinstance(argument, ast.Name) else ast.literal_eval(argument)
        for argument in decorator.args
    )
    return scheme, aspect


def page(marks: Marks, passed: set[str]) -> str:
    """The page's text; `passed`: the tests that ran and did not fail."""
    parts = [TITLE]
    for kind, (title, schemes, aspects) in KINDS.items():
        parts += [f"## {title}\n", _table(kind, schemes, aspects, marks, passed)]
        parts += _reasons(kind, schemes)
        parts += [_tests(kind, scheme, aspects, marks) for scheme in schemes]
    return "\n".join(parts)


def _table(kind, schemes, aspects, marks, passed):
    head = [
        f"| {kind} scheme | {' | '.join(aspects.values())} |",
        "|---" * (len(aspects) + 1) + "|",
    ]
    rows = [
        f"| [`{scheme}`](#{kind}-{scheme}) | "
        + " | ".join(_cell(kind, scheme, aspect, marks, passed) for aspect in aspects)
        + " |"
        for scheme in schemes
    ]
    return "\n".join([*head, *rows]) + "\n"


def _cell(kind, scheme, aspect, marks, passed):
    tests = marks.get((kind, scheme, aspect), [])
    if not tests:
        return "–" if (kind, scheme, aspect) in DOES_NOT_APPLY else "not tested"
    return f"[✓](#{kind}-{scheme})" if passed.issuperset(tests) else "✗"


def _reasons(kind, schemes):
    reasons = defaultdict(list)
    for (one, scheme, aspect), reason in DOES_NOT_APPLY.items():
        if one == kind and scheme in schemes:
            reasons[reason].append(f"{scheme}, {aspect}")
    lines = [f"- {'; '.join(names)}: {reason}." for reason, names in reasons.items()]
    return ["\n".join(["Why – stands:", "", *lines]) + "\n"] if lines else []


def _tests(kind, scheme, aspects, marks):
    lines = [
        f"- {words}: {', '.join(f'`{name}`' for name in marks[kind, scheme, aspect])}"
        for aspect, words in aspects.items()
        if (kind, scheme, aspect) in marks
    ]
    return "\n".join([f"### {kind} {scheme}", "", *lines]) + "\n"
