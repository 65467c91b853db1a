"""Figures: each takes plain arrays and an axis, or makes one, and returns the axis."""

from blindspots.reporting.figures.grid_plot import Tile, grid
from blindspots.reporting.figures.run_figures import (
    model_grid,
    model_star,
    model_strip,
    model_triangle,
    write_figures,
)
from blindspots.reporting.figures.sensitivity_plot import amplified, sensitivity
from blindspots.reporting.figures.star_plot import Limb, star
from blindspots.reporting.figures.strip_plot import path_strip
from blindspots.reporting.figures.style import axes_grid, new_axes, save
from blindspots.reporting.figures.transfer_plot import run_transfer, transfer
from blindspots.reporting.figures.triangle_plot import (
    side_lengths,
    triangle,
    triangle_corners,
    triangle_weights,
)

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
