"""Which tensors a weights file holds, by name: never a free pickle, never a silent choice."""

import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor

from blindspots.errors import UsageError, first_line
from blindspots.models.schemes import check_weights
from blindspots.settings import shortened

_NESTS = ("state_dict", "model", "model_state_dict")
_SHOWN, _DEEPEST, _MEMBERS = 4, 3, 8
_UNSAFE = re.compile(r"GLOBAL (\S+) was not an allowed global")
_TENSOR = "torch.is_tensor(v)"
_AS_TENSOR, _ARRAY = "torch.as_tensor(v)", f"{_TENSOR} or getattr(v, 'ndim', 0)"
# Files older than zip files begin with what names their tensors, whose numbers come behind it.
_OLD_PICKLE = 4_000_000
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
# The number that torch.save wrote first before it wrote zip files.
_TORCHS = b"l\xfc\x9cF\xf9 j\xa8P\x19."
# Copies of a network that stand beside it.
AVERAGES = re.compile(r"(^|[._])(ema|swa|avg|average|averaged|teacher|shadow)([._]|$)")
# (mean, std) as normalising layers call them.
NORMALISERS = (
    ("mean", "std"),
    ("means", "stds"),
    ("pixel_mean", "pixel_std"),
    ("image_mean", "image_std"),
    ("mu", "sigma"),
)
_MEANS_AND_STDS = {name for pair in NORMALISERS for name in pair}
# What an optimiser remembers of each weight is no set of weights.
_STEPS = re.compile(r"optim|sched|scaler", re.IGNORECASE)

State = Mapping[str, Tensor]


class Weights(NamedTuple):
    """The tensors of a weights file by key, on the CPU, and what is to be said of the choice."""

    state: State
    path: Path
    notes: tuple[str, ...] = ()


def read_weights(path: Path, entry: str | None = None) -> Weights:
    """The tensors in a weights file by key; refused as `load_weights` says."""
    check_weights(path)
    found = _read_safetensors(path) if _is_safetensors(path) else _read_pickle(path)
    sets = _sets(found)
    if not sets:
        kind = f"holds {some(found)}" if isinstance(found, Mapping) else type(found).__name__
        raise UsageError(f"{path} holds no weights by name ({kind}); save model.state_dict()")
    if entry is not None:
        return Weights(_said(path, sets, entry), path)
    return _evident(path, sets)


def _is_safetensors(path: Path) -> bool:
    """By the content: the length of a header, and the header, which is JSON."""
    begin = _begin(path)[:9]
    return begin[8:] == b"{" or (path.suffix == ".safetensors" and not begin.startswith(_ZIP))


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)


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
    except Exception as error:
        # Whatever is no pickle, or a damaged one, raises what its reader stumbles over.
        if not _begin(path).startswith((_ZIP, _PICKLE)):
            raise UsageError(
                f"{path} cannot be read as weights: it is neither a safetensors file nor one that "
                "torch.save wrote; expected one of these; save model.state_dict() by torch.save"
            ) from error
        if isinstance(error, UnpicklingError):
            raise UsageError(describe_unsafe([path], error)) from error
        raise UsageError(
            f"{path} cannot be read as weights: {first_line(error)}; fetch or save it again"
        ) from error


def _sets(found: object, key: str = "", depth: int = 0) -> dict[str, State]:
    """All tensors by where they lie: at the key "", or below a key of the file."""
    # What holds itself has no end.
    if isinstance(found, list | tuple) and len(found) <= _MEMBERS and depth < _DEEPEST:
        members = [sets for one in found if (sets := _sets(one, key, depth + 1))]
        return members[0] if len(members) == 1 else {}
    if not isinstance(found, Mapping):
        return {}
    state = {str(k): v for k, v in found.items() if isinstance(v, Tensor)}
    sets: dict[str, State] = {key: state} if state else {}
    for name, value in found.items():
        if not _STEPS.search(str(name)) and depth < _DEEPEST:
            sets |= _sets(value, f"{key}.{name}" if key else str(name), depth + 1)
    return sets


def _is_usual(key: str) -> bool:
    return key.rpartition(".")[2] in _NESTS


