"""Weights from a local file into a module: never a free pickle, never a silent misfit."""

import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from blindspots.errors import UsageError, first_line
from blindspots.models.weights_files import (
    AVERAGES,
    NORMALISERS,
    State,
    Weights,
    of_several,
    read_weights,
    some,
)

# Those in a layer of their own first.
_NORMALISERS = (
    ("normalizer.new_mean", "normalizer.new_std"),
    ("normalize.mean", "normalize.std"),
    ("normalizer.mean", "normalizer.std"),
    ("0.mean", "0.std"),
    *NORMALISERS,
)
# What training leaves in a file and no answer depends on: counts of a profiler, a loss's weights.
_IDLE_ENDS = ("total_ops", "total_params")
_IDLE = ("criterion.", "loss.", "loss_fn.", "loss_func.", "loss_function.")
_ATTACKED = "attacker."
# Beyond, a mean or std is none of images in [0, 1].
_LEVELS, _LARGEST = 255.0, 2.0


class Normalisation(NamedTuple):
    """The mean and standard deviation per channel, of images in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Fitted(NamedTuple):
    """What a file held beside the network's weights.

    `normalisation`: that of a layer before the network; None: there is none. `notes`: which of
    several sets of weights was taken, and what was passed over.
    """

    normalisation: Normalisation | None = None
    notes: tuple[str, ...] = ()


def load_weights(
    module: nn.Module,
    path: Path,
    name: str,
    *,
    entry: str | None = None,
    unused: tuple[str, ...] = (),
) -> Fitted:
    """Copy the weights in a file into the module; what stood beside them.

    `path`: safetensors, or a state dict that torch reads with `weights_only=True`, whatever its
    suffix; as it is, in a list of one, or below a key such as `state_dict`; its keys with or
    without the prefix of the modules around the network, such as `module.` or `net.`. `entry`: the
    key or prefix to take, where the file has several sets of weights; None: the network's own, not
    its moving average. `unused`: how keys begin that the module may lack, because nothing is
    computed from them. Refused: a missing or broken file, a pickle of anything but tensors, several
    sets of which none is evident, and weights that do not fit; `name` is what that calls the model.
    """
    return fit_weights(module, read_weights(path, entry), name, unused=unused)


def fit_weights(
    module: nn.Module, weights: Weights, name: str, *, unused: tuple[str, ...] = ()
) -> Fitted:
    """Copy weights by name into the module; as `load_weights` says."""
    expected, path = module.state_dict(), weights.path
    prefix, notes = _prefix(weights, expected)
    own = {k.removeprefix(prefix): v for k, v in weights.state.items() if k.startswith(prefix)}
    state = {key: value for key, value in own.items() if key in expected}
    beside = {k: v for k, v in weights.state.items() if k.removeprefix(prefix) not in state}
    normalisation, used, scaled = _normaliser(beside, path)
    left = [key for key in own if key not in state and prefix + key not in used]
    unexpected = [key for key in left if not _is_idle(key, unused)]
    misfit = _misfit(expected, state, unexpected)
    if any(misfit):
        raise UsageError(f"the weights in {path} do not fit {name}: {_describe(misfit)}")
    try:
        _check_kinds(expected, state)
        module.load_state_dict(state, strict=False)
    except Exception as error:
        raise UsageError(
            f"the weights in {path} do not fit {name}: {first_line(error)}; save "
            "model.state_dict() of the network itself, in float32"
        ) from error
    others = [k for k in beside if not k.startswith(prefix) and k not in used and not _copies(k)]
    if others:
        raise UsageError(
            f"{path} holds {len(others)} tensors beside those of {name} ({some(others)}), on "
            "which answers may depend; expected the network alone; where they do not, add "
            f"entry={prefix.rstrip('.')} to the spec"
        )
    return Fitted(normalisation, (*weights.notes, *notes, *scaled))


def _prefix(weights: Weights, expected: State) -> tuple[str, tuple[str, ...]]:
    """What the network's keys begin with in the file, and a note where that was a choice.

    The one beginning below which all of them stand; where none is, that with most of them.
    """
    needed = {key for key in expected if not _is_counter(key)}
    counts: Counter[str] = Counter({"": 0})
    for key in weights.state:
        for begin in _beginnings(key):
            counts[begin] += key.removeprefix(begin) in needed
    whole = [begin for begin, count in counts.items() if count == len(needed)]
    if not needed or "" in whole:
        return "", ()
    if not whole:
        return max(counts, key=lambda begin: (counts[begin], -len(begin))), ()
    own = [b for b in whole if not AVERAGES.search(b) and _ATTACKED not in b] or whole
    if len(own) > 1:
        raise UsageError(
            f"{weights.path} holds {len(own)} sets of such weights ({some(own)}); expected one; "
            f"add entry={own[0].rstrip('.')} to the spec, or the one you mean"
        )
    others = [b.rstrip(".") for b in whole if b != own[0] and _ATTACKED not in b]
    return own[0], of_several(weights.path, own[0].rstrip("."), others)


def _beginnings(key: str) -> list[str]:
    dots = [place for place, letter in enumerate(key) if letter == "."]
    return ["", *(key[: dot + 1] for dot in dots)]


def _check_kinds(expected: State, state: State) -> None:
    """Raise where values would be cast, silently, to what they do not mean."""
    for key, value in state.items():
        if value.is_complex() > expected[key].is_complex():
            raise ValueError("they are complex numbers")
        if value.is_floating_point() < expected[key].is_floating_point():
            raise ValueError(f"{key} holds whole numbers, as after quantisation")
        if value.is_sparse or value.is_meta:
            raise ValueError(f"{key} is {'sparse' if value.is_sparse else 'without values'}")


def _normaliser(state: State, path: Path) -> tuple[Normalisation | None, set[str], tuple[str, ...]]:
    """The numbers of a normalising layer beside the network, their keys, and what is to be said."""
    for mean, std in _NORMALISERS:
        for key in (k for k in state if k == mean or k.endswith(f".{mean}")):
            other = f"{key.removesuffix(mean)}{std}"
            if other in state and _ATTACKED not in key:
                found, notes = _normalisation(state[key], state[other], path)
                return found, {key, other}, notes
    return None, set(), ()


def _normalisation(mean: Tensor, std: Tensor, path: Path) -> tuple[Normalisation, tuple[str, ...]]:
    """Those for images in [0, 1]; numbers for pixels up to 255 are scaled, which a note says."""
    found = Normalisation(*(tuple(one.flatten().tolist()) for one in (mean, std)))
    real = not (mean.is_complex() or std.is_complex())
    if not (
        real
        and len(found.mean) == len(found.std) == 3
        and all(0 < one < math.inf for one in found.std)
        and all(-_LEVELS <= one <= _LEVELS for one in found.mean)
    ):
        raise UsageError(
            f"{path} holds a normaliser with mean {found.mean} and std {found.std}; "
            "expected three numbers each, std above 0; save it without one"
        )
    if max(*found.mean, *found.std) <= _LARGEST:
        return found, ()
    scaled = Normalisation(*(tuple(one / _LEVELS for one in numbers) for numbers in found))
    return scaled, (
        f"{path} normalises pixels from 0 to 255 (mean {_numbers(found.mean)}, std "
        f"{_numbers(found.std)}); both were divided by 255; if that is wrong say mean= and std= "
        "of images in [0, 1]",
    )


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _is_idle(key: str, unused: tuple[str, ...]) -> bool:
    return key.startswith((*unused, *_IDLE)) or key.rpartition(".")[2] in _IDLE_ENDS


def _copies(key: str) -> bool:
    """Whether a tensor beside the network is a copy of one of its own, or idle."""
    return _is_idle(key, ()) or _ATTACKED in key or bool(AVERAGES.search(key))


def _is_counter(key: str) -> bool:
    # Checkpoints older than the counter lack it, and nothing is computed from it in eval mode.
    return key.endswith("num_batches_tracked")


class _Misfit(NamedTuple):
    missing: list[str]
    unexpected: list[str]
    misshapen: list[tuple[str, tuple[int, ...], tuple[int, ...]]]


def _misfit(expected: State, state: State, unexpected: list[str]) -> _Misfit:
    shapes = {key: (tuple(value.shape), tuple(expected[key].shape)) for key, value in state.items()}
    return _Misfit(
        [key for key in expected if key not in state and not _is_counter(key)],
        unexpected,
        [(key, has, needs) for key, (has, needs) in shapes.items() if has != needs],
    )


def _describe(misfit: _Misfit) -> str:
    shapes = [
        f"{key} is {_shape(has)} instead of {_shape(needs)}" for key, has, needs in misfit.misshapen
    ]
    parts = [
        f"{len(misfit.missing)} keys missing ({some(misfit.missing)})" if misfit.missing else "",
        f"{len(misfit.unexpected)} unexpected ({some(misfit.unexpected)})"
        if misfit.unexpected
        else "",
        f"{len(shapes)} of another shape ({some(shapes)})" if shapes else "",
    ]
    return ", ".join(filter(None, parts)) + "; " + _advice(misfit)


def _advice(misfit: _Misfit) -> str:
    heads = {has[0] for _, has, needs in misfit.misshapen if has and has[1:] == needs[1:]}
    if len(heads) == 1 and not misfit.missing and not misfit.unexpected:
        return f"for another number of classes add num_classes={heads.pop()}"
    return "check the name and the architecture's arguments, given as key=value"


def _shape(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides)) or "a single number"
