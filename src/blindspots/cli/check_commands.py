"""`blindspots compare` and `blindspots check`: what runs say beside each other, and a gate."""

from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from blindspots.cli.options import (
    REPEATED,
    Output,
    RunPlace,
    check_file,
    key_values,
    make_number,
)
from blindspots.errors import UsageError
from blindspots.store.atomic import write_text

DEFAULT_OUTPUT = Output()


def compare(
    *runs: RunPlace,
    model: Annotated[tuple[str, ...], REPEATED] = (),
    baseline: str | None = None,
    table: Literal["distance", "confidence", "summary"] | None = None,
    format: Literal["text", "csv", "latex", "markdown", "json"] = "text",
    html: RunPlace | None = None,
    fail_if: Literal["worse"] | None = None,
    seed: int = 0,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Compare runs, or models of runs, on the same pairs, with intervals and a verdict.

    Parameters
    ----------
    runs
        Run directories, one or several.
    model
        Models to compare, by name; may be repeated; all where none is named.
    baseline
        What all others are compared with; else each model with itself in the first run where
        runs share models, or all with the first model.
    table
        Whose columns; both of the slides' where none is named.
    format
        How to print it.
    html
        Also write the comparison as one HTML page.
    fail_if
        worse: exit status 3 where a model is shown to be blinder than its baseline, by reach.
    seed
        Seed of the resamples.
    """
    from blindspots.api.compare_runs import compare as compare_runs

    if not runs:
        raise UsageError("no run was given; expected directories, as in blindspots compare DIR DIR")
    if html is not None:
        check_file("--html", html, "compare.html")
    compared = compare_runs(*runs, model=model, baseline=baseline, table=table, seed=seed)
    if html is not None:
        compared.write_page(html)
    print(compared.render("json" if output.json else format), end="")
    if fail_if == "worse":
        compared.raise_if_worse()


def check(
    run: RunPlace,
    /,
    *,
    max: Annotated[tuple[str, ...], REPEATED] = (),
    min: Annotated[tuple[str, ...], REPEATED] = (),
    model: Annotated[tuple[str, ...], REPEATED] = (),
    junit: Path | None = None,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Check a run's numbers against limits, for continuous integration.

    Parameters
    ----------
    run
        Run directory.
    max
        The most a column of the summary may be, as in reach=0.99; may be repeated.
    min
        The least it may be; may be repeated.
    model
        Models to check, by name; may be repeated; all where none is named.
    junit
        Also write the findings as JUnit's XML, which CI servers show as tests.
    """
    from blindspots.api.open_run import open_run

    if junit is not None:
        check_file("--junit", junit, "blindspots.xml")
    result = open_run(run).check(max=_limits("max", max), min=_limits("min", min), model=model)
    if junit is not None:
        write_text(junit, result.as_junit())
    shown = output.json or not output.quiet
    if shown:
        output.show(result.as_json, lambda: "\n".join(one.text() for one in result.findings))
    result.raise_if_broken(named=not shown)


def _limits(kind: str, texts: tuple[str, ...]) -> dict[str, float]:
    limits = key_values(f"--{kind}", texts, "reach=0.99")
    for column, text in limits.items():
        if not isfinite(make_number(text)):
            raise UsageError(
                f"--{kind} {column}={text} was given, which no number can break; expected a "
                f"finite number, as in --{kind} {column}=0.5"
            )
    return {column: float(text) for column, text in limits.items()}
