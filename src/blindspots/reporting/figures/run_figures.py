"""The figures of a run, drawn from its stored files and written as png and svg."""

import re
from collections.abc import Callable, Iterator

from matplotlib.axes import Axes

from blindspots.reporting.figures.grid_plot import grid, run_grid
from blindspots.reporting.figures.star_plot import BOX, PANEL, Limb, star
from blindspots.reporting.figures.strip_plot import path_strip
from blindspots.reporting.figures.style import axes_grid, save
from blindspots.reporting.figures.transfer_plot import run_transfer
from blindspots.reporting.figures.triangle_plot import SIDE, side_lengths, triangle, triangle_images
from blindspots.reporting.score_labels import run_scales, words_of
from blindspots.reporting.selection import (
    class_name,
    corners,
    pairs_of,
    representative_pair,
    representative_source,
    representative_targets,
)
from blindspots.store.paths import Place, find_place
from blindspots.store.reader import Row, Run, reached_target

MOST_LIMBS = 6
Drawing = tuple[str, Axes]


def write_figures(run: Run, out_dir: str | Place) -> list[Place]:
    """A grid and a path strip for each model; a star and a triangle, several models side by side.

    Where the run was judged by other models, the matrix of that too.

    Each shows the model's most telling case; what the run did not keep is left out. Returns the
    files, png and svg of each figure.
    """
    folder = find_place(out_dir)
    return [path for name, ax in _drawings(run) for path in save(ax, folder / _file_name(name))]


def model_star(run: Run, model: str, source_id: str, ax: Axes | None = None) -> Axes | None:
    """The star of one source and model; None where no segment is stored."""
    rows = [row for row in pairs_of(run, model, source_id) if row["segment_confidence"]]
    if not rows:
        return None
    first = rows[0]
    return star(
        [
            Limb(row["segment_confidence"], class_name(row, "target"), run.found(row["pair_id"]))
            for row in rows[:MOST_LIMBS]
        ],
        source=run.image(source_id, model),
        source_name=class_name(first, "source"),
        p_source=first["p_source"],
        delta=run.delta,
        heading=model,
        words=words_of(run),
        scale=run_scales(run).along,
        ax=ax,
    )


def model_triangle(
    run: Run, model: str, source_id: str, targets: tuple[str, str], ax: Axes | None = None
) -> Axes | None:
    """The triangle of one source, two targets and model; None where it is not stored."""
    row = next(
        (
            found
            for found in run.triangles_from(source_id)
            if found["model"] == model and corners(found) == (source_id, *targets)
        ),
        None,
    )
    if row is None:
        return None
    rows = {pair["target_id"]: pair for pair in pairs_of(run, model, source_id)}
    words, seen = words_of(run), [_seen(rows[target]) for target in targets]
    return triangle(
        triangle_images(run, row),
        row["confidence"],
        sides=side_lengths(run, row),
        names=[words.caption(class_name(rows[targets[0]], "source")), *seen],
        p_source=row["p_source"],
        delta=run.delta,
        heading=model,
        words=words,
        scale=run_scales(run).over,
        ax=ax,
    )


def model_strip(run: Run, model: str, source_id: str, ax: Axes | None = None) -> Axes | None:
    """The path strip of a model's most telling pair from this source; None where none was kept."""
    row = representative_pair(run, model, source_id)
    frames = run.frames(row["pair_id"], len(row["path_step"] or ())) if row else []
    if row is None or not frames:
        return None
    return path_strip(
        frames,
        row["path_confidence"],
        steps=row["path_step"],
        step_label="{} %" if run.straight else "step {}",
        target=run.image(row["target_id"], model),
        source_name=class_name(row, "source"),
        target_name=class_name(row, "target"),
        heading=model,
        words=words_of(run),
        ax=ax,
    )


def model_grid(run: Run, model: str, ax: Axes | None = None) -> Axes | None:
    """The grid of a model's found images; None where none was kept."""
    tiles, rows, columns = run_grid(run, model)
    if not any(tile and tile.image is not None for line in tiles for tile in line):
        return None
    return grid(tiles, rows, columns, heading=model, ax=ax)


def _drawings(run: Run) -> Iterator[Drawing]:
    source = representative_source(run)
    if source is None:
        return
    for facts in run.models:
        yield from _of_model(run, facts.name, source)
    yield from _side_by_side(run, source)
    matrix = run_transfer(run)
    yield from [("transfer", matrix)] if matrix is not None else []


def _of_model(run: Run, model: str, source: str) -> Iterator[Drawing]:
    drawn = {"grid": model_grid(run, model), "path": model_strip(run, model, source)}
    # Several models' stars and triangles stand side by side in one figure each.
    if len(run.models) == 1:
        targets = representative_targets(run, source)
        drawn["star"] = model_star(run, model, source)
        drawn["triangle"] = model_triangle(run, model, source, targets) if targets else None
    yield from ((f"{kind}-{model}", ax) for kind, ax in drawn.items() if ax is not None)


def _side_by_side(run: Run, source: str) -> Iterator[Drawing]:
    models, targets = [facts.name for facts in run.models], representative_targets(run, source)
    if len(models) < 2:
        return
    stars = axes_grid(len(models), *PANEL, box=BOX)
    yield from _panels("star-models", stars, lambda m, ax: model_star(run, m, source, ax), models)
    if targets:
        draw = lambda m, ax: model_triangle(run, m, source, targets, ax)  # noqa: E731
        yield from _panels("triangle-models", axes_grid(len(models), SIDE, SIDE), draw, models)


def _panels(
    name: str, axes: list[Axes], draw: Callable[[str, Axes], Axes | None], models: list[str]
) -> Iterator[Drawing]:
    drawn = [draw(model, ax) for model, ax in zip(models, axes, strict=True)]
    for ax, done in zip(axes, drawn, strict=True):
        if done is None:
            ax.remove()
    yield from ((name, ax) for ax in [ax for ax in drawn if ax is not None][:1])


def _seen(row: Row) -> str:
    return f"{'looks like' if reached_target(row) else 'towards'}\n{class_name(row, 'target')}"


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")
