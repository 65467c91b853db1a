"""A pair to traverse, what became of it, and what keys its random draws."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from blindspots.schema import Ending

UNLABELLED = -1


@dataclass(frozen=True)
class Pair:
    """A source, a target and the label to keep (−1: what the model itself says of the source).

    Images are float32 `(3, height, width)` in [0, 1]; `id` keys the random draws. `group`: pairs
    of one source with the same group are traversed together by methods that do so.
    """

    id: str
    source: Float[Tensor, "channel height width"]
    target: Float[Tensor, "channel height width"]
    label: int = UNLABELLED
    group: str = ""


@dataclass(frozen=True)
class TraversalResult:
    """What became of a pair.

    `found` (on the CPU) is the source itself where the traversal could not start (see `ending`).
    `path` holds 8-bit snapshots `(snapshots, 3, height, width)` taken after the steps in
    `path_step`, the last of them `found`; for straight paths that is per cent of the way.
    `p_path_min` is the lowest score of an accepted image. `evaluations` counts a forward with
    gradient as 1 and a forward as ½, `check_evaluations` likewise the look at the segment before
    the end; `seconds` is the pair's share of its batches.
    """

    pair: Pair
    label: int
    found: Float[Tensor, "channel height width"]
    p_source: float
    p_found: float
    ending: Ending
    steps: int
    evaluations: float
    seconds: float
    path: UInt8[np.ndarray, "snapshots channel height width"] | None
    path_step: list[int]
    path_confidence: list[float]
    p_path_min: float | None
    check_evaluations: float = 0.0


def generator(seed: int, pair_id: str) -> torch.Generator:
    """The CPU generator of a pair's random draws: the same in any batch and in any order."""
    digest = hashlib.sha256(f"{seed}:{pair_id}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def pair_hash(source: Tensor, target: Tensor, label: int) -> str:
    """The id of a pair that has none: 16 hex digits over both images and the label."""
    digest = hashlib.sha256(str(label).encode())
    for image in (source, target):
        digest.update(image.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def group_id(group: Sequence[Pair]) -> str:
    """The id that keys the draws of pairs that are traversed together."""
    return "+".join(pair.id for pair in group)
