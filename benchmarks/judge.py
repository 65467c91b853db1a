"""An outside judge of found images: plain torch, and a count kept on the network itself.

Nothing of what it says goes through the engine: a network with a hook counts what it is asked
(a forward whose input has a gradient is one evaluation, any other a half), and 301 points of each
segment, the 8-bit rounding of each end and 66 points of each source's triangle are asked anew.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from blindspots.engine.batch import Pair
from blindspots.methods.method import triangle_weights

POINTS, CHUNK = 301, 64


class Meter:
    """Evaluations that a network was asked for, and how many of them were forwards alone."""

    total = forwards = 0.0

    def __call__(self, _module: nn.Module, given: tuple[Tensor, ...], _answer: Tensor) -> None:
        images = given[0]
        self.total += len(images) * (1.0 if images.requires_grad else 0.5)
        self.forwards += 0.0 if images.requires_grad else len(images) * 0.5


@contextmanager
def metered(network: nn.Module) -> Iterator[Meter]:
    """Counts while it is entered."""
    meter = Meter()
    hook = network.register_forward_hook(meter)
    try:
        yield meter
    finally:
        hook.remove()


@torch.no_grad()
def confidence(network: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> Tensor:
    """Softmax of the labels, in double precision from the logits on."""
    logits = torch.cat([network(part) for part in images.split(CHUNK)]).double()
    return logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]


def judge(
    network: nn.Module, pairs: Sequence[Pair], found: Tensor, delta: float, points: int = POINTS
) -> dict[str, list[float]]:
    """A number per pair, and one per source with two found images or more for its triangle."""
    source, target = (
        torch.stack([getattr(p, side) for p in pairs]) for side in ("source", "target")
    )
    label = torch.tensor([p.label for p in pairs])
    floor = confidence(network, source, label) - delta
    t = torch.linspace(0, 1, points).view(-1, 1, 1, 1)
    lines = zip(source, found, label, strict=True)
    lowest = torch.stack(
        [confidence(network, s + t * (x - s), y.expand(points)).min() for s, x, y in lines]
    )
    rounded = confidence(network, (found * 255).round() / 255, label)
    return {
        "rmse": (found - target).square().mean(dim=(1, 2, 3)).sqrt().tolist(),
        "p_found": confidence(network, found, label).tolist(),
        "segment_inside": (lowest >= floor).double().tolist(),
        "inside_8bit": (rounded >= floor).double().tolist(),
        "triangle_fraction": triangle_fractions(network, pairs, found, delta),
    }


def triangle_fractions(
    network: nn.Module, pairs: Sequence[Pair], found: Tensor, delta: float
) -> list[float]:
    rows: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        rows.setdefault(pair.group, []).append(i)
    return [
        _triangle(network, pairs[a], found[[a, b]], delta)
        for a, b, *_ in (group for group in rows.values() if len(group) > 1)
    ]


def _triangle(network: nn.Module, pair: Pair, ends: Tensor, delta: float) -> float:
    corners = torch.cat((pair.source[None], ends))
    points = torch.einsum("pc,cxyz->pxyz", triangle_weights(), corners)
    p = confidence(network, points, torch.full((len(points),), pair.label))
    return float((p >= p[0] - delta).double().mean())


def summary(row: dict[str, list[float]]) -> dict[str, Any]:
    """What a table shows of a row."""
    far = torch.tensor(row["rmse"])
    faces = row["triangle_fraction"]
    return {
        "rmse": float(far.mean()),
        "median": float(far.median()),
        "worst": float(far.max()),
        **{
            name: sum(row[name]) / len(far) for name in ("p_found", "segment_inside", "inside_8bit")
        },
        "triangle_fraction": sum(faces) / len(faces) if faces else None,
        "triangle_least": min(faces, default=None),
    }
