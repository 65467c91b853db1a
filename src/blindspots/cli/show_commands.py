"""`blindspots table`, `report` and `verify`: what a run directory holds."""

import json
from pathlib import Path
from typing import Annotated, Literal

from blindspots.cli.options import (
    REPEATED,
    MachineFlags,
    Output,
    RunPlace,
    RunTrustFlags,
    model_names,
    terminal_width,
)
from blindspots.cli.startup import check_typed, start
from blindspots.errors import can_compute

DEFAULT_OUTPUT, DEFAULT_TRUST = Output(), RunTrustFlags()


def table(
    run: RunPlace,
    /,
    *,
    table: Literal["distance", "confidence", "simplices", "summary", "transfer"] | None = None,
    format: Literal["text", "csv", "latex", "markdown", "json"] = "text",
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Print the tables of a run, models side by side.

    Parameters
    ----------
    run
        Run directory.
    table
        Which one; both of the slides' where none is named.
    format
        How to print it.
    """
    from blindspots.api.open_run import open_run
    from blindspots.reporting.tables import SLIDES_TABLES

    kinds = (table,) if table else SLIDES_TABLES
    read, style = open_run(run), "json" if output.json else format
    tables = {kind: read.table(kind).render(style, terminal_width()) for kind in kinds}
    if style == "json" and len(tables) > 1:
        print(json.dumps({kind: json.loads(text) for kind, text in tables.items()}, indent=2))
    else:
        print("\n\n".join(tables.values()))


def report(
    run: RunPlace,
    /,
    *,
    out: RunPlace | None = None,
    name: Annotated[tuple[str, ...], REPEATED] = (),
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Build report.html, tables and figures of a run again.

    Parameters
    ----------
    run
        Run directory.
    out
        Directory to write them into, as for a run that is read-only; the run's unless given.
    name
        What a model is called, as in --name 'zoo:shapes-resnet=ResNet'; may be repeated.
    """
    from blindspots.api.open_run import open_run

    published = open_run(run).publish(out, model_names(name))
    output.show(published.as_json, lambda: published.report)


def verify(
    run: RunPlace,
    /,
    *,
    device: str = "auto",
    batch_size: str = "auto",
    sources: int | None = None,
    images: str | None = None,
    lpips_weights: Path | None = None,
    trust: RunTrustFlags = DEFAULT_TRUST,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Compare a run with its files' hashes, its plan, and what its saved images give anew.

    Parameters
    ----------
    run
        Run directory.
    device
        auto, cpu, cuda ...
    batch_size
        Images at once; auto: another number than a run's.
    sources
        Recompute only what starts from so many sources of each model, always the same ones.
    images
        The images themselves, such as folder:photos; saved sources and targets are compared.
    lpips_weights
        AlexNet weights for LPIPS; without them it is not recomputed.
    """
    from blindspots.api.open_run import open_run

    opened, allowed = open_run(run), trust.trust()
    if images is not None:
        check_typed(images=images)
    if can_compute():
        start(output)
    result = opened.verify(
        device=device,
        batch=MachineFlags(batch_size=batch_size).batch(),
        sources=sources,
        images=images,
        lpips_weights=lpips_weights,
        trust_file=allowed.file,
        trust_remote_code=allowed.remote_code,
        trust_run_code=allowed.run_code,
        progress=not output.quiet,
    )
    output.show(result.as_json, result.text)
    result.raise_if_different()
