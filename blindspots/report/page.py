"""The report of a run as a file of its directory."""

from collections.abc import Mapping

from blindspots.files import write_text
from blindspots.places import Place
from blindspots.report.build import report_data
from blindspots.report.data import ReportData
from blindspots.report.template import fill
from blindspots.run_reader import Run
from blindspots.tables import Kind, Table


def write_report(run: Run, tables: Mapping[Kind, Table] | None = None) -> Place:
    """`report.html` in the run's directory: self-contained, opens from disk; returns its path.

    `tables`: the run's, where they are built already.
    """
    return write_text(run.path / "report.html", page_html(report_data(run, tables)))


def report_html(run: Run) -> str:
    """The report of a run as one HTML text; no address in it leads out of the run directory."""
    return page_html(report_data(run))


def page_html(data: ReportData) -> str:
    """The page of this data; it reads nothing else."""
    return fill("report.html", data)
