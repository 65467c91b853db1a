"""Whether a traversal in bf16 ends as one in fp32 does, pair by pair.

    python -m benchmarks.precision [mobilenetv2 shapes-vit …] [--sources 10] [--targets 2]
                                   [--methods star adaptive reference] [--page FILE.md]

The same pairs are traversed in both; what was found is asked in fp32 either way. A line per model
and method: pairs with the same ending, the mean RMSE to the target in both, and the largest drop of
the confidence in fp32. Without models nothing is measured.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.results import Rows, fill, keep, known
from benchmarks.subjects import Subject, available, subject
from blindspots.engine.batch import TraversalResult
from blindspots.engine.device import keep_freed_memory
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.methods import make_method
from blindspots.methods.method import rms

BATCH = 16
COLUMNS = ("same ending", "RMSE, fp32", "RMSE, bf16", "largest drop, bf16")


def main() -> None:
    """Measure, keep, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="|".join(available()))
    parser.add_argument("--methods", nargs="+", default=["star", "adaptive", "reference"])
    parser.add_argument("--sources", type=int, default=10)
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/precision.json"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    for name in given.models:
        keep(given.results, _rows(subject(name), given.methods, given.sources, given.targets))
    if given.page:
        fill(given.page, table(known(given.results)), "precision")


def table(kept: dict[str, Rows]) -> str:
    """A line for each model and method."""
    lines = [f"| model | method | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
    for key, row in kept.items():
        cells = (*key.split(), *(row[name] for name in COLUMNS))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rows(
    about: Subject, methods: Sequence[str], sources: int, targets: int
) -> Iterator[tuple[str, Rows]]:
    pairs = about.pairs(sources, targets)
    for name in methods:
        ended, seconds = {}, {}
        for precision in ("fp32", "bf16"):
            evaluator = Evaluator(about.model, chunk=BATCH, precision=precision)
            began = time.perf_counter()
            runs = Engine(evaluator, make_method(name), slots=BATCH).run(pairs)
            ended[precision] = {out.pair.id: out for outs in runs for out in outs}
            seconds[precision] = time.perf_counter() - began
        plain, rough = ended["fp32"], ended["bf16"]
        same = sum(plain[key].ending == rough[key].ending for key in plain) / len(plain)
        drop = max(out.p_source - out.p_found for out in rough.values())
        cells = (f"{same:.0%}", _far(plain), _far(rough), f"{drop:.3f}")
        row = dict(zip(COLUMNS, cells, strict=True))
        yield f"{about.name} {name}", {**row, "seconds": seconds}


def _far(ended: dict[str, TraversalResult]) -> str:
    distances = [float(rms((out.found - out.pair.target)[None])) for out in ended.values()]
    return f"{sum(distances) / len(distances):.4f}"


if __name__ == "__main__":
    main()