def _is_beside(key: str, sets: Mapping[str, State]) -> bool:
    """Whether a set is what training left around or inside that of a network, which is larger."""
    size = {k: sum(value.numel() for value in state.values()) for k, state in sets.items()}
    around = [k for k in sets if k != key and (not key or k.startswith(f"{key}."))]
    inside = [k for k in sets if k != key and (not k or key.startswith(f"{k}."))]
    return any(_is_usual(k) or size[k] > size[key] for k in around) or (
        not _is_usual(key) and any(size[k] >= size[key] for k in inside)
    )


def _evident(path: Path, sets: Mapping[str, State]) -> Weights:
    """The only set; or the one of a usual name, with a note of others that are alike."""
    networks = [key for key in sets if not _is_beside(key, sets)] or list(sets)
    own = [key for key in networks if not AVERAGES.search(key)] or networks
    usual = [key for nest in _NESTS for key in own if key.rpartition(".")[2] == nest]
    if not usual and len(own) > 1:
        raise UsageError(
            f"{path} holds {len(own)} sets of weights ({some(own)}); expected one; add "
            f"entry={own[0]} to the spec, or the one you mean"
        )
    taken = (usual or own)[0]
    others = [k for k in sets if k != taken and _are_alike(sets[k], sets[taken])]
    around = [sets[k] for k in sets if k != taken and (not k or taken.startswith(f"{k}."))]
    beside = {key: value for state in around for key, value in state.items()}
    # Images are normalised by them, wherever a file has them.
    kept = {key: v for key, v in beside.items() if key in _MEANS_AND_STDS and v.numel() == 3}
    left = [key for key, v in beside.items() if key not in kept and v.is_floating_point()]
    passed = f"{path} holds tensors beside {taken} ({some(left)}), which were passed over"
    notes = (*of_several(path, taken, others), *(passed,) * bool(left))
    return Weights({**kept, **sets[taken]}, path, notes)


def _are_alike(one: State, other: State) -> bool:
    """Whether two sets may be of one network, whatever their keys begin with."""
    if one.keys() & other.keys():
        return True
    shapes, others = (Counter(value.shape for value in each.values()) for each in (one, other))
    return len(one) > 1 and (shapes <= others or others <= shapes)


def of_several(path: Path, taken: str, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    return (
        f"{path} holds several sets of weights; {taken or 'its own'} was taken; for "
        f"{some(others)} add "
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
        f"{some([*filter(None, sets), *begins])}"
    )


def some(items: Iterable[object]) -> str:
    texts = [str(item) for item in items]
    more = f", and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def describe_unsafe(paths: Sequence[Path], error: UnpicklingError) -> str:
    """Why pickles of one model are not read: the classes they ask for; and how to convert them."""
    asked = dict.fromkeys(culprit for path in paths for culprit in _unsafe_globals(path))
    culprits = [shortened(one) for one in asked or _UNSAFE.findall(str(error))]
    what = f"needs {some(culprits)}" if culprits else "is not a plain state dict"
    subject = f"{some(paths)} {'are' if len(paths) > 1 else 'is'}"
    code = _conversion(paths, any("ndarray" in one for one in culprits))
    return (
        f"{subject} not weights only ({what}), and reading it could run code from it; where you "
        f"trust it, convert it once: torch.save({code}, 'weights.pth'), or "
        ".state_dict() where it is a whole model"
    )


def _conversion(paths: Sequence[Path], arrays: bool) -> str:
    """What to save of these pickles, as Python; FILE stands for the one, FILES for several.

    `arrays`: they hold some of numpy.
    """
    begin, read = _begin(paths[0]), "torch.load(FILE, weights_only=False)"
    if not begin.startswith(_ZIP) and _TORCHS not in begin:
        read = "pickle.load(open(FILE, 'rb'))"
    value, chosen = (_AS_TENSOR, _ARRAY) if arrays else ("v", _TENSOR)
    if len(paths) > 1:
        return f"{{k: {value} for FILE in FILES for k, v in {read}.items() if {chosen}}}"
    nest = _nest_in(paths[0])
    inside = f"{read}[{nest!r}]" if nest else read
    if nest and not arrays:
        return inside
    return f"{{k: {value} for k, v in {inside}.items() if {chosen}}}"


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
    return next((nest for nest in _NESTS if any(map(content.count, _pickled(nest)))), None)


def _pickled(text: str) -> tuple[bytes, bytes]:
    """How pickles of older protocols and of newer ones write a short text."""
    code = text.encode()
    return b"X" + len(code).to_bytes(4, "little") + code, b"\x8c" + len(code).to_bytes() + code
