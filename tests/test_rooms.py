"""The house keeps its order: names are taken once, the root is bare, imports run down."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from inspect import signature
from pathlib import Path
from typing import get_args

import pytest

from blindspots.cli.figure_commands import FigureName
from blindspots.cli.show_commands import table
from blindspots.reporting.figures.paper_figures import FIGURES
from blindspots.reporting.tables import Kind
from tests.support import tiny
from tests.test_public import EXTRAS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "blindspots"
FILES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(
    folder.relative_to(PACKAGE).as_posix()
    for folder in PACKAGE.rglob("*")
    if folder.is_dir() and any(one.is_file() for one in folder.iterdir())
    if folder.name != "__pycache__"
)
GROUND = ("errors", "progress", "schema", "settings", "specs")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LAYERS = next(
    contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    if contract["type"] == "layers"
)

FEWEST_LINES = 60
# A plug-in is as short as it can be: a method, a scheme, a source of images, a score.
PLUG_INS = ("api/pytest_plugin", "images/sources", "methods", "models/schemes", "scores")
# Files that wait to be merged into their users. It only shrinks: nothing is added.
STILL_SMALL: set[str] = set()

TOY = '''"""Toy: the straight way to the target, a tenth at a time, while the score holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from blindspots.methods.method import choose
from blindspots.methods.method import RUNNING, Evaluation, Method, Problem, State, code
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated


@dataclass(frozen=True, kw_only=True)
class Toy(Method):
    """Walks until the next tenth would leave the superlevel set."""

    max_steps: int = 10
    delta: float = 0.2

    name: ClassVar[str] = "toy"
    differentiates: ClassVar[Differentiated] = "height"
    straight: ClassVar[bool] = True

    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> State:
        """At the source."""
        return State(**self.at_source(problem))

    def step(self, problem: Problem, state: State, evaluation: Evaluation) -> State:
        """A tenth further, or the end."""
        inside = evaluation.objective >= problem.floor
        steps = state.steps + 1
        t = (steps + 1).view(-1, 1, 1, 1) / self.max_steps
        over = torch.where(inside, code(Ending.FINISHED), code(Ending.LEFT_LEVEL_SET))
        return replace(
            state,
            proposal=(1 - t) * problem.source + t * problem.target,
            found=choose(inside, state.proposal, state.found),
            score=torch.where(inside, evaluation.score, state.score),
            steps=steps,
            ending=torch.where(inside & (steps < self.max_steps), RUNNING, over),
        )
