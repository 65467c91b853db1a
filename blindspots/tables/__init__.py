"""The tables of a run: distances, confidences and a summary, models side by side."""

from blindspots.tables.build import KINDS, Kind, build_table, build_tables
from blindspots.tables.render import FORMATS, Format, render
from blindspots.tables.table import Cell, Column, Row, Table

__all__ = [
    "FORMATS",
    "KINDS",
    "Cell",
    "Column",
    "Format",
    "Kind",
    "Row",
    "Table",
    "build_table",
    "build_tables",
    "render",
]
