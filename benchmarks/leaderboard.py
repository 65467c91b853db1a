"""What a leaderboard costs: verifying an entry, and building the pages of many.

    python -m benchmarks.leaderboard verify ENTRY [--pairs 1000]    at most 1.1 times the forwards
    python -m benchmarks.leaderboard build ENTRY [--entries 500]    at most 20 s, 1 MB a table page

While an entry is judged its forwards are counted; then they are made again in the same batches and
nothing else. Entries with fewer pairs are judged repeatedly. The pages are built of copies of one
entry, each with a name and numbers of its own.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import torch

from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.images import load_images
from blindspots.leaderboard.entry import EntryFiles, read_entry
from blindspots.leaderboard.entry_check import _candidates
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.judge import Judge, ProtocolImages
from blindspots.leaderboard.protocol import write_json
from blindspots.leaderboard.site import build_site
from blindspots.leaderboard.submission import images_of
from blindspots.leaderboard.witnesses import by_pair
from blindspots.models.load import load_model
from blindspots.scores import Confidence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("verify", "build"))
    parser.add_argument("entry", type=Path)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--images")
    parser.add_argument("--entries", type=int, default=500)
    given = parser.parse_args()
    if given.what == "build":
        build(given.entry, given.entries)
    else:
        verify(given.entry, given.pairs, given.images)


def build(file: Path, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entries, site = Path(folder) / "entries", Path(folder) / "site"
        board = entries / read_entry(file).protocol
        board.mkdir(parents=True)
        for place in range(count):
            simulate(file, board / f"{file.stem}-{place}.json", place / count)
        began = time.perf_counter()
        built = build_site(entries, site)
        took = time.perf_counter() - began
        table = site / f"{board.name}.html"
        print(
            f"{built.entries} entries built in {took:.1f} s (asked for: 20); "
            f"{table.name} has {table.stat().st_size / 1e6:.2f} MB (asked for: 1)"
        )


def simulate(file: Path, copy: Path, reach: float) -> None:
    entry = read_entry(file)
    level = replace(entry.numbers.delta, reach=(reach, max(0.0, reach - 0.02), reach + 0.02))
    numbers = replace(entry.numbers, delta=level)
    copy.write_text(write_json(replace(entry, name=copy.stem, numbers=numbers).sealed()))
    shutil.copy(EntryFiles(file).shown, EntryFiles(copy).shown)


def verify(entry: Path, pairs: int, specs: str | None) -> None:
    result, rules, content = check_files(entry)
    model = load_model(result.entry.spec)
    seen = ProtocolImages.find(rules, load_images(images_of(rules, specs), model))
    evaluator = Evaluator(model, Confidence(), chunk=batch_size(model.size, model.device))
    sizes: list[int] = []
    forward = evaluator.logits

    def counted(images: torch.Tensor) -> torch.Tensor:
        sizes.extend(len(part) for part in images.split(evaluator.chunk or len(images)))
        return forward(images)

    evaluator.logits = counted  # type: ignore[method-assign]
    judge = Judge(evaluator, rules, seen.pixels, seen.label)
    chosen = list(islice(cycle(by_pair(content.lines).values()), pairs))
    faults: list[str] = []
    began = time.process_time()
    judged = sum(1 for _ in judge.judge(_candidates(own, content, judge, faults) for own in chosen))
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
