"""What verifying an entry costs beside the raw forwards it needs: asked for is at most 1.1 times.

    python -m benchmarks.leaderboard ENTRY [--pairs 1000]

The forwards are counted while the entry is judged, and then made again in the same batches and
nothing else. Entries with fewer pairs are judged repeatedly.
"""

import argparse
import time
from itertools import cycle, islice
from pathlib import Path

import torch

from blindspots.engine.evaluator import Evaluator, batch_size
from blindspots.images import load_images
from blindspots.leaderboard.entry_check import _candidates
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.judge import Judge, ProtocolImages
from blindspots.leaderboard.submission import images_of
from blindspots.leaderboard.witnesses import by_pair
from blindspots.models.load import load_model
from blindspots.scores import Confidence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entry", type=Path)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--images")
    given = parser.parse_args()
    result, rules, content = check_files(given.entry)
    model = load_model(result.entry.spec)
    seen = ProtocolImages.find(rules, load_images(images_of(rules, given.images), model))
    evaluator = Evaluator(model, Confidence(), chunk=batch_size(model.size, model.device))
    sizes: list[int] = []
    forward = evaluator.logits

    def counted(images: torch.Tensor) -> torch.Tensor:
        sizes.extend(len(part) for part in images.split(evaluator.chunk or len(images)))
        return forward(images)

    evaluator.logits = counted  # type: ignore[method-assign]
    judge = Judge(evaluator, rules, seen.pixels, seen.label)
    pairs = list(islice(cycle(by_pair(content.lines).values()), given.pairs))
    faults: list[str] = []
    began = time.process_time()
    judged = sum(1 for _ in judge.judge(_candidates(own, content, judge, faults) for own in pairs))
    whole = time.process_time() - began
    images = torch.rand(max(sizes), 3, *model.size)
    began = time.process_time()
    with model.frozen():
        for size in sizes:
            forward(images[:size])
    raw = time.process_time() - began
    print(
        f"{judged} pairs, {sum(sizes):,} forwards: {whole:.1f} s, the forwards alone {raw:.1f} s, "
        f"{whole / raw:.2f} times (asked for: 1.10)"
    )


if __name__ == "__main__":
    main()
