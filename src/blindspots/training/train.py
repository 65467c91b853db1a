"""Training of the zoo from this repository alone: `blindspots zoo train NAME`."""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import save as serialise
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from blindspots.engine.pgd import PGD, accuracy_under_pgd
from blindspots.images.shapes import shape_images
from blindspots.models.catalog import card, check_name
from blindspots.models.classifier import Classifier
from blindspots.models.zoo import (
    TRAINING_EPSILON,
    architecture,
    classifier,
    is_adversarial,
    load_zoo,
)
from blindspots.store.atomic import write_bytes

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
    facts = _description(model, weights) | _training(model.name, recipe, seed, minutes)
    facts |= _accuracies(model, recipe.test_images, recipe.attacked_images)
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    weights.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
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


Images = Float[Tensor, "batch 3 height width"]
Labels = Int[Tensor, " batch"]

_LARGEST_SHIFT = 3


def load_split(split: str, n: int, seed: int = 0) -> tuple[Images, Labels]:
    pixels, labels = zip(*shape_images(split, n, seed), strict=True)
    stack = torch.from_numpy(np.stack([np.asarray(image) for image in pixels]))
    return stack.permute(0, 3, 1, 2).contiguous().float() / 255, torch.tensor(labels)


def augmented(images: Images, generator: torch.Generator) -> Images:
    mirrored = torch.rand(len(images), generator=generator).view(-1, 1, 1, 1) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    images = _shifted(images[:, torch.randperm(3, generator=generator)], generator)
    light = 0.85 + 0.25 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (images * light).clamp(0, 1)


def _shifted(images: Images, generator: torch.Generator) -> Images:
    height, width = images.shape[2:]
    padded = F.pad(images, [_LARGEST_SHIFT] * 4, mode="replicate")
    down, right = torch.randint(0, 2 * _LARGEST_SHIFT + 1, (2,), generator=generator).tolist()
    return padded[:, :, down : down + height, right : right + width]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained; everything the seed does not say.

    `images`: of the train split, all used once an epoch. `attack_steps`: PGD steps from a random
    start on every batch (0: normal training); its radius grows from 0 to 8/255 in `ramp` epochs.
    `test_images`, `attacked_images`: of the test split, for the card's accuracies.
    """

    images: int = 10_000
    epochs: int = 10
    batch_size: int = 50
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    attack_steps: int = 0
    ramp: float = 0.0
    test_images: int = 2000
    attacked_images: int = 500


SMOKE = {"images": 200, "epochs": 1, "test_images": 40, "attacked_images": 10}
RECIPES = {
    "shapes-resnet": Recipe(epochs=6),
    "shapes-resnet-at": Recipe(epochs=12, attack_steps=2, ramp=4),
    "shapes-vit": Recipe(epochs=10),
    "shapes-vit-at": Recipe(epochs=12, attack_steps=2, ramp=5),
}


def train(
    name: str,
    out: Path,
    *,
    smoke: bool = False,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> Path:
    """Trains `name`, writes NAME.safetensors and its card NAME.json into `out`, returns the former.

    `smoke`: a run of seconds on 200 images, for tests. `report` takes a line of progress an epoch.
    """
    recipe = Recipe(**{**asdict(_recipe(name)), **SMOKE}) if smoke else _recipe(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = classifier(name, architecture(name))
    started = time.monotonic()
    _fit(model, recipe, seed, report)
    out.mkdir(parents=True, exist_ok=True)
    weights = out / f"{name}.safetensors"
    # safetensors' own file could be read by nobody else.
    write_bytes(weights, serialise(model.module.state_dict()))
    write_card(model, weights, recipe, seed=seed, minutes=(time.monotonic() - started) / 60)
    return weights


def _recipe(name: str) -> Recipe:
    check_name(name)
    return RECIPES[name]


def _fit(model: Classifier, recipe: Recipe, seed: int, report: Callable[[str], None]) -> None:
    images, labels = load_split("train", recipe.images, seed)
    generator = torch.Generator().manual_seed(seed)
    steps = recipe.epochs * -(-recipe.images // recipe.batch_size)
    optimiser = AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = LambdaLR(optimiser, lambda step: _rate(step, steps))
    for epoch in range(recipe.epochs):
        losses, hits = [], []
        for batch, truth, progress in _batches(images, labels, recipe, generator):
            batch = _attacked(model, batch, truth, recipe, epoch + progress, generator)
            model.train()
            logits = model(batch)
            loss = F.cross_entropy(logits, truth)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            hits.append((logits.argmax(1) == truth).float().mean().item())
        report(
            f"epoch {epoch + 1} of {recipe.epochs}: loss {sum(losses) / len(losses):.3f}, "
            f"accuracy in training {sum(hits) / len(hits):.3f}"
        )
    model.eval()


def _batches(
    images: Images, labels: Labels, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Images, Labels, float]]:
    order = torch.randperm(len(images), generator=generator)
    for start in range(0, len(order), recipe.batch_size):
        index = order[start : start + recipe.batch_size]
        yield augmented(images[index], generator), labels[index], start / len(order)


def _attacked(
    model: Classifier,
    images: Images,
    labels: Labels,
    recipe: Recipe,
    epochs_done: float,
    generator: torch.Generator,
) -> Images:
    if not recipe.attack_steps:
        return images
    # At the full radius from the first step on, small networks do not leave chance level.
    epsilon = TRAINING_EPSILON * min(1.0, epochs_done / recipe.ramp)
    attack = PGD(
        epsilon=epsilon,
        step_size=1.5 * epsilon / recipe.attack_steps,
        steps=recipe.attack_steps,
        targeted=False,
    )
    return attack(model, images, labels, generator)


def _rate(step: int, steps: int) -> float:
    share = step / steps
    return min(1.0, share / 0.04 + 0.02) * 0.5 * (1 + math.cos(math.pi * share))
