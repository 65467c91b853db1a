"""The report: one HTML file that shows a run and needs nothing beside it."""

from blindspots.reporting.page.report_data import write_report

__all__ = ["write_report"]
