"""Weights from a local file into a module: never a free pickle, never a silent misfit."""

import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor, nn

from blindspots.errors import UsageError, first_line
from blindspots.models.schemes import check_weights
from blindspots.settings import shortened

_NESTS = ("state_dict", "model", "model_state_dict")
_SHOWN = 4
_UNSAFE = re.compile(r"GLOBAL (\S+) was not an allowed global")
_TENSOR = "torch.is_tensor(v)"
# Files older than zip files begin with what names their tensors, whose numbers come behind it.
_OLD_PICKLE = 4_000_000
_ZIP = b"PK\x03\x04"
# (mean, std) as normalising layers call them, shallow or inside a layer of their own.
_NORMALISERS = (
    ("normalizer.new_mean", "normalizer.new_std"),
    ("normalize.mean", "normalize.std"),
    ("normalizer.mean", "normalizer.std"),
    ("0.mean", "0.std"),
    ("mean", "std"),
    ("mu", "sigma"),
)
# What training leaves in a file and no answer depends on: counts of a profiler, a loss's weights.
_IDLE_ENDS = ("total_ops", "total_params")
_IDLE = ("criterion.", "loss.", "loss_fn.", "loss_func.", "loss_function.")
# Copies of a network that stand beside it.
_AVERAGES = re.compile(r"(^|[._])(ema|swa|avg|average|averaged|teacher|shadow)([._]|$)")
_ATTACKED = "attacker."
# What an optimiser remembers of each weight is no set of weights.
_STEPS = re.compile(r"optim|sched|scaler", re.IGNORECASE)

State = Mapping[str, Tensor]


class Weights(NamedTuple):
    """The tensors of a weights file by key, on the CPU, and what is to be said of the choice."""

    state: State
    path: Path
    notes: tuple[str, ...] = ()


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
    normalisation, used = _normaliser(beside, path)
    left = [key for key in own if key not in state and prefix + key not in used]
    unexpected = [key for key in left if not _is_idle(key, unused)]
    misfit = _misfit(expected, state, unexpected)
    if any(misfit):
        raise UsageError(f"the weights in {path} do not fit {name}: {_describe(misfit)}")
    try:
        if any(value.is_complex() > expected[key].is_complex() for key, value in state.items()):
            raise ValueError("they are complex numbers")
        module.load_state_dict(state, strict=False)
    except Exception as error:
        raise UsageError(
            f"the weights in {path} do not fit {name}: {first_line(error)}; save "
            "model.state_dict() of the network itself, in float32"
        ) from error
    others = [k for k in beside if not k.startswith(prefix) and k not in used and not _copies(k)]
    if others:
        raise UsageError(
            f"{path} holds {len(others)} tensors beside those of {name} ({_some(others)}), on "
            "which answers may depend; expected the network alone; where they do not, add "
            f"entry={prefix.rstrip('.')} to the spec"
        )
    return Fitted(normalisation, (*weights.notes, *notes))


def read_weights(path: Path, entry: str | None = None) -> Weights:
    """The tensors in a weights file by key; refused as `load_weights` says."""
    check_weights(path)
    found = _read_safetensors(path) if _is_safetensors(path) else _read_pickle(path)
    while isinstance(found, list | tuple) and len(found) == 1:
        found = found[0]
    sets = _sets(found)
    if not sets:
        kind = f"holds {_some(found)}" if isinstance(found, Mapping) else type(found).__name__
        raise UsageError(f"{path} holds no weights by name ({kind}); save model.state_dict()")
    if entry is not None:
        return Weights(_said(path, sets, entry), path)
    return _evident(path, sets)


def _is_safetensors(path: Path) -> bool:
    """By the content: the length of a header, and the header, which is JSON."""
    with path.open("rb") as file:
        begin = file.read(9)
    return begin[8:] == b"{" or (path.suffix == ".safetensors" and not begin.startswith(_ZIP))


def _read_safetensors(path: Path) -> object:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise UsageError(
            f"{path} is not a whole safetensors file: {first_line(error)}; fetch or save it again"
        ) from error


def _read_pickle(path: Path) -> object:
    try:
        # By its stream, because torch goes by the suffix of a path.
        with path.open("rb") as file, warnings.catch_warnings():
            # torch warns of what it is about to refuse.
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UsageError(describe_unsafe([path], error)) from error
    except Exception as error:
        # A damaged pickle or zip raises whatever its reader stumbles over.
        raise UsageError(
            f"{path} cannot be read as weights: {first_line(error)}; fetch or save it again"
        ) from error


