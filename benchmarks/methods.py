"""What stands beside the methods on the same pairs: the authors' algorithm, and what bounds all.

    python -m benchmarks.methods [--models mobilenetv2 shapes-vit-at …] [--sources 16] [--targets 2]
                                 [--rows reference paper …] [--results DIR]

The models are the MobileNetV2 of `../shared/assets` (left out, with a sentence, where it is not
there) and the four of the zoo. Every row is kept in DIR as soon as it is measured, and is not
measured again; `benchmarks.yardstick --page` shows them beside its own.

An evaluation is a forward and an input gradient of one image; a forward alone counts half. Rows
below the methods: the last point of the straight line to the target up to which all is inside, the
target itself, another pair's target, and the end of a minimum-norm attack from the target (DDN).
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import blindspots as bs
from benchmarks.bounds import decoupled, last_inside
from benchmarks.hardware import hardware
from benchmarks.results import keep, known
from benchmarks.subjects import Subject, available, subject
from blindspots.engine.batch import Pair
from blindspots.engine.device import keep_freed_memory
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.measure.hulls import Corners, segments, triangles
from blindspots.measure.metrics import linf, rmse, ssim
from blindspots.methods.method import Method, as_stored

DELTA = 0.2
BATCH = 16
POINTS = 201
ATTACK_STEPS = 100


class Ended(NamedTuple):
    """The images a row is about, one per pair, and what they cost a pair.

    `looked_at`: whether the model is asked about them; else only their distances count.
    """

    found: Tensor
    evaluations: float
    checks: float
    endings: dict[str, int]
    looked_at: bool = True


Maker = Callable[[Evaluator, Sequence[Pair]], Ended]


def main() -> None:
    """Measure what is missing in the results."""
    given = _arguments()
    keep_freed_memory()
    for name in given.models:
        path = given.results / f"{name}.json"
        measure_model(subject(name), given.sources, given.targets, path, given.rows)


def measure_model(
    about: Subject, sources: int, targets: int, path: Path, wanted: Sequence[str]
) -> None:
    """Every wanted row of a model that the file does not hold yet."""
    there = known(path)
    missing = {name: makers()[name] for name in wanted if name not in there}
    if not missing:
        return
    pairs, evaluator = about.pairs(sources, targets), Evaluator(about.model, chunk=BATCH)
    keep(path, ((name, measure(evaluator, pairs, maker)) for name, maker in missing.items()))


def makers() -> dict[str, Maker]:
    """What makes each row's images."""
    return {
        "reference": _running(bs.Reference(delta=DELTA)),
        "straight line": _straight_line,
        "target itself": _target_itself,
        "another target": _another_target,
        "minimum-norm attack": _attack,
        "paper": _running(bs.Paper(delta=DELTA)),
    }


def measure(evaluator: Evaluator, pairs: Sequence[Pair], maker: Maker) -> dict[str, Any]:
    """A row: means over the pairs, and the values of each."""
    machine, began = hardware(evaluator.model.device), time.perf_counter()
    ended = maker(evaluator, pairs)
    seconds = time.perf_counter() - began
    target = torch.stack([pair.target for pair in pairs])
    label = torch.tensor([pair.label for pair in pairs])
    source = evaluator.scores(torch.stack([pair.source for pair in pairs]), label)
    near = {
        "rmse": rmse(ended.found, target),
        "linf": linf(ended.found, target),
        "ssim": ssim(ended.found, target),
    }
    if not ended.looked_at:
        return {"pairs": len(pairs), "hardware": machine, **_means(near)}
    corners = [Corners((p.source, x), p.label) for p, x in zip(pairs, ended.found, strict=True)]
    lines = segments(evaluator, corners, POINTS)
    lowest = torch.tensor([line.minimum for line in lines])
    rounded = evaluator.scores(as_stored(ended.found), label)
    each = {
        **near,
        "p_found": evaluator.scores(ended.found, label),
        "p_found_8bit": rounded,
        "inside_8bit": (rounded >= source - DELTA).float(),
        "segment_mean": torch.tensor([line.mean for line in lines]),
        "segment_min": lowest,
        "segment_inside": (lowest >= source - DELTA).float(),
    }
    faces = _triangles(evaluator, pairs, ended.found)
    return {
        "pairs": len(pairs),
        "hardware": machine,
        "evaluations": ended.evaluations,
        "checks": ended.checks,
        "seconds": seconds / len(pairs),
        **_means(each),
        "triangle_fraction": sum(faces) / len(faces) if faces else None,
        "triangle_least": min(faces) if faces else None,
        "endings": ended.endings,
        "each": {
            "triangle_fraction": faces,
            **{name: [round(float(v), 6) for v in values] for name, values in each.items()},
        },
    }


def _means(each: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in each.items()}


def _triangles(evaluator: Evaluator, pairs: Sequence[Pair], found: Tensor) -> list[float]:
    """The fraction inside of each source's triangle with its first two found images."""
    groups: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        groups.setdefault(pair.group, []).append(i)
    corners = [
        Corners((pairs[a].source, found[a], found[b]), pairs[a].label)
        for a, b, *_ in (rows for rows in groups.values() if len(rows) > 1)
    ]
    return [face.fraction(DELTA) for face in triangles(evaluator, corners)]


def _running(method: Method) -> Maker:
    """The images that a method finds."""

    def run(evaluator: Evaluator, pairs: Sequence[Pair]) -> Ended:
        outcomes = {
            out.pair.id: out
            for ended in Engine(evaluator, method, slots=BATCH).run(pairs)
            for out in ended
        }
        inorder = [outcomes[pair.id] for pair in pairs]
        endings: dict[str, int] = {}
        for out in inorder:
            endings[str(out.ending)] = endings.get(str(out.ending), 0) + 1
        return Ended(
            torch.stack([out.found for out in inorder]),
            sum(out.evaluations for out in inorder) / len(inorder),
            sum(out.check_evaluations for out in inorder) / len(inorder),
            endings,
        )

    return run


def _straight_line(evaluator: Evaluator, pairs: Sequence[Pair]) -> Ended:
    return Ended(last_inside(evaluator, pairs, DELTA, POINTS), POINTS / 2, 0.0, {})


def _target_itself(evaluator: Evaluator, pairs: Sequence[Pair]) -> Ended:
    del evaluator
    return Ended(torch.stack([pair.target for pair in pairs]), 0.0, 0.0, {})


def _another_target(evaluator: Evaluator, pairs: Sequence[Pair]) -> Ended:
    """The target of another source: the distance of two images that have nothing in common."""
    del evaluator
    turned = torch.stack([pair.target for pair in (*pairs[3:], *pairs[:3])])
    return Ended(turned, 0.0, 0.0, {}, looked_at=False)


def _attack(evaluator: Evaluator, pairs: Sequence[Pair]) -> Ended:
    found = [
        decoupled(evaluator, pairs[i : i + BATCH], DELTA, ATTACK_STEPS)
        for i in range(0, len(pairs), BATCH)
    ]
    return Ended(torch.cat(found), ATTACK_STEPS, 0.0, {})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    names = available()
    if "mobilenetv2" not in names:
        print("../shared/assets is not here, so MobileNetV2 is left out")
    parser.add_argument("--models", nargs="*", choices=names, default=names)
    parser.add_argument("--sources", type=int, default=16)
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--rows", nargs="+", choices=list(makers()), default=list(makers()))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/methods"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
