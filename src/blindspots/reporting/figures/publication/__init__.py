"""Figures for papers: one or two columns wide, type that can be read in print, fonts embedded."""

from blindspots.reporting.figures.publication.paper_figures import (
    FIGURES,
    FORMATS,
    Drawn,
    FigureKind,
    draw_figure,
    write_figure,
)

__all__ = ["FIGURES", "FORMATS", "Drawn", "FigureKind", "draw_figure", "write_figure"]
