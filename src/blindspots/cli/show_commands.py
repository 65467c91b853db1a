"""`blindspots table`, `report` and `verify`: what a run directory holds."""

import json
from pathlib import Path
from typing import Literal

from blindspots.cli.options import MachineFlags, Output, RunPlace, RunTrustFlags, terminal_width

DEFAULT_OUTPUT, DEFAULT_TRUST = Output(), RunTrustFlags()


def table(
    run: RunPlace,
    /,
    *,
    table: Literal["distance", "confidence", "summary", "transfer"] | None = None,
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
    from blindspots.reporting.publish import SLIDES_TABLES
    from blindspots.reporting.tables import build_table, render
    from blindspots.store.reader import Run

    read, kinds = Run(run), (table,) if table else SLIDES_TABLES
    style = "json" if output.json else format
    tables = [render(build_table(read, kind), style, terminal_width()) for kind in kinds]
    if style == "json" and len(tables) > 1:
        print(json.dumps(dict(zip(kinds, map(json.loads, tables), strict=True)), indent=2))
    else:
        print("\n\n".join(tables))


def report(run: RunPlace, /, *, output: Output = DEFAULT_OUTPUT) -> None:
    """Build report.html, tables and figures of a run again.

    Parameters
    ----------
    run
        Run directory.
    """
    from blindspots.reporting.publish import publish
    from blindspots.store.paths import check_writable

    check_writable(run)
    published = publish(run)
    print(json.dumps(published.as_json(), indent=2) if output.json else published.report)


def verify(
    run: RunPlace,
    /,
    *,
    device: str = "auto",
    batch_size: str = "auto",
    sources: int | None = None,
    lpips_weights: Path | None = None,
    trust: RunTrustFlags = DEFAULT_TRUST,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Recompute every stored result from the saved images, with freshly loaded models.

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
    lpips_weights
        AlexNet weights for LPIPS; without them it is not recomputed.
    """
    from blindspots.api.open_run import open_run
    from blindspots.engine.evaluator import keep_freed_memory

    keep_freed_memory()
    allowed = trust.trust()
    result = open_run(run).verify(
        device=device,
        batch=MachineFlags(batch_size=batch_size).batch(),
        sources=sources,
        lpips_weights=lpips_weights,
        trust_file=allowed.file,
        trust_remote_code=allowed.remote_code,
        trust_run_code=allowed.run_code,
        progress=not output.quiet,
    )
    print(json.dumps(result.as_json(), indent=2) if output.json else result.text())
    result.raise_if_different()
