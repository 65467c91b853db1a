"""Asks a frozen model for scores and gradients; halves its batch when memory runs out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from blindspots.errors import WorkFailed
from blindspots.methods.base import Evaluation
from blindspots.models.classifier import Classifier
from blindspots.objectives import Confidence, Objective

Images = Float[Tensor, "batch channel height width"]


@dataclass
class Oracle:
    """A model's answers about images: logits, scores, and scores with gradients.

    `chunk`: the most images in one forward; None: as many as are asked about. It is halved, once
    and for all and with one warning, when the device runs out of memory; at 1 that is an error.
    """

    model: Classifier
    score: Confidence = field(default_factory=Confidence)
    chunk: int | None = None

    def logits(self, images: Images) -> Float[Tensor, "batch classes"]:
        """The logits of each image, without a graph."""
        return torch.cat(self._in_chunks(self._logits, images))

    def scores(self, images: Images, labels: Int[Tensor, "batch"]) -> Float[Tensor, "batch"]:
        """The score of each image for its label; half an evaluation each."""
        return self.score(self.logits(images), labels)

    def evaluate(
        self, images: Images, labels: Int[Tensor, "batch"], objective: Objective
    ) -> Evaluation:
        """The score, the objective and its gradient at each image; one evaluation each."""

        def differentiated(images: Tensor, labels: Tensor) -> Evaluation:
            return self._differentiated(images, labels, objective)

        return join(self._in_chunks(differentiated, images, labels))

    def _logits(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.model(images.to(self.model.device)).float()

    def _differentiated(self, images: Tensor, labels: Tensor, objective: Objective) -> Evaluation:
        images = images.detach().requires_grad_(True)
        with torch.enable_grad():
            logits = self.model(images)
            value = objective(logits, labels)
            (gradient,) = torch.autograd.grad(value.sum(), images)
        logits = logits.detach()
        return Evaluation(self.score(logits, labels), value.detach(), gradient)

    def _in_chunks(self, ask: Callable, *batch: Tensor) -> list:
        total = len(batch[0])
        while True:
            size = self.chunk or total
            try:
                return [ask(*parts) for parts in zip(*(b.split(size) for b in batch), strict=True)]
            except torch.OutOfMemoryError as error:
                self._halve(min(size, total), error)

    def _halve(self, size: int, error: Exception) -> None:
        if size <= 1:
            raise WorkFailed(
                "the device ran out of memory with a single image; finished pairs are kept; "
                "use a smaller model or --device cpu, then the same command resumes"
            ) from error
        self.chunk = size // 2
        torch.cuda.empty_cache()
        warnings.warn(
            f"out of memory with {size} images at once; going on with {self.chunk}", stacklevel=4
        )


def join(parts: list[Evaluation]) -> Evaluation:
    """Evaluations, one batch behind the other."""
    first, *others = parts
    for part in others:
        first = first.join(part)
    return first
