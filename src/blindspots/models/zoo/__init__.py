"""The four embedded classifiers of `sample:shapes`: a ResNet and a ViT, each normal and AT."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from blindspots.errors import UsageError
from blindspots.images.shapes import CLASS_NAMES
from blindspots.models.classifier import Classifier
from blindspots.models.zoo.architectures import SIZE, small_resnet, small_vit
from blindspots.specs import nearest_names

NAMES: tuple[str, ...] = ("shapes-resnet", "shapes-resnet-at", "shapes-vit", "shapes-vit-at")
TRAINING_EPSILON = 8 / 255

_HERE = Path(__file__).parent
_ARCHITECTURES = {"shapes-resnet": small_resnet, "shapes-vit": small_vit}


def architecture(name: str) -> nn.Module:
    """The untrained network of a zoo model; refused where the zoo has no such name."""
    check_name(name)
    return _ARCHITECTURES[name.removesuffix("-at")]()


def classifier(name: str, module: nn.Module) -> Classifier:
    """`module` with the normalisation, size and class names that all zoo models share."""
    return Classifier(
        module,
        size=SIZE,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        class_names=CLASS_NAMES,
        name=name,
        training_epsilon=TRAINING_EPSILON if is_adversarial(name) else None,
    )


def load_zoo(name: str, folder: Path | None = None) -> Classifier:
    """The trained model `name`, in eval mode; `folder`: where its weights lie, None: embedded."""
    module = architecture(name)
    module.load_state_dict(load_file((folder or _HERE) / f"{name}.safetensors"))
    return classifier(name, module).eval()


def card(name: str, folder: Path | None = None) -> dict[str, Any]:
    """The model card: architecture, data, training, accuracies, hash of the weights, limits."""
    check_name(name)
    return json.loads(((folder or _HERE) / f"{name}.json").read_text(encoding="utf-8"))


def zoo_rows() -> list[dict[str, str]]:
    """A row per model that can be loaded: its spec, what it is, its card's accuracies."""
    return [_listed(card(name)) for name in NAMES]


def is_adversarial(name: str) -> bool:
    """Whether the zoo model `name` was adversarially trained."""
    return name.endswith("-at")


def _listed(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "spec": f"zoo:{facts['name']}",
        "what": f"{facts['architecture']}; {facts['training']}",
        "clean": f"{facts['clean_accuracy']:.1%}",
        "pgd": f"{facts['pgd_accuracy']:.1%}",
    }


def check_name(name: str) -> None:
    """Refuses a name that the zoo does not have."""
    if name not in NAMES:
        raise UsageError(
            f"{name!r} is not in the zoo; expected one of {', '.join(NAMES)}; "
            f"{nearest_names(name, NAMES) or 'try zoo:shapes-resnet'}"
        )
