"""How close the engine is to the hardware's limit, on models of ImageNet's size.

    python -m benchmarks.engine [NAME …] [--quick] [--compile] [--page docs/benchmark-engine.md]

MobileNetV2 with the weights and images of `../shared/assets` (left out, with a sentence, where
they are not there), and timm's resnet50 and deit_small_patch16_224 with random weights: how long
an evaluation takes hangs on the architecture alone. What is compared runs in turn, several times
in one process, and the median of each is taken, so that other work on the machine hits both alike.
What was asked for and what was reached is kept in `--results`, and `--page` writes it; without
names nothing is measured.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import blindspots as bs
from benchmarks.engine_cases import QUICK, Case, Effort, authors_loop, cases
from benchmarks.hardware import hardware
from benchmarks.results import Rows, fill, keep, known
from blindspots.engine.batch import Pair, TraversalResult
from blindspots.engine.device import find_device, keep_freed_memory, lay_out
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.measure.hulls import Corners, triangles
from blindspots.methods.method import RUNNING, code
from blindspots.schema import Ending

LAYOUTS = ("contiguous", "channels_last")
MOST_OVERHEAD, LEAST_GAIN, LEAST_COMPILED_GAIN = 1.10, 1.4, 1.75
LEAST_UNEVEN, LEAST_HULLS = 0.9, 0.95
MOST_DIFFERENCE = 1e-3

Job = Callable[[], object]


class Row(NamedTuple):
    """A line of the table; `asked` is empty where a figure is only told."""

    model: str
    what: str
    asked: str
    reached: str


@dataclass(frozen=True, kw_only=True)
class Uneven(bs.Reference):
    """Pairs that end after as many steps as their source's first pixel says, in hundredths."""

    def step(self, problem, state, evaluation):  # type: ignore[override]
        """The reference's step; only the ending differs."""
        after = super().step(problem, state, evaluation)
        over = after.steps >= (problem.source[:, 0, 0, 0] * 100).round()
        return replace(after, ending=torch.where(over, code(Ending.FINISHED), RUNNING))


def seconds(jobs: Mapping[str, Job], repeats: int) -> dict[str, float]:
    """The median seconds of each job; all run once before, then in turn."""
    for job in jobs.values():
        job()
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in taken.items()}


def forward(model: nn.Module, images: Tensor) -> list[int]:
    """A bare forward; waits for the device."""
    with torch.inference_mode():
        return model(images).argmax(dim=1).tolist()


def gradient(model: nn.Module, images: Tensor) -> float:
    """A bare forward and gradient with respect to the images; waits for the device."""
    images = images.detach().requires_grad_(True)
    logits = model(images)
    loss = F.cross_entropy(logits, logits.detach().argmax(dim=1), reduction="sum")
    return float(torch.autograd.grad(loss, images)[0].sum())


def traversed(
    evaluator: Evaluator, method: bs.Reference, pairs: Sequence[Pair], slots: int
) -> list:
    """The outcomes of an engine's run."""
    return [out for ended in Engine(evaluator, method, slots=slots).run(pairs) for out in ended]


def evaluations(outcomes: Sequence[TraversalResult]) -> float:
    """What they cost together."""
    return sum(outcome.evaluations for outcome in outcomes)


def raw(case: Case, effort: Effort, compiled: bool) -> list[Row]:
    """Forward, and forward with gradient, in each layout, with and without compiling."""
    images, jobs = case.images[: effort.batch], {}
    for layout in LAYOUTS:
        model = lay_out(deepcopy(case.plain), layout)
        jobs |= _raw_jobs(layout, model, images)
        if compiled:
            jobs |= _raw_jobs(f"{layout}, compiled", torch.compile(deepcopy(model)), images)
    each = {name: 1000 * s / len(images) for name, s in seconds(jobs, effort.repeats).items()}
    return [Row(case.name, name, "", f"{ms:.1f}") for name, ms in each.items()]


def _raw_jobs(layout: str, model: nn.Module, images: Tensor) -> dict[str, Job]:
    model.eval().requires_grad_(False)
    return {
        f"forward, {layout}": lambda: forward(model, images),
        f"forward + gradient, {layout}": lambda: gradient(model, images),
    }


def overhead(case: Case, effort: Effort) -> Row:
    """The engine's seconds an evaluation, over a bare forward and gradient of the same batch."""
    images, evaluator = case.images[: effort.batch], Evaluator(case.best, chunk=effort.batch)
    pairs, method = case.pairs(effort.batch), case.reference(effort.steps)
    count = evaluations(traversed(evaluator, method, pairs, effort.batch))
    jobs: dict[str, Job] = {
        "bare": lambda: [gradient(case.best, images) for _ in range(effort.steps)],
        "engine": lambda: traversed(evaluator, method, pairs, effort.batch),
    }
    taken = seconds(jobs, effort.repeats)
    ratio = taken["engine"] / count * effort.steps * len(images) / taken["bare"]
    return Row(case.name, "engine / bare evaluations", f"≤ {MOST_OVERHEAD}", f"{ratio:.2f}")


