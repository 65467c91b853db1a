"""Model cards: what a zoo model is, how it was made, and what it measures."""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from blindspots.engine.pgd import PGD, accuracy_under_pgd
from blindspots.models.classifier import Classifier
from blindspots.models.zoo import TRAINING_EPSILON, card, is_adversarial, load_zoo
from blindspots.training.dataset import load_split

if TYPE_CHECKING:
    from blindspots.training.train import Recipe

ATTACK = PGD(epsilon=8 / 255, step_size=2 / 255, steps=20, targeted=False)
RESTARTS = 3

_LIMITS = (
    "Made to show blind spots on the drawings of sample:shapes in seconds on a CPU; it knows these "
    "ten drawn objects and nothing else, and is not meant for photographs or for any decision."
)
_ARCHITECTURES = {
    "resnet": "timm ByobNet: ResNet of four basic blocks, widths 24-48-96-96, 3x3 stem, 64 px",
    "vit": "timm VisionTransformer: 4 blocks, width 64, 2 heads, 64 tokens, convolutional stem",
}


def evaluate(
    name: str, *, images: int = 2000, attacked: int = 500, folder: Path | None = None
) -> dict[str, float]:
    """A model's accuracies on the test split, seed 0: `clean_accuracy` and `pgd_accuracy`.

    `images`, `attacked`: how many of the first test images are judged clean and under PGD.
    `folder`: where the weights lie; None: the embedded ones.
    """
    return _accuracies(load_zoo(name, folder), images, attacked)


def write_card(
    model: Classifier, weights: Path, recipe: "Recipe", *, seed: int, minutes: float
) -> None:
    """Measures a freshly trained model and writes its card beside its weights."""
    facts = _description(model, weights) | _training(model.name, recipe, seed, minutes)
    facts |= _accuracies(model, recipe.test_images, recipe.attacked_images)
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    weights.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reproduced(name: str) -> bool:
    """Whether the embedded card's accuracies are what the embedded weights give, within 0.5 %."""
    stored = card(name)
    measured = evaluate(name, images=stored["clean_images"], attacked=stored["pgd"]["images"])
    return all(abs(measured[key] - stored[key]) <= 0.005 for key in measured)


def _accuracies(model: Classifier, images: int, attacked: int) -> dict[str, float]:
    pictures, labels = load_split("test", images)
    clean = accuracy_under_pgd(model, pictures, labels, restarts=0)
    robust = accuracy_under_pgd(
        model, pictures[:attacked], labels[:attacked], method=ATTACK, restarts=RESTARTS
    )
    return {"clean_accuracy": round(clean, 4), "pgd_accuracy": round(robust, 4)}


def _description(model: Classifier, weights: Path) -> dict[str, Any]:
    family = "vit" if "vit" in model.name else "resnet"
    return {
        "name": model.name,
        "architecture": _ARCHITECTURES[family],
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "sha256": sha256(weights),
        "intended_use_and_limits": _LIMITS,
    }


def _training(name: str, recipe: "Recipe", seed: int, minutes: float) -> dict[str, Any]:
    attack = f"PGD-{recipe.attack_steps} with random start, l-infinity 8/255"
    return {
        "data": f"sample:shapes, train split, seed {seed}, {recipe.images} images",
        "training": f"adversarial: {attack}" if is_adversarial(name) else "normal",
        "training_epsilon": TRAINING_EPSILON if is_adversarial(name) else None,
        "epochs": recipe.epochs,
        "seed": seed,
        "command": f"blindspots zoo train {name}",
        "minutes": round(minutes, 1),
        "hardware": f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores, no GPU",
        "clean_images": recipe.test_images,
        "pgd": {
            "epsilon": "8/255",
            "step_size": "2/255",
            "steps": ATTACK.steps,
            "restarts": RESTARTS,
            "images": recipe.attacked_images,
        },
    }
