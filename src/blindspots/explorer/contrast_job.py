"""The contrast to a traversal as events: PGD, a change nobody sees that changes the prediction."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from blindspots.engine.evaluator import Subject
from blindspots.engine.pgd import PGD
from blindspots.explorer.event_queue import Event
from blindspots.explorer.image_bytes import change, exact, glimpse, pixels_of
from blindspots.explorer.traversal_job import SECONDS_A_PICTURE, named
from blindspots.models.classifier import class_name


def contrast(subject: Subject, source: Tensor, target: Tensor) -> Iterator[Event]:
    """Events `frame` and one `result`: 50 steps of PGD towards the class of the target.

    Where the model gives both images the same class, away from it.
    """
    evaluator, shown_at = subject.evaluator, 0.0
    before, aim = (named(evaluator, subject, image) for image in (source, target))
    targeted = before["label"] != aim["label"]
    goal = torch.tensor([aim["label"]], device=subject.model.device)
    image = source[None].to(subject.model.device)
    steps: list[list[float]] = []
    walk = PGD(targeted=targeted).walk(subject.model, image, goal)
    found = image
    for step, found in enumerate(walk):
        probabilities = evaluator.logits(found).softmax(dim=1)[0]
        steps.append([step, *(float(probabilities[k["label"]]) for k in (before, aim))])
        if time.perf_counter() - shown_at >= SECONDS_A_PICTURE:
            shown_at = time.perf_counter()
            yield _frame(subject, found, steps)
            steps = []
    yield _frame(subject, found, steps)
    yield _result(subject, source, found[0].cpu(), before, aim if targeted else None)


def _frame(subject: Subject, found: Tensor, steps: list[list[float]]) -> Event:
    return {
        "kind": "frame",
        "model": subject.name,
        "steps": [[step, *(round(p, 5) for p in values)] for step, *values in steps],
        "image": glimpse(pixels_of(found[0])),
    }


def _result(
    subject: Subject, source: Tensor, found: Tensor, before: dict[str, Any], aim: Any
) -> Event:
    after = named(subject.evaluator, subject, found)
    method = PGD()
    return {
        "kind": "result",
        "model": subject.name,
        "before": before,
        "after": after,
        "aim": None if aim is None else class_name(subject.model, aim["label"]),
        "linf": float((found - source).abs().max()),
        "epsilon": method.epsilon,
        "steps": method.steps,
        "sourceImage": exact(pixels_of(source)),
        "changeImage": exact(change(source, found)),
        "image": exact(pixels_of(found)),
    }
