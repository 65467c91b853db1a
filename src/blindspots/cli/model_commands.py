"""`blindspots models`, `zoo train` and `zoo evaluate`."""

import json
from pathlib import Path
from typing import Annotated

from blindspots.cli.options import (
    SWITCH,
    Output,
)
from blindspots.cli.startup import start

DEFAULT_OUTPUT = Output()


def models(*, output: Output = DEFAULT_OUTPUT) -> None:
    """List what can be loaded: the embedded models, and the schemes with an example each."""
    from blindspots.models.catalog import list_models

    rows = list_models()
    if output.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        accuracy = f"; {row['clean']} clean, {row['pgd']} under PGD" if row["clean"] else ""
        print(f"{row['spec']}\n    {row['what']}{accuracy}")


def train(
    name: str,
    /,
    *,
    out: Path | None = None,
    seed: int = 0,
    smoke: Annotated[bool, SWITCH] = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Train an embedded model from nothing but this repository, and write its model card.

    Parameters
    ----------
    name
        shapes-resnet, shapes-resnet-at, shapes-vit or shapes-vit-at.
    out
        Where weights and card go; a folder zoo here unless given.
    seed
        Seed of data and initialisation.
    smoke
        Train for seconds, to see that everything works.
    """
    reporter = start(output)
    from blindspots.models.catalog import card
    from blindspots.training.train import train as train_model

    folder = out or Path("zoo")
    train_model(name, folder, smoke=smoke, seed=seed, report=reporter.say)
    print(json.dumps(card(name, folder), indent=2))


def evaluate(name: str, /, *, output: Output = DEFAULT_OUTPUT) -> None:
    """Measure an embedded model again: clean accuracy and accuracy under PGD.

    Parameters
    ----------
    name
        shapes-resnet, shapes-resnet-at, shapes-vit or shapes-vit-at.
    """
    start(output)
    from blindspots.training.train import evaluate as evaluate_model

    print(json.dumps(evaluate_model(name), indent=2))
