"""`timm:NAME[.TAG]`: timm's architectures, with published weights or those of a file."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args
from urllib.error import URLError

from torch import nn

from blindspots.errors import UsageError, first_line
from blindspots.images.classes import ClassTable, are_placeholders, imagenet_table, table_of
from blindspots.images.preprocessing import Interpolation, Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.repositories import cached, fetched, hub_answers
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    model_options,
    refuse_misspelt,
    short_name,
)
from blindspots.models.weights import Fitted, load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names, parse_json, read_text, user_path

# What says where weights come from and where they are kept, which no spec and no file may.
_RESERVED = ("pretrained", "checkpoint_path", "cache_dir")
# What a saved config.json holds, where it holds it.
_FIELDS = {
    "architecture": str,
    "num_classes": int,
    "model_args": dict,
    "pretrained_cfg": dict,
    "label_names": list,
    "classifier": (str, list),
}
# Where timm itself takes models from that are not its own, and what they are saved as.
_SAVED = ("local-dir", "hf-hub", "hf_hub")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_BUILD_ERRORS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError, AttributeError)


def load(spec: Spec, trust: Trust) -> Classifier:
    """timm's model with the data config of its weights; `num_classes=0`: its embedding."""
    del trust
    options = model_options(spec)
    refuse_misspelt(spec, options)
    source, colon, where = spec.name.partition(":")
    if colon and source in _SAVED:
        return load_saved(spec, options, _saved_in(spec, source, where))
    module = build_timm(spec.name, options.architecture, published=options.weights is None)
    return _fitted(spec, options, module, options.weights)


def load_saved(spec: Spec, options: ModelOptions, directory: Path) -> Classifier:
    """The model that timm's `save_for_hf` wrote to a directory: its data config, labels, weights.

    The same for what transformers' TimmWrapper saves. Refused as `load` does.
    """
    _check_arguments(str(spec), spec.name, options.architecture)
    file = options.weights or _weights_in(spec, directory)
    config = _saved_config(directory / "config.json")
    if "pretrained_cfg" in config or "architectures" not in config:
        module = _created(f"local-dir:{directory}", options.architecture)
        return _fitted(spec, options, module, file)
    # transformers' wrapper, made without weights of timm's: timm itself cannot read that.
    said = {"num_classes": config.get("num_classes"), **(config.get("model_args") or {})}
    overlay = {"label_names": config.get("label_names")}
    arguments = {**said, **options.architecture}
    module = _created(config["architecture"], arguments, pretrained_cfg_overlay=overlay)
    return _fitted(spec, options, module, file)


def _fitted(spec: Spec, options: ModelOptions, module: nn.Module, file: Path | None) -> Classifier:
    embeds = options.architecture.get("num_classes") == 0
    fitted = Fitted()
    if file is not None:
        head = _head_keys(module) if embeds else ()
        fitted = load_weights(module, file, short_name(spec), entry=options.entry, unused=head)
    try:
        config = _config(module, options)
        fill = tuple(round(255 * value) for value in options.mean or config["mean"])
        see = timm_preprocessing(config, fill)
        mean, std = (tuple(map(float, config[key])) for key in ("mean", "std"))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"the data configuration of {short_name(spec)} cannot be read ({first_line(error)}); "
            "save the model again, or load it by file:model.py:factory"
        ) from error
    known = SourceInfo(
        size=config["size"],
        mean=mean,
        std=std,
        preprocessing=see,
        table=None if embeds else _table(module, options),
        embeds=embeds,
        notes=_config_beside(options.weights),
    )
    return assemble(spec, options, module, known, fitted)


def _config_beside(file: Path | None) -> tuple[str, ...]:
    """A note of a configuration beside a weights file, which may say another size and mean."""
    beside = None if file is None else file.parent / "config.json"
    if beside is None or not beside.is_file() or "architecture" not in _read_config(beside):
        return ()
    return (
        f"{beside} stands beside the weights and was not read; for its size, mean, std and labels "
        f"type timm:local-dir:{beside.parent}",
    )


