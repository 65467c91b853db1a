"""What found images survive: saving as JPEG, resizing, noise, half precision, and other models.

    python -m benchmarks.survival ENTRY.json … [--results DIR] [--page docs/findings.md]

Takes the witnesses of entries of the leaderboard, 8-bit images whose whole segment is inside. Each
is changed and asked about again: it is still inside if its confidence is at least that of the
unchanged source less δ. Beside it, the same change of the clean sources. Other models are those
of the entries with the same protocol. Intervals: 95 % bootstrap over sources. Rows are kept in DIR.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.findings import over_sources
from benchmarks.results import fill, keep, known, models
from benchmarks.subjects import ASSETS, IMAGENET_SAMPLE
from blindspots.engine.device import batch_size, lay_out
from blindspots.images import load_images
from blindspots.leaderboard.entry import BoardEntry
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.judge import ProtocolImages
from blindspots.leaderboard.numbers import best_witness
from blindspots.leaderboard.protocol import Protocol
from blindspots.leaderboard.submission import images_of
from blindspots.leaderboard.witnesses import Contents, Judgement, by_pair, read_png
from blindspots.models.load import load_model

Pixels = np.ndarray
SMALLER = 3 / 4
PLAIN, HALF, JUDGED = "as it is", "half precision", "judged by "
# Of a confidence, between one batch of a model and another.
ROUNDING = 1e-4
IMAGES = {
    "cifar10-jpeg-v1": f"parquet:{ASSETS / 'cifar10' / 'test.parquet'}",
    "imagenet-sample-v1": IMAGENET_SAMPLE,
}


def main() -> None:
    """Measure what is missing in the results, then write the page if asked."""
    given = _arguments()
    subjects = [Witnessed(*checked(path)) for path in given.entries]
    for one in subjects:
        others = [other for other in subjects if one.judged_by(other)]
        path = given.results / f"{one.entry.name}.json"
        keep(path, measure(one, others, known(path)))
    if given.page:
        fill(given.page, table(models(given.results)), "survival")


@dataclass(frozen=True)
class Witnessed:
    """A model with the witnesses of its entry, and the pictures of the protocol as it sees them."""

    entry: BoardEntry
    protocol: Protocol
    contents: Contents

    @cached_property
    def model(self):
        return lay_out(load_model(self.entry.spec).eval().requires_grad_(False))

    @cached_property
    def lines(self) -> list[Judgement]:
        """The nearest witness of each pair, within δ."""
        groups = by_pair(self.contents.lines).values()
        best = (best_witness(lines, "delta", self.protocol.delta) for lines in groups)
        return [line for line in best if line is not None]

    @cached_property
    def sources(self) -> list[int]:
        return [self.protocol.pairs[line.pair][0] for line in self.lines]

    @cached_property
    def seen(self) -> ProtocolImages:
        listed = images_of(self.protocol, IMAGES.get(self.protocol.name))
        return ProtocolImages.find(self.protocol, load_images(listed, self.model))

    @cached_property
    def found(self) -> list[Pixels]:
        return [read_png(self.contents.pictures[line.file]) for line in self.lines]

    @cached_property
    def clean(self) -> list[Pixels]:
        return [self.seen.pixels(source) for source in self.sources]

    @cached_property
    def labels(self) -> list[int]:
        return [self.seen.label(source) for source in self.sources]

    def judged_by(self, other: "Witnessed") -> bool:
        same = self.protocol.name == other.protocol.name and self.model.size == other.model.size
        return same and self.entry.name != other.entry.name

    def confidence(self, images: Sequence[Pixels], half: bool = False) -> Tensor:
        """The softmax probability of each source's class, of as many images as there are lines."""
        logits = answers(self.model, images, half)
        return logits.softmax(1)[torch.arange(len(images)), torch.tensor(self.labels)]


def answers(model, images: Sequence[Pixels], half: bool = False) -> Tensor:
    size = batch_size(model.size, model.device)
    with torch.inference_mode(), torch.autocast("cpu", torch.float16, enabled=half):
        parts = [
            model(torch.from_numpy(np.stack(images[at : at + size])).permute(0, 3, 1, 2) / 255)
            for at in range(0, len(images), size)
        ]
    return torch.cat(parts).float()


def jpeg(quality: int) -> Callable[[Pixels, int], Pixels]:
    def saved(pixels: Pixels, _: int) -> Pixels:
        out = BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=quality)
        return np.asarray(Image.open(out))

    return saved


