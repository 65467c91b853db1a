"""Draws the pairs of a protocol: sources by a seed, targets by derangements, no model asked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.images.listing import seeded_order
from blindspots.leaderboard.protocol import FORMAT, Picture, Protocol
from blindspots.progress import Reporter
from blindspots.study.targets import draw_targets

DELTA, POINTS = 0.2, 201
BLIND_RMSE, LEAST_ACCURACY, RANKED_FROM = 0.02, 0.2, 0.8
# Above star's usual tolerance, distances would be censored.
TOLERANCE = 1e-4


def draw_protocol(
    name: str,
    images: str,
    *,
    classes: Path | None = None,
    sources: int,
    targets_per_source: int,
    seed: int = 0,
    version: int = 1,
    title: str = "",
    data: str = "",
    obtain: str = "",
    anywhere: bool = False,
    drawn: str = "",
    reporter: Reporter | None = None,
) -> Protocol:
    """A protocol of labelled images, of which `sources` are taken in the order of a seed.

    Names and places of files do not matter, their content does. Each source gets as many targets,
    other sources of another class. `anywhere`: the spec finds the images on every machine. Refused
    where there are too few, or too few of other classes.
    """
    listed = load_images(images, classes=classes, reporter=reporter)
    chosen = _chosen(listed, sources, seed)
    pictures = [
        Picture(
            sha256=listed.contents[i], name=listed.names[i], label=listed.source_labels[i] or ""
        )
        for i in chosen
    ]
    targets = draw_targets(_numbered(pictures), targets_per_source, seed)
    return Protocol(
        format=FORMAT,
        name=name,
        version=version,
        title=title or name,
        data=data,
        images=images if anywhere else "",
        obtain=obtain,
        drawn=drawn,
        methods={
            "star": {"delta": DELTA, "tolerance": TOLERANCE},
            "fan": {"delta": DELTA, "tolerance": TOLERANCE},
        },
        delta=DELTA,
        points=POINTS,
        seed=seed,
        blind_rmse=BLIND_RMSE,
        least_accuracy=LEAST_ACCURACY,
        ranked_from=RANKED_FROM,
        pictures=pictures,
        pairs=[(source, int(one)) for source, own in enumerate(targets) for one in own],
    )


def _chosen(images: ImageSet, count: int, seed: int) -> list[int]:
    labelled = [i for i, label in enumerate(images.source_labels) if label is not None]
    if count < 2 or len(labelled) < count:
        raise UsageError(
            f"--sources {count} was given and {images.spec} holds {len(labelled)} labelled images; "
            f"expected 2 or more, and no more than there are; type --sources {len(labelled)}"
        )
    order = seeded_order([images.contents[i] for i in labelled], seed)
    return [labelled[place] for place in order[:count]]


def _numbered(pictures: Sequence[Picture]) -> np.ndarray:
    names = sorted({picture.label for picture in pictures})
    return np.array([[names.index(picture.label)] for picture in pictures])
