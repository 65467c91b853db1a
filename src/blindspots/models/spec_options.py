"""The options behind a model spec's question mark, typed, and the `Classifier` that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from torch import nn

from blindspots.errors import UsageError
from blindspots.images.classes import ClassTable, read_class_table
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.schemes import UNPUBLISHED
from blindspots.models.weights import Fitted
from blindspots.specs import Spec, nearest_names, user_path, without_folders

KEYS = ("weights", "entry", "mean", "std", "size", "classes")
# Above "img_size" for size and "num_classes" for classes, which architectures take.
_MISSPELT = 0.8

Setting = int | float | bool | str | None | tuple["Setting", ...]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What a model spec may say: where the weights are, the input's geometry and normalisation.

    None: not said. `entry`: which of several sets of weights in the file. `architecture`: every
    other key, for the function that builds the model; whole and decimal numbers, true, false and
    none are read as such, commas make a tuple. `keys`: those that are not for it.
    """

    weights: Path | None
    entry: str | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    size: tuple[int, int] | None
    classes: Path | None
    architecture: Mapping[str, Setting]
    keys: tuple[str, ...] = KEYS


def model_options(spec: Spec, *scheme_keys: str) -> ModelOptions:
    """The options of a spec; refused where a number is malformed.

    `scheme_keys`: those that the scheme reads itself, so that they do not go to the architecture.
    """
    own = (*KEYS, *scheme_keys)
    said = spec.options
    _refuse_trust(spec)
    if "entry" in said and "weights" not in said:
        raise UsageError(
            f"entry={said['entry']} was given in {spec} without a file that may hold it; add "
            "weights=FILE"
        )
    return ModelOptions(
        weights=user_path(said["weights"]) if "weights" in said else None,
        entry=said.get("entry"),
        mean=_channels(spec, "mean"),
        std=_channels(spec, "std"),
        size=_size(spec),
        classes=user_path(said["classes"]) if "classes" in said else None,
        architecture={key: parse_setting(said[key]) for key in said if key not in own},
        keys=own,
    )


def refuse_others(spec: Spec, options: ModelOptions) -> None:
    """Refuse keys for the architecture, for a scheme whose architectures take none."""
    if options.architecture:
        key = min(options.architecture)
        raise UsageError(
            f"{key}= was given in {spec}, and {spec.scheme}: takes no arguments of the "
            f"architecture; expected {', '.join(options.keys)}; "
            f"{nearest_names(key, options.keys) or 'leave it away'}"
        )


def refuse_misspelt(spec: Spec, options: ModelOptions) -> None:
    """Refuse a key all but spelt as one of a spec's, for a library whose arguments are not so."""
    hint = misspelt(options)
    if hint:
        raise UsageError(
            f"{spec} was given; expected {', '.join(options.keys)}, or arguments of the "
            f"architecture; {hint}"
        )


def misspelt(options: ModelOptions) -> str:
    """A phrase with the key that an argument is all but spelt as; empty where none is."""
    for key in options.architecture:
        for near in get_close_matches(key, options.keys, n=1, cutoff=_MISSPELT):
            return f"did you mean {near}= instead of {key}=?"
    return ""


def parse_setting(text: str) -> Setting:
    """The number, truth value, None, tuple of them or plain text that `text` spells."""
    if "," in text:
        return tuple(parse_setting(part) for part in text.split(","))
    words: dict[str, Setting] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _refuse_trust(spec: Spec) -> None:
    for key in ("trust_file", "trust_remote_code"):
        if key in spec.options:
            raise UsageError(
                f"{key}= was given in {spec}; trust is given by the one who types the command and "
                f"is stored nowhere; type --{key.replace('_', '-')}"
            )


def _channels(spec: Spec, key: str) -> tuple[float, ...] | None:
    if key not in spec.options:
        return None
    try:
        values = tuple(float(part) for part in spec.options[key].split(","))
    except ValueError:
        values = ()
    values = values * 3 if len(values) == 1 else values
    known = len(values) == 3 and all(map(isfinite, values))
    if not known or (key == "std" and min(values) <= 0):
        kind = "three positive numbers" if key == "std" else "three numbers"
        raise UsageError(
            f"{key}={spec.options[key]} in {spec} is not {kind}, one per channel; "
            f"write it as in {key}=0.5,0.5,0.5"
        )
    return values


def _size(spec: Spec) -> tuple[int, int] | None:
    if "size" not in spec.options:
        return None
    parts = spec.options["size"].lower().replace("x", ",").split(",")
    sides = [int(part) for part in parts if part.strip().isdecimal() and int(part) > 0]
    if len(sides) != len(parts) or len(sides) > 2:
        raise UsageError(
            f"size={spec.options['size']} in {spec} is not a side in pixels; "
            "write it as in size=224, or height x width as in size=192x256"
        )
    return sides[0], sides[-1]


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What the source of a module knows of it.

    `size`: (height, width) of its input. `mean`, `std`: of images in [0, 1], one per channel; None:
    takes them as they are. `preprocessing`: how images reach that size; None: scaled to cover it,
    then cropped. `table`: its classes. `embeds`: it has none. `training_epsilon`: the l-infinity
    radius it was adversarially trained for. `notes`: sentences for the user.
    """

    size: tuple[int, int]
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    preprocessing: Preprocessing | None = None
    table: ClassTable | None = None
    embeds: bool = False
    training_epsilon: float | None = None
    notes: tuple[str, ...] = ()


def assemble(
    spec: Spec,
    options: ModelOptions,
    module: nn.Module,
    known: SourceInfo,
    fitted: Fitted = Fitted(),  # noqa: B008 (it cannot be changed)
) -> Classifier:
    """The classifier: what the options say, then the weights' file, then what is known; in eval
    mode.

    Refused: class names for a model that has no classes.
    """
    mean, std = fitted.normalisation or (known.mean, known.std)
    if spec.scheme not in UNPUBLISHED:
        mean, std = mean or (0.0,) * 3, std or (1.0,) * 3
    size = options.size or known.size
    table = class_table(spec, options.classes, known)
    return Classifier(
        module,
        size=size,
        mean=options.mean or mean,
        std=options.std or std,
        class_names=table.names if table else None,
        class_folders=table.folders if table else None,
        name=without_folders(short_name(spec), ""),
        preprocessing=known.preprocessing.at(size) if known.preprocessing else None,
        training_epsilon=known.training_epsilon,
        embeds=known.embeds,
        notes=(*known.notes, *fitted.notes),
    ).eval()


def class_table(spec: Spec, file: Path | None, known: SourceInfo) -> ClassTable | None:
    """The classes of a model: those in the file where one is given, else the known ones."""
    if known.embeds and file is not None:
        raise UsageError(
            f"{short_name(spec)} has no classes and the class file {file} was given; it returns "
            "embeddings; leave classes away"
        )
    return known.table if file is None else read_class_table(file)


def short_name(spec: Spec) -> str:
    """What a model goes by: its spec without the options."""
    return f"{spec.scheme}:{spec.name}"
