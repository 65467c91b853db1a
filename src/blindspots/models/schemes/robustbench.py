"""`robustbench:NAME`: checkpoints of RobustBench's model zoo, read here without its package.

Names, architectures and preprocessing are RobustBench's (Croce et al. 2021). Names that are not in
`CARDS` go through the package, where it can be imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from blindspots.errors import UsageError, first_line
from blindspots.images.classes import ClassTable, imagenet_table
from blindspots.images.preprocessing import Interpolation, Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    model_options,
    refuse_others,
    short_name,
)
from blindspots.models.weights import Normalisation, load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# RobustBench's own directory for downloads, where its package is called without another one.
CACHE = Path("models")
# It pins an old timm, needs what newer versions of setuptools lack, and its requirements bring the
# package that it imports as autoattack under another name.
_INSTALL = (
    "type pip install --no-deps robustbench and pip install gdown geotorch torchdiffeq "
    "'setuptools<81', and add a package named autoattack"
)


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """What RobustBench says of a model.

    `build`: its architecture. `dataset`, `threat`: RobustBench's folders. `normalisation`: what
    stands in where the checkpoint has none inside; None: it takes [0, 1]. `epsilon`: the l-infinity
    radius of its training. `unused`: how keys begin that the published file has besides.
    """

    build: Callable[[], nn.Module]
    dataset: str
    normalisation: Normalisation | None = None
    interpolation: Interpolation = "bilinear"
    epsilon: float | None = None
    unused: tuple[str, ...] = ()
    threat: str = "Linf"

    @property
    def file(self) -> Path:
        """The folder of RobustBench's cache that holds the checkpoint."""
        return CACHE / self.dataset / self.threat

    @property
    def known(self) -> SourceInfo:
        mean, std = self.normalisation or (None, None)
        imagenet = self.dataset == "imagenet"
        return SourceInfo(
            size=(224, 224) if imagenet else (32, 32),
            mean=mean,
            std=std,
            preprocessing=Preprocessing(
                size=(224, 224), resize=256, interpolation=self.interpolation
            )
            if imagenet
            else Preprocessing(size=(32, 32)),
            table=imagenet_table() if imagenet else ClassTable(CIFAR10, None, "CIFAR-10's classes"),
            training_epsilon=self.epsilon,
        )


def _torchvision(name: str) -> nn.Module:
    from torchvision import models

    return models.get_model(name, weights=None)


def _wide(depth: int) -> nn.Module:
    from blindspots.models.robust_networks import WideResNet

    return WideResNet(depth, width=10)


def _vit(name: str) -> nn.Module:
    from blindspots.models.robust_networks import conv_stem_vit

    return conv_stem_vit(name)


def _convnext(name: str) -> nn.Module:
    from blindspots.models.robust_networks import conv_stem_convnext

    return conv_stem_convnext(name)


_salman = partial(PublishedModel, dataset="imagenet", normalisation=IMAGENET, epsilon=4 / 255)
_singh = partial(PublishedModel, dataset="imagenet", interpolation="bicubic", epsilon=4 / 255)
_wrn = partial(PublishedModel, build=partial(_wide, 28), dataset="cifar10", epsilon=8 / 255)
# A second first group that the networks' own code defines and never calls.
_IDLE = ("sub_block1.",)

