"""Figures for papers: one or two columns wide, type that can be read in print, fonts embedded."""

from blindspots.plots.paper.figures import FIGURES, FORMATS, Drawn, FigureKind, write_figure

__all__ = ["FIGURES", "FORMATS", "Drawn", "FigureKind", "write_figure"]