def gain(case: Case, effort: Effort, compiled: bool) -> list[Row]:
    """The authors' loop in the default layout over the engine in the best one."""
    pairs, method = case.pairs(effort.batch), case.reference(effort.steps)
    x_s, x_t = (
        torch.stack([getattr(pair, end) for pair in pairs]).to(case.images.device)
        for end in ("source", "target")
    )
    evaluator = Evaluator(case.best, chunk=effort.batch, compiled=compiled)
    found = {out.pair.id: out.found for out in traversed(evaluator, method, pairs, effort.batch)}
    again = authors_loop(case.plain, x_s, x_t, method).cpu()
    apart = (torch.stack([found[pair.id] for pair in pairs]) - again).square().mean().sqrt()
    jobs: dict[str, Job] = {
        "loop": lambda: authors_loop(case.plain, x_s, x_t, method),
        "engine": lambda: traversed(evaluator, method, pairs, effort.batch),
    }
    taken, suffix = seconds(jobs, effort.repeats), ", compiled" if compiled else ""
    least = LEAST_COMPILED_GAIN if compiled else LEAST_GAIN
    reached = f"{taken['loop'] / taken['engine']:.2f}"
    return [
        Row(case.name, f"authors' loop / engine{suffix}", f"≥ {least}", reached),
        Row(case.name, f"difference of both, RMS{suffix}", f"≤ {MOST_DIFFERENCE}", f"{apart:.0e}"),
    ]


def uneven(case: Case, effort: Effort) -> Row:
    """Throughput with pairs of very uneven lengths over that with the mean length everywhere."""
    mean = effort.steps // 2
    shortest, longest = 1, max(1, 2 * mean - 1)
    lengths = {"uneven": (shortest, shortest, longest, longest), "even": (mean,) * 4}
    method = Uneven(max_steps=longest + 1, delta=case.delta, jitter=0.0)
    evaluator, counts, jobs = Evaluator(case.best, chunk=effort.batch), {}, {}
    for name, cycle in lengths.items():
        pairs = _of_lengths(case.pairs(effort.rounds * effort.batch), cycle)
        counts[name] = evaluations(traversed(evaluator, method, pairs, effort.batch))
        jobs[name] = lambda pairs=pairs: traversed(evaluator, method, pairs, effort.batch)
    taken = seconds(jobs, effort.repeats)
    rate = {name: counts[name] / taken[name] for name in lengths}
    reached = f"{rate['uneven'] / rate['even']:.2f}"
    return Row(case.name, "throughput, uneven / even pairs", f"≥ {LEAST_UNEVEN}", reached)


def _of_lengths(pairs: Sequence[Pair], lengths: Sequence[int]) -> list[Pair]:
    sources = [pair.source.clone() for pair in pairs]
    for i, source in enumerate(sources):
        source[0, 0, 0] = lengths[i % len(lengths)] / 100
    return [replace(pair, source=s) for pair, s in zip(pairs, sources, strict=True)]


def hulls(case: Case, effort: Effort) -> Row:
    """Points of triangles a second over bare forwards a second of the same batch."""
    images, evaluator = case.images[: effort.batch], Evaluator(case.best, chunk=effort.batch)
    corners = [
        Corners(tuple(case.images.roll(i, dims=0)[:3]), 0) for i in range(effort.rounds // 2)
    ]
    points = 66 * len(corners)
    batches = -(-points // len(images))
    jobs: dict[str, Job] = {
        "bare": lambda: [forward(case.best, images) for _ in range(batches)],
        "hulls": lambda: list(triangles(evaluator, corners)),
    }
    taken = seconds(jobs, effort.repeats)
    share = taken["bare"] / (batches * len(images)) * points / taken["hulls"]
    return Row(case.name, "triangles / bare forwards", f"≥ {LEAST_HULLS}", f"{share:.2f}")


def pages(case: Case, effort: Effort) -> list[Row]:
    """A forward and gradient before and after the process keeps its freed memory."""
    images, rows = case.images[: effort.batch], []
    for when in ("handed back", "kept"):
        if when == "kept":
            keep_freed_memory()
        job: dict[str, Job] = {when: lambda: gradient(case.plain, images)}
        ms = 1000 * seconds(job, effort.repeats)[when] / len(images)
        what = f"forward + gradient, contiguous, freed memory {when}"
        rows.append(Row(case.name, what, "", f"{ms:.1f}"))
    return rows


def measure(case: Case, effort: Effort, compiled: bool, first: bool) -> list[Row]:
    """Every line about a model; `first`: whether the process still hands memory back."""
    with case.best.frozen(), case.plain.frozen():
        rows = pages(case, effort) if first else []
        rows += [*raw(case, effort, compiled), overhead(case, effort), *gain(case, effort, False)]
        rows += gain(case, effort, True) if compiled else []
        return [*rows, uneven(case, effort), hulls(case, effort)]


def table(kept: dict[str, Rows]) -> str:
    """Milliseconds per image, then what was asked for and what was reached: a column per model."""
    asked = {what: cell[0] for rows in kept.values() for what, cell in rows.items()}
    names = " | ".join(kept)
    times = [f"| milliseconds per image | {names} |", "|---|" + "---|" * len(kept)]
    ratios = [f"| ratio | asked | {names} |", "|---|---|" + "---|" * len(kept)]
    for what, least in asked.items():
        cells = " | ".join(rows[what][1] if what in rows else "–" for rows in kept.values())
        if least:
            ratios.append(f"| {what} | {least} | {cells} |")
        else:
            times.append(f"| {what} | {cells} |")
    return "\n".join([*times, "", *ratios]) + "\n"


def main() -> None:
    """Measure, keep, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="mobilenetv2, resnet50, …")
    parser.add_argument("--quick", action="store_true", help="few images: does it run?")
    parser.add_argument("--compile", action="store_true", help="compiled too; minutes more")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/engine.json"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    device, effort = find_device(given.device), QUICK if given.quick else Effort()
    print(hardware(device), flush=True)
    known_cases = cases(effort, device)
    for number, name in enumerate(given.models):
        rows = measure(known_cases[name](), effort, given.compile, first=number == 0)
        keep(given.results, [(rows[0].model, {row.what: [row.asked, row.reached] for row in rows})])
        gc.collect()
    if given.page:
        fill(given.page, table(known(given.results)), "engine")


if __name__ == "__main__":
    main()