def resized(pixels: Pixels, _: int) -> Pixels:
    """Down to three quarters of each side and back, bilinear."""
    image = Image.fromarray(pixels)
    smaller = image.resize(
        [round(SMALLER * side) for side in image.size], Image.Resampling.BILINEAR
    )
    return np.asarray(smaller.resize(image.size, Image.Resampling.BILINEAR))


def noisy(pixels: Pixels, seed: int) -> Pixels:
    """One level up or down, each value by itself."""
    steps = np.random.default_rng(seed).choice((-1, 1), size=pixels.shape)
    return np.clip(pixels.astype(int) + steps, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Pixels, int], Pixels]] = {
    PLAIN: lambda pixels, _: pixels,
    "JPEG, quality 95": jpeg(95),
    "JPEG, quality 90": jpeg(90),
    "resized to 3/4 and back": resized,
    "noise of ± 1 level": noisy,
    HALF: lambda pixels, _: pixels,
}


def measure(
    about: Witnessed, others: Sequence[Witnessed], there: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, row) of every change and of every other model that is not known yet."""
    floor = torch.tensor([line.p_source for line in about.lines])
    floor -= about.protocol.delta + ROUNDING
    for name, change in CHANGES.items():
        if name not in there:
            found, clean = (
                about.confidence([change(one, seed) for seed, one in enumerate(of)], name == HALF)
                >= floor
                for of in (about.found, about.clean)
            )
            yield name, {"found": share(about, found), "clean": share(about, clean)}
    for other in others:
        if (name := f"{JUDGED}{other.entry.name}") not in there:
            yield name, judged(about, other)


def judged(about: Witnessed, other: Witnessed) -> dict[str, Any]:
    """What another model calls the witnesses whose source and target it names correctly itself."""
    ends = [about.protocol.pairs[line.pair][1] for line in about.lines]
    source, target = (
        torch.tensor(about.labels),
        torch.tensor([about.seen.label(one) for one in ends]),
    )
    seen = (about.found, about.clean, [about.seen.pixels(one) for one in ends])
    found, clean, reached = (answers(other.model, images).argmax(1) for images in seen)
    right = (clean == source) & (reached == target)
    return {
        "found": share(about, found == source, right),
        "target": share(about, found == target, right),
    }


def share(about: Witnessed, which: Tensor, of: Tensor | None = None) -> dict[str, Any]:
    """The share of pairs (of those chosen by `of`), with its interval over sources."""
    places = [place for place in range(len(which)) if of is None or of[place]]
    sources = [about.sources[place] for place in places]
    mean, low, high = over_sources([float(which[place]) for place in places], sources)
    return {"share": mean, "low": low, "high": high, "pairs": len(places)}


def table(measured: dict[str, dict[str, Any]]) -> str:
    """A row per model and change; where another model judges, also how many it gives the target."""
    lines = [
        "| model | change | found images still inside [95 %] | clean sources still inside [95 %] |",
        "|---|---|---|---|",
    ]
    for model, rows in measured.items():
        for name, row in rows.items():
            if "clean" in row and name != PLAIN:
                lines.append(
                    f"| {model} | {name} | {_said(row['found'])} | {_said(row['clean'])} |"
                )
    lines += ["", "| model | judge | source's class [95 %] | target's class [95 %] | pairs |"]
    lines.append("|---|---|---|---|---|")
    for model, rows in measured.items():
        for name, row in rows.items():
            if "target" in row:
                judge = name.removeprefix(JUDGED)
                said = f"{_said(row['found'])} | {_said(row['target'])} | {row['found']['pairs']}"
                lines.append(f"| {model} | {judge} | {said} |")
    return "\n".join(lines) + "\n"


def _said(share: dict[str, float]) -> str:
    return f"{share['share']:.0%} [{share['low']:.0%}, {share['high']:.0%}]"


def checked(path: Path) -> tuple[BoardEntry, Protocol, Contents]:
    """An entry, its protocol and its archive; refused where its files disagree."""
    result, protocol, contents = check_files(path)
    result.raise_if_different()
    return result.entry, protocol, contents


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.survival", description=__doc__)
    parser.add_argument("entries", nargs="*", type=Path, metavar="ENTRY.json")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/survival"))
    parser.add_argument("--page", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
