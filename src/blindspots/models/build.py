"""A module and what its source knows of it, overruled by the spec's options: a `Classifier`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from blindspots.errors import UsageError
from blindspots.images.classes import ClassTable, read_class_table
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.spec_options import ModelOptions
from blindspots.specs import Spec


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What the source of a module knows of it.

    `size`: (height, width) of its input. `mean`, `std`: of images in [0, 1], one per channel; None:
    takes them as they are. `geometry`: the preprocessing for an input of another size; None: scaled
    to cover it, then cropped. `table`: its classes. `embeds`: it has none. `training_epsilon`: the
    l-infinity radius it was adversarially trained for.
    """

    size: tuple[int, int]
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    geometry: Callable[[tuple[int, int]], Preprocessing] | None = None
    table: ClassTable | None = None
    embeds: bool = False
    training_epsilon: float | None = None


def assemble(spec: Spec, options: ModelOptions, module: nn.Module, known: SourceInfo) -> Classifier:
    """The classifier: what the options say, and else what is known; in eval mode.

    Refused: class names for a model that has no classes.
    """
    size = options.size or known.size
    table = class_table(spec, options.classes, known)
    return Classifier(
        module,
        size=size,
        mean=options.mean or known.mean,
        std=options.std or known.std,
        class_names=table.names if table else None,
        class_folders=table.folders if table else None,
        name=short_name(spec),
        preprocessing=known.geometry(size) if known.geometry else None,
        training_epsilon=known.training_epsilon,
        embeds=known.embeds,
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
