"""`blindspots transfer`: whether other models believe the found images of a run."""

from dataclasses import replace
from typing import Annotated, Literal

from blindspots.cli.options import (
    REPEATED,
    SWITCH,
    MachineFlags,
    ModelFlags,
    Output,
    RunPlace,
    model_specs,
    terminal_width,
)
from blindspots.cli.startup import check_typed, start
from blindspots.errors import UsageError

DEFAULT_OUTPUT, DEFAULT_MODEL = Output(), ModelFlags()


def transfer(
    run: RunPlace,
    /,
    *,
    model: Annotated[tuple[str, ...], REPEATED] = (),
    model_flags: ModelFlags = DEFAULT_MODEL,
    trust_run_code: Annotated[bool, SWITCH] = False,
    device: str = "auto",
    batch_size: str = "auto",
    format: Literal["text", "csv", "latex", "markdown", "json"] = "text",
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Ask other models about the found images of a run: do they believe them too?

    Parameters
    ----------
    run
        Run directory.
    model
        Spec of a model that judges, beside the run's own; may be repeated.
    device
        auto, cpu, cuda ...
    batch_size
        Found images at once; auto: by the device and the input size.
    trust_run_code
        Run the Python code that file: and python: models of the run name.
    format
        How to print the table.
    """
    from blindspots.reporting.tables import render
    from blindspots.store.paths import check_writable
    from blindspots.store.reader import Run

    check_writable(Run(run).path)
    batch = MachineFlags(batch_size=batch_size).batch()
    trust = replace(model_flags.trust(), run_code=trust_run_code)
    if replace(model_flags, trust_file=False, trust_remote_code=False) != DEFAULT_MODEL and (
        len(model) != 1
    ):
        raise UsageError(
            f"options of a model were given beside {len(model)} models; they go with exactly one "
            "--model; write them into each spec, as in --model 'NAME?mean=0.5,0.5,0.5'"
        )
    specs = model_specs(model, model_flags)
    check_typed(specs, classes=model_flags.classes)
    start(output)
    from blindspots.api.compare_runs import transfer as ask_judges

    asked = ask_judges(
        run,
        specs,
        device=device,
        batch=batch,
        trust_file=trust.file,
        trust_remote_code=trust.remote_code,
        trust_run_code=trust.run_code,
        progress=not output.quiet,
    )
    style = "json" if output.json else format
    print(render(asked.table, style, terminal_width()), end="")
