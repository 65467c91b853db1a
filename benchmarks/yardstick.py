"""Methods beside plain baselines on one model, told by an outside judge.

    python -m benchmarks.yardstick resnet20 resnet4b [--sources 12] [--targets 2] [--seed 1]

Every row: evaluations counted on the network, looks included; RMSE to the target, mean, median and
worst; the share of segments inside at 301 points, of ends inside after rounding to 8 bits, and of
the triangles' points that are inside. Baselines are tried with each of their step sizes, and the
nearest is shown; `segment` has the clearance of `star`, ends have that of `adaptive`.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

import blindspots as bs
from benchmarks.baselines import Task, decoupled, fast, lagrangian
from benchmarks.judge import confidence, judge, metered, summary
from benchmarks.methods import BATCH, DELTA
from benchmarks.subjects import available, subject
from blindspots.engine.batch import Pair
from blindspots.engine.evaluator import Evaluator, keep_freed_memory
from blindspots.engine.scheduler import Engine
from blindspots.methods.method import Method

METHODS = (bs.Star(), bs.Fan(), bs.Adaptive())
RATES, DUALS, FIRSTS = (0.004, 0.03, 0.06), (0.001, 0.1, 0.3), (0.3, 1.0, 3.0)
SEGMENT_POINTS, SEGMENT_EVALUATIONS = 4, 216
BUDGETS = (15, 40, 100)


def main() -> None:
    given = _arguments()
    keep_freed_memory()
    for name in given.models:
        about = subject(name)
        pairs = about.pairs(given.sources, given.targets, given.seed)
        for row, tries in _rows(about.model, pairs):
            measured = [_measured(about.model, pairs, find) for find in tries]
            print(name, row, min(measured, key=lambda told: told["rmse"]), flush=True)


def _rows(
    model: bs.Classifier, pairs: Sequence[Pair]
) -> Iterator[tuple[str, list[Callable[[], Tensor]]]]:
    for method in METHODS:
        yield method.name, [lambda method=method: _found(model, pairs, method)]
    held, end = (
        _task(model, pairs, bs.Star().clearance),
        _task(model, pairs, bs.Adaptive().clearance),
    )
    steps = [(rate, dual) for rate in RATES for dual in DUALS]
    yield (
        "segment",
        [
            lambda r=r, d=d: lagrangian(held, SEGMENT_POINTS, SEGMENT_EVALUATIONS, r, d)
            for r, d in steps
        ],
    )
    for budget in BUDGETS:
        yield (
            f"end {budget}",
            [lambda r=r, d=d, b=budget: lagrangian(end, 1, b, r, d) for r, d in steps],
        )
        yield f"DDN {budget}", [lambda f=f, b=budget: decoupled(end, b, f) for f in FIRSTS]
        yield f"FMN {budget}", [lambda f=f, b=budget: fast(end, b, f) for f in FIRSTS]


def _measured(
    model: bs.Classifier, pairs: Sequence[Pair], find: Callable[[], Tensor]
) -> dict[str, Any]:
    with metered(model) as meter:
        found = find()
    told = summary(judge(model, pairs, found, DELTA))
    return {"evaluations": meter.total / len(pairs), **told}


def _found(model: bs.Classifier, pairs: Sequence[Pair], method: Method) -> Tensor:
    engine = Engine(Evaluator(model, chunk=BATCH), method, slots=BATCH)
    found = {out.pair.id: out.found for ended in engine.run(pairs) for out in ended}
    return torch.stack([found[pair.id] for pair in pairs])


def _task(model: bs.Classifier, pairs: Sequence[Pair], clearance: float) -> Task:
    source, target = (torch.stack([getattr(p, s) for p in pairs]) for s in ("source", "target"))
    label = torch.tensor([pair.label for pair in pairs])
    floor = torch.logit(confidence(model, source, label) - DELTA).float()
    return Task(model, source, target, label, floor, clearance)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.yardstick", description=__doc__)
    parser.add_argument("models", nargs="+", choices=available())
    parser.add_argument("--sources", type=int, default=12)
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
