"""The figures of a run, drawn from its stored files in the style of the screen or of print."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from blindspots.reporting.figures.curve_plots import run_transfer
from blindspots.reporting.figures.hull_plots import (
    Limb,
    star,
    star_height,
    triangle,
    triangle_height,
)
from blindspots.reporting.figures.style import (
    LIMBS,
    SCREEN,
    Style,
    panels,
    save,
)
from blindspots.reporting.figures.tile_plots import (
    Tile,
    frames_across,
    grid,
    grid_height,
    path_strip,
    strip_height,
)
from blindspots.reporting.model_names import titles
from blindspots.reporting.score_labels import run_scales, words_of
from blindspots.reporting.selection import (
    GridLayout,
    Spot,
    class_name,
    class_reached,
    corners,
    first_pairs,
    layout_of,
    pairs_of,
    representative_pair,
    representative_source,
    representative_targets,
)
from blindspots.store.paths import Place, find_place
from blindspots.store.reader import Row, Run, reached_target

MOST_LIMBS = len(LIMBS)


def write_figures(run: Run, out_dir: str | Place) -> list[Place]:
    """A grid and a path strip for each model; a star and a triangle of several models together.

    Where the run was judged by other models, the matrix of that too.

    Each shows the model's most telling case; what the run did not keep is left out. Returns the
    files, png and svg of each figure.
    """
    folder = find_place(out_dir)
    return [path for name, ax in _drawings(run) for path in save(ax, folder / _file_name(name))]


def _drawings(run: Run) -> Iterator[tuple[str, Axes]]:
    source, models = representative_source(run), [facts.name for facts in run.models]
    if source is None:
        return
    for model in models:
        drawn = {"grid": model_grid(run, model), "path": model_strip(run, model, source)}
        yield from ((f"{kind}-{model}", ax) for kind, ax in drawn.items() if ax is not None)
    name, targets = models[0] if len(models) == 1 else "models", representative_targets(run, source)
    limbs = [ones for ones in (segments(run, model, source) for model in models) if ones]
    rows = [row for row in run.triangles_from(source) if corners(row) == (source, *(targets or ()))]
    hulls = [row for model in models for row in rows if row["model"] == model]
    if limbs:
        yield f"star-{name}", draw_stars(run, limbs, SCREEN)
    if hulls:
        yield f"triangle-{name}", draw_triangles(run, hulls, SCREEN)
    matrix = run_transfer(run) if run.arrow("transfer").num_rows else None
    yield from [("transfer", matrix)] if matrix is not None else []


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")


def model_star(run: Run, model: str, source_id: str, ax: Axes | None = None) -> Axes | None:
    """The star of one source and model; None where no segment is stored."""
    limbs = segments(run, model, source_id)
    return _star(run, limbs, SCREEN, ax) if limbs else None


def model_triangle(
    run: Run, model: str, source_id: str, targets: tuple[str, str], ax: Axes | None = None
) -> Axes | None:
    """The triangle of one source, two targets and model; None where it is not stored."""
    own = (row for row in run.triangles_from(source_id) if row["model"] == model)
    row = next((row for row in own if corners(row) == (source_id, *targets)), None)
    return _triangle(run, row, SCREEN, ax) if row else None


def model_strip(run: Run, model: str, source_id: str, ax: Axes | None = None) -> Axes | None:
    """The path strip of a model's most telling pair from this source; None where none was kept."""
    row = representative_pair(run, model, source_id)
    kept = row is not None and run.frames(row["pair_id"], len(row["path_step"] or ()))
    return _strip(run, row, SCREEN, ax) if row is not None and kept else None


def model_grid(run: Run, model: str, ax: Axes | None = None) -> Axes | None:
    """The grid of a model's found images; None where none was kept."""
    layout = filled_layout(run, first_pairs(run, model))
    tiles = _tiles(run, layout)
    if not any(tile and tile.image is not None for line in tiles for tile in line):
        return None
    return grid(tiles, layout.rows, layout.columns, heading=titles(run)[model], ax=ax)


def side_lengths(run: Run, row: Row) -> tuple[float, float, float]:
    """RMSE source–found 1, source–found 2, found 1–found 2 of a stored triangle.

    From the stored 8-bit images; (1, 1, 1) where they were not kept.
    """
    known = [one.astype(float) / 255 for one in _corner_images(run, row) if one is not None]
    if len(known) < 3:
        return (1.0, 1.0, 1.0)
    source, first, second = known
    pairs = ((source, first), (source, second), (first, second))
    one, two, three = (float(np.sqrt(((a - b) ** 2).mean())) for a, b in pairs)
    return one, two, three


def draw_grids(run: Run, layouts: Mapping[str, GridLayout], style: Style) -> Axes:
    width = style.panel(len(layouts))
    heights = [grid_height(style, width, own.spots, own.columns) for own in layouts.values()]
    axes = panels(style, len(layouts), max(heights))
    for (model, layout), ax in zip(layouts.items(), axes, strict=True):
        look = {"heading": titles(run)[model], "width": width, "style": style, "ax": ax}
        grid(_tiles(run, layout), layout.rows, layout.columns, **look)
    return axes[0]


def filled_layout(run: Run, pairs: list[Row]) -> GridLayout:
    """The layout of a model's pairs, without lines of classes that no source has."""
    layout = layout_of(pairs, words_of(run))
    filled = [at for at, line in enumerate(layout.spots) if any(line)]
    spots, rows = [layout.spots[at] for at in filled], [layout.rows[at] for at in filled]
    return GridLayout(spots, rows, layout.columns)


def _tiles(run: Run, layout: GridLayout) -> list[list[Tile | None]]:
    return [[_tile(run, spot) if spot else None for spot in line] for line in layout.spots]


