"""What it costs that an image is rounded alike whatever is asked with it.

    python -m benchmarks.steady [zoo:shapes-resnet SPEC …] [--page docs/decisions.md]

Evaluations with gradient of 1, 2, 8 and 32 images of 64 px or less, or of 1, 2 and 8 larger ones,
with torch's layers as they are and made steady by turns, on one thread: the ratio of the least
processor times of an image. Without models `--page` writes what is kept.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.results import Rows, fill, keep, known
from blindspots.engine.device import lay_out
from blindspots.engine.evaluator import Evaluator
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_model

SIZES, LARGE, MOST_LARGE = (1, 2, 8, 32), 64, 8
ROUNDS = {True: 4, False: 15}


def main() -> None:
    """Measure the models that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="SPEC")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/steady.json"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    loaded = (lay_out(load_model(spec, trust_file=True)) for spec in given.models)
    keep(given.results, ((model.name, measured(model)) for model in loaded))
    if given.page:
        fill(given.page, table(known(given.results)), "steady")


def measured(model: Classifier) -> Rows:
    """The processor time of steady evaluations over that of plain ones, by the number of images."""
    large = model.size[0] > LARGE
    sizes = [size for size in SIZES if not large or size <= MOST_LARGE]
    with model.frozen():
        return {str(size): _ratio(model, size, ROUNDS[large]) for size in sizes}


def _ratio(model: Classifier, size: int, rounds: int) -> float:
    plain, steady = Evaluator(model), Evaluator(model)
    vars(plain)["_steady_layers"] = []
    images, labels = torch.rand(size, 3, *model.size), torch.zeros(size, dtype=torch.long)
    spent = [[_seconds(one, images, labels) for one in (plain, steady)] for _ in range(rounds)]
    least, most = (min(column) for column in zip(*spent, strict=True))
    return most / least


def _seconds(evaluator: Evaluator, images: torch.Tensor, labels: torch.Tensor) -> float:
    began = time.process_time()
    evaluator.evaluate(images, labels).score.tolist()
    return time.process_time() - began


def table(rows: dict[str, Rows]) -> str:
    """A line for each model."""
    lines = [f"| model | {' | '.join(map(str, SIZES))} images |", "|---|" + "---|" * len(SIZES)]
    lines += [f"| {name} | {' | '.join(_shown(row))} |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def _shown(row: Rows) -> Iterator[str]:
    return (f"{row[str(size)]:.2f}" if str(size) in row else "–" for size in SIZES)


if __name__ == "__main__":
    main()
