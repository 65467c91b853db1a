"""How many of the package's files a question walks through: the fewer, the sooner it is answered.

    python -m benchmarks.trace

Counts the distinct files of the package in which a function is entered while

- `blindspots run` does 6 pairs of the embedded images with `reference`, from plan to report;
- one step of `reference` is made: a turn of the engine, evaluation and next proposal;
- one row is stored: from a found image to its measures, its files and its row on the disk;
- one number of the report is made: the mean RMSE of a model, from the files of the run.

Every module is imported before, so that importing counts for nothing.
"""

import argparse
import inspect
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import blindspots as bs
from blindspots.cli.main import call
from blindspots.engine.scheduler import Engine
from blindspots.reporting.tables import build_table
from blindspots.store.reader import Run
from blindspots.study.work import Work

PACKAGE = Path(bs.__file__).parent
# What is asked of the house: at most so many files.
TARGETS = {
    "a run of 6 pairs": 60,
    "a step of `reference`": 8,
    "a stored row": 16,
    "a number of the report": 9,
}
RUN, STEP, ROW, NUMBER = TARGETS
COMMAND = (
    *("run", "--model", "zoo:shapes-resnet", "--images", "sample:shapes?n=100", "--quiet"),
    *("--sources", "3", "--method", "reference", "--set", "max_steps=4"),
)


@dataclass
class Walk:
    """The package's files that are entered: always, or only by the thread inside `inside`."""

    inside: CodeType | None = None
    files: set[str] = field(default_factory=set)
    depth: Counter[int] = field(default_factory=Counter)

    def see(self, code: CodeType, file: str, event: str) -> None:
        """A function of the package begins or ends."""
        thread = threading.get_ident()
        if code is self.inside:
            self.depth[thread] += 1 if event == "call" else -1
        if event == "call" and (self.inside is None or self.depth[thread]):
            self.files.add(file)


@contextmanager
def watched(walks: Sequence[Walk]) -> Iterator[None]:
    """Tell the walks of every function of the package that this block enters, in any thread."""
    names: dict[CodeType, str] = {}

    def look(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_flags & inspect.CO_OPTIMIZED:
            return
        if code not in names:
            names[code] = _file(code)
        if names[code]:
            for walk in walks:
                walk.see(code, names[code], event)

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def _file(code: CodeType) -> str:
    """The file of a function inside the package; empty where it is another's."""
    file = Path(code.co_filename)
    return file.relative_to(PACKAGE).as_posix() if file.is_relative_to(PACKAGE) else ""


def import_everything() -> None:
    """Every module of the package."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name != "__main__.py":
            parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
            import_module(".".join(parts).removesuffix(".__init__"))


def trace(out: Path) -> dict[str, set[str]]:
    """The files that each question walks through; `out`: a folder for the run."""
    import_everything()
    walks = {RUN: Walk(), STEP: Walk(_code(Engine._turn)), ROW: Walk(_code(Work._save))}
    with watched(list(walks.values())):
        status = call([*COMMAND, "--out", str(out)])
    if status:
        raise SystemExit(status)
    walks[NUMBER] = Walk()
    with watched([walks[NUMBER]]):
        _mean_rmse(out)
    return {question: walk.files for question, walk in walks.items()}


def _mean_rmse(out: Path) -> float | None:
    return build_table(Run(out), "distance").rows[0].cells["rmse"].mean


def _code(function: Callable[..., Any]) -> CodeType:
    return function.__code__


def table(walked: dict[str, set[str]]) -> str:
    """The counts beside what is asked for, in Markdown."""
    rows = [f"| {name} | {len(files)} | {TARGETS[name]} |" for name, files in walked.items()]
    return "\n".join(["| walk | files | at most |", "|---|---|---|", *rows])


def main() -> None:
    """Print the table, and the files where they are asked for."""
    parser = argparse.ArgumentParser(description="Files that a question walks through.")
    parser.add_argument("--files", action="store_true", help="name the files too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        walked = trace(Path(folder) / "run")
    print(table(walked))
    for name, files in walked.items() if asked.files else ():
        print(f"\n{name}\n  " + "\n  ".join(sorted(files)))


if __name__ == "__main__":
    main()
