"""Figures: each takes plain arrays and an axis, or makes one, and returns the axis."""

from blindspots.reporting.figures.curve_plots import run_transfer, transfer
from blindspots.reporting.figures.hull_plots import (
    Limb,
    star,
    triangle,
    triangle_corners,
    triangle_weights,
)
from blindspots.reporting.figures.run_figures import (
    model_grid,
    model_star,
    model_strip,
    model_triangle,
    side_lengths,
    write_figures,
)
from blindspots.reporting.figures.style import axes_grid, new_axes, save
from blindspots.reporting.figures.tile_plots import Tile, amplified, grid, path_strip, sensitivity

__all__ = [
    "Limb",
    "Tile",
    "amplified",
    "axes_grid",
    "grid",
    "model_grid",
    "model_star",
    "model_strip",
    "model_triangle",
    "new_axes",
    "path_strip",
    "run_transfer",
    "save",
    "sensitivity",
    "side_lengths",
    "star",
    "transfer",
    "triangle",
    "triangle_corners",
    "triangle_weights",
    "write_figures",
]
