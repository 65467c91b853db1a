"""Paired differences between runs, or between the models of runs, on the same pairs."""

from blindspots.reporting.compare.comparison_page import write_page
from blindspots.reporting.compare.difference_tables import FORMATS, render
from blindspots.reporting.compare.differences import Comparison, compare

__all__ = ["FORMATS", "Comparison", "compare", "render", "write_page"]
