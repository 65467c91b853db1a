"""The report of a run as a file of its directory."""

from collections.abc import Mapping

from blindspots.reporting.page.entry_types import ReportData
from blindspots.reporting.page.report_data import report_data
from blindspots.reporting.page.template import fill
from blindspots.reporting.tables import Kind, Table
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place
from blindspots.store.reader import Run


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