'''
SESSION = """
import sys
from pathlib import Path
from blindspots import Run
from blindspots.cli.main import call
from blindspots.reporting import publish

# Figures take longer than all the rest.
publish.write_figures = lambda *_: []
model, images, out, *extras = sys.argv[1:]
run = ["run", "--model", model, "--images", images, "--out", out, "--method", "toy"]
assert call([*run, "--set", "max_steps=5", "--sources", "3", "--keep", "path", "--quiet"]) == 0
assert call(["table", out]) == 0
assert call(["verify", out, "--trust-run-code"]) == 0
run = Run(out)
assert run.straight
assert run.plan["method"] == {"name": "toy", "max_steps": 5, "delta": 0.2}
assert {row["path_step"][-1] for row in run.pair_rows(started=True)} == {100}

# What works without an extra does not load its library: seen here, where torch is loaded anyway.
import blindspots.diagnosis, blindspots.models.load, blindspots.study.backends.ray_pool
assert not {*extras} & {*sys.modules}, {*extras} & {*sys.modules}
"""


def inside(file):
    return file.relative_to(PACKAGE).as_posix()


def twice(names):
    return sorted(name for name, count in Counter(names).items() if count > 1)


def test_no_module_and_no_folder_has_the_name_of_another():
    modules = [file.stem for file in FILES if not file.stem.startswith("__")]
    assert twice([*modules, *(Path(folder).name for folder in FOLDERS)]) == []


def test_no_public_class_has_the_name_of_another():
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in FILES)
    classes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert twice(node.name for node in classes if not node.name.startswith("_")) == []


def test_the_root_holds_the_ground_and_the_doors_and_nothing_else():
    files = {file.name for file in PACKAGE.iterdir() if file.is_file()}
    assert files == {*(f"{name}.py" for name in GROUND), "__init__.py", "__main__.py", "py.typed"}


def test_a_small_file_is_a_plug_in_or_on_the_list_that_shrinks():
    small = {
        inside(file)
        for file in FILES
        if not file.stem.startswith("__")
        and inside(file).removesuffix(".py") not in GROUND
        and not inside(file).startswith(PLUG_INS)
        and len(file.read_text(encoding="utf-8").splitlines()) < FEWEST_LINES
    }
    assert small - STILL_SMALL == set(), "merge it into its only user"
    assert STILL_SMALL - small == set(), "take it off the list"


def test_a_table_and_a_figure_can_be_asked_for_by_name():
    assert get_args(Kind) == get_args(get_args(signature(table).parameters["table"].annotation)[0])
    assert get_args(FigureName) == tuple(FIGURES)


def floors(text):
    return [sorted(re.findall(r"\w+", floor)) for floor in text]


def test_the_architecture_draws_the_floors_of_the_contract():
    drawing = re.search(r"^```floors\n(.+?)^```", ARCHITECTURE, re.MULTILINE | re.DOTALL)[1]
    drawn = [line.partition("  ")[0] for line in drawing.splitlines() if re.match(r"\w", line)]
    assert floors(drawn) == floors(LAYERS)


def test_the_architecture_names_every_room_and_module_of_the_ground_and_no_other():
    named = re.findall(r"^\| `([\w/.]+)` \|", ARCHITECTURE, re.MULTILINE)
    assert sorted(named) == sorted(
        [*(f"{name}/" for name in FOLDERS), *map("{}.py".format, GROUND)]
    )


def test_the_contract_names_folders_and_the_ground():
    rooms = {name for name in FOLDERS if "/" not in name}
    assert {name for floor in floors(LAYERS) for name in floor} == rooms | set(GROUND)


@pytest.fixture
def copied(tmp_path):
    """The package and its settings, to be changed; weights stay where they are."""
    pack = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(PACKAGE, tmp_path / "src" / "blindspots", ignore=pack)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def within(copied, *command):
    """What a Python process that imports the copy says, and its exit status."""
    result = subprocess.run(
        [sys.executable, *command],
        cwd=copied,
        env={**os.environ, "PYTHONPATH": str(copied / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    return result.returncode, result.stdout + result.stderr


def test_a_new_module_in_any_room_is_under_the_contracts(copied):
    homes = [folder for folder in FOLDERS if (PACKAGE / folder / "__init__.py").exists()]
    for room in homes:
        new = copied / "src" / "blindspots" / room / "brand_new.py"
        new.write_text("import blindspots.cli.main\nimport torch\n", encoding="utf-8")
    lint = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True))"
    status, said = within(copied, "-c", lint)
    assert status == 1
    dotted = {f"blindspots.{room.replace('/', '.')}.brand_new" for room in homes}
    upward = {name for name in dotted if f"{name} -> blindspots.cli.main" in said}
    assert upward == dotted - {"blindspots.cli.brand_new"}
    torch = {name for name in dotted if f"{name} -> torch" in said}
    assert torch == {name for name in dotted if name.split(".")[1] in ("reporting", "store")}


def test_a_new_room_must_be_placed_in_the_contract(copied):
    room = copied / "src" / "blindspots" / "attic"
    room.mkdir()
    (room / "__init__.py").touch()
    lint = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True))"
    status, said = within(copied, "-c", lint)
    assert status == 1
    assert "attic" in said


def test_a_method_is_added_by_a_file_and_an_import(copied, tmp_path, tiny_images):
    methods = copied / "src" / "blindspots" / "methods"
    (methods / "toy.py").write_text(TOY, encoding="utf-8")
    register = methods / "__init__.py"
    text = register.read_text(encoding="utf-8")
    last = "from blindspots.methods.star import Star as Star\n"
    assert text.count(last) == 1
    line = "from blindspots.methods.toy import Toy as Toy\n"
    register.write_text(text.replace(last, last + line), encoding="utf-8")
    given = (tiny.MODEL, tiny_images, str(tmp_path / "run"), *EXTRAS)
    status, said = within(copied, "-c", SESSION, *given)
    assert status == 0, said
