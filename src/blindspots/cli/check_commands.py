"""`blindspots compare` and `blindspots check`: what runs say beside each other, and a gate."""

import json
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from blindspots.cli.options import Output, RunPlace, check_file, key_values, make_number
from blindspots.errors import UsageError

if TYPE_CHECKING:
    from blindspots.reporting.limits import Limit

DEFAULT_OUTPUT = Output()
Repeated = Parameter(negative=(), consume_multiple=False)


def compare(
    *runs: RunPlace,
    model: Annotated[tuple[str, ...], Repeated] = (),
    baseline: str | None = None,
    table: Literal["distance", "confidence", "summary"] | None = None,
    format: Literal["text", "csv", "latex", "markdown", "json"] = "text",
    html: RunPlace | None = None,
    seed: int = 0,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Compare runs, or the models of runs, on the same pairs, with 95 % intervals and a verdict.

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
    seed
        Seed of the resamples.
    """
    from blindspots.api.compare_runs import compare as compare_runs
    from blindspots.reporting.compare import render

    if not runs:
        raise UsageError("no run was given; expected directories, as in blindspots compare DIR DIR")
    if html is not None:
        check_file("--html", html, "compare.html")
    compared = compare_runs(*runs, model=model, baseline=baseline, table=table, seed=seed)
    if html is not None:
        compared.write_page(html)
    print(render(compared.comparison, "json" if output.json else format), end="")


def check(
    run: RunPlace,
    /,
    *,
    max: Annotated[tuple[str, ...], Repeated] = (),
    min: Annotated[tuple[str, ...], Repeated] = (),
    model: Annotated[tuple[str, ...], Repeated] = (),
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Check a run's numbers against limits, for continuous integration.

    Exit status 3 where one is broken.

    Parameters
    ----------
    run
        Run directory.
    max
        The most a column of the summary may be, as in segment_inside=0.5; may be repeated.
    min
        The least it may be; may be repeated.
    model
        Models to check, by name; may be repeated; all where none is named.
    """
    from blindspots.reporting.limits import check_run
    from blindspots.store.reader import Run

    result = check_run(Run(run), [*_limits("max", max), *_limits("min", min)], model)
    if output.json:
        print(json.dumps(result.as_json(), indent=2))
    elif not output.quiet:
        print("\n".join(finding.text() for finding in result.findings))
    result.raise_if_broken()


def _limits(kind: Literal["max", "min"], texts: tuple[str, ...]) -> "list[Limit]":
    from blindspots.reporting.limits import Limit

    limits = []
    for column, text in key_values(f"--{kind}", texts, "segment_inside=0.5").items():
        bound = make_number(text)
        if not isfinite(bound):
            raise UsageError(
                f"--{kind} {column}={text} was given, which no number can break; expected a "
                f"finite number, as in --{kind} {column}=0.5"
            )
        limits.append(Limit(kind, column, bound))
    return limits
