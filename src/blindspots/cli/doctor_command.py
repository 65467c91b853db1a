"""`blindspots doctor`: is this model fit for a run?"""

import json
from typing import TYPE_CHECKING

from blindspots.cli.options import (
    MachineFlags,
    ModelFlags,
    Output,
    model_specs,
    say_notes,
    warn_of_images,
)
from blindspots.cli.startup import check_typed, start
from blindspots.errors import visible

if TYPE_CHECKING:
    from rich.table import Table

    from blindspots.api.examine import Diagnosis

DEFAULT_OUTPUT, DEFAULT_MODEL, DEFAULT_MACHINE = Output(), ModelFlags(), MachineFlags()
STYLES = {"ok": "green", "note": "yellow", "wrong": "bold red"}


def doctor(
    spec: str,
    /,
    *,
    images: str = "sample:shapes",
    model_flags: ModelFlags = DEFAULT_MODEL,
    machine: MachineFlags = DEFAULT_MACHINE,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Look at a model before trusting it: what is wrong, why it matters, what to type.

    Parameters
    ----------
    spec
        Model spec.
    images
        Image spec to try it on, with labels where possible.
    """
    (whole,) = model_specs((spec,), model_flags)
    check_typed((whole,), images, classes=model_flags.classes)
    reporter = start(output)
    from blindspots.api.examine import doctor as examine

    diagnosis = examine(
        whole,
        images,
        classes=model_flags.classes,
        device=machine.device,
        batch=machine.batch(),
        trust_file=model_flags.trust_file,
        trust_remote_code=model_flags.trust_remote_code,
        progress=not output.quiet,
    )
    say_notes(diagnosis.notes, reporter)
    warn_of_images(diagnosis.images, reporter, "--json")
    if output.json:
        print(json.dumps(diagnosis.as_json(), indent=2))
    else:
        _print(diagnosis)
    diagnosis.raise_if_wrong()


def _print(diagnosis: "Diagnosis") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{visible(diagnosis.heading)}\n", markup=False)
    console.print(_table(diagnosis))
    if all(one.level == "ok" for one in diagnosis):
        console.print(f"\nNothing is wrong with {visible(diagnosis.model.name)}.", markup=False)


def _table(diagnosis: "Diagnosis") -> "Table":
    """One row per finding; under what is not ok, why it matters and what to type."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for one in diagnosis:
        level = Text(one.level.value, style=STYLES[one.level])
        table.add_row(level, Text(one.name), Text(visible(one.found)))
        if one.level != "ok":
            table.add_row("", Text("why", style="dim"), Text(one.why))
            table.add_row("", Text("type", style="dim"), Text(visible(one.remedy), style="bold"))
    return table
