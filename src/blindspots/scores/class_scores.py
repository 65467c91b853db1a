"""Scores of classifiers: the confidence in a class or in a group of them, and the margin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional as F

from blindspots.errors import UsageError
from blindspots.scores.objectives import confidence, cross_entropy, group_margin, margin
from blindspots.scores.score import Answer, Kept, Labels, Score, Values


class Probability(Score):
    """A score in [0, 1] whose height is its logit."""

    default_delta: ClassVar[float] = 0.2
    lowest: ClassVar[float] = 0.0

    def check_delta(self, delta: float) -> None:
        """Refuse an allowed drop that no probability can have."""
        if not 0 < delta < 1:
            raise UsageError(
                f"--delta {delta:g} was given; a {self.name} can drop by more than 0 and less "
                "than 1; type --delta 0.2"
            )

    def height_at(self, score: Values) -> Values:
        """logit(score), within ±16; no cancellation near 1."""
        return torch.logit(score.double(), eps=1e-7).to(score.dtype)

    def loss_slope(self, height: Values) -> Values:
        """−(1 − s) = −sigmoid(−h)."""
        return -torch.sigmoid(-height)


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
        return -torch.sigmoid(-height)