CARDS: dict[str, PublishedModel] = {
    "Salman2020Do_R18": _salman(build=partial(_torchvision, "resnet18")),
    "Salman2020Do_R50": _salman(build=partial(_torchvision, "resnet50")),
    "Salman2020Do_50_2": _salman(build=partial(_torchvision, "wide_resnet50_2")),
    "Singh2023Revisiting_ViT-S-ConvStem": _singh(
        build=partial(_vit, "deit_small_patch16_224"), normalisation=IMAGENET
    ),
    "Singh2023Revisiting_ViT-B-ConvStem": _singh(build=partial(_vit, "vit_base_patch16_224")),
    "Singh2023Revisiting_ConvNeXt-T-ConvStem": _singh(build=partial(_convnext, "convnext_tiny")),
    "Singh2023Revisiting_ConvNeXt-S-ConvStem": _singh(build=partial(_convnext, "convnext_small")),
    "Singh2023Revisiting_ConvNeXt-B-ConvStem": _singh(build=partial(_convnext, "convnext_base")),
    "Singh2023Revisiting_ConvNeXt-L-ConvStem": _singh(build=partial(_convnext, "convnext_large")),
    "Standard": _wrn(epsilon=None),
    "Wu2020Adversarial": _wrn(build=partial(_wide, 34)),
    "Wu2020Adversarial_extra": _wrn(unused=_IDLE),
    "Carmon2019Unlabeled": _wrn(unused=_IDLE),
    "Sehwag2020Hydra": _wrn(unused=_IDLE),
    "Hendrycks2019Using": _wrn(normalisation=Normalisation((0.5,) * 3, (0.5,) * 3)),
    "Zhang2019Theoretically": _wrn(build=partial(_wide, 34), epsilon=0.031, unused=_IDLE),
}


def load(spec: Spec, trust: Trust) -> Classifier:
    """RobustBench's model: from `weights=FILE`, or from where its package keeps its downloads."""
    del trust
    options = model_options(spec, "dataset", "threat")
    refuse_others(spec, options)
    card = CARDS.get(spec.name)
    if card is None or not _is_asked_for(card, spec):
        return _through_package(spec, options)
    module = card.build()
    file = options.weights or _cached(spec, card)
    fitted = load_weights(module, file, short_name(spec), entry=options.entry, unused=card.unused)
    return assemble(spec, options, module, card.known, fitted)


def _is_asked_for(card: PublishedModel, spec: Spec) -> bool:
    said = spec.options
    return (said.get("dataset", card.dataset), said.get("threat", card.threat)) == (
        card.dataset,
        card.threat,
    )


def _cached(spec: Spec, card: PublishedModel) -> Path:
    file = card.file / f"{spec.name}.pt"
    if not file.is_file():
        raise UsageError(
            f"there is no {file}, where RobustBench keeps {spec.name}; fetch it from the model zoo "
            f"of RobustBench ({card.dataset}, {card.threat}) and type "
            f"{short_name(spec)}?weights=FILE"
        )
    return file


def _through_package(spec: Spec, options: ModelOptions) -> Classifier:
    """The model as RobustBench's own package loads it, normaliser inside."""
    if options.weights is not None or "dataset" not in spec.options:
        raise UsageError(_unknown(spec))
    try:
        from robustbench.utils import load_model  # type: ignore[import-not-found]
    except Exception as error:
        # It pins old versions of what is installed here, so it fails in many ways.
        near = nearest_names(spec.name, CARDS)
        raise UsageError(
            f"{spec} is none of the checkpoints that are read here{'; ' * bool(near)}{near}; "
            "RobustBench's package, which has more, cannot be imported here "
            f"({type(error).__name__}: {first_line(error)}); {_INSTALL}"
        ) from error
    return assemble(spec, options, *_from_package(spec, load_model))


def _from_package(spec: Spec, load_model: Callable[..., Any]) -> tuple[nn.Module, SourceInfo]:
    dataset, threat = spec.options["dataset"], spec.options.get("threat", "Linf")
    try:
        module = load_model(spec.name, model_dir=CACHE, dataset=dataset, threat_model=threat)
    except Exception as error:
        raise UsageError(
            f"RobustBench's package cannot load {spec.name} ({dataset}, {threat}): "
            f"{type(error).__name__}: {first_line(error)}; check name, dataset= and threat="
        ) from error
    if dataset not in ("imagenet", "cifar10"):
        return module, SourceInfo(size=(32, 32))
    return module, PublishedModel(build=lambda: module, dataset=dataset, threat=threat).known


def _unknown(spec: Spec) -> str:
    return (
        f"robustbench:{spec.name} is none of the checkpoints that are read here; "
        f"{nearest_names(spec.name, CARDS) or 'they are ' + ', '.join(CARDS)}; any other goes "
        "through RobustBench's package, as in robustbench:NAME?dataset=imagenet&threat=Linf"
    )
