"""`hf:ORG/NAME` or `hf:DIRECTORY`: transformers' image classifiers, and backbones as embeddings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blindspots.errors import UsageError
from blindspots.images.classes import ClassTable, table_of
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.processors import ProcessorInput, read_processor
from blindspots.models.repositories import Repository
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    misspelt,
    model_options,
    short_name,
)
from blindspots.models.weights import fit_state, read_weights
from blindspots.settings import Trust
from blindspots.specs import Spec

_CLASSIFIER = "ForImageClassification"
_SHOWN = 4


class Logits(nn.Module):
    """A classifier of transformers as a function of images alone."""

    def __init__(self, network: nn.Module, blue_first: bool = False) -> None:
        super().__init__()
        self.network, self.blue_first = network, blue_first

    def forward(self, images: Tensor) -> Tensor:
        """The logits of normalised images."""
        return self.network(pixel_values=_ordered(images, self.blue_first)).logits


class PooledEmbedding(nn.Module):
    """A backbone of transformers: the pooled output, else the first token, of each image."""

    def __init__(self, network: nn.Module, blue_first: bool, pooled: bool) -> None:
        super().__init__()
        self.network, self.blue_first, self.pooled = network, blue_first, pooled

    def _get_name(self) -> str:
        # A model's fingerprint holds its repr: runs that are stored know this name.
        return "Embedding"

    def forward(self, images: Tensor) -> Tensor:
        """The embeddings of normalised images."""
        output = self.network(pixel_values=_ordered(images, self.blue_first))
        pooled = getattr(output, "pooler_output", None) if self.pooled else None
        return output.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)


def load(spec: Spec, trust: Trust) -> Classifier:
    """The model in its own preprocessing; one without a classifier, or `num_classes=0`, embeds."""
    options = model_options(spec, "revision", "num_classes")
    revision = spec.options.get("revision")
    repository = Repository(spec.name, short_name(spec), revision, trust.remote_code)
    config = _config(repository, options)
    embeds = _embeds(spec, config)
    seen = _seen(repository, options)
    network, pooled = _network(repository, config, options, embeds)
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
        table=None if embeds else _table(config.id2label),
        embeds=embeds,
    )
    return assemble(spec, options, module, known)


def _config(repository: Repository, options: ModelOptions) -> Any:
    config, unused = repository.load(
        "AutoConfig", return_unused_kwargs=True, **options.architecture
    )
    unknown = sorted(unused.keys() & options.architecture.keys())
    if unknown:
        raise UsageError(
            f"{unknown[0]}= is no key of a spec and no setting of {repository.spec}'s "
            f"configuration; {misspelt(options) or 'leave it away'}"
        )
    return config


def _embeds(spec: Spec, config: Any) -> bool:
    if spec.options.get("num_classes", "0") != "0":
        raise UsageError(
            f"num_classes={spec.options['num_classes']} was given in {spec}; expected 0, for the "
            "embedding; the number of classes is the model's own"
        )
    architectures = config.architectures or ()
    if config.model_type == "clip" and not any(_CLASSIFIER in name for name in architectures):
        raise UsageError(
            f"{short_name(spec)} is a CLIP model, which has no classes of its own; "
            f"type clip:{spec.name}?classes=FILE"
        )
    if config.model_type == "timm_wrapper":
        raise UsageError(f"{short_name(spec)} is one of timm's models; type timm:NAME")
    return "num_classes" in spec.options or not any(_CLASSIFIER in name for name in architectures)


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


def _network(
    repository: Repository, config: Any, options: ModelOptions, embeds: bool
) -> tuple[nn.Module, bool]:
    """The network, and whether its pooled output is computed by weights that were read."""
    auto = "AutoModel" if embeds else "AutoModelForImageClassification"
    if options.weights is not None:
        import transformers

        made = getattr(transformers, auto).from_config(
            config, dtype=torch.float32, trust_remote_code=repository.remote_code
        )
        return _with_weights(made, config, options.weights, repository), True
    network, report = repository.load(
        auto, config=config, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(report["missing_keys"])
    pooled = not (embeds and missing and all(key.startswith("pooler.") for key in missing))
    if missing and pooled:
        shown = ", ".join(missing[:_SHOWN])
        raise UsageError(
            f"{repository.spec} lacks {len(missing)} of its model's weights ({shown}), which would "
            f"be random; expected a whole {auto.removeprefix('Auto')}; save or fetch it again"
        )
    return network, pooled


def _with_weights(made: Any, config: Any, path: Path, repository: Repository) -> nn.Module:
    """The network with a file's weights, named as in the network or as transformers saves them."""
    state = read_weights(path)
    if state.keys() - made.state_dict().keys():
        network = repository.fill(type(made), config, state)
        if network is not None:
            return network
    fit_state(made, state, path, repository.spec)
    return made


def _table(labels: Mapping[int, str]) -> ClassTable | None:
    """The class names; None where they are placeholders."""
    names = [labels[index] for index in sorted(labels)]
    if names == [f"LABEL_{index}" for index in range(len(names))]:
        return None
    return table_of(names, "the model's id2label")


def _ordered(images: Tensor, blue_first: bool) -> Tensor:
    return images.flip(1) if blue_first else images
