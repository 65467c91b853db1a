"""What stands beside the methods: the straight line, and the best distance known."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from blindspots.engine.batch import Pair
from blindspots.engine.evaluator import Evaluator
from blindspots.scores import Confidence

FIRST_LENGTH, CHANGE = 1.0, 0.05


def last_inside(evaluator: Evaluator, pairs: Sequence[Pair], delta: float, points: int) -> Tensor:
    """The last point of each straight line to the target up to which everything is inside."""
    return torch.stack([_last_inside(evaluator, pair, delta, points) for pair in pairs])


def _last_inside(evaluator: Evaluator, pair: Pair, delta: float, points: int) -> Tensor:
    t = torch.linspace(0, 1, points).view(-1, 1, 1, 1)
    labels = torch.full((points,), pair.label)
    score = evaluator.scores(torch.lerp(pair.source, pair.target, t), labels)
    inside = score >= score[0] - delta
    last = int(inside.cumprod(dim=0).sum()) - 1
    return torch.lerp(pair.source, pair.target, float(t[last]))


def decoupled(evaluator: Evaluator, pairs: Sequence[Pair], delta: float, steps: int) -> Tensor:
    """The inside image nearest to each target that a minimum-norm attack from there finds.

    Decoupled direction and norm (Rony et al., CVPR 2019): ascend the margin along its unit
    gradient, by a length that falls from 1 to 0.01 along a cosine, and put the change on a sphere
    that is 5 % smaller after an image inside and 5 % larger after one outside. Inside is a margin
    of at least logit(p_source − δ): an upper bound on the true least distance.
    """
    source = torch.stack([pair.source for pair in pairs])
    target = torch.stack([pair.target for pair in pairs])
    label = torch.tensor([pair.label for pair in pairs])
    floor = Confidence().height_at(evaluator.scores(source, label) - delta)
    change, best = torch.zeros_like(target), source
    length = torch.full((len(pairs),), FIRST_LENGTH)
    for step in range(steps):
        image = (target + change).clamp(0, 1)
        said = evaluator.evaluate(image, label)
        inside = said.objective >= floor
        nearer = inside & (_norm(image - target) < _norm(best - target))
        best = torch.where(nearer.view(-1, 1, 1, 1), image, best)
        stride = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
        moved = image - target + stride * said.gradient / _long(said.gradient)
        length = length * torch.where(inside, 1 - CHANGE, 1 + CHANGE)
        change = length.view(-1, 1, 1, 1) * moved / _long(moved)
    return best


def _norm(images: Tensor) -> Tensor:
    return images.flatten(1).norm(dim=1)


def _long(images: Tensor) -> Tensor:
    return _norm(images).clamp(min=1e-12).view(-1, 1, 1, 1)
