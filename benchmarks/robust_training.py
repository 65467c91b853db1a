"""Is an adversarially trained model less blind? From the leaderboard's entries, without computing.

    python -m benchmarks.robust_training [--page docs/findings.md]

Both models of a row are compared on the pairs whose source both name correctly: reach within δ of
each pair's farthest witness, the witness's RMSE to its target, and that in units of the ε that the
second was trained with. Intervals: 95 % bootstrap over sources, paired for differences.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.findings import over_sources
from benchmarks.results import fill
from benchmarks.survival import checked
from blindspots.leaderboard.numbers import best_witness, has_level
from blindspots.leaderboard.witnesses import Judgement, by_pair

ENTRIES = Path(__file__).resolve().parents[1] / "leaderboard" / "entries"
# protocol, normally trained, adversarially trained, its ε in levels of 255.
COMPARED = (
    ("shapes-v1", "shapes-resnet", "shapes-resnet-at", 8),
    ("shapes-v1", "shapes-vit", "shapes-vit-at", 8),
    ("cifar10-jpeg-v1", "resnet20", "resnet4b", 2),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robust_training", description=__doc__
    )
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    text = table()
    print(text)
    if given.page:
        fill(given.page, text, "training")


def table() -> str:
    """A row per pair of models: normally and adversarially trained."""
    lines = [
        "| normal, adversarially trained | pairs | reach, normal [95 %] | AT | AT − normal |"
        " RMSE, normal | AT | AT, in ε |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(*one) for one in COMPARED)]) + "\n"


def _line(protocol: str, normal: str, robust: str, levels: int) -> str:
    both = [_best(protocol, name) for name in (normal, robust)]
    pairs = sorted(both[0].keys() & both[1].keys())
    reach = [[one[pair].reach for pair in pairs] for one in both]
    sources = [both[0][pair].source for pair in pairs]
    apart = np.subtract(reach[1], reach[0]).tolist()
    far = [np.mean([_distance(one[pair]) for pair in pairs]) for one in both]
    said = " | ".join(_interval(values, sources) for values in reach)
    return (
        f"| {normal}, {robust} (ε = {levels}/255) | {len(pairs)} | {said} | "
        f"{_interval(apart, sources, '+.3f')} | {far[0]:.4f} | {far[1]:.4f} | "
        f"{far[1] / (levels / 255):.1f} |"
    )


def _best(protocol: str, name: str) -> dict[int, Judgement]:
    """The line of every pair that counts: its farthest witness within δ, or one without."""
    _, rules, contents = checked(ENTRIES / protocol / f"{name}.json")
    counted: dict[int, Judgement] = {}
    for pair, lines in by_pair(contents.lines).items():
        if lines[0].named and has_level(lines[0], "delta", rules.delta):
            counted[pair] = best_witness(lines, "delta", rules.delta) or _without(lines[0])
    return counted


def _without(line: Judgement) -> Judgement:
    return replace(line, witness="", rmse=None)


def _distance(line: Judgement) -> float:
    """RMSE to the target; where nothing was found, that of the source."""
    return line.apart if line.rmse is None else line.rmse


def _interval(values: Sequence[float], sources: Sequence[str], form: str = ".3f") -> str:
    mean, low, high = over_sources(values, sources)
    return f"{mean:{form}} [{low:{form}}, {high:{form}}]"


if __name__ == "__main__":
    main()
