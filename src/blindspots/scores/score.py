"""What a score is: a differentiable scalar of a model's answer, and how it is climbed."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.errors import UsageError

Answer = Float[Tensor, "batch outputs"]
Labels = Int[Tensor, "batch"]
Kept = Int[Tensor, "batch"] | Float[Tensor, "batch features"]
Values = Float[Tensor, "batch"]
Differentiated = Literal["height", "loss"]


class Score(ABC):
    """What a traversal holds: a differentiable scalar of a model's answer.

    `embeds`: it is a scalar of an embedding, not of logits. `default_delta`: the allowed drop
    where none is said, in the score's unit. `lowest`: no score is below it. `confined`: sources
    are of some classes alone (see `wants`), and targets of the others.
    """

    name: ClassVar[str]
    default_delta: ClassVar[float]
    lowest: ClassVar[float]
    embeds: ClassVar[bool] = False
    confined: ClassVar[bool] = False

    @abstractmethod
    def check_delta(self, delta: float) -> None:
        """Refuse an allowed drop that this score cannot have."""

    @abstractmethod
    def __call__(self, answer: Answer, kept: Kept) -> Values:
        """The score of each image, in float32."""

    @abstractmethod
    def height(self, answer: Answer, kept: Kept) -> Values:
        """An increasing function of the score that does not saturate, in float32."""

    @abstractmethod
    def height_at(self, score: Values) -> Values:
        """The height of an image with this score; float64 inside."""

    @abstractmethod
    def loss(self, answer: Answer, kept: Kept) -> Values:
        """What the authors' algorithm descends."""

    @abstractmethod
    def loss_slope(self, height: Values) -> Values:
        """The derivative of the loss with respect to the height, free of cancellation."""

    def label(self, answer: Answer, given: Labels) -> Labels:
        """The class to keep: the given one, or where that is −1 what the model itself says."""
        return torch.where(given < 0, answer.argmax(dim=1), given)

    def keep(self, answer: Answer, label: Labels) -> Kept:  # noqa: ARG002
        """What of the sources is kept: their labels, unless a score says otherwise."""
        return label

    def starts(self, answer: Answer, label: Labels) -> Bool[Tensor, "batch"]:
        """Whether the model gives the sources what is to be kept."""
        return answer.argmax(dim=1) == label

    def wants(self, label: int) -> bool:  # noqa: ARG002
        """Whether an image of this class can be a source."""
        return True

    def accepts(self, predicted: int, label: int) -> bool:
        """Whether a source of this class starts where the model names that one."""
        return predicted == label

    def check_model(self, name: str, embeds: bool, outputs: int) -> None:
        """Refuse a model whose answers are not of the kind this score is a scalar of."""
        del outputs
        if embeds and not self.embeds:
            raise UsageError(
                f"{name} returns an embedding and has no classes, so there is no {self.name} to "
                "hold; type --score embedding, or give a model with classes"
            )
        if self.embeds and not embeds:
            raise UsageError(
                f"{name} returns logits, and --score {self.name} holds the similarity of "
                "embeddings; give a model without classes, as in timm:NAME?num_classes=0"
            )

    def value(self, what: Differentiated, answer: Answer, kept: Kept) -> Values:
        """What a method differentiates."""
        return self.height(answer, kept) if what == "height" else self.loss(answer, kept)

    def slope(self, what: Differentiated, value: Values) -> Values:
        """The derivative of the loss with respect to what a method differentiates."""
        return self.loss_slope(value) if what == "height" else torch.ones_like(value)
