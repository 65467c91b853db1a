"""`blindspots plot` and `blindspots widths`: figures for papers, and what one of them needs."""

from typing import Annotated, Literal

from blindspots.cli.options import (
    REPEATED,
    MachineFlags,
    Output,
    RunPlace,
    RunTrustFlags,
    check_file,
    make_number,
    model_names,
)
from blindspots.cli.startup import start
from blindspots.errors import UsageError, without_pairs
from blindspots.store.paths import Place

DEFAULT_OUTPUT, DEFAULT_TRUST = Output(), RunTrustFlags()
FigureName = Literal["path", "grid", "star", "triangle", "simplex", "widths", "curves", "transfer"]


def plot(
    run: RunPlace,
    /,
    *,
    figure: FigureName,
    pair: Annotated[tuple[str, ...], REPEATED] = (),
    model: Annotated[tuple[str, ...], REPEATED] = (),
    format: Literal["pdf", "svg", "png"] | None = None,
    columns: Literal["1", "1.5", "2", "slide"] = "1",
    name: Annotated[tuple[str, ...], REPEATED] = (),
    out: RunPlace | None = None,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Draw a figure of a run for a paper, from its files alone.

    Parameters
    ----------
    run
        Run directory.
    figure
        Which one.
    pair
        Id of a pair to show, or the beginning of one; may be repeated; else the most telling ones.
    model
        Models to show, by name; may be repeated; all where neither pair nor model is named.
    format
        pdf, unless the ending of --out says another.
    columns
        Width on the page: 1 is 3.25 inches, 1.5 is 5.5, 2 is 6.75; slide is 16 to 9.
    name
        What a model is called, as in --name 'zoo:shapes-resnet=ResNet'; may be repeated.
    out
        The file; figures/FIGURE-COLUMNS-column.FORMAT in the run directory unless given.
    """
    from blindspots.api.open_run import open_run

    read, ending = open_run(run), _format(format, out)
    check_file("--out", out or run / "figures" / f"figure.{ending}", f"figure.{ending}")
    drawn = read.save_plot(
        figure,
        pair=pair,
        model=model,
        columns=columns,
        names=model_names(name),
        format=ending,
        out=out,
    )
    output.show(drawn.as_json, lambda: drawn.file)


def widths(
    run: RunPlace,
    /,
    *,
    pair: Annotated[tuple[str, ...], REPEATED] = (),
    model: Annotated[tuple[str, ...], REPEATED] = (),
    directions: int = 256,
    radii: str = "0.5,1,1.5,2",
    points: int = 11,
    seed: int = 0,
    device: str = "auto",
    batch_size: str = "auto",
    trust: RunTrustFlags = DEFAULT_TRUST,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Measure how wide paths are: confidence in random directions orthogonal to them.

    Parameters
    ----------
    run
        Run directory.
    pair
        Id of a pair, or the beginning of one; may be repeated; else each model's most telling one.
    model
        Models whose most telling pair is measured, by name; may be repeated.
    directions
        Random directions at each point of a path.
    radii
        Lengths of the change, ℓ2 of pixels in [0, 1].
    points
        Points of a path, ends included; at most as many as the run kept.
    seed
        Seed of the directions.
    device
        auto, cpu, cuda ...
    batch_size
        Images at once, or auto.
    """
    from blindspots.reporting.selection import named_models, named_pairs, representative_pairs
    from blindspots.store.paths import check_writable
    from blindspots.store.reader import Run
    from blindspots.store.width_rows import WIDTHS_FILE, WidthSettings

    asked = tuple(make_number(text) for text in radii.split(","))
    settings = WidthSettings(directions=directions, radii=asked, points=points, seed=seed)
    read, batch = Run(run), MachineFlags(batch_size=batch_size).batch()
    check_writable(run)
    rows = named_pairs(read, pair) or representative_pairs(read, named_models(read, model))
    if not rows:
        raise without_pairs(run, "no path has a width")
    reporter = start(output)
    from blindspots.study.widths import measure_widths

    stored = measure_widths(read, rows, settings, device, batch, reporter, trust.trust())
    output.show(lambda: stored, lambda: run / WIDTHS_FILE)


def _format(given: str | None, out: Place | None) -> str:
    from blindspots.reporting.figures.paper_figures import FORMATS

    ending = out.suffix.lower().lstrip(".") if out else given or "pdf"
    if ending not in FORMATS or given not in (None, ending):
        raise UsageError(
            f"--out {out} was given{f' with --format {given}' if given else ''}; expected a file "
            f"that ends in .{', .'.join([given] if given else FORMATS)}, "
            f"as in --out figure.{given or 'pdf'}"
        )
    return ending
