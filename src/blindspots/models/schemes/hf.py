"""`hf:ORG/NAME` or `hf:DIRECTORY`: transformers' image classifiers, and backbones as embeddings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from blindspots.errors import UsageError
from blindspots.images.classes import ClassTable, are_placeholders, table_of
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.processors import ProcessorInput, read_processor
from blindspots.models.repositories import Repository
from blindspots.models.schemes.timm import load_saved
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    misspelt,
    model_options,
    parse_setting,
    short_name,
)
from blindspots.models.weights import Fitted, fit_weights
from blindspots.models.weights_files import read_weights
from blindspots.settings import Trust
from blindspots.specs import Spec

_CLASSIFIER = "ForImageClassification"
# Heads that are trained without a softmax, by `problem_type`.
_NO_SOFTMAX = {
    "multi_label_classification": "is a multi-label classifier",
    "regression": "predicts numbers (problem_type is regression)",
}
_SHOWN = 4


class Logits(nn.Module):
    def __init__(self, network: nn.Module, blue_first: bool = False) -> None:
        super().__init__()
        self.network, self.blue_first = network, blue_first

    def forward(self, images: Tensor) -> Tensor:
        return self.network(pixel_values=_ordered(images, self.blue_first)).logits


class PooledEmbedding(nn.Module):
    """A backbone of transformers: the pooled output, else the first token, of each image."""

    def __init__(self, network: nn.Module, blue_first: bool, pooled: bool) -> None:
        super().__init__()
        self.network, self.blue_first, self.pooled = network, blue_first, pooled

    def _get_name(self) -> str:
        # A model's former fingerprint holds its repr: runs that are stored know this name.
        return "Embedding"

    def forward(self, images: Tensor) -> Tensor:
        output = self.network(pixel_values=_ordered(images, self.blue_first))
        pooled = getattr(output, "pooler_output", None) if self.pooled else None
        return output.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)


def load(spec: Spec, trust: Trust) -> Classifier:
    """The model in its own preprocessing; one without a classifier, or `num_classes=0`, embeds."""
    options = model_options(spec, "revision", "num_classes")
    revision = spec.options.get("revision")
    repository = Repository(spec.name, short_name(spec), revision, trust.remote_code)
    config = _config(repository, options)
    if config.model_type == "timm_wrapper":
        return load_saved(spec, _as_timms(spec, options), repository.folder)
    with repository.read():
        embeds = _embeds(spec, config)
        table = None if embeds else _table(config.id2label)
    seen = _seen(repository, options)
    if options.weights is None:
        (network, pooled), fitted = _saved(repository, config, embeds), Fitted()
    else:
        with repository.read():
            (network, fitted), pooled = _with_weights(repository, config, options, embeds), True
    module = (
        PooledEmbedding(network, seen.blue_first, pooled)
        if embeds
        else Logits(network, seen.blue_first)
    )
    known = SourceInfo(
        size=seen.size,
        mean=seen.mean,
        std=seen.std,
        preprocessing=seen.preprocessing,
        table=table,
        embeds=embeds,
    )
    return assemble(spec, options, module, known, fitted)


def _as_timms(spec: Spec, options: ModelOptions) -> ModelOptions:
    """The options as timm's architectures take them, among which is `num_classes`."""
    if "num_classes" not in spec.options:
        return options
    said = {"num_classes": parse_setting(spec.options["num_classes"])}
    return replace(options, architecture={**options.architecture, **said})


def _config(repository: Repository, options: ModelOptions) -> Any:
    config, said = repository.load("AutoConfig"), options.architecture
    # Asked of the configuration as it is: from_pretrained takes names of places and of code too.
    unknown = sorted(key for key in said if not _is_setting(config, key))
    if unknown:
        raise UsageError(
            f"{unknown[0]}= is no key of a spec and no setting of {repository.spec}'s "
            f"configuration; {misspelt(options) or 'leave it away'}"
        )
    return repository.load("AutoConfig", **said) if said else config


def _is_setting(config: Any, key: str) -> bool:
    own = key.isidentifier() and key[0] != "_" and not key.endswith("_implementation")
    return own and hasattr(config, key) and not callable(getattr(config, key))


