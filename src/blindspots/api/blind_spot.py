"""`BlindSpot`: how far models cannot see on fixed pairs, in the shape of a torchmetrics metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from blindspots.api.arguments import as_images, as_labels, as_model
from blindspots.api.between import segment
from blindspots.api.traversals import Traversal
from blindspots.api.traverse import traverse
from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.measure.metrics import rmse
from blindspots.methods import make_method
from blindspots.methods.method import Method, as_stored
from blindspots.models.classifier import Classifier
from blindspots.reporting.tables.nulls import reach


@dataclass
class BlindSpot:
    """The reach of a model on pairs of images: `update(model)`, `compute()`, `reset()`.

    As a metric of torchmetrics: in a Lightning module, `update` in `on_validation_epoch_end` and
    `self.log_dict(metric.compute())`. `images`: `(images, classes)`, the images floats `(image, 3,
    height, width)` in [0, 1]; or an `ImageSet` or spec with classes. `sources`: how many correctly
    classified images are traversed from, each to `targets_per_source` images of other classes;
    they are drawn by `seed` alone, so models see the same ones as far as they classify them
    correctly. `method`: as in `traverse`; "star" by default. `delta`: the drop of the confidence
    that is allowed along the whole segment, where `method` is a name.
    """

    images: Any
    sources: int = 8
    targets_per_source: int = 1
    method: Method | str = "star"
    delta: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        self._reaches: list[float] = []
        self._distances: list[float] = []

    def update(self, model: nn.Module) -> None:
        """Traverse this model's pairs and keep what was reached; the model is left as it was.

        Raises `UsageError` where no image is classified correctly, or one class is there alone.
        """
        training = model.training
        try:
            self._measure(model.eval())
        finally:
            model.train(training)

    def compute(self) -> dict[str, Tensor]:
        """Means over all pairs since the last `reset`: `reach`, `rmse` (found − target), `pairs`.

        `reach` is 1 − RMSE(found, target) / RMSE(source, target), 0 where the segment leaves the
        superlevel set or 8-bit rounding does: a lower bound on the model's blindness, in [0, 1].
        Raises `UsageError` before any `update`.
        """
        if not self._reaches:
            raise UsageError(
                "compute was called before a model was given; type metric.update(model) first"
            )
        return {
            "reach": torch.tensor(self._reaches).mean(),
            "rmse": torch.tensor(self._distances).mean(),
            "pairs": torch.tensor(float(len(self._reaches))),
        }

    def reset(self) -> None:
        """Forget all models."""
        self._reaches.clear()
        self._distances.clear()

    def __call__(self, model: nn.Module) -> dict[str, Tensor]:
        """The numbers of this model alone, which is also counted."""
        alone = BlindSpot(*(getattr(self, name) for name in self.__dataclass_fields__))
        alone.update(model)
        self._reaches += alone._reaches
        self._distances += alone._distances
        return alone.compute()

    def _measure(self, model: nn.Module) -> None:
        images, labels, asked = self._seen(model)
        pairs = self._pairs(_correct(asked, images, labels), labels)
        source, target = (images[[pair[i] for pair in pairs]] for i in (0, 1))
        kept = [int(labels[pair[0]]) for pair in pairs]
        method = self.method
        if isinstance(method, str):
            method = make_method(method, delta=self.delta)
        found = traverse(asked, source, target, kept, method=method, seed=self.seed, progress=False)
        for one in found:
            self._reaches.append(_reach(asked, one, method.delta))
            self._distances.append(one.rmse)

    def _seen(self, model: nn.Module) -> tuple[Tensor, Tensor, Classifier]:
        if isinstance(self.images, tuple | list):
            images = as_images("images", self.images[0])
            numbers = torch.tensor(as_labels(self.images[1], len(images)))
            return images, numbers, as_model(model, tuple(images.shape[-2:]))
        asked = as_model(model, getattr(model, "size", (0, 0)))
        held = self.images if isinstance(self.images, ImageSet) else load_images(self.images, asked)
        own = held.for_model(asked)
        return own.take(range(len(own))), own.labels, asked

    def _pairs(self, correct: Sequence[int], labels: Tensor) -> list[tuple[int, int]]:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        order = order.tolist()
        chosen = [i for i in order if i in set(correct)][: self.sources]
        pairs = [
            (source, target)
            for source in chosen
            for target in _others(source, order, labels)[: self.targets_per_source]
        ]
        if not pairs:
            raise UsageError(
                f"{len(chosen)} correctly classified images with images of another class beside "
                "them were given; expected at least 1; give more images, with their classes"
            )
        return pairs


def _correct(model: Classifier, images: Tensor, labels: Tensor) -> list[int]:
    with torch.no_grad():
        said = [model(part.to(model.device)).argmax(dim=1).cpu() for part in images.split(64)]
    return (torch.cat(said) == labels).nonzero().flatten().tolist()


def _others(source: int, order: Sequence[int], labels: Tensor) -> list[int]:
    """The images of other classes, first those that follow the source: so targets differ."""
    place = order.index(source)
    return [i for i in (*order[place:], *order[:place]) if labels[i] != labels[source]]


def _reach(model: Classifier, one: Traversal, delta: float) -> float:
    if one.source is None or one.target is None or not one.ending.started:
        return 0.0
    rounded = as_stored(one.found)
    whole = segment(model, one.source, one.found, one.label)
    ends = segment(model, one.source, rounded, one.label, points=2)
    inside = min(whole.minimum, float(ends.confidence[-1])) >= whole.p_source - delta
    line = rmse(one.source[None], one.target[None]).numpy()
    return float(reach(np.array([one.rmse]), line)[0]) if inside else 0.0
