"""Checkpoints of adversarial training: weights with wrappers and a normaliser around them."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from blindspots.errors import UsageError
from blindspots.models.weights import fit_state, read_weights

_WRAPPERS = ("module.", "model.", "_orig_mod.", "1.")
_ATTACKER = "attacker."
# (mean, std) as normalising layers call them, shallow or inside a layer of their own.
_NORMALISERS = (
    ("normalizer.new_mean", "normalizer.new_std"),
    ("normalize.mean", "normalize.std"),
    ("normalizer.mean", "normalizer.std"),
    ("0.mean", "0.std"),
    ("mean", "std"),
    ("mu", "sigma"),
)


class Normalisation(NamedTuple):
    """The mean and standard deviation a channel, of images in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_checkpoint(
    module: nn.Module, path: Path, name: str, *, unused: tuple[str, ...] = ()
) -> Normalisation | None:
    """Copy a checkpoint's weights into the module; returns the normalisation it has inside.

    Whatever wrappers are around the weights are taken off: `module.`, `model.`, the copy inside
    an attacker. None: it has no normalisation. Refused as `load_weights` says.
    """
    state = dict(read_weights(path))
    found = None
    while True:
        state = {key: value for key, value in state.items() if not key.startswith(_ATTACKER)}
        found = found or _take_normaliser(state, path)
        wrapper = _wrapper(state)
        if wrapper is None:
            break
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
    fit_state(module, state, path, name, unused=unused)
    return found


def _take_normaliser(state: dict[str, Tensor], path: Path) -> Normalisation | None:
    """Remove a normaliser from the weights and return its numbers."""
    for mean, std in _NORMALISERS:
        if mean in state and std in state:
            found = Normalisation(_numbers(state.pop(mean)), _numbers(state.pop(std)))
            if len(found.mean) != 3 or len(found.std) != 3 or min(found.std) <= 0:
                raise UsageError(
                    f"{path} holds a normaliser with mean {found.mean} and std {found.std}; "
                    "expected three numbers each, std above 0; save it without one"
                )
            return found
    return None


def _numbers(tensor: Tensor) -> tuple[float, ...]:
    return tuple(tensor.flatten().tolist())


def _wrapper(state: dict[str, Tensor]) -> str | None:
    """The prefix that all keys share."""
    return next((w for w in _WRAPPERS if state and all(k.startswith(w) for k in state)), None)
