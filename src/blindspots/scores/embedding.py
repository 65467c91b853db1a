"""The score of models without classes: how alike two embeddings are."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional as F

from blindspots.errors import UsageError
from blindspots.scores.score import Answer, Kept, Labels, Score, Values, in_float64

COSINE_SCALE, LEAST_DISTANCE = 5.0, 1e-6


@dataclass(frozen=True)
class Embedding(Score):
    """The cosine similarity of an image's embedding to its source's, in [−1, 1].

    For models without classes. Every source starts, with a score of 1.
    """

    name: ClassVar[str] = "embedding"
    default_delta: ClassVar[float] = 0.1
    lowest: ClassVar[float] = -1.0
    embeds: ClassVar[bool] = True

    def check_delta(self, delta: float) -> None:
        """Refuse an allowed drop that no cosine can have."""
        if not 0 < delta < 2:
            raise UsageError(
                f"--delta {delta:g} was given; a cosine similarity can drop by more than 0 and "
                "less than 2; type --delta 0.1"
            )

    def label(self, answer: Answer, given: Labels) -> Labels:  # noqa: ARG002
        """The given one; the model has none of its own."""
        return given

    def keep(self, answer: Answer, label: Labels) -> Kept:  # noqa: ARG002
        """The sources' embeddings, at length 1."""
        return F.normalize(answer.float(), dim=1)

    def starts(self, answer: Answer, label: Labels) -> Bool[Tensor, "batch"]:  # noqa: ARG002
        """Always."""
        return torch.ones_like(label, dtype=torch.bool)

    def accepts(self, predicted: int, label: int) -> bool:  # noqa: ARG002
        """Always: there are no classes to be wrong about."""
        return True

    def __call__(self, answer: Answer, kept: Kept) -> Values:
        """The cosine of the angle between both."""
        return 1 - self.loss(answer, kept)

    def height(self, answer: Answer, kept: Kept) -> Values:
        """−5 log(1 − s), where 1 − s is at least 1e-6."""
        return -COSINE_SCALE * (self.loss(answer, kept) + LEAST_DISTANCE).log()

    def height_at(self, score: Values) -> Values:
        """The same of a score."""

        def height(exact: Tensor) -> Tensor:
            return -COSINE_SCALE * ((1 - exact).clamp(min=0) + LEAST_DISTANCE).log()

        return in_float64(height, score)

    def loss(self, answer: Answer, kept: Kept) -> Values:
        """1 − s as half the squared distance of both at length 1: exact near 0."""
        return (F.normalize(answer.float(), dim=1) - kept).square().sum(dim=1) / 2

    def loss_slope(self, height: Values) -> Values:
        """−exp(−h/5) / 5."""
        return in_float64(lambda h: -torch.exp(-h / COSINE_SCALE) / COSINE_SCALE, height)
