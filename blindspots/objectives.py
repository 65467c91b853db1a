"""The scalars of the logits: what a traversal holds (a score), and what it differentiates.

    symbol   name            formula                                     range
    f(x)[y]  confidence      softmax(z)_y                                [0, 1]
    m(x)     margin          z_y − logsumexp(z_k, k≠y) = logit f(x)[y]   ℝ
    CE       cross_entropy   −log softmax(z)_y                           [0, ∞)

Confidence, margin and cross-entropy have the same level sets. Near f = 1 the cross-entropy's
float32 gradient loses its direction (below 1 − f ≈ 6e-8) while the margin's stays exact.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from blindspots.errors import Refused

Logits = Float[Tensor, "batch classes"]
Labels = Int[Tensor, "batch"]


@runtime_checkable
class Objective(Protocol):
    """A scalar of each image's logits that a method differentiates."""

    def __call__(self, logits: Logits, label: Labels, /) -> Float[Tensor, "batch"]:
        """Its value for each image and label."""
        ...


def confidence(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    """The softmax probability of each label, in float32."""
    return logits.float().softmax(dim=1).gather(1, label[:, None]).squeeze(1)


def margin(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    """z_y − logsumexp of the other logits, in float32: the logit of the confidence."""
    logits = logits.float()
    own = F.one_hot(label, logits.shape[1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, label[:, None]).squeeze(1) - others


def floor_margin(p_source: Float[Tensor, "batch"], delta: float) -> Float[Tensor, "batch"]:
    """The margin at which the confidence is p_source − delta: the floor of the superlevel set.

    `p_source` must be above `delta`. Float64 inside: logit(1 − δ) has no cancellation.
    """
    return torch.logit(p_source.double() - delta, eps=1e-12).to(p_source.dtype)


def cross_entropy(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    """−log softmax(z)_y, in float32; its sum over the batch is the authors' loss."""
    return F.cross_entropy(logits.float(), label, reduction="none")


@dataclass(frozen=True)
class Confidence:
    """The score held by default: the softmax probability of the source's class, in [0, 1]."""

    name: ClassVar[str] = "confidence"

    def check_delta(self, delta: float) -> None:
        """Refuse an allowed drop that no confidence can have."""
        if not 0 < delta < 1:
            raise Refused(
                f"--delta {delta:g} was given; a confidence can drop by more than 0 and less "
                "than 1; type --delta 0.2"
            )

    def __call__(self, logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
        """The score of each image for its label."""
        return confidence(logits, label)
