"""Scalars of the logits, of which scores and losses are made (see `scores`).

    symbol   name            formula                                     range
    f(x)[y]  confidence      softmax(z)_y                                [0, 1]
    m(x)     margin          z_y − logsumexp(z_k, k≠y) = logit f(x)[y]   ℝ
    CE       cross_entropy   −log softmax(z)_y                           [0, ∞)

Confidence, margin and cross-entropy have the same level sets. Near f = 1 the cross-entropy's
float32 gradient loses its direction (below 1 − f ≈ 6e-8) while the margin's stays exact.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

Logits = Float[Tensor, "batch classes"]
Labels = Int[Tensor, "batch"]


def confidence(logits: Logits, label: Labels) -> Float[Tensor, "batch"]:
    """The softmax probability of each label, in float32."""
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
