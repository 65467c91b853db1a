"""`traverse`: the method on tensors, without files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor

from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.pair import UNLABELLED, Pair, TraversalResult, pair_hash
from blindspots.engine.scheduler import Engine
from blindspots.errors import UsageError
from blindspots.methods import make_method
from blindspots.methods.method import Method
from blindspots.models.classifier import Classifier
from blindspots.schema import Ending
from blindspots.scores import Confidence, Score

RANGE_TOLERANCE = 1e-4

_TENSORS = (
    "found",
    "confidence",
    "p_source",
    "label",
    "steps",
    "evaluations",
    "check_evaluations",
)

Images = Float[Tensor, "pairs channel height width"]
Given = Float[Tensor, "_pairs _channel _height _width"]


@dataclass(frozen=True)
class Traversals:
    """What `traverse` found: one entry per pair, in the order given, everything on the CPU.

    `found` is the source where the pair could not start; `ending` says why. `confidence` is the
    score of `found`, `p_source` that of the clean source, `label` the class that was kept.
    `check_evaluations` is what the look at its segment before the end has cost beside
    `evaluations`; 0 for methods without one.
    """

    ids: list[str]
    found: Images
    confidence: Float[Tensor, "pairs"]
    p_source: Float[Tensor, "pairs"]
    label: Int[Tensor, "pairs"]
    ending: list[Ending]
    steps: Int[Tensor, "pairs"]
    evaluations: Float[Tensor, "pairs"]
    check_evaluations: Float[Tensor, "pairs"]

    def save(self, path: str | Path) -> Path:
        """Write every tensor to one safetensors file; ids and endings go to its metadata."""
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        metadata = {"ids": "\n".join(self.ids), "endings": "\n".join(self.ending)}
        save_file(tensors, path, metadata=metadata)
        return Path(path)


def traverse(
    model: Classifier,
    sources: Given,
    targets: Given,
    labels: Int[Tensor, "_pairs"] | Sequence[int] | None = None,
    *,
    method: Method | None = None,
    score: Score | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    batch: int | None = None,
) -> Traversals:
    """What the model cannot see between each source and its target.

    `sources`, `targets`: float32 `(pairs, 3, height, width)` in [0, 1]. `labels`: the class to
    keep; None: the one the model itself gives the source. `method`: `Star()` unless given, with
    the score's usual `delta`. `score`: what is held, `Confidence()` unless given.
    `seed` and a pair's id (its content, where `ids` is None) key every random draw, so a pair's
    result does not depend on its company. `groups`: a name a pair, for methods that work on several
    targets of a source together (`Fan`); None: pairs whose source is bitwise equal with the same
    label are a group. `batch`: images evaluated at once.

    Shapes that differ, values outside [0, 1], a wrong number of labels, ids or groups, and groups
    of different sources are refused.
    """
    labels = _checked(model, sources, targets, labels)
    pairs = _pairs(sources, targets, labels, ids, groups)
    slots = batch or batch_size(model.size, model.device)
    score = score or Confidence()
    score.check_model(model.name, model.embeds, model.num_classes)
    method = method or make_method(delta=score.default_delta)
    score.check_delta(method.delta)
    evaluator = Evaluator(model, score)
    engine = Engine(evaluator, method, slots=slots, seed=seed)
    place = {id(pair): i for i, pair in enumerate(pairs)}
    together = sorted(pairs, key=lambda pair: pair.group) if method.grouped else pairs
    outcomes = [outcome for ended in engine.run(together) for outcome in ended]
    return _collect(sorted(outcomes, key=lambda outcome: place[id(outcome.pair)]))


def _pairs(
    sources: Images,
    targets: Images,
    labels: list[int],
    ids: Sequence[str] | None,
    groups: Sequence[str] | None,
) -> list[Pair]:
    entries = list(zip(sources, targets, labels, strict=True))
    if ids is None:
        ids = [pair_hash(*entry) for entry in entries]
    own = [pair_hash(source, source, label) for source, _, label in entries]
    named = own if groups is None else list(groups)
    for what, given in (("ids", ids), ("groups", named)):
        if len(given) != len(entries):
            raise UsageError(
                f"{len(given)} {what} were given for {len(entries)} pairs; expected one per pair"
            )
    for name in set(named):
        if len({content for content, group in zip(own, named, strict=True) if group == name}) > 1:
            raise UsageError(
                f"the group {name!r} holds pairs of different sources or labels; expected one "
                "source a group; leave groups out to group pairs by their source"
            )
    return [
        Pair(name, *entry, group) for name, entry, group in zip(ids, entries, named, strict=True)
    ]


def _checked(
    model: Classifier, sources: Given, targets: Given, labels: Tensor | Sequence[int] | None
) -> list[int]:
    if sources.shape != targets.shape or tuple(sources.shape[2:]) != model.size or not len(sources):
        raise UsageError(
            f"sources of shape {tuple(sources.shape)} and targets of shape {tuple(targets.shape)} "
            f"were given; both must be (pairs, 3, {model.size[0]}, {model.size[1]}) for this model"
        )
    for name, images in (("sources", sources), ("targets", targets)):
        _check_range(name, images)
    count = len(sources)
    numbers = [UNLABELLED] * count if labels is None else [int(label) for label in labels]
    if len(numbers) != count:
        raise UsageError(
            f"{len(numbers)} labels were given for {count} pairs; expected one per pair"
        )
    return numbers


def _check_range(name: str, images: Images) -> None:
    low, high = float(images.min()), float(images.max())
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise UsageError(
            f"{name} hold values from {low:g} to {high:g}; expected images in [0, 1] "
            "(divide 8-bit images by 255; the model normalises by itself)"
        )


def _collect(outcomes: list[TraversalResult]) -> Traversals:
    return Traversals(
        ids=[out.pair.id for out in outcomes],
        found=torch.stack([out.found for out in outcomes]),
        confidence=torch.tensor([out.p_found for out in outcomes]),
        p_source=torch.tensor([out.p_source for out in outcomes]),
        label=torch.tensor([out.label for out in outcomes]),
        ending=[out.ending for out in outcomes],
        steps=torch.tensor([out.steps for out in outcomes]),
        evaluations=torch.tensor([out.evaluations for out in outcomes]),
        check_evaluations=torch.tensor([out.check_evaluations for out in outcomes]),
    )
