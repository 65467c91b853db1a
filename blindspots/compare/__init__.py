"""Paired differences between runs, or between the models of runs, on the same pairs."""

from blindspots.compare.differences import Comparison, compare
from blindspots.compare.page import write_page
from blindspots.compare.render import FORMATS, render

__all__ = ["FORMATS", "Comparison", "compare", "render", "write_page"]
