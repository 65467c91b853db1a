"""The tables of a run: distances, confidences and a summary, models side by side."""

from blindspots.reporting.tables.builders import (
    KINDS,
    SLIDES_TABLES,
    Kind,
    build_table,
    build_tables,
)
from blindspots.reporting.tables.render import FORMATS, Format, render
from blindspots.reporting.tables.table import Cell, Column, Table, TableRow

__all__ = [
    "FORMATS",
    "KINDS",
    "SLIDES_TABLES",
    "Cell",
    "Column",
    "Format",
    "Kind",
    "Table",
    "TableRow",
    "build_table",
    "build_tables",
    "render",
]
