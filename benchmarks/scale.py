"""Time and memory of a plan of a million pairs, on simulated rows: no model is asked.

    python -m benchmarks.scale [--pairs 1000000] [--models 4] [--folder DIR] [--stage NAME …]

Four models work on 50,000 sources with 5 targets each, chosen among 62,500 images of 1,000
classes. Everything is what a run does between loading its models and asking them: reading their
stored answers about the clean images, choosing sources, drawing targets, naming pairs; after a
kill half-way, finding what is missing among 500,000 stored rows; joining the parts of all rows; the
three tables, the figures and the report. Each stage is a process of its own, so that its peak of
memory is its own too; the imports are not in the time, and their memory is told apart. Prints a
markdown table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import blindspots as bs
from benchmarks.command import peak_memory
from benchmarks.hardware import hardware
from benchmarks.simulated import CLASSES, write_archives, write_rows
from blindspots.engine.evaluator import Subject
from blindspots.images.listing import seeded_order
from blindspots.methods import describe_method
from blindspots.scores import Confidence, describe_score
from blindspots.settings import ScienceSettings
from blindspots.store.prediction_rows import read_predictions
from blindspots.store.run_info import ModelFacts, RunInfo
from blindspots.store.writer import Store
from blindspots.study.pairs import PairsByModel, missing_pairs
from blindspots.study.prepare import pairs_by_model
from blindspots.study.survey import Predictions, as_rows, read_model_predictions, survey
from blindspots.study.targets import choose

TARGETS, MORE_IMAGES = 5, 1.25
TABLES = ("distance", "confidence", "summary")
ASKED = {
    "planning": "10 s, 500 MB",
    "resume": "20 s",
}
COMMANDS = {
    **{f"blindspots table, {kind}": ["table", "--table", kind] for kind in TABLES},
    "blindspots report": ["report"],
}
ASKED_OF_COMMANDS = "30 s, 2 GB"


@dataclass(frozen=True)
class Size:
    """How large the simulated plan is."""

    pairs: int
    models: int

    @property
    def sources(self) -> int:
        """Sources, each with `TARGETS` targets for every model."""
        return self.pairs // self.models // TARGETS

    @property
    def images(self) -> int:
        """Images among which they are chosen."""
        return int(self.sources * MORE_IMAGES)

    @property
    def science(self) -> ScienceSettings:
        """The settings of the plan."""
        method, score = describe_method(bs.Star()), describe_score(Confidence())
        return ScienceSettings(
            method=method, score=score, sources=self.sources, targets_per_source=TARGETS
        )

    @property
    def names(self) -> list[str]:
        """The models' names."""
        return [f"model-{number}" for number in range(self.models)]


class Images(SimpleNamespace):
    """A listing's ids and labels, with no image behind them."""

    def __len__(self) -> int:
        return len(self.ids)


def subjects(size: Size) -> list[Subject]:
    """Models of which only the stored answers are asked."""
    ids = [f"ILSVRC2012_val_{i:08d}-{i * 2654435761 % 2**32:08x}" for i in range(size.images)]
    labels = torch.arange(size.images) % CLASSES
    images = Images(ids=ids, labels=labels)
    evaluator = SimpleNamespace(score=Confidence())
    return [
        Subject(name, SimpleNamespace(name=name, embeds=False), images, evaluator, name, "", 512)  # type: ignore[arg-type]
        for name in size.names
    ]


def plan(size: Size, folder: Path) -> PairsByModel:
    """What `planning.prepare` does with the answers that are stored."""
    asked, science = subjects(size), size.science
    rows = read_predictions(folder)
    known = {one.name: read_model_predictions(rows, one.name, one.images.ids) for one in asked}
    order = seeded_order(asked[0].images.ids, science.seed)
    surveyed = survey(asked, order, science.sources, known)
    for subject in asked:
        surveyed.preflight(subject)
    chosen = choose(science, asked, surveyed)
    return pairs_by_model(asked, surveyed, chosen, science.identity())


