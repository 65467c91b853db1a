"""`blindspots doctor`: is this model fit for a run?"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blindspots.cli.options import (
    MachineFlags,
    ModelFlags,
    Output,
    model_specs,
    say_notes,
    warn_of_images,
)

if TYPE_CHECKING:
    from rich.table import Table

    from blindspots.doctor import Finding
    from blindspots.images import ImageSet
    from blindspots.models.classifier import Classifier

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

    Exit status 1 where something would make results wrong.

    Parameters
    ----------
    spec
        Model spec.
    images
        Image spec to try it on, with labels where possible.
    """
    from blindspots.doctor import admit, diagnose, wrong_names
    from blindspots.engine.evaluator import keep_freed_memory
    from blindspots.errors import WorkFailed
    from blindspots.progress import Reporter
    from blindspots.settings import LEAST_IMAGES

    keep_freed_memory()
    (whole,) = model_specs((spec,), model_flags)
    reporter, batch = Reporter(output.quiet), machine.batch()
    trust = model_flags.trust()
    model, pictures = admit(whole, images, model_flags.classes, machine.device, trust)
    say_notes([*model.notes, *pictures.notes], reporter)
    with reporter.work(
        "looking at clean images", min(len(pictures), LEAST_IMAGES), "images"
    ) as tick:
        findings = diagnose(model, pictures, batch=batch, tick=tick)
    # Only now is it known which images do not decode.
    warn_of_images(pictures, reporter, "--json")
    if output.json:
        print(json.dumps(_as_data(model, pictures, findings), indent=2))
    else:
        _print(model, pictures, findings)
    wrong = wrong_names(findings)
    if wrong:
        raise WorkFailed(
            f"{model.name} is not fit for a run: {', '.join(wrong)} would make results wrong"
        )


def _as_data(
    model: "Classifier", images: "ImageSet", findings: Sequence["Finding"]
) -> dict[str, Any]:
    """What a run calls its preflight, what was noted of the images, and every finding."""
    values = {one.name: dict(one.values) for one in findings}
    missing = {"images": 0, "labelled": 0, "accuracy": None, "mean_confidence": None}
    accuracy = {key: values.get("accuracy", {}).get(key, missing[key]) for key in missing}
    return {
        "model": model.name,
        "classes": 0 if model.embeds else model.count_outputs(),
        **accuracy,
        "labelled": bool(accuracy["labelled"]),
        "notes": [*model.notes, *images.notes],
        "skipped": images.skipped,
        "converted": images.converted,
        "findings": [one.as_json() for one in findings],
    }


def _print(model: "Classifier", images: "ImageSet", findings: Sequence["Finding"]) -> None:
    from rich.console import Console

    height, width = model.size
    outputs = f"{model.count_outputs()} {'features' if model.embeds else 'classes'}"
    console = Console(highlight=False)
    console.print(
        f"{model.name}: {outputs}, {height} × {width} px, on {model.device}, shown {images.spec}\n",
        markup=False,
    )
    console.print(_table(findings))
    if all(one.level == "ok" for one in findings):
        console.print(f"\nNothing is wrong with {model.name}.", markup=False)


def _table(findings: Sequence["Finding"]) -> "Table":
    """A row a finding; under what is not ok, why it matters and what to type."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for one in findings:
        level = Text(one.level.value, style=STYLES[one.level])
        table.add_row(level, Text(one.name), Text(one.found))
        if one.level != "ok":
            table.add_row("", Text("why", style="dim"), Text(one.why))
            table.add_row("", Text("type", style="dim"), Text(one.remedy, style="bold"))
    return table