def _read_config(file: Path) -> Mapping[str, Any]:
    found = parse_json(read_text(file, str(file)), str(file))
    return found if isinstance(found, dict) else {}


def _saved_config(file: Path) -> Mapping[str, Any]:
    """What timm or transformers' wrapper wrote of a model; refused where it has another shape."""
    config = _read_config(file)
    for one in (config, config.get("pretrained_cfg") or {}):
        for key, kind in _FIELDS.items() if isinstance(one, dict) else ():
            if one.get(key) is not None and not isinstance(one[key], kind):
                raise UsageError(_misshapen(file, key, one[key]))
    # Another source's name would fetch or read another model than the file is of.
    if ":" in (config.get("architecture") or ":"):
        raise UsageError(_misshapen(file, "architecture", config.get("architecture")))
    _check_arguments(str(file), config["architecture"], config.get("model_args") or {})
    return config


def _misshapen(file: Path, key: str, value: object) -> str:
    return (
        f"{file} says {key} {value!r:.60}; expected what timm's save_for_hf writes; save the "
        "model again, or load it by file:model.py:factory"
    )


def _saved_in(spec: Spec, source: str, where: str) -> Path:
    """The directory of a model that timm saved: the one said, or that of the hub's cache."""
    config = user_path(where) / "config.json"
    if source != "local-dir":
        if fetched(where, _WEIGHTS[0]) is None:
            fetched(where, _WEIGHTS[1])
        config = fetched(where, "config.json") or Path()
    if not config.is_file():
        place = "directory" if source == "local-dir" else "repository that can be reached"
        raise UsageError(
            f"{short_name(spec)} names no {place} with a config.json; expected one that timm's "
            "save_for_hf or push_to_hf_hub wrote; type timm:local-dir:DIR"
        )
    if "architecture" not in _read_config(config):
        raise UsageError(
            f"{config} names no architecture, so it is not timm's; type hf:{where} for "
            "transformers' models"
        )
    return config.parent


def _weights_in(spec: Spec, directory: Path) -> Path:
    found = next((directory / one for one in _WEIGHTS if (directory / one).is_file()), None)
    if found is None:
        raise UsageError(
            f"{short_name(spec)} has no {' or '.join(_WEIGHTS)} in {directory}; type "
            f"{short_name(spec)}?weights=FILE"
        )
    return found


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
    names = [str(name) for name in getattr(module, "pretrained_cfg", {}).get("label_names") or ()]
    if names and len(names) == getattr(module, "num_classes", None):
        return None if are_placeholders(names) else table_of(names, "the model's label_names")
    published = getattr(module, "num_classes", None) == 1000
    # Who says num_classes has trained it on classes of their own, be they a thousand.
    return imagenet_table() if published and "num_classes" not in options.architecture else None


def build_timm(name: str, arguments: Mapping[str, Any], *, published: bool) -> nn.Module:
    """timm's model `name` in eval mode; with `published`, carrying its pretrained weights.

    Refused: an unknown name or tag, an argument the architecture does not take, and weights that
    are neither on this machine nor to be fetched, which is found out within seconds.
    """
    _check_name(name)
    _check_arguments(f"timm:{name}", name, arguments)
    return _created(name, arguments, **(_published_source(name) if published else {}))


def _created(name: str, arguments: Mapping[str, Any], **source: Any) -> nn.Module:
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


def _check_arguments(where: str, name: str, arguments: Mapping[str, Any]) -> None:
    for key in arguments:
        if key in _RESERVED or key.startswith("pretrained_"):
            raise UsageError(
                f"{key}={arguments[key]} was given in {where}, and is not for a spec; timm:{name} "
                f"alone takes the published weights, timm:{name}?weights=FILE a file's; HF_HOME "
                "says where the hub's are kept"
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
