"""A traversal as events: every step's numbers, a picture now and then, the result."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from blindspots.engine.batch import Pair, TraversalResult
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.engine.pgd import PGD
from blindspots.engine.scheduler import Engine, Turn, TurnRecord
from blindspots.explorer.image_catalog import change, exact, glimpse, pixels_of
from blindspots.explorer.model_thread import Event
from blindspots.explorer.result_cache import CachedResult, ResultCache
from blindspots.measure.measurer import Measurer
from blindspots.methods.method import Method, Problem, State, rms
from blindspots.models.classifier import class_name
from blindspots.settings import SNAPSHOTS

SECONDS_A_PICTURE = 1 / 60


@dataclass(frozen=True)
class TraversalJob:
    subject: Subject
    method: Method
    source: str
    targets: Sequence[str]
    image: Tensor
    aims: Sequence[Tensor]

    def pairs(self) -> list[Pair]:
        """The pairs; the class to keep is the one the model itself gives the source."""
        return [
            Pair(f"{self.source}~{target}", self.image, aim, group=self.source)
            for target, aim in zip(self.targets, self.aims, strict=True)
        ]


def traversal(trip: TraversalJob, shelf: ResultCache) -> Iterator[Event | None]:
    """Events `frame`, and for each target a `result` whose found image is on the shelf."""
    pairs = trip.pairs()
    camera = _Camera(trip, _in_flight(trip.method, pairs))
    slots = trip.method.points(len(pairs)) * (1 if trip.method.grouped else len(pairs))
    engine = Engine(trip.subject.evaluator, trip.method, slots=slots, snapshots=SNAPSHOTS)
    for turn in engine.turns(pairs):
        yield from camera.events(turn)
        for outcome in turn.outcomes:
            yield _result(trip, outcome, shelf)


def _in_flight(method: Method, pairs: Sequence[Pair]) -> list[list[Pair]]:
    return [sorted(pairs, key=lambda pair: pair.id)] if method.grouped else [[p] for p in pairs]


@dataclass
class _Camera:
    """Turns into frames: numbers of all steps, pictures no faster than a screen shows them."""

    trip: TraversalJob
    rows: list[list[Pair]]
    clock: Callable[[], float] = time.perf_counter
    shown_at: float = 0.0
    steps: dict[str, list[list[float | None]]] = field(default_factory=dict)

    def events(self, turn: Turn) -> Iterator[Event]:
        if turn.seen is not None:
            images, scores = _shown(turn.seen)
            self._note(turn.seen.problem, turn.seen.asked, images, scores)
            if turn.outcomes or self.clock() - self.shown_at >= SECONDS_A_PICTURE:
                self.shown_at = self.clock()
                yield from self._frames(images)
        self._gone(turn.outcomes)

    def _note(self, problem: Problem, asked: State, images: Tensor, scores: Tensor) -> None:
        targets = problem.target.reshape(images.shape)
        to_target = rms(images - targets).tolist()
        from_source = rms(images - problem.source[:, None]).tolist()
        numbers = zip(scores.tolist(), to_target, from_source, asked.steps.tolist(), strict=True)
        for pairs, (score, near, far, step) in zip(self.rows, numbers, strict=True):
            for pair, *values in zip(pairs, score, near, far, strict=True):
                self.steps.setdefault(pair.id, []).append([step + 1, *map(_rounded, values)])

    def _frames(self, images: Tensor) -> Iterator[Event]:
        for pairs, row in zip(self.rows, images, strict=True):
            for pair, image in zip(pairs, row, strict=True):
                yield {
                    "kind": "frame",
                    "model": self.trip.subject.name,
                    "target": _target(pair),
                    "steps": self.steps.pop(pair.id, []),
                    "image": glimpse(pixels_of(image)),
                }

    def _gone(self, outcomes: Sequence[TraversalResult]) -> None:
        ended = {outcome.pair.id for outcome in outcomes}
        self.rows = [row for row in self.rows if row[0].id not in ended]


def _shown(seen: TurnRecord) -> tuple[Tensor, Tensor]:
    """The images that would be found for each row: (rows, targets, 3, height, width), scores.

    A hull's proposal holds its corners first, and points of the hull behind them.
    """
    _, asked, said = seen
    if asked.proposal.dim() == 4:
        return asked.proposal[:, None], said.score[:, None]
    corners = asked.found.shape[1]
    return asked.proposal[:, :corners], said.score[:, :corners]


def _target(pair: Pair) -> str:
    return pair.id.partition("~")[2]


def _result(trip: TraversalJob, outcome: TraversalResult, shelf: ResultCache) -> Event:
    subject, target = trip.subject, _target(outcome.pair)
    if not outcome.ending.started:
        return {
            "kind": "unstarted",
            "model": subject.name,
            "target": target,
            "ending": str(outcome.ending),
            "sentence": outcome.ending.sentence,
        }
    measurer = Measurer(subject.model, subject.evaluator, trip.method.delta)
    (columns,) = measurer.found([outcome])
    said = named(subject.evaluator, subject, outcome.pair.target)
    found = CachedResult(
        model=subject.name,
        source=trip.source,
        target=target,
        method=trip.method,
        outcome=outcome,
        columns=columns,
        aim=(said["label"], said["name"]),
        company=tuple(sorted(trip.targets)) if trip.method.grouped else (),
    )
    shelf.put(found)
    return result(subject, found)


def result(subject: Subject, found: CachedResult) -> Event:
    outcome, columns = found.outcome, found.columns
    return {
        "kind": "result",
        "id": found.id,
        "model": found.model,
        "source": found.source,
        "target": found.target,
        "method": found.method.name,
        "straight": found.method.straight,
        "delta": found.method.delta,
        "ending": str(outcome.ending),
        "sentence": outcome.ending.sentence,
        "sourceName": class_name(subject.model, outcome.label),
        "targetName": found.aim[1],
        "numbers": {
            "p_source": outcome.p_source,
            "p_found": outcome.p_found,
            **{k: v for k, v in columns.items() if not isinstance(v, list)},
            "steps": outcome.steps,
            "evaluations": outcome.evaluations + outcome.check_evaluations,
            "seconds": outcome.seconds,
        },
        "segment": [_rounded(p) for p in columns["segment_confidence"]],
        "sourceImage": exact(pixels_of(outcome.pair.source)),
        "foundImage": exact(pixels_of(outcome.found)),
        "targetImage": exact(pixels_of(outcome.pair.target)),
    }


def named(evaluator: Evaluator, subject: Subject, image: Tensor) -> dict[str, Any]:
    logits = evaluator.logits(image[None].to(subject.model.device))
    probabilities = logits.softmax(dim=1)[0]
    label = int(probabilities.argmax())
    confidence = float(probabilities[label])
    return {
        "label": label,
        "name": class_name(subject.model, label),
        "confidence": confidence if isfinite(confidence) else None,
    }


def _rounded(value: float) -> float | None:
    return round(value, 5) if isfinite(value) else None


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
            yield _contrast_frame(subject, found, steps)
            steps = []
    yield _contrast_frame(subject, found, steps)
    yield _contrast_result(subject, source, found[0].cpu(), before, aim if targeted else None)


def _contrast_frame(subject: Subject, found: Tensor, steps: list[list[float]]) -> Event:
    return {
        "kind": "frame",
        "model": subject.name,
        "steps": [[step, *(round(p, 5) for p in values)] for step, *values in steps],
        "image": glimpse(pixels_of(found[0])),
    }


def _contrast_result(
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