def simulate(size: Size, folder: Path) -> None:
    """A run directory that holds answers and no row; and rows to be taken into it."""
    store, random = Store(folder), np.random.default_rng(0)
    right = random.random(size.images) < 1 / MORE_IMAGES
    right[: size.sources // 2] = True
    labels = np.arange(size.images) % CLASSES
    said = np.where(right, labels, (labels + 1) % CLASSES)
    ids, sure = subjects(size)[0].images.ids, np.full(size.images, 0.9)
    own = Predictions(np.ones(size.images, bool), said, sure, sure)
    store.write_predictions(as_rows(dict.fromkeys(size.names, own), ids))
    models = [ModelFacts(name=name) for name in size.names]
    store.write_info(RunInfo(plan=size.science.identity(), models=models))


def write_half(size: Size, folder: Path) -> None:
    """The rows and archives that a kill half-way leaves."""
    planned = plan(size, folder)
    for name in size.names[: size.models // 2]:
        write_rows(folder, name, planned[name])
        write_archives(folder, planned[name])


def write_rest(size: Size, folder: Path) -> None:
    """The other rows."""
    planned = plan(size, folder)
    for name in size.names[size.models // 2 :]:
        write_rows(folder, name, planned[name])


def _named(size: Size, folder: Path) -> PairsByModel:
    """The plan, every pair of which was named once, as its hash wants it."""
    planned = plan(size, folder)
    assert planned.digest
    return planned


def resume(size: Size, folder: Path) -> int:
    """Everything up to the first pair that is to be traversed; how many are."""
    planned, store = _named(size, folder), Store(folder)
    list(store.set_aside_damaged({}))
    left = 0
    for name, pairs in planned.items():
        missing = pairs.select(missing_pairs(store, name, pairs, dropped=False))
        left += len(missing)
        next(iter(missing), None)
    return left


def stored(size: Size, folder: Path) -> int:
    """The keys that `Store.stored` finds for every model."""
    store = Store(folder)
    return sum(len(store.stored("pairs", name, ["pair_id"])) for name in size.names)


STAGES: dict[str, Callable[[Size, Path], object]] = {
    "simulate": simulate,
    "planning": lambda size, folder: len(_named(size, folder).of_one_model) * size.models,
    "half the rows": write_half,
    "resume": resume,
    "the other rows": write_rest,
    "stored keys": stored,
    "compact": lambda _, folder: len(Store(folder).compact()),
}
EVERY = [*STAGES, *COMMANDS]
TOLD = [name for name in STAGES if name not in ("simulate", "half the rows", "the other rows")]


def _stage(name: str, size: Size, folder: Path) -> None:
    """One stage, measured in this process."""
    imports, before, worked = peak_memory(), time.perf_counter(), time.process_time()
    result = STAGES[name](size, folder)
    seconds, worked = time.perf_counter() - before, time.process_time() - worked
    row = {
        "seconds": seconds,
        "worked": worked,
        "imports": imports,
        "peak": peak_memory(),
        "result": result,
    }
    print(json.dumps(row))


def _measured(name: str, size: Size, folder: Path) -> dict[str, Any]:
    """The same, measured in a process of its own."""
    sizes = ["--pairs", str(size.pairs), "--models", str(size.models)]
    return _told("benchmarks.scale", "--only", name, "--folder", str(folder), *sizes)


def _command(name: str, folder: Path) -> dict[str, Any]:
    """A command, measured as it is typed."""
    verb, *options = COMMANDS[name]
    return _told("benchmarks.command", verb, str(folder), *options)


def _told(*module: str) -> dict[str, Any]:
    """The last line that a program prints, which is JSON."""
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _run(size: Size, folder: Path, stages: Sequence[str]) -> None:
    print(f"{size.pairs:,} pairs; {hardware(torch.device('cpu'))}\n")
    print(
        "| what | asked | seconds | of the processor | MiB at the peak | of it imports | result |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in stages:
        if name in COMMANDS:
            _tell(name, ASKED_OF_COMMANDS, _command(name, folder))
        else:
            row = _measured(name, size, folder)
            if name in TOLD:
                _tell(name, ASKED.get(name, ""), row)


def _tell(name: str, asked: str, row: Mapping[str, Any]) -> None:
    imports = f"{row['imports']:.0f} | {row['result']:,}" if "imports" in row else "|"
    figures = f"{row['seconds']:.1f} | {row['worked']:.1f} | {row['peak']:.0f}"
    print(f"| {name} | {asked} | {figures} | {imports} |", flush=True)


def main() -> None:
    """Parse what was asked for and measure it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the simulated run goes and stays")
    parser.add_argument("--stage", action="append", choices=EVERY, help="only these")
    parser.add_argument("--only", choices=list(STAGES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    size = Size(given.pairs, given.models)
    if given.only:
        _stage(given.only, size, given.folder)
    elif given.folder:
        _run(size, given.folder, given.stage or EVERY)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _run(size, Path(folder), given.stage or EVERY)


if __name__ == "__main__":
    main()
