"""Methods beside plain baselines on one model, told by an outside judge; docs/benchmark.md.

    python -m benchmarks.yardstick resnet20 resnet4b [--sources 12] [--targets 2] [--seed 1]
                                   [--points 301] [--rows star segment …]
                                   [--rates 0.004 …] [--duals 0.001 …]
                                   [--page docs/benchmark.md]

Every row: evaluations counted on the network, looks included; RMSE to the target, mean, median and
worst, and LPIPS; the share of segments inside at so many points, of ends inside after rounding to 8
bits, and of the triangles' points that are inside. Baselines are tried with each of their step
sizes, and the nearest on average is kept; `segment` has the clearance of `star`, ends have that of
`adaptive`; all only need what rounding to 8 bits can take, as the methods do, and none returns what
is not inside (`benchmarks.baselines`). A row is kept in DIR as soon as it is measured; what DIR
holds is not measured again, so without models `--page` computes nothing. The page shows the rows of
`benchmarks.methods` beside.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import blindspots as bs
from benchmarks.baselines import Task, decoupled, fast, lagrangian
from benchmarks.judge import POINTS, confidence, judge, metered, summary
from benchmarks.methods import BATCH, DELTA
from benchmarks.results import keep, known
from benchmarks.subjects import ASSETS, available, subject
from benchmarks.yardstick_page import LONG_FMN, LONG_SEGMENT, TO_THE_END, write_page
from blindspots.engine.batch import Pair
from blindspots.engine.device import keep_freed_memory
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.measure.metrics import find_lpips
from blindspots.methods.method import Method

Finds = Callable[[], Tensor]
METHODS = (bs.Star(), bs.Fan(), bs.Adaptive())
RATES, DUALS = (0.001, 0.004, 0.03, 0.06, 0.12, 0.25), (0.001, 0.1, 0.3)
FIRSTS = (0.1, 0.3, 1.0, 3.0, 6.0, 12.0)
SEGMENT_POINTS, SEGMENT_EVALUATIONS = 4, 216
BUDGETS = (15, 40, 100)
LONG_FIRST = 1.0
LONG_GRID = ((0.004, 0.001), (0.03, 0.1))
ROWS = [
    *(method.name for method in METHODS),
    TO_THE_END,
    "segment",
    *(f"{kind} {budget}" for budget in BUDGETS for kind in ("end", "DDN", "FMN")),
    LONG_SEGMENT,
    LONG_FMN,
]


def main() -> None:
    given = _arguments()
    keep_freed_memory()
    for name in given.models:
        path = given.results / f"{name}.json"
        missing = [row for row in given.rows if row not in known(path)]
        if missing:
            about = subject(name)
            pairs = about.pairs(given.sources, given.targets, given.seed)
            grid = [*product(given.rates, given.duals)]
            keep(path, _measured(about.model, pairs, missing, given.points, grid))
    if given.page:
        write_page(given.results, given.beside, given.page)


def _measured(
    model: bs.Classifier,
    pairs: Sequence[Pair],
    rows: Sequence[str],
    points: int,
    grid: Sequence[tuple[float, float]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The nearest of each row's tries, judged."""
    target = torch.stack([pair.target for pair in pairs])
    own = _methods(model, pairs)
    plain = {} if own.keys() >= {*rows} else _baselines(model, pairs, grid)
    for name, tries in {**own, **plain}.items():
        if name in rows:
            with metered(model) as meter:
                found = {steps: find() for steps, find in tries.items()}
            far = {k: (x - target).square().mean(dim=(1, 2, 3)).sqrt() for k, x in found.items()}
            best = min(far, key=lambda steps: float(far[steps].mean()))
            told = summary(judge(model, pairs, found[best], DELTA, points))
            told["lpips"] = _lpips(found[best], target)
            runs = len(pairs) * len(tries)
            spent = {"evaluations": meter.total / runs, "forwards": meter.forwards / runs}
            each = {"rmse": [round(float(value), 5) for value in far[best]]}
            about = {"pairs": len(pairs), "points": points, "steps": best}
            yield name, {**about, **spent, **told, "each": each}


