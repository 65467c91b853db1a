"""Asks a model about the points of many hulls in one stream of full batches.

A hull alone fills its last batch partly; here the next hull's points fill it up. No more than one
batch of mixed images is there at any time, however many hulls there are.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import tee
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator

Image = Float[Tensor, "channel height width"]
Images = Float[Tensor, "batch channel height width"]
Weights = Float[Tensor, "points corners"]


class Corners(NamedTuple):
    """The corners of a hull, the source first, and the label to keep (−1: none, for embeddings).

    Images float32 `(3, height, width)` in [0, 1], on any device.
    """

    images: tuple[Image, ...]
    label: int


class PointScores(NamedTuple):
    """What the model says at the points of a hull: the score held, and its height; on the CPU."""

    confidence: Float[Tensor, "points"]
    height: Float[Tensor, "points"]


def measure_hulls(
    evaluator: Evaluator, hulls: Iterable[tuple[Corners, Weights]]
) -> Iterator[PointScores]:
    """The answers at each hull's mixtures, hull after hull; half an evaluation a point.

    Hulls are taken from the iterable when their points are due, and may be of any number and
    mixed kinds. Batches hold `evaluator.chunk` images as it is then, the device's usual number
    where it is None; only the last one may be smaller. The model is frozen until the last answer.
    """
    ahead, behind = tee(hulls)
    parts, known = _one_behind(_parts(evaluator, ahead)), torch.empty(2, 0)
    for _, weights in behind:
        while known.shape[1] < len(weights):
            known = torch.cat((known, next(parts)), dim=1)
        mine, known = known[:, : len(weights)], known[:, len(weights) :]
        yield PointScores(*mine)
    deque(parts, maxlen=0)


class _Piece(NamedTuple):
    """Some points of one hull, on the model's device."""

    corners: Float[Tensor, "corners channel height width"]
    weights: Weights
    kept: Tensor

    def cut(self, most: int) -> "tuple[_Piece, _Piece | None]":
        """The first points, at most `most`, and the others."""
        rest = self._replace(weights=self.weights[most:]) if len(self.weights) > most else None
        return self._replace(weights=self.weights[:most]), rest


class _Queue:
    def __init__(self, pieces: Iterator[_Piece]) -> None:
        self._pieces = pieces
        self._rest: _Piece | None = None

    def take(self, most: int) -> list[_Piece]:
        """The next `most` points, fewer at the end."""
        taken: list[_Piece] = []
        while most and (piece := self._rest or next(self._pieces, None)):
            head, self._rest = piece.cut(most)
            taken.append(head)
            most -= len(head.weights)
        return taken


def _parts(
    evaluator: Evaluator, hulls: Iterable[tuple[Corners, Weights]]
) -> Iterator[Float[Tensor, "2 points"]]:
    """The answers of one batch after the other, still on the device."""
    model = evaluator.model
    usual = batch_size(model.size, model.device)
    queue = _Queue(_placed(evaluator, corners, weights) for corners, weights in hulls)
    images = torch.empty(0, 0, 0, 0)
    with model.frozen():
        # Asked anew each time, because the evaluator may have halved its chunk.
        while pieces := queue.take(evaluator.chunk or usual):
            images = _mixed(pieces, images)
            yield _ask(evaluator, pieces, images)


def _placed(evaluator: Evaluator, corners: Corners, weights: Weights) -> _Piece:
    device = evaluator.model.device
    images = torch.stack([image.detach().to(device) for image in corners.images])
    kept = evaluator.kept(images[:1], torch.tensor([corners.label]))
    return _Piece(images, weights.to(device), kept)


def _mixed(pieces: list[_Piece], memory: Tensor) -> Images:
    """The points' images, in the memory of the batch before where it fits: new pages are slow."""
    first, counts = pieces[0].corners, [len(piece.weights) for piece in pieces]
    shape = (sum(counts), *first.shape[1:])
    images = memory if memory.shape == shape else first.new_empty(shape)
    for piece, place in zip(pieces, images.flatten(1).split(counts), strict=True):
        torch.mm(piece.weights, piece.corners.flatten(1), out=place)
    return images


def _ask(evaluator: Evaluator, pieces: list[_Piece], images: Images) -> Float[Tensor, "2 points"]:
    answer = evaluator.logits(images)
    kept = torch.cat([p.kept.repeat_interleave(len(p.weights), dim=0) for p in pieces])
    return torch.stack((evaluator.score(answer, kept), evaluator.score.height(answer, kept)))


def _one_behind(parts: Iterator[Tensor]) -> Iterator[Tensor]:
    """Each part on the CPU, but only when the next one was asked for.

    So the device computes while the host reads the next images.
    """
    waiting: deque[Tensor] = deque()
    for part in parts:
        waiting.append(part)
        if len(waiting) > 1:
            yield waiting.popleft().cpu()
    yield from (part.cpu() for part in waiting)