def _sets(found: object, key: str = "") -> dict[str, State]:
    if not isinstance(found, Mapping):
        return {}
    state = {str(k): v for k, v in found.items() if isinstance(v, Tensor)}
    below: dict[str, State] = {}
    for name, value in found.items():
        if _STEPS.search(str(name)):
            continue
        below |= _sets(value, f"{key}.{name}" if key else str(name)) if key.count(".") < 2 else {}
    named = {k: v for k, v in below.items() if not state or k.rpartition(".")[2] in _NESTS}
    return named or ({key: state} if state else {})


def _evident(path: Path, sets: Mapping[str, State]) -> Weights:
    """The only set; or the one of a usual name, with a note of others that are alike."""
    own = [key for key in sets if not _AVERAGES.search(key)] or list(sets)
    usual = [key for nest in _NESTS for key in own if key.rpartition(".")[2] == nest]
    if not usual and len(own) > 1:
        raise UsageError(
            f"{path} holds {len(own)} sets of weights ({_some(own)}); expected one; add "
            f"entry={own[0]} to the spec, or the one you mean"
        )
    taken = (usual or own)[0]
    others = [k for k in sets if k != taken and sets[k].keys() & sets[taken].keys()]
    return Weights(sets[taken], path, _of_several(path, taken, others))


def _of_several(path: Path, taken: str, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    return (
        f"{path} holds several sets of weights; {taken} was taken; for {_some(others)} add "
        f"entry={others[0]} to the spec",
    )


def _said(path: Path, sets: Mapping[str, State], entry: str) -> State:
    """The set that `entry=` names, by its key in the file or the beginning of its weights' keys."""
    whole = [key for key in sets if entry in (key, key.rpartition(".")[2])]
    if whole:
        return sets[whole[0]]
    begin = f"{entry.rstrip('.')}."
    for state in sets.values():
        below = {k.removeprefix(begin): v for k, v in state.items() if k.startswith(begin)}
        if below:
            return below
    first = next(iter(sets.values()))
    begins = dict.fromkeys(key.partition(".")[0] for key in first)
    raise UsageError(
        f"entry={entry} was given and {path} holds no such weights; expected one of "
        f"{_some([*filter(None, sets), *begins])}"
    )


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
    own = [b for b in whole if not _AVERAGES.search(b) and _ATTACKED not in b] or whole
    if len(own) > 1:
        raise UsageError(
            f"{weights.path} holds {len(own)} sets of such weights ({_some(own)}); expected one; "
            f"add entry={own[0].rstrip('.')} to the spec, or the one you mean"
        )
    others = [b.rstrip(".") for b in whole if b != own[0] and _ATTACKED not in b]
    return own[0], _of_several(weights.path, own[0].rstrip("."), others)


def _beginnings(key: str) -> list[str]:
    dots = [place for place, letter in enumerate(key) if letter == "."]
    return ["", *(key[: dot + 1] for dot in dots)]


def _normaliser(state: State, path: Path) -> tuple[Normalisation | None, set[str]]:
    """The numbers of a normalising layer beside the network, and their keys."""
    for mean, std in _NORMALISERS:
        for key in (k for k in state if k == mean or k.endswith(f".{mean}")):
            other = f"{key.removesuffix(mean)}{std}"
            if other in state and _ATTACKED not in key:
                return _normalisation(state[key], state[other], path), {key, other}
    return None, set()


def _normalisation(mean: Tensor, std: Tensor, path: Path) -> Normalisation:
    found = Normalisation(tuple(mean.flatten().tolist()), tuple(std.flatten().tolist()))
    if len(found.mean) != 3 or len(found.std) != 3 or min(found.std) <= 0:
        raise UsageError(
            f"{path} holds a normaliser with mean {found.mean} and std {found.std}; "
            "expected three numbers each, std above 0; save it without one"
        )
    return found


def _is_idle(key: str, unused: tuple[str, ...]) -> bool:
    return key.startswith((*unused, *_IDLE)) or key.rpartition(".")[2] in _IDLE_ENDS


def _copies(key: str) -> bool:
    """Whether a tensor beside the network is a copy of one of its own, or idle."""
    return _is_idle(key, ()) or _ATTACKED in key or bool(_AVERAGES.search(key))


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


def describe_unsafe(paths: Sequence[Path], error: UnpicklingError) -> str:
    """Why pickles of one model are not read: the classes they ask for; and how to convert them."""
    asked = dict.fromkeys(culprit for path in paths for culprit in _unsafe_globals(path))
    culprits = [shortened(one) for one in asked or _UNSAFE.findall(str(error))]
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
    except Exception:
        return []


def _nest_in(path: Path) -> str | None:
    """The key under which a pickle seems to hold its weights, found without running it."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            content = archive.read(member)
    except Exception:
        with path.open("rb") as file:
            content = file.read(_OLD_PICKLE)
    return next((nest for nest in _NESTS if _pickled(nest) in content), None)


def _pickled(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()