def _lpips(found: Tensor, target: Tensor) -> float:
    """How unlike the pairs look, by a network's eye."""
    lpips, missing = find_lpips(ASSETS / "alexnet_features.safetensors")
    if lpips is None:
        raise SystemExit(missing)
    pairs = zip(found.split(BATCH), target.split(BATCH), strict=True)
    return float(torch.cat([lpips(*some) for some in pairs]).mean())


def _methods(model: bs.Classifier, pairs: Sequence[Pair]) -> dict[str, dict[str, Finds]]:
    """What the rows of the package's methods do; they have no step sizes to try."""
    named = {method.name: method for method in METHODS}
    named[TO_THE_END] = bs.Adaptive(tolerance=1e-4)
    return {name: {"": partial(_found, model, pairs, method)} for name, method in named.items()}


def _baselines(
    model: bs.Classifier, pairs: Sequence[Pair], grid: Sequence[tuple[float, float]]
) -> dict[str, dict[str, Finds]]:
    """What the other rows may do, by their step sizes; `grid`: those of the Lagrangians."""
    held = _task(model, pairs, bs.Star().clearance, POINTS)
    end = replace(held, clearance=bs.Adaptive().clearance, looked=1)
    rows: dict[str, dict[str, Finds]] = {}
    rows["segment"] = {
        f"{rate}, {dual}": partial(
            lagrangian, held, SEGMENT_POINTS, SEGMENT_EVALUATIONS, rate, dual
        )
        for rate, dual in grid
    }
    for budget in BUDGETS:
        rows[f"end {budget}"] = {
            f"{r}, {d}": partial(lagrangian, end, 1, budget, r, d) for r, d in grid
        }
        rows[f"DDN {budget}"] = {f"{f}": partial(decoupled, end, budget, f) for f in FIRSTS}
        rows[f"FMN {budget}"] = {f"{f}": partial(fast, end, budget, f) for f in FIRSTS}
    many = partial(lagrangian, held, 2 * SEGMENT_POINTS, 8 * SEGMENT_EVALUATIONS)
    rows[LONG_SEGMENT] = {f"{r}, {d}": partial(many, r, d) for r, d in LONG_GRID}
    rows[LONG_FMN] = {f"{LONG_FIRST}": partial(fast, end, 1000, LONG_FIRST)}
    return rows


def _found(model: bs.Classifier, pairs: Sequence[Pair], method: Method) -> Tensor:
    engine = Engine(Evaluator(model, chunk=BATCH), method, slots=BATCH)
    found = {out.pair.id: out.found for ended in engine.run(pairs) for out in ended}
    return torch.stack([found[pair.id] for pair in pairs])


def _task(model: bs.Classifier, pairs: Sequence[Pair], clearance: float, looked: int) -> Task:
    source, target = (torch.stack([getattr(p, s) for p in pairs]) for s in ("source", "target"))
    label = torch.tensor([pair.label for pair in pairs])
    lowest = confidence(model, source, label) - DELTA
    floor, sides = torch.logit(lowest).float(), zip(source, target, label, strict=True)
    start = torch.stack([_cut_line(model, *each) for each in sides])
    return Task(model, source, target, label, floor, clearance, lowest, start, looked)


def _cut_line(model: bs.Classifier, source: Tensor, target: Tensor, label: Tensor) -> Tensor:
    """Where `star` would cut the straight way to the target: half of δ is left there."""
    line = torch.lerp(source, target, torch.linspace(0, 1, POINTS).view(-1, 1, 1, 1))
    lost = (p := confidence(model, line, label.expand(POINTS)))[0] - p
    inside = (lost <= DELTA).cumprod(dim=0).bool() & (lost <= DELTA / 2)
    return line[int(inside.nonzero().max())]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.yardstick", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="|".join(available()))
    parser.add_argument("--sources", type=int, default=12)
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, default=POINTS, help="of each segment, judged")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--rates", nargs="+", type=float, default=RATES, help="of the Lagrangians")
    parser.add_argument("--duals", nargs="+", type=float, default=DUALS, help="their first weights")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/yardstick"))
    parser.add_argument("--beside", type=Path, default=Path("benchmarks/results/methods"))
    parser.add_argument("--page", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
