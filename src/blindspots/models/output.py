"""What a model may return: finite logits, or embeddings; nothing that only resembles them."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.errors import UsageError


def check_logits(name: str, output: object, batch: int) -> Float[Tensor, "batch classes"]:
    """The output unchanged; refused where it is no `(batch, classes)` tensor of finite logits.

    `name`: what to call the model in the refusal. `batch`: how many images went in. Probabilities
    are refused because everything here is computed from logits.
    """
    fault = _fault(output, batch, least=2) or _scale_fault(cast(Tensor, output))
    if fault:
        raise UsageError(f"{name} {fault}; it must return logits of shape (batch, classes)")
    return cast(Tensor, output)


def check_embeddings(name: str, output: object, batch: int) -> Float[Tensor, "batch features"]:
    """The output unchanged; refused where it is no `(batch, features)` tensor of finite numbers."""
    fault = _fault(output, batch, least=1)
    if fault:
        raise UsageError(f"{name} {fault}; it must return embeddings of shape (batch, features)")
    return cast(Tensor, output)


def check_shape(name: str, output: object, batch: int) -> Float[Tensor, "batch outputs"]:
    """The output unchanged, whatever its values; refused where its shape is not that."""
    fault = _shape_fault(output, batch, least=1)
    if fault:
        raise UsageError(f"{name} {fault}; it must return a tensor of shape (batch, outputs)")
    return cast(Tensor, output)


def looks_like_probabilities(output: Float[Tensor, "batch classes"]) -> bool:
    """Whether every row is non-negative and sums to 1, which logits do not by chance."""
    sums = output.float().sum(1)
    return bool((output >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-3))


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__


def _fault(output: object, batch: int, least: int) -> str | None:
    fault = _shape_fault(output, batch, least)
    finite = fault or bool(cast(Tensor, output).isfinite().all())
    return fault or (None if finite else "returns NaN or infinity for a grey image")


def _shape_fault(output: object, batch: int, least: int) -> str | None:
    if not isinstance(output, Tensor):
        return f"returns a {type(output).__name__}, not a tensor"
    if output.dim() != 2 or output.shape[0] != batch or output.shape[1] < least:
        return f"returns a tensor of shape {tuple(output.shape)} for {batch} images"
    return None


def _scale_fault(output: Tensor) -> str | None:
    if looks_like_probabilities(output):
        return "returns probabilities (each row sums to 1); take its softmax away"
    return None
