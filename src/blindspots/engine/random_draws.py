"""What keys the random draws of a pair, so that its result is the same in any batch and order."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from blindspots.engine.pair import Pair


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
