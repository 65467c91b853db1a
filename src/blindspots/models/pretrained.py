"""timm architectures, and their published weights: from the hub's cache, or fetched when online."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

from torch import nn

from blindspots.errors import UsageError
from blindspots.models import hub
from blindspots.models.output import first_line
from blindspots.specs import nearest_names

_RESERVED = ("pretrained", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay")
_BUILD_ERRORS = (TypeError, ValueError, RuntimeError, AssertionError, KeyError, AttributeError)


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
    if not hub.hub_answers():
        raise UsageError(_unreachable(name, f"{config.hf_hub_id} is not in the hub's cache here"))
    return {"pretrained": True}


def _cached(repository: str, filename: str | None) -> Path | None:
    names = filter(None, (filename, "model.safetensors", "pytorch_model.bin"))
    return next(filter(None, (hub.cached(repository, name) for name in names)), None)


def _unreachable(name: str, reason: str) -> str:
    return (
        f"the published weights of timm:{name} cannot be had ({reason}, and it cannot be reached); "
        f"type timm:{name}?weights=FILE.safetensors, or run once with a network"
    )
