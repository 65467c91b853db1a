"""What a score is: a differentiable scalar of a model's answer, and how it is climbed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

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
    def check_delta(self, delta: float) -> None: ...

    @abstractmethod
    def __call__(self, answer: Answer, kept: Kept) -> Values: ...

    @abstractmethod
    def height(self, answer: Answer, kept: Kept) -> Values:
        """An increasing function of the score that does not saturate, in float32."""

    @abstractmethod
    def height_at(self, score: Values) -> Values: ...

    @abstractmethod
    def loss(self, answer: Answer, kept: Kept) -> Values: ...

    @abstractmethod
    def loss_slope(self, height: Values) -> Values: ...

    def label(self, answer: Answer, given: Labels) -> Labels:
        """The class to keep: the given one, or where that is −1 what the model itself says."""
        return torch.where(given < 0, answer.argmax(dim=1), given)

    def keep(self, answer: Answer, label: Labels) -> Kept:  # noqa: ARG002
        """What of the sources is kept: their labels, unless a score says otherwise."""
        return label

    def starts(self, answer: Answer, label: Labels) -> Bool[Tensor, "batch"]:
        return answer.argmax(dim=1) == label

    def wants(self, label: int) -> bool:  # noqa: ARG002
        return True

    def accepts(self, predicted: int, label: int) -> bool:
        """Whether a source of this class starts where the model names that one."""
        return predicted == label

    def check_model(self, name: str, embeds: bool, outputs: int) -> None:
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
        return self.height(answer, kept) if what == "height" else self.loss(answer, kept)

    def slope(self, what: Differentiated, value: Values) -> Values:
        return self.loss_slope(value) if what == "height" else torch.ones_like(value)


Logits = Float[Tensor, "batch classes"]


def in_float64(function: Callable[[Tensor], Tensor], values: Values) -> Values:
    """What the function makes of the values, rounded once: by the value, not by its place.

    In float32 the ends of a tensor go through other instructions than its middle, and cancel near
    1. A device without float64, as Apple's, leaves it to the processor.
    """
    wide = values.cpu() if values.device.type == "mps" else values
    return function(wide.double()).to(values)


def confidence(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    return logits.float().softmax(dim=1).gather(1, label[:, None]).squeeze(1)


def margin(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    """z_y − logsumexp of the other logits, in float32: the logit of the confidence."""
    logits = logits.float()
    own = F.one_hot(label, logits.shape[1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, label[:, None]).squeeze(1) - others


def group_margin(logits: Logits, classes: Sequence[int]) -> Float[Tensor, "batch"]:
    """logsumexp of the logits of `classes` − that of the others: the logit of their probability."""
    logits = logits.float()
    own = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    own[list(classes)] = True
    inside = logits.masked_fill(~own, -torch.inf).logsumexp(dim=1)
    return inside - logits.masked_fill(own, -torch.inf).logsumexp(dim=1)


def cross_entropy(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    """−log softmax(z)_y, in float32; its sum over the batch is the authors' loss."""
    return F.cross_entropy(logits.float(), label, reduction="none")


class Probability(Score):
    """A score in [0, 1] whose height is its logit."""

    default_delta: ClassVar[float] = 0.2
    lowest: ClassVar[float] = 0.0

    def check_delta(self, delta: float) -> None:
        if not 0 < delta < 1:
            raise UsageError(
                f"--delta {delta:g} was given; a {self.name} can drop by more than 0 and less "
                "than 1; type --delta 0.2"
            )

    def height_at(self, score: Values) -> Values:
        """logit(score), within ±16; no cancellation near 1."""
        return in_float64(partial(torch.logit, eps=1e-7), score)

    def loss_slope(self, height: Values) -> Values:
        """−(1 − s) = −sigmoid(−h)."""
        return in_float64(lambda h: -torch.sigmoid(-h), height)


@dataclass(frozen=True)
class Confidence(Probability):
    """The score held by default: the softmax probability of the source's class, in [0, 1]."""

    name: ClassVar[str] = "confidence"

    def __call__(self, answer: Answer, kept: Kept) -> Values:
        """The confidence in each label."""
        return confidence(answer, kept)

    def height(self, answer: Answer, kept: Kept) -> Values:
        """The margin."""
        return margin(answer, kept)

    def loss(self, answer: Answer, kept: Kept) -> Values:
        """The cross-entropy."""
        return cross_entropy(answer, kept)


@dataclass(frozen=True)
class Group(Probability):
    """The summed probability of several classes, in [0, 1]: "any dog".

    `classes`: their indices. A source starts where the model names any of them. Targets are
    images of other classes.
    """

    classes: Sequence[int]

    name: ClassVar[str] = "group"
    confined: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(sorted(set(self.classes))))
        if not self.classes or min(self.classes) < 0:
            raise UsageError(
                f"a group of the classes {list(self.classes)} was given; expected at least one "
                "class index from 0; type --score group:1,2,3"
            )

    def __call__(self, answer: Answer, kept: Kept) -> Values:  # noqa: ARG002
        """The group's probability."""
        return answer.float().softmax(dim=1)[:, list(self.classes)].sum(dim=1)

    def height(self, answer: Answer, kept: Kept) -> Values:  # noqa: ARG002
        """The logit of the group's probability."""
        return group_margin(answer, self.classes)

    def loss(self, answer: Answer, kept: Kept) -> Values:
        """−log of the group's probability."""
        return F.softplus(-self.height(answer, kept))

    def starts(self, answer: Answer, label: Labels) -> Bool[Tensor, "batch"]:
        """Whether the model names a class of the group, for a source of one."""
        own = torch.tensor(self.classes, device=label.device)
        return torch.isin(answer.argmax(dim=1), own) & torch.isin(label, own)

    def wants(self, label: int) -> bool:
        """Whether it is a class of the group."""
        return label in self.classes

    def accepts(self, predicted: int, label: int) -> bool:
        """Whether both are classes of the group."""
        return predicted in self.classes and label in self.classes

    def check_model(self, name: str, embeds: bool, outputs: int) -> None:
        """Refuse a group that names a class the model has not, or all that it has."""
        super().check_model(name, embeds, outputs)
        if self.classes[-1] >= outputs or len(self.classes) >= outputs:
            raise UsageError(
                f"--score group:{','.join(map(str, self.classes))} was given and {name} has "
                f"{outputs} classes; expected some of 0 to {outputs - 1}, not all"
            )


@dataclass(frozen=True)
class Margin(Score):
    """The margin of the source's class over all others, in logits: the logit of the confidence."""

    name: ClassVar[str] = "margin"
    default_delta: ClassVar[float] = 2.0
    lowest: ClassVar[float] = -torch.inf

    def check_delta(self, delta: float) -> None:
        """Refuse an allowed drop that is none."""
        if not 0 < delta < torch.inf:
            raise UsageError(
                f"--delta {delta:g} was given; a margin can drop by more than 0 logits; "
                "type --delta 2"
            )

    def __call__(self, answer: Answer, kept: Kept) -> Values:
        """The margin of each label."""
        return margin(answer, kept)

    def height(self, answer: Answer, kept: Kept) -> Values:
        """The margin itself."""
        return margin(answer, kept)

    def height_at(self, score: Values) -> Values:
        """The score itself."""
        return score

    def loss(self, answer: Answer, kept: Kept) -> Values:
        """The cross-entropy, which has the same level sets."""
        return cross_entropy(answer, kept)

    def loss_slope(self, height: Values) -> Values:
        """−sigmoid(−m)."""
        return in_float64(lambda h: -torch.sigmoid(-h), height)
