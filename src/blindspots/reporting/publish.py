"""What a finished run shows: its tables, figures and report, written into its directory."""

import json
from dataclasses import dataclass
from typing import Any

from blindspots.reporting.figures import run_transfer, save, write_figures
from blindspots.reporting.model_names import Names, renamed
from blindspots.reporting.page import write_report
from blindspots.reporting.plain_words import next_steps, run_in_words
from blindspots.reporting.tables import SLIDES_TABLES, Table, build_table, build_tables, render
from blindspots.store.atomic import sweep, write_text
from blindspots.store.lock import read_holder
from blindspots.store.paths import Place, make_folder
from blindspots.store.reader import Run
from blindspots.store.writer import SHOWN

SUFFIXES = {"csv": "csv", "markdown": "md", "latex": "tex"}


@dataclass(frozen=True)
class Published:
    path: Place
    report: Place
    text: str
    tables: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"run": str(self.path), "report": str(self.report), "tables": self.tables}


def publish(
    path: str | Place,
    width: int | None = None,
    out: Place | None = None,
    names: Names | None = None,
) -> Published:
    """Write `tables/`, `figures/` and `report.html` of a run; what to print of them.

    `width`: of the terminal, in columns; None: there is none. `out`: the directory that they are
    written into; None: that of the run. `names`: what models are called, by name or spec.
    """
    run = renamed(Run(path), names)
    place, tables = out or run.path, build_tables(run)
    if place == run.path and read_holder(place) is None:
        _sweep(place)
    for table in tables.values():
        _write_table(place, table)
    write_figures(run, place / "figures")
    report = write_report(run, tables, out=place)
    return Published(
        run.path,
        report,
        f"{run_in_words(run, width)}\n\n{next_steps(report, run.path)}",
        {kind: json.loads(render(tables[kind], "json")) for kind in SLIDES_TABLES},
    )


def _sweep(place: Place) -> None:
    """Remove what a killed report left; a driver at work sweeps for itself."""
    sweep(place, "report.html.")
    for folder in SHOWN:
        sweep(place / folder)


def publish_transfer(path: str | Place) -> Table:
    run = Run(path)
    matrix = run_transfer(run)
    if matrix is not None:
        save(matrix, run.path / "figures" / "transfer")
    return _write_table(run.path, build_table(run, "transfer"))


def _write_table(place: Place, table: Table) -> Table:
    folder = make_folder(place / "tables")
    for style, suffix in SUFFIXES.items():
        write_text(folder / f"{table.kind}.{suffix}", render(table, style))
    return table
