"""`timm:NAME[.TAG]`: timm's architectures, with published weights or those of a file."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from blindspots.images.classes import ClassTable, imagenet_table
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.build import SourceInfo, assemble, short_name
from blindspots.models.classifier import Classifier
from blindspots.models.pretrained import build_timm
from blindspots.models.spec_options import ModelOptions, model_options, refuse_misspelt
from blindspots.models.weights import load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec


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
    known = SourceInfo(
        size=config["size"],
        mean=config["mean"],
        std=config["std"],
        geometry=lambda size: timm_preprocessing({**config, "size": size}),
        table=None if embeds else _table(module, options),
        embeds=embeds,
    )
    return assemble(spec, options, module, known)


def timm_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """The geometry of timm's evaluation transform: the short side scaled to size / crop_pct."""
    height, width = config["size"]
    return Preprocessing(
        size=(height, width),
        resize=int(min(height, width) / config["crop_pct"]) if height == width else None,
        interpolation=config["interpolation"],
        squash=config["crop_mode"] == "squash",
    )


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
