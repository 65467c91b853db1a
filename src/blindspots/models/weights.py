"""Weights from a local file into a module: never a free pickle, never a silent misfit."""

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor, nn

from blindspots.errors import UsageError, first_line

_NESTS = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("module.", "model.", "_orig_mod.")
_SHOWN = 4
_UNSAFE = re.compile(r"GLOBAL (\S+) was not an allowed global")
_TENSOR = "torch.is_tensor(v)"
# Files older than zip files begin with what names their tensors, whose numbers come behind it.
_OLD_PICKLE = 4_000_000

State = Mapping[str, Tensor]


def load_weights(module: nn.Module, path: Path, name: str, *, unused: tuple[str, ...] = ()) -> None:
    """Copy the weights in a file into the module.

    `path`: safetensors, or a state dict that torch reads with `weights_only=True`, as it is or
    under the key `state_dict`, `model` or `model_state_dict`, its keys with or without the
    prefixes `module.`, `model.` and `_orig_mod.`. `unused`: how keys begin that the module may
    lack, because nothing is computed from them. Refused: a missing or broken file, a pickle of
    anything but tensors, and weights that do not fit; `name` is what that calls the model.
    """
    fit_state(module, read_weights(path), path, name, unused=unused)


def fit_state(
    module: nn.Module, state: State, path: Path, name: str, *, unused: tuple[str, ...] = ()
) -> None:
    """Copy weights by name, read from `path`, into the module; as `load_weights` says."""
    expected = module.state_dict()
    state = _without_prefixes(state, expected)
    state = {k: v for k, v in state.items() if k in expected or not k.startswith(unused)}
    misfit = _misfit(expected, state)
    if any(misfit):
        raise UsageError(f"the weights in {path} do not fit {name}: {_describe(misfit)}")
    module.load_state_dict(state, strict=False)


def read_weights(path: Path) -> State:
    """The tensors in a weights file by key, on the CPU; refused as `load_weights` says."""
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}; give a .safetensors or .pth file")
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    state = _tensors(found)
    if not state:
        kind = f"holds {_some(found)}" if isinstance(found, Mapping) else type(found).__name__
        raise UsageError(f"{path} holds no weights by name ({kind}); save model.state_dict()")
    return state


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(
            f"{path} is not a whole safetensors file: {first_line(error)}; fetch or save it again"
        ) from error


def _read_pickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UsageError(describe_unsafe([path], error)) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read as weights: {first_line(error)}; fetch or save it again"
        ) from error


def describe_unsafe(paths: Sequence[Path], error: UnpicklingError) -> str:
    """Why pickles of one model are not read: the classes they ask for; and how to convert them."""
    asked = dict.fromkeys(culprit for path in paths for culprit in _unsafe_globals(path))
    culprits = list(asked) or _UNSAFE.findall(str(error))
    what = f"needs {_some(culprits)}" if culprits else "is not a plain state dict"
    subject = f"{_some(paths)} {'are' if len(paths) > 1 else 'is'}"
    return (
        f"{subject} not weights only ({what}), and reading it could run code from it; where you "
        f"trust it, convert it once: torch.save({_conversion(paths)}, 'weights.pth'), or "
        ".state_dict() where it is a whole model"
    )


def _conversion(paths: Sequence[Path]) -> str:
    """What to save of these pickles, as Python; FILE stands for the one, FILES for several."""
    if len(paths) > 1:
        read = "torch.load(FILE, weights_only=False)"
        return f"{{k: v for FILE in FILES for k, v in {read}.items() if {_TENSOR}}}"
    nest, read = _nest_in(paths[0]), "torch.load(FILE, weights_only=False)"
    return f"{read}[{nest!r}]" if nest else f"{{k: v for k, v in {read}.items() if {_TENSOR}}}"


def _unsafe_globals(path: Path) -> list[str]:
    """The classes and functions that a pickle asks for; none of one older than zip files."""
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except (RuntimeError, ValueError, UnpicklingError, OSError, EOFError, AttributeError):
        return []


def _nest_in(path: Path) -> str | None:
    """The key under which a pickle seems to hold its weights, found without running it."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            content = archive.read(member)
    except (zipfile.BadZipFile, StopIteration):
        with path.open("rb") as file:
            content = file.read(_OLD_PICKLE)
    return next((nest for nest in _NESTS if _pickled(nest) in content), None)


def _pickled(text: str) -> bytes:
    """The bytes that stand for a text in the pickles that torch writes."""
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def _tensors(found: object) -> State:
    for key in _NESTS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}


def _without_prefixes(state: State, expected: State) -> State:
    while prefix := _shared_prefix(state):
        if _shared_prefix(expected) == prefix:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _shared_prefix(state: State) -> str | None:
    return next((p for p in _PREFIXES if state and all(key.startswith(p) for key in state)), None)


class _Misfit(NamedTuple):
    missing: list[str]
    unexpected: list[str]
    misshapen: list[tuple[str, tuple[int, ...], tuple[int, ...]]]


def _misfit(expected: State, state: State) -> _Misfit:
    # Checkpoints older than the counter lack it, and nothing is computed from it in eval mode.
    missing = [k for k in expected if k not in state and not k.endswith("num_batches_tracked")]
    shapes = {
        key: (tuple(state[key].shape), tuple(expected[key].shape))
        for key in state
        if key in expected
    }
    return _Misfit(
        missing,
        [key for key in state if key not in expected],
        [(key, has, needs) for key, (has, needs) in shapes.items() if has != needs],
    )


def _describe(misfit: _Misfit) -> str:
    shapes = [
        f"{key} is {_shape(has)} instead of {_shape(needs)}" for key, has, needs in misfit.misshapen
    ]
    parts = [
        f"{len(misfit.missing)} keys missing ({_some(misfit.missing)})" if misfit.missing else "",
        f"{len(misfit.unexpected)} unexpected ({_some(misfit.unexpected)})"
        if misfit.unexpected
        else "",
        f"{len(shapes)} of another shape ({_some(shapes)})" if shapes else "",
    ]
    return ", ".join(filter(None, parts)) + "; " + _advice(misfit)


def _advice(misfit: _Misfit) -> str:
    heads = {has[0] for _, has, needs in misfit.misshapen if has and has[1:] == needs[1:]}
    if len(heads) == 1 and not misfit.missing and not misfit.unexpected:
        return f"for another number of classes add num_classes={heads.pop()}"
    return "check the name and the architecture's arguments, given as key=value"


def _some(items: Iterable[object]) -> str:
    texts = [str(item) for item in items]
    more = f", and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _shape(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides)) or "a single number"


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
