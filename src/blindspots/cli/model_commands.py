"""`blindspots models`, `zoo train` and `zoo evaluate`."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from blindspots.cli.options import Output

DEFAULT_OUTPUT = Output()


def models(*, output: Output = DEFAULT_OUTPUT) -> None:
    """List what can be loaded: the embedded models, and the schemes with an example each."""
    from rich.console import Console
    from rich.table import Table

    from blindspots.models.catalog import list_models

    rows = list_models()
    if output.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(highlight=False).print(table)


def train(
    name: str,
    /,
    *,
    out: Path | None = None,
    seed: int = 0,
    smoke: Annotated[bool, Parameter(negative=())] = False,
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
    from blindspots.engine.evaluator import keep_freed_memory
    from blindspots.models.catalog import card
    from blindspots.progress import Reporter
    from blindspots.training.train import train as train_model

    keep_freed_memory()
    folder = out or Path("zoo")
    train_model(name, folder, smoke=smoke, seed=seed, report=Reporter(output.quiet).say)
    print(json.dumps(card(name, folder), indent=2))


def evaluate(name: str, /, *, output: Output = DEFAULT_OUTPUT) -> None:
    """Measure an embedded model again: clean accuracy and accuracy under PGD.

    Parameters
    ----------
    name
        shapes-resnet, shapes-resnet-at, shapes-vit or shapes-vit-at.
    """
    from blindspots.engine.evaluator import keep_freed_memory
    from blindspots.training.train import evaluate as evaluate_model

    del output
    keep_freed_memory()
    print(json.dumps(evaluate_model(name), indent=2))
