"""What the package shows to others: names, docstrings, what an import costs; and its style."""

import ast
import importlib
import inspect
import os
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import blindspots as bs

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src"
FILES = sorted((SOURCES / "blindspots").rglob("*.py"))
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
HEAVY = ("torch", "torchvision", "timm")
EXTRAS = ("transformers", "datasets", "webdataset", "fastapi", "ray", "robustbench", "s3fs")


@cache
def tree(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def public(node, name=""):
    """Every public function, class and method, with its dotted name; not what a function hides."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS | ast.ClassDef) and not child.name.startswith("_"):
            yield f"{name}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{name}{child.name}.")


def lengths(file):
    """The lines of each function's body, its docstring left out."""
    for node in ast.walk(tree(file)):
        if isinstance(node, FUNCTIONS):
            body = node.body[ast.get_docstring(node) is not None :]
            yield body[-1].end_lineno - body[0].lineno + 1 if body else 0


def by_path(file):
    return file.relative_to(SOURCES).as_posix()


def test_the_public_names_are_sorted_and_listed_once():
    assert bs.__all__ == sorted(set(bs.__all__))
    assert set(bs.__all__) <= set(dir(bs))


def test_every_public_name_is_there_and_says_what_it_is():
    said = {name: inspect.getdoc(getattr(bs, name)) or "" for name in bs.__all__}
    assert [name for name, text in said.items() if not text.partition("\n")[0].endswith(".")] == []


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bs.nothing  # noqa: B018


def test_every_module_says_what_it_holds():
    assert [by_path(file) for file in FILES if not ast.get_docstring(tree(file))] == []


def test_every_method_of_a_public_class_says_what_one_gets():
    given = {name: getattr(bs, name) for name in bs.__all__}
    methods = {
        f"{owner}.{name}": value
        for owner, kind in given.items()
        if isinstance(kind, type)
        for name, value in vars(kind).items()
        if not name.startswith("_") and (callable(value) or hasattr(value, "fget"))
    }
    assert len(methods) > 50
    assert [name for name, value in methods.items() if not inspect.getdoc(value)] == []


@pytest.mark.parametrize(
    "names",
    [
        ("blindspots",),
        (
            "blindspots.reporting.tables",
            "blindspots.reporting.figures",
            "blindspots.reporting.page",
            "blindspots.store.reader",
            "blindspots.cli",
        ),
        ("blindspots.study.backends.worker_process",),
    ],
    ids=["the package", "what reads a run", "what a cluster's node runs beside its worker"],
)
def test_an_import_does_not_load_torch(names):
    """What may load torch and none of the extras is run in a process by `test_rooms.py`."""
    assert not {*HEAVY, *EXTRAS} & loaded_by(names)


def test_above_a_clone_of_its_name_the_package_is_found(tmp_path):
    (tmp_path / "blindspots").symlink_to(ROOT, target_is_directory=True)
    code = "import blindspots; print(blindspots.__file__)"
    path = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=path
    )
    assert found.stdout.strip().endswith("blindspots/__init__.py"), found.stderr


def loaded_by(names):
    """The modules that are there when those of `names` were imported."""
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert set(names) <= set(loaded)
    return set(loaded)


def test_functions_are_short():
    assert statistics.median(length for file in FILES for length in lengths(file)) < 10


def test_files_are_short():
    lines = {by_path(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_every_module_can_be_imported():
    for file in FILES:
        if file.name != "__main__.py":
            parts = file.relative_to(SOURCES).with_suffix("").parts
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
