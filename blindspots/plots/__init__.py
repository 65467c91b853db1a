"""Figures: each takes plain arrays and an axis, or makes one, and returns the axis."""

from blindspots.plots.grid import Tile, grid
from blindspots.plots.run_figures import (
    model_grid,
    model_star,
    model_strip,
    model_triangle,
    write_figures,
)
from blindspots.plots.sensitivity import amplified, sensitivity
from blindspots.plots.star import Limb, star
from blindspots.plots.strip import path_strip
from blindspots.plots.style import axes_grid, new_axes, save
from blindspots.plots.transfer import run_transfer, transfer
from blindspots.plots.triangle import side_lengths, triangle, triangle_corners, triangle_weights

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
