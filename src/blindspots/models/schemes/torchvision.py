"""`torchvision:NAME[:WEIGHTS]`: torchvision's classifiers, with published weights or a file's."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from blindspots.errors import UsageError, first_line
from blindspots.images.classes import ClassTable, table_of
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.repositories import file_digest, published_file
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    model_options,
    refuse_misspelt,
    short_name,
)
from blindspots.models.weights import load_weights
from blindspots.models.weights_files import read_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names

_RESERVED = ("pretrained", "progress", "weights_backbone")
_BUILD_ERRORS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError, AttributeError)
# These two normalise once more inside, where torchvision itself loads published weights; their
# auxiliary heads count in training alone.
_AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def load(spec: Spec, trust: Trust) -> Classifier:
    """torchvision's model with the transforms and categories of its weights.

    Without a tag these are the weights that torchvision calls DEFAULT.
    """
    del trust
    options = model_options(spec)
    refuse_misspelt(spec, options)
    name, _, tag = spec.name.partition(":")
    weights = _published(name, tag)
    if not tag and options.weights is not None:
        weights = _of_file(name, options.weights) or weights
    name_apart = short_name(spec)
    instead = f"type {name_apart}?weights=FILE, or run once with a network"
    file = options.weights or published_file(weights.url, f"weights of {name_apart}", instead)
    heads = _AUXILIARY.get(name, ())
    module = _build(name, _with_heads(heads, options, file), weights)
    fitted = load_weights(module, file, short_name(spec), entry=options.entry, unused=heads)
    notes = () if tag or options.weights is None else _whose(name, weights, options)
    return assemble(spec, options, module, _known(weights, options, notes), fitted)


def _of_file(name: str, file: Path) -> Any:
    """The entry of the enumeration whose published file this is, by its hash; None: of no one."""
    from torchvision import models

    digest = file_digest(file) if file.is_file() else ""
    for weights in models.get_model_weights(name):
        published = re.search(r"-([0-9a-f]{8,})\.", weights.url)
        if published and digest.startswith(published[1]):
            return weights
    return None


def _whose(name: str, weights: Any, options: ModelOptions) -> tuple[str, ...]:
    """A note of whose preprocessing stands in, where torchvision publishes several."""
    from torchvision import models

    if _of_file(name, cast(Path, options.weights)) is not None:
        return ()
    shown = {str(torchvision_preprocessing(w.transforms())) for w in models.get_model_weights(name)}
    others = [w.name for w in models.get_model_weights(name) if w is not weights]
    if len(shown) < 2:
        return ()
    return (
        f"{options.weights} is no file that torchvision publishes; images reach torchvision:{name} "
        f"as for {weights.name}; type torchvision:{name}:{others[0]}?weights=FILE where it was "
        f"trained as {' or '.join(others)}",
    )


def _with_heads(heads: tuple[str, ...], options: ModelOptions, file: Path) -> ModelOptions:
    """Without the auxiliary heads, where the file has none: no answer depends on them."""
    if not heads or "aux_logits" in options.architecture:
        return options
    held = read_weights(file, options.entry).state
    if any(f".{head}" in f".{key}" for key in held for head in heads):
        return options
    return replace(options, architecture={**options.architecture, "aux_logits": False})


def _published(name: str, tag: str) -> Any:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        hint = nearest_names(name, known) or "try torchvision:resnet50"
        raise UsageError(f"torchvision has no image classifier {name!r}; {hint}")
    tags = models.get_model_weights(name)
    if tag not in {"", "DEFAULT", *tags.__members__}:
        near = nearest_names(tag, tags.__members__) or f"it has {', '.join(tags.__members__)}"
        raise UsageError(
            f"torchvision has no weights {tag!r} for {name}; {near}; type torchvision:{name}"
        )
    return tags[tag or "DEFAULT"]


def _build(name: str, options: ModelOptions, weights: Any) -> nn.Module:
    from torchvision import models

    arguments = {**_as_published(name, weights), **options.architecture}
    for key in _RESERVED:
        if key in arguments:
            raise UsageError(
                f"{key}= is not for a spec; torchvision:{name} alone takes the published weights, "
                f"torchvision:{name}?weights=FILE a file's"
            )
    try:
        return models.get_model(name, weights=None, **arguments).eval()
    except _BUILD_ERRORS as error:
        said = ", ".join(f"{key}={value}" for key, value in arguments.items()) or "no arguments"
        raise UsageError(
            f"torchvision cannot build {name} with {said}: {first_line(error)}"
        ) from error


def _as_published(name: str, weights: Any) -> dict[str, Any]:
    """The arguments that torchvision's builders change where they load published weights."""
    if name in _AUXILIARY:
        return {"init_weights": False, "transform_input": True}
    if name.startswith("vit_"):
        return {"image_size": weights.meta["min_size"][0]}
    return {}


def _known(weights: Any, options: ModelOptions, notes: tuple[str, ...]) -> SourceInfo:
    transforms = weights.transforms()
    crop = transforms.crop_size[0]
    return SourceInfo(
        size=(crop, crop),
        mean=transforms.mean,
        std=transforms.std,
        preprocessing=torchvision_preprocessing(transforms),
        table=_table(weights.meta, options),
        notes=notes,
    )


def torchvision_preprocessing(transforms: Any) -> Preprocessing:
    crop = transforms.crop_size[0]
    return Preprocessing(
        size=(crop, crop),
        resize=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
    )


def _table(meta: Mapping[str, Any], options: ModelOptions) -> ClassTable | None:
    # Who says num_classes has trained it on classes of their own.
    if not meta["categories"] or "num_classes" in options.architecture:
        return None
    return table_of(meta["categories"], "torchvision's categories")
