"""The confidence over a triangle, coarse to fine, and at single points of it."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.errors import UsageError
from blindspots.explorer.model_thread import Event
from blindspots.explorer.result_cache import CachedResult
from blindspots.measure.hulls import Hull
from blindspots.methods.method import mix, triangle_weights
from blindspots.models.classifier import class_name
from blindspots.schema import TRIANGLE_DROPS, TRIANGLE_STEPS
from blindspots.scores.score import margin

LEVELS, LARGE_LEVELS = (5, 10, 20, 40), (5, 10, 20)
LARGE_SIDE = 112
SUM_TOLERANCE = 1e-3

Point = tuple[int, int]
Said = dict[Point, tuple[float, float]]


def triangle(subject: Subject, first: CachedResult, second: CachedResult) -> Iterator[Event]:
    """Events `points` of the grids of 1/5, 1/10, 1/20, 1/40, each only what is new in it.

    After the grid of 1/10 a `summary` has the slides' numbers. Large models end at 1/20. A point
    is [i, j, confidence]: i steps towards the first found image and j towards the second.
    """
    corners = corners_of(subject, [first, second])
    small = max(subject.model.size) < LARGE_SIDE
    finest = (LEVELS if small else LARGE_LEVELS)[-1]
    known: Said = {}
    for steps in LEVELS if small else LARGE_LEVELS:
        scale = finest // steps
        every = [(i * scale, j * scale) for i in range(steps + 1) for j in range(steps + 1 - i)]
        new = _scattered([point for point in every if point not in known])
        for part in (new[k : k + _batch(subject)] for k in range(0, len(new), _batch(subject))):
            said = _ask(subject.evaluator, corners, part, finest, first.outcome.label)
            known |= said
            points = [[i // scale, j // scale, _known(p)] for (i, j), (p, _) in said.items()]
            yield {"kind": "points", "model": subject.name, "steps": steps, "points": points}
        if steps == TRIANGLE_STEPS:
            yield {"model": subject.name, **_summary([known[point] for point in every])}


def corners_of(subject: Subject, found: Sequence[CachedResult]) -> Float[Tensor, "corners 3 h w"]:
    images = [found[0].outcome.pair.source, *(one.outcome.found for one in found)]
    return torch.stack(images).to(subject.model.device)


def check_weights(weights: Sequence[float], corners: int) -> Float[Tensor, "1 corners"]:
    inside = all(isfinite(w) and -SUM_TOLERANCE <= w <= 1 + SUM_TOLERANCE for w in weights)
    if len(weights) != corners or not inside or abs(sum(weights) - 1) > SUM_TOLERANCE:
        raise UsageError(
            f"{len(weights)} weights were given; expected {corners} from 0 to 1 that sum to 1"
        )
    return torch.tensor([list(weights)], dtype=torch.float32)


def at_point(
    evaluator: Evaluator,
    subject: Subject,
    found: Sequence[CachedResult],
    weights: Float[Tensor, "1 corners"],
) -> dict[str, Any]:
    corners = corners_of(subject, found)
    image = mix(weights.to(corners.device), corners)
    logits = evaluator.logits(image)
    label = torch.tensor([found[0].outcome.label], device=logits.device)
    probabilities = logits.softmax(dim=1)[0]
    top = int(probabilities.argmax())
    return {
        "confidence": _known(float(evaluator.score(logits, label))),
        "margin": _known(float(margin(logits, label))),
        "name": class_name(subject.model, top),
        "top": _known(float(probabilities[top])),
    }


def _batch(subject: Subject) -> int:
    return subject.evaluator.chunk or 1


def _ask(
    evaluator: Evaluator, corners: Tensor, points: Sequence[Point], finest: int, label: int
) -> Said:
    rows = [(finest - i - j, i, j) for i, j in points]
    weights = torch.tensor(rows, dtype=torch.float32, device=corners.device) / finest
    logits = evaluator.logits(mix(weights, corners))
    labels = torch.full((len(points),), label, device=logits.device)
    numbers = zip(
        evaluator.score(logits, labels).tolist(), margin(logits, labels).tolist(), strict=True
    )
    return dict(zip(points, numbers, strict=True))


def _scattered(points: list[Point]) -> list[Point]:
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    return [points[i] for i in order.tolist()]


def _summary(said: Sequence[tuple[float, float]]) -> Event:
    confidence, margins = torch.tensor(said, dtype=torch.float32).T
    hull = Hull(triangle_weights(TRIANGLE_STEPS), confidence, margins)
    fractions = {str(drop): hull.fraction(drop) for drop in TRIANGLE_DROPS}
    return {"kind": "summary", "mean": _known(hull.mean), "fractions": fractions}


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
