"""Training of the zoo from this repository alone: `blindspots zoo train NAME`."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from blindspots.engine.pgd import PGD
from blindspots.models.classifier import Classifier
from blindspots.models.zoo import TRAINING_EPSILON, architecture, check_name, classifier
from blindspots.training.cards import write_card
from blindspots.training.dataset import Images, Labels, augmented, load_split


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
    save_file(model.module.state_dict(), weights)
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
    """Augmented batches of one epoch in random order, each with the share of the epoch done."""
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
    """The learning rate's factor: a short linear rise, then a cosine down to 0."""
    share = step / steps
    return min(1.0, share / 0.04 + 0.02) * 0.5 * (1 + math.cos(math.pi * share))
