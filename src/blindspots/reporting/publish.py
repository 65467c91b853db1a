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
from blindspots.store.manifest import REPORT, SHOWN, list_shown
from blindspots.store.paths import Place, make_folder
from blindspots.store.reader import Run

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
    files = [file for table in tables.values() for file in _write_table(place, table)]
    files += write_figures(run, place / "figures")
    report = write_report(run, tables, out=place)
    list_shown(run.path, [*files, report])
    return Published(
        run.path,
        report,
        f"{run_in_words(run, width)}\n\n{next_steps(report, run.path)}",
        {kind: json.loads(render(tables[kind], "json")) for kind in SLIDES_TABLES},
    )


def _sweep(place: Place) -> None:
    """Remove what a killed report left; a driver at work sweeps for itself."""
    sweep(place, f"{REPORT}.")
    for folder in SHOWN:
        sweep(place / folder)


def publish_transfer(path: str | Place) -> Table:
    run = Run(path)
    matrix, table = run_transfer(run), build_table(run, "transfer")
    files = [] if matrix is None else save(matrix, run.path / "figures" / "transfer")
    list_shown(run.path, [*files, *_write_table(run.path, table)])
    return table


def _write_table(place: Place, table: Table) -> list[Place]:
    folder = make_folder(place / "tables")
    return [
        write_text(folder / f"{table.kind}.{suffix}", render(table, style))
        for style, suffix in SUFFIXES.items()
    ]