def _embeds(spec: Spec, config: Any) -> bool:
    if spec.options.get("num_classes", "0") != "0":
        raise UsageError(
            f"num_classes={spec.options['num_classes']} was given in {spec}; expected 0, for the "
            "embedding; the number of classes is the model's own"
        )
    classifies = any(_CLASSIFIER in name for name in config.architectures or ())
    if not classifies and _has_two_towers(config):
        raise UsageError(_two_towers(spec, config))
    if "num_classes" in spec.options or not classifies:
        return True
    if config.problem_type in _NO_SOFTMAX or len(config.id2label) < 2:
        raise UsageError(_no_softmax(spec, config))
    return False


def _has_two_towers(config: Any) -> bool:
    return hasattr(config, "vision_config") and hasattr(config, "text_config")


def _two_towers(spec: Spec, config: Any) -> str:
    if config.model_type == "clip":
        return (
            f"{short_name(spec)} is a CLIP model, which has no classes of its own; "
            f"type clip:{spec.name}?classes=FILE"
        )
    return (
        f"{short_name(spec)} is a {config.model_type} model, which compares images with texts and "
        "has no classes of its own; expected an image classifier or a backbone; load its images' "
        "half by file:model.py:factory?size=SIDE, from a factory that returns a module whose "
        "forward is get_image_features"
    )


def _no_softmax(spec: Spec, config: Any) -> str:
    single = len(config.id2label) < 2
    what = "has one logit" if single else _NO_SOFTMAX[config.problem_type]
    return (
        f"{short_name(spec)} {what}, so its classes are no alternatives, and a softmax over its "
        "logits is no confidence; expected two or more classes of which one holds; ask about one "
        "logit z by file:model.py:factory, from a factory that returns a module whose forward "
        "gives torch.stack([0 * z, z], 1)"
    )


def _seen(repository: Repository, options: ModelOptions) -> ProcessorInput:
    """How the model sees images: by its processor; where none was saved, as the spec says."""
    if repository.has_processor:
        processor = repository.load("AutoImageProcessor", backend="pil")
        return read_processor(processor, repository.spec)
    if not (options.size and options.mean and options.std):
        raise UsageError(
            f"{repository.spec} has no image processor (preprocessor_config.json); save it beside "
            "the model with its save_pretrained, or say size=, mean= and std="
        )
    return ProcessorInput(
        size=options.size,
        mean=options.mean,
        std=options.std,
        preprocessing=Preprocessing(size=options.size),
        blue_first=False,
    )


def _saved(repository: Repository, config: Any, embeds: bool) -> tuple[nn.Module, bool]:
    """The network, and whether its pooled output is computed by weights that were read."""
    network, report = repository.load(
        _auto(embeds), config=config, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(report["missing_keys"])
    pooled = not (embeds and missing and all(key.startswith("pooler.") for key in missing))
    if missing and pooled:
        shown = ", ".join(missing[:_SHOWN])
        raise UsageError(
            f"{repository.spec} lacks {len(missing)} of its model's weights ({shown}), which would "
            f"be random; expected a whole {_auto(embeds).removeprefix('Auto')}; save or fetch it "
            "again"
        )
    return network, pooled


def _auto(embeds: bool) -> str:
    return "AutoModel" if embeds else "AutoModelForImageClassification"


def _with_weights(
    repository: Repository, config: Any, options: ModelOptions, embeds: bool
) -> tuple[nn.Module, Fitted]:
    """The network with a file's weights, named as in the network or as transformers saves them."""
    import transformers

    assert options.weights is not None
    made = getattr(transformers, _auto(embeds)).from_config(
        config, dtype=torch.float32, trust_remote_code=repository.remote_code
    )
    weights = read_weights(options.weights, options.entry)
    if weights.state.keys() - made.state_dict().keys():
        network = repository.fill(type(made), config, weights.state)
        if network is not None:
            return network, Fitted(notes=weights.notes)
    return made, fit_weights(made, weights, repository.spec)


def _table(labels: Mapping[int, str]) -> ClassTable | None:
    names = [str(labels[index]) for index in sorted(labels)]
    return None if are_placeholders(names) else table_of(names, "the model's id2label")


def _ordered(images: Tensor, blue_first: bool) -> Tensor:
    return images.flip(1) if blue_first else images
