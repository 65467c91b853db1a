"""`madrylab:NAME`: robust ImageNet models of Salman et al., *Do Adversarially Robust ImageNet
Models Transfer Better?* (2020), a ladder of training strengths for each architecture.

NAME is the file's name without `.ckpt`, such as `resnet50_l2_eps3` or `resnet50_linf_eps4.0`; the
l-infinity strengths are in 255ths. The files are on the hub as `madrylab/robust-imagenet-models`.
"""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from blindspots.errors import UsageError
from blindspots.images.classes import imagenet_table
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.repositories import fetched
from blindspots.models.spec_options import (
    SourceInfo,
    assemble,
    model_options,
    refuse_others,
    short_name,
)
from blindspots.models.weights import load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names

REPOSITORY = "madrylab/robust-imagenet-models"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_L2 = ("0", "0.01", "0.03", "0.05", "0.1", "0.25", "0.5", "1", "3", "5")
_LINF = ("0.5", "1.0", "2.0", "4.0", "8.0")
_LADDERS = ("resnet18", "resnet50", "wide_resnet50_2")
# torchvision's names of the architectures that only have l2 strengths 0 and 3.
_OTHERS = {
    "wide_resnet50_4": "resnet50",
    "densenet": "densenet161",
    "mnasnet": "mnasnet1_0",
    "mobilenet": "mobilenet_v2",
    "resnext50_32x4d": "resnext50_32x4d",
    "shufflenet": "shufflenet_v2_x1_0",
    "vgg16_bn": "vgg16_bn",
}


def _names() -> Iterator[str]:
    for architecture in _LADDERS:
        yield from (f"{architecture}_l2_eps{strength}" for strength in _L2)
        yield from (f"{architecture}_linf_eps{strength}" for strength in _LINF)
    for architecture in _OTHERS:
        yield from (f"{architecture}_l2_eps{strength}" for strength in ("0", "3"))


NAMES = tuple(_names())


def load(spec: Spec, trust: Trust) -> Classifier:
    """The model of that file: from `weights=FILE`, the hub's cache, or the hub when online."""
    del trust
    options = model_options(spec)
    refuse_others(spec, options)
    _check_name(spec.name)
    architecture, norm, strength = spec.name.rsplit("_", 2)
    module = build(architecture)
    file = options.weights or _published(spec)
    fitted = load_weights(module, file, short_name(spec), entry=options.entry)
    epsilon = float(strength.removeprefix("eps"))
    known = SourceInfo(
        size=(224, 224),
        mean=_MEAN,
        std=_STD,
        preprocessing=Preprocessing(size=(224, 224), resize=256, interpolation="bilinear"),
        table=imagenet_table(),
        training_epsilon=epsilon / 255 if norm == "linf" else None,
    )
    return assemble(spec, options, module, known, fitted)


def _check_name(name: str) -> None:
    if name not in NAMES:
        hint = nearest_names(name, NAMES) or "try madrylab:resnet50_linf_eps4.0"
        raise UsageError(
            f"{REPOSITORY} has no {name!r}; expected ARCHITECTURE_NORM_epsSTRENGTH; {hint}"
        )


def build(architecture: str) -> nn.Module:
    from torchvision import models

    name = _OTHERS.get(architecture, architecture)
    wide = {"width_per_group": 256} if architecture == "wide_resnet50_4" else {}
    return models.get_model(name, weights=None, **wide)


def _published(spec: Spec) -> Path:
    file = fetched(REPOSITORY, f"{spec.name}.ckpt")
    if file is None:
        raise UsageError(
            f"{spec.name}.ckpt of {REPOSITORY} is not in the hub's cache here, and it cannot be "
            f"reached; type {short_name(spec)}?weights=FILE.ckpt, or run once with a network"
        )
    return file