def _tile(run: Run, spot: Spot) -> Tile:
    row = spot.row
    if spot.clean:
        image = run.image(row["source_id"], row["model"])
        return Tile(image, row["p_source"], class_name(row, "source"), clean=True)
    seen, arrived = class_name(row, "target"), reached_target(row)
    return Tile(run.found(row["pair_id"]), row["p_found"], seen, arrived=arrived)


def draw_strips(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A strip a pair: source to found from left to right, the target apart at the end."""
    mixed = any(_null(run, row) for row in rows)
    height = strip_height(style, frames_across(style), mixed)
    axes = panels(style._replace(columns=1, column=style.width), len(rows), height)
    for row, ax in zip(rows, axes, strict=True):
        _strip(run, row, style, ax, several=len({row["model"] for row in rows}) > 1)
    return axes[0]


def _strip(run: Run, row: Row, style: Style, ax: Axes | None = None, several: bool = True) -> Axes:
    frames, most = run.frames(row["pair_id"], len(row["path_step"])), frames_across(style)
    chosen = np.unique(np.linspace(0, len(frames) - 1, most).round().astype(int))
    source, target = (run.image(row[f"{end}_id"], row["model"]) for end in ("source", "target"))
    null, last = _null(run, row), max(row["path_step"][-1], 1)
    along = [row["path_step"][index] / last for index in chosen]
    return path_strip(
        [frames[index] for index in chosen],
        [row["path_confidence"][index] for index in chosen],
        steps=[row["path_step"][index] for index in chosen],
        step_label="{} %" if run.straight else "step {}",
        target=target,
        p_target=null["p_target"] if null else None,
        plain=_mixes(source, target, along) if null else (),
        plain_confidence=_between(null["interpolation_confidence"], along) if null else (),
        source_name=class_name(row, "source"),
        target_name=class_name(row, "target"),
        heading=titles(run)[row["model"]] if several else "",
        words=words_of(run),
        style=style,
        ax=ax,
    )


def _null(run: Run, row: Row) -> Row | None:
    own = run.columns.rows("nulls", "source_id", [row["source_id"]])
    keys = ("model", "target_id")
    return next((null for null in own if all(null[key] == row[key] for key in keys)), None)


def _mixes(
    source: np.ndarray | None, target: np.ndarray | None, along: Sequence[float]
) -> list[np.ndarray]:
    if source is None or target is None or source.shape != target.shape:
        return []
    return [((1 - t) * source / 255 + t * target / 255).clip(0, 1) for t in along]


def _between(values: Sequence[float] | None, along: Sequence[float]) -> list[float]:
    if not values:
        return [float("nan")] * len(along)
    return np.interp(along, np.linspace(0, 1, len(values)), values).tolist()


def draw_stars(run: Run, stars: Sequence[Sequence[Row]], style: Style) -> Axes:
    curved = style.columns > 1 and len(stars) == 1
    page = style._replace(columns=1, column=style.width) if curved else style
    height = max(star_height(style, len(limbs), curved) for limbs in stars)
    axes, across = panels(page, len(stars), height), page.across(len(stars))
    lowest = (len(stars) - 1) // across * across
    for at, (limbs, ax) in enumerate(zip(stars, axes, strict=True)):
        _star(run, limbs, style, ax, curved, bar=at == lowest)
    return axes[0]


def _star(
    run: Run,
    limbs: Sequence[Row],
    style: Style,
    ax: Axes | None = None,
    curves: bool = True,
    bar: bool = True,
) -> Axes:
    first = limbs[0]
    return star(
        [
            Limb(row["segment_confidence"], class_reached(row), run.found(row["pair_id"]))
            for row in limbs
        ],
        source=run.image(first["source_id"], first["model"]),
        source_name=class_name(first, "source"),
        p_source=first["p_source"],
        delta=run.delta,
        heading=titles(run)[first["model"]],
        words=words_of(run),
        scale=run_scales(run).along,
        curves=curves,
        bar=bar,
        style=style,
        ax=ax,
    )


def segments(run: Run, model: str, source: str) -> list[Row]:
    """The pairs of a source that a star has room for; every model's point the same way."""
    return [row for row in pairs_of(run, model, source) if row["segment_confidence"]][:MOST_LIMBS]


def draw_triangles(run: Run, chosen: Sequence[Row], style: Style) -> Axes:
    axes = panels(style, len(chosen), triangle_height(style))
    for at, (row, ax) in enumerate(zip(chosen, axes, strict=True)):
        _triangle(run, row, style, ax, bar=at == 0)
    return axes[0]


def _triangle(run: Run, row: Row, style: Style, ax: Axes | None = None, bar: bool = True) -> Axes:
    pairs = {pair["target_id"]: pair for pair in pairs_of(run, row["model"], row["source_id"])}
    found = [pairs[row[name]] for name in ("target_1", "target_2")]
    seen = [
        f"{'looks like' if reached_target(pair) else 'towards'}\n{class_name(pair, 'target')}"
        for pair in found
    ]
    return triangle(
        _corner_images(run, row),
        row["confidence"],
        sides=side_lengths(run, row),
        names=[words_of(run).caption(class_name(found[0], "source")), *seen],
        p_source=row["p_source"],
        delta=run.delta,
        heading=titles(run)[row["model"]],
        words=words_of(run),
        scale=run_scales(run).over,
        bar=bar,
        style=style,
        ax=ax,
    )


def _corner_images(run: Run, row: Row) -> list[np.ndarray | None]:
    model, source = row["model"], row["source_id"]
    ids = {one["target_id"]: one["pair_id"] for one in pairs_of(run, model, source)}
    found = [run.found(ids.get(row[name], "")) for name in ("target_1", "target_2")]
    return [run.image(source, model), *found]
