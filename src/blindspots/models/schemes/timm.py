"""`timm:NAME[.TAG]`: timm's architectures, with published weights or those of a file."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args
from urllib.error import URLError

from torch import nn

from blindspots.errors import UsageError, first_line
from blindspots.images.classes import ClassTable, imagenet_table
from blindspots.images.preprocessing import Interpolation, Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.repositories import cached, hub_answers
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    model_options,
    refuse_misspelt,
    short_name,
)
from blindspots.models.weights import load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names

_RESERVED = ("pretrained", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay")
_BUILD_ERRORS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError, AttributeError)


def load(spec: Spec, trust: Trust) -> Classifier:
    """timm's model with the data config of its weights; `num_classes=0`: its embedding."""
    del trust
    options = model_options(spec)
    refuse_misspelt(spec, options)
    module = build_timm(spec.name, options.architecture, published=options.weights is None)
    embeds = options.architecture.get("num_classes") == 0
    if options.weights is not None:
        head = _head_keys(module) if embeds else ()
        load_weights(module, options.weights, short_name(spec), unused=head)
    config = _config(module, options)
    fill = tuple(round(255 * value) for value in options.mean or config["mean"])
    known = SourceInfo(
        size=config["size"],
        mean=config["mean"],
        std=config["std"],
        preprocessing=timm_preprocessing(config, fill),
        table=None if embeds else _table(module, options),
        embeds=embeds,
    )
    return assemble(spec, options, module, known)


def timm_preprocessing(
    config: Mapping[str, Any], fill: tuple[int, ...] = (0, 0, 0)
) -> Preprocessing:
    """The geometry of timm's evaluation transform at `size`; refused where it is another one.

    By `crop_mode`: the short side is scaled to size / crop_pct (center), both sides are (squash),
    or the whole image lies inside that (border); then its middle is cropped, or padded: in the
    border mode with `fill`, which timm takes from the mean, else with black.
    """
    height, width = config["size"]
    mode, interpolation = config["crop_mode"], config["interpolation"]
    if mode not in ("center", "squash", "border") or interpolation not in get_args(Interpolation):
        raise UsageError(
            f"timm's configuration says crop_mode {mode} and interpolation {interpolation}; "
            "expected center, squash or border, and one of "
            f"{', '.join(get_args(Interpolation))}; load the model by file:model.py:factory"
        )
    pair = (math.floor(height / config["crop_pct"]), math.floor(width / config["crop_pct"]))
    see = partial(Preprocessing, size=(height, width), interpolation=interpolation)
    if mode == "border":
        return see(resize=pair, fit="contain", fill=fill)
    if mode == "squash":
        # What stored runs know by a length is the same as stretching to the pair.
        return see(resize=pair[0], squash=True) if pair == (height, width) else see(resize=pair)
    return see(resize=pair[0]) if height == width else see(resize=pair, fit="cover")


def _config(module: nn.Module, options: ModelOptions) -> dict[str, Any]:
    """timm's data config, at the size that the spec or the architecture's `img_size` asks for."""
    from timm.data.config import resolve_model_data_config

    config = dict(resolve_model_data_config(module))
    built = options.architecture.get("img_size")
    size = (built, built) if isinstance(built, int) else built
    config["size"] = options.size or size or tuple(config["input_size"][-2:])
    return config


def _head_keys(module: nn.Module) -> tuple[str, ...]:
    """How the keys of the classifier begin that a file may hold and a module without it lacks."""
    heads = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))


def _table(module: nn.Module, options: ModelOptions) -> ClassTable | None:
    published = getattr(module, "num_classes", None) == 1000
    # Who says num_classes has trained it on classes of their own, be they a thousand.
    return imagenet_table() if published and "num_classes" not in options.architecture else None


def build_timm(name: str, arguments: Mapping[str, Any], *, published: bool) -> nn.Module:
    """timm's model `name` in eval mode; with `published`, carrying its pretrained weights.

    Refused: an unknown name or tag, an argument the architecture does not take, and weights that
    are neither on this machine nor to be fetched, which is found out within seconds.
    """
    _check_name(name)
    _check_arguments(name, arguments)
    source = _published_source(name) if published else {}
    import timm

    try:
        return timm.create_model(name, **source, **arguments).eval()
    except (URLError, OSError) as error:
        raise UsageError(_unreachable(name, first_line(error))) from error
    except _BUILD_ERRORS as error:
        said = ", ".join(f"{key}={value}" for key, value in arguments.items()) or "no arguments"
        raise UsageError(f"timm cannot build {name} with {said}: {first_line(error)}") from error


def _check_name(name: str) -> None:
    import timm
    from timm.models import list_pretrained, split_model_name_tag

    architecture, tag = split_model_name_tag(name)
    if not timm.is_model(architecture):
        hint = nearest_names(architecture, timm.list_models()) or "try timm:resnet50"
        raise UsageError(f"timm has no model {name!r}; {hint}")
    tagged = list_pretrained(f"{architecture}.*")
    if tag and name not in tagged:
        raise UsageError(
            f"timm has no weights {name!r}; {nearest_names(name, tagged) or f'try {architecture}'}"
        )


def _check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    for key in _RESERVED:
        if key in arguments:
            raise UsageError(
                f"{key}= is not for a spec; timm:{name} alone takes the published weights, "
                f"timm:{name}?weights=FILE a file's"
            )


def _published_source(name: str) -> dict[str, Any]:
    """The arguments that make timm load published weights, without the network where it can."""
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name, allow_unregistered=True)
    if config is None or not config.has_weights:
        raise UsageError(f"timm publishes no weights for {name}; type timm:{name}?weights=FILE")
    if not config.hf_hub_id or config.custom_load:
        return {"pretrained": True}
    known = _cached(config.hf_hub_id, config.hf_hub_filename)
    if known is not None:
        return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(known)}}
    if not hub_answers():
        raise UsageError(_unreachable(name, f"{config.hf_hub_id} is not in the hub's cache here"))
    return {"pretrained": True}


def _cached(repository: str, filename: str | None) -> Path | None:
    names = filter(None, (filename, "model.safetensors", "pytorch_model.bin"))
    return next(filter(None, (cached(repository, name) for name in names)), None)


def _unreachable(name: str, reason: str) -> str:
    return (
        f"the published weights of timm:{name} cannot be had ({reason}, and it cannot be reached); "
        f"type timm:{name}?weights=FILE.safetensors, or run once with a network"
    )
