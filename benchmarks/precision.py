"""Whether a traversal in bf16 ends as one in fp32 does, pair by pair.

    python -m benchmarks.precision [--models mobilenetv2 shapes-vit …] [--sources 10] [--targets 2]
                                   [--methods star adaptive reference] [--out FILE.md]

The same pairs are traversed in both; what was found is asked in fp32 either way. Prints a markdown
table, a line per model and method: pairs with the same ending, the mean RMSE to the target in both,
the lowest confidence that is kept of the source's in fp32, and how long bf16 takes against fp32.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.hardware import hardware
from benchmarks.subjects import Subject, available, subject
from blindspots.engine.batch import TraversalResult
from blindspots.engine.evaluator import Evaluator, keep_freed_memory
from blindspots.engine.scheduler import Engine
from blindspots.methods import make_method
from blindspots.methods.method import rms

BATCH = 16
HEAD = (
    "| model | method | pairs | same ending | RMSE, fp32 | RMSE, bf16 | largest drop, bf16 "
    "| seconds, bf16 / fp32 |\n|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=available())
    parser.add_argument("--methods", nargs="+", default=["star", "adaptive", "reference"])
    parser.add_argument("--sources", type=int, default=10)
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    keep_freed_memory()
    rows = []
    print(HEAD, flush=True)
    for name in given.models:
        for row in _rows(subject(name), given.methods, given.sources, given.targets):
            rows.append(row)
            print(row, flush=True)
    if given.out:
        about = hardware(subject(given.models[0]).model.device)
        given.out.write_text("\n".join([about, "", HEAD, *rows, ""]), encoding="utf-8")


def _rows(about: Subject, methods: Sequence[str], sources: int, targets: int) -> Iterator[str]:
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
        cells = (about.name, name, len(plain), f"{same:.0%}", _far(plain), _far(rough))
        times = f"{seconds['bf16'] / seconds['fp32']:.1f}"
        yield f"| {' | '.join(map(str, (*cells, f'{drop:.3f}', times)))} |"


def _far(ended: dict[str, TraversalResult]) -> str:
    distances = [float(rms((out.found - out.pair.target)[None])) for out in ended.values()]
    return f"{sum(distances) / len(distances):.4f}"


if __name__ == "__main__":
    main()
