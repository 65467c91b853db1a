"""The figures of a run by name, drawn from its stored files for the screen and for print."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from blindspots.errors import UsageError
from blindspots.reporting.figures.curve_plots import curves, run_transfer, widths
from blindspots.reporting.figures.hull_plots import Limb, star, star_height, triangle
from blindspots.reporting.figures.style import (
    LIMBS,
    PRINT,
    SCREEN,
    Style,
    figure_of,
    panels,
    save,
)
from blindspots.reporting.figures.tile_plots import (
    MOST_FRAMES,
    Tile,
    grid,
    grid_height,
    path_strip,
    strip_height,
)
from blindspots.reporting.score_labels import run_scales, words_of
from blindspots.reporting.selection import (
    GridLayout,
    Spot,
    by_source,
    class_name,
    class_reached,
    corners,
    first_pairs,
    layout_of,
    named_models,
    named_pairs,
    pairs_of,
    representative_pair,
    representative_pairs,
    representative_source,
    representative_targets,
)
from blindspots.store.paths import Place, find_place
from blindspots.store.reader import Row, Run, reached_target
from blindspots.store.width_rows import read_widths

FORMATS = ("pdf", "svg", "png")
RESOLUTION = 600
MOST_LIMBS = len(LIMBS)


@dataclass(frozen=True)
class FigureKind:
    """A figure: `usual` gives its pairs where none is named, `draw` makes it of pairs.

    `draw(run, pairs, style)` returns an axis of the figure, and refuses what was not kept.
    """

    usual: Callable[[Run, Sequence[str]], list[Row]]
    draw: Callable[[Run, Sequence[Row], Style], Axes]


@dataclass(frozen=True)
class Drawn:
    """A written figure: its file, its pairs, its size in inches."""

    figure: str
    file: Place
    pairs: tuple[str, ...]
    size: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "figure": self.figure,
            "file": str(self.file),
            "pairs": list(self.pairs),
            "width_inches": self.size[0],
            "height_inches": self.size[1],
        }


def write_figure(
    run: Run,
    kind: str,
    *,
    pairs: Sequence[str] = (),
    models: Sequence[str] = (),
    format: str = "pdf",
    columns: int = 1,
    out: Place | None = None,
) -> Drawn:
    """Draw one of `FIGURES` from a run's files for print and write it.

    What is drawn: see `draw_figure`. `out`: the file; None: in the run's `figures/`. Refused, and
    nothing written, where the run did not keep what the figure needs.
    """
    page, chosen = draw_figure(run, kind, pairs=pairs, models=models, columns=columns)
    base = out.with_suffix("") if out else run.path / "figures" / f"{kind}-{columns}-column"
    (written,) = save(page, base, [format], RESOLUTION)
    width, height = (round(float(side), 3) for side in figure_of(page).get_size_inches())
    return Drawn(kind, written, tuple(row["pair_id"] for row in chosen), (width, height))


def draw_figure(
    run: Run,
    kind: str,
    *,
    pairs: Sequence[str] = (),
    models: Sequence[str] = (),
    columns: int = 1,
) -> tuple[Axes, list[Row]]:
    """One of `FIGURES` from a run's files, as an axis of the figure, and the pairs it shows.

    `pairs`: ids; none: the run's most telling ones, of `models` where they are named. `columns`: of
    the page, 1 (3.25 inches) or 2 (6.75). Refused where the run did not keep what it needs.
    """
    if pairs and models:
        raise UsageError(
            f"--model {models[0]} was given beside --pair; a pair has its model already; "
            "give one of the two"
        )
    chosen = named_pairs(run, pairs) or FIGURES[kind].usual(run, named_models(run, models))
    if not chosen:
        raise UsageError(f"{run.path} holds no traversed pair, so there is nothing to draw")
    return FIGURES[kind].draw(run, chosen, PRINT[columns]), chosen


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
    limbs = [ones for ones in (_segments(run, model, source) for model in models) if ones]
    rows = [row for row in run.triangles_from(source) if corners(row) == (source, *(targets or ()))]
    hulls = [row for model in models for row in rows if row["model"] == model]
    if limbs:
        yield f"star-{name}", _stars(run, limbs, SCREEN)
    if hulls:
        yield f"triangle-{name}", _triangles(run, hulls, SCREEN)
    matrix = run_transfer(run)
    yield from [("transfer", matrix)] if matrix is not None else []


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")


def model_star(run: Run, model: str, source_id: str, ax: Axes | None = None) -> Axes | None:
    """The star of one source and model; None where no segment is stored."""
    limbs = _segments(run, model, source_id)
    return _star(run, limbs, SCREEN, ax) if limbs else None


def model_triangle(
    run: Run, model: str, source_id: str, targets: tuple[str, str], ax: Axes | None = None
) -> Axes | None:
    """The triangle of one source, two targets and model; None where it is not stored."""
    row = _stored_triangle(run, model, source_id, targets)
    return _triangle(run, row, SCREEN, ax) if row else None


def model_strip(run: Run, model: str, source_id: str, ax: Axes | None = None) -> Axes | None:
    """The path strip of a model's most telling pair from this source; None where none was kept."""
    row = representative_pair(run, model, source_id)
    kept = row is not None and run.frames(row["pair_id"], len(row["path_step"] or ()))
    return _strip(run, row, SCREEN, ax) if row is not None and kept else None


def model_grid(run: Run, model: str, ax: Axes | None = None) -> Axes | None:
    """The grid of a model's found images; None where none was kept."""
    layout = _layout(run, first_pairs(run, model))
    tiles = _tiles(run, layout)
    if not any(tile and tile.image is not None for line in tiles for tile in line):
        return None
    return grid(tiles, layout.rows, layout.columns, heading=model, ax=ax)


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


def _layout(run: Run, pairs: list[Row]) -> GridLayout:
    """Of a model's pairs; without the lines of whose class no source was traversed."""
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


def _draw_grids(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A grid a model of the pairs given: rows what the model sees, columns what a person sees.

    At most six classes a side, those with most pairs; where too few of their combinations were
    traversed, a line per source.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    layouts = [_layout(run, [row for row in rows if row["model"] == model]) for model in models]
    for spot in (spot for layout in layouts for line in layout.spots for spot in line if spot):
        _check_kept(run, [spot.row], "source" if spot.clean else "found")
    width = style.panel(len(models))
    height = max(grid_height(style, width, layout.spots, layout.columns) for layout in layouts)
    axes = panels(style, len(models), height)
    for model, layout, ax in zip(models, layouts, axes, strict=True):
        look = {"heading": model, "width": width, "style": style, "ax": ax}
        grid(_tiles(run, layout), layout.rows, layout.columns, **look)
    return axes[0]


def _draw_strips(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A strip a pair: source to found from left to right, the target apart at the end."""
    _check_kept(run, rows, "frames", "target")
    height = strip_height(style, MOST_FRAMES[style.columns])
    axes = panels(style._replace(columns=1, column=style.width), len(rows), height)
    for row, ax in zip(rows, axes, strict=True):
        _strip(run, row, style, ax, several=len({row["model"] for row in rows}) > 1)
    return axes[0]


def _strip(run: Run, row: Row, style: Style, ax: Axes | None = None, several: bool = True) -> Axes:
    frames, most = run.frames(row["pair_id"], len(row["path_step"])), MOST_FRAMES[style.columns]
    chosen = np.unique(np.linspace(0, len(frames) - 1, most).round().astype(int))
    return path_strip(
        [frames[index] for index in chosen],
        [row["path_confidence"][index] for index in chosen],
        steps=[row["path_step"][index] for index in chosen],
        step_label="{} %" if run.straight else "step {}",
        target=run.image(row["target_id"], row["model"]),
        source_name=class_name(row, "source"),
        target_name=class_name(row, "target"),
        heading=row["model"] if several else "",
        words=words_of(run),
        style=style,
        ax=ax,
    )


def _draw_stars(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A star a source and model; one alone on two columns has its curves beside it.

    A source of which one pair is named has all its limbs. An arrow before a name: the found image
    is only on its way there.
    """
    stars = [_limbs(run, group) for group in by_source(rows).values()]
    for limbs in stars:
        _check_kept(run, limbs, "source", "found")
    return _stars(run, stars, style)


def _stars(run: Run, stars: Sequence[Sequence[Row]], style: Style) -> Axes:
    """Stars of several models: on the screen each has its curves, in print they share a page."""
    if curved := style is SCREEN or (style.columns > 1 and len(stars) == 1):
        page = style._replace(columns=1, column=style.width)
    else:
        page = style
    height = max(star_height(style, len(limbs), curved and style.columns > 1) for limbs in stars)
    axes = panels(page, len(stars), height)
    for limbs, ax in zip(stars, axes, strict=True):
        _star(run, limbs, style, ax, curved)
    return axes[0]


def _star(
    run: Run, limbs: Sequence[Row], style: Style, ax: Axes | None = None, curves: bool = True
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
        heading=first["model"],
        words=words_of(run),
        scale=run_scales(run).along,
        curves=curves,
        style=style,
        ax=ax,
    )


def _limbs(run: Run, rows: list[Row]) -> list[Row]:
    if len(rows) > MOST_LIMBS:
        raise UsageError(
            f"{len(rows)} pairs of source {rows[0]['source_id']} were given; a star has room for "
            f"{MOST_LIMBS}; name fewer with --pair"
        )
    return rows if len(rows) > 1 else _segments(run, rows[0]["model"], rows[0]["source_id"])


def _segments(run: Run, model: str, source: str) -> list[Row]:
    """The pairs of a source that a star has room for; every model's point the same way."""
    return [row for row in pairs_of(run, model, source) if row["segment_confidence"]][:MOST_LIMBS]


def _draw_triangles(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A triangle a source and model, drawn at its true side lengths (RMSE).

    Of a source with two pairs named it is theirs; with one, the run's usual one that has it.
    """
    _check_kept(run, rows, "found")
    return _triangles(run, [_asked(run, group) for group in by_source(rows).values()], style)


def _triangles(run: Run, chosen: Sequence[Row], style: Style) -> Axes:
    axes = panels(style, len(chosen), style.column)
    for row, ax in zip(chosen, axes, strict=True):
        _triangle(run, row, style, ax)
    return axes[0]


def _triangle(run: Run, row: Row, style: Style, ax: Axes | None = None) -> Axes:
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
        heading=row["model"],
        words=words_of(run),
        scale=run_scales(run).over,
        style=style,
        ax=ax,
    )


def _corner_images(run: Run, row: Row) -> list[np.ndarray | None]:
    model, source = row["model"], row["source_id"]
    ids = {one["target_id"]: one["pair_id"] for one in pairs_of(run, model, source)}
    found = [run.found(ids.get(row[name], "")) for name in ("target_1", "target_2")]
    return [run.image(source, model), *found]


def _stored_triangle(run: Run, model: str, source: str, targets: Sequence[str]) -> Row | None:
    own = (row for row in run.triangles_from(source) if row["model"] == model)
    return next((row for row in own if corners(row) == (source, *targets)), None)


def _asked(run: Run, group: list[Row]) -> Row:
    model, source = group[0]["model"], group[0]["source_id"]
    stored = [row for row in run.triangles_from(source) if row["model"] == model]
    asked = {row["target_id"] for row in group}
    fitting = [row for row in stored if asked <= set(corners(row)[1:])]
    if not fitting or len(asked) > 2:
        raise UsageError(
            f"{run.path} has no triangle of {model} over the {len(asked)} pairs given from source "
            f"{source}; expected one or two pairs of a source; runs need --targets-per-source 2 "
            "or more for triangles"
        )
    usual = representative_targets(run, source)
    return next((row for row in fitting if corners(row)[1:] == usual), fitting[0])


def _draw_curves(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    if len(rows) > MOST_LIMBS:
        raise UsageError(
            f"{len(rows)} pairs were given; curves are told apart up to {MOST_LIMBS}; "
            "name fewer with --pair"
        )
    _check_kept(run, rows, "frames", "target")
    return curves(run, rows, style)


def _draw_widths(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    _check_kept(run, rows, "source", "found")
    return widths(run, rows, style)


def _draw_transfer(run: Run, rows: Sequence[Row], style: Style) -> Axes:  # noqa: ARG001
    """What other models say of the run's found images: all pairs of the run count."""
    matrix = run_transfer(run, style=style, page=style.width)
    if matrix is None:
        raise UsageError(
            f"{run.path} holds no transfer.parquet, so there is no matrix to draw; type "
            f"blindspots transfer {run.path} --model SPEC first"
        )
    return matrix


def _check_kept(run: Run, rows: Sequence[Row], *needed: str) -> None:
    """Refuse a figure of what the run did not keep, with the option that keeps it.

    `needed`: any of frames, found, source and target.
    """
    for row in rows:
        pair, count = row["pair_id"], len(row.get("path_step") or ())
        if "frames" in needed and not run.frames(pair, count):
            raise UsageError(
                f"{run.path} kept no snapshots of pair {pair}; run it with --keep path to have them"
            )
        if "found" in needed and run.found(pair) is None:
            raise UsageError(
                f"{run.path} kept no found image of pair {pair}; "
                "run it with --keep found or --keep path to have it"
            )
        for which in {"source", "target"} & set(needed):
            if run.image(image := row[f"{which}_id"], row["model"]) is None:
                missing = run.image_path(image, row["model"])
                raise UsageError(f"{missing} is missing; give the run's command again")


def _first(run: Run, models: Sequence[str]) -> list[Row]:
    return [row for model in models for row in first_pairs(run, model)]


def _one_a_star(run: Run, models: Sequence[str]) -> list[Row]:
    source = representative_source(run)
    return [row for model in models for row in pairs_of(run, model, source)[:1]]


def _of_triangles(run: Run, models: Sequence[str]) -> list[Row]:
    source = representative_source(run)
    targets = representative_targets(run, source) or ()
    rows = [row for model in models for row in pairs_of(run, model, source)]
    return [row for row in rows if row["target_id"] in targets] or rows[:1]


def _measured(run: Run, models: Sequence[str]) -> list[Row]:
    ids = {row["pair_id"] for row in read_widths(run.path)}
    rows = run.columns.rows("pairs", "pair_id", ids) if ids else []
    return [row for row in rows if row["model"] in models] or representative_pairs(run, models)


FIGURES: dict[str, FigureKind] = {
    "path": FigureKind(representative_pairs, _draw_strips),
    "grid": FigureKind(_first, _draw_grids),
    "star": FigureKind(_one_a_star, _draw_stars),
    "triangle": FigureKind(_of_triangles, _draw_triangles),
    "widths": FigureKind(_measured, _draw_widths),
    "curves": FigureKind(representative_pairs, _draw_curves),
    "transfer": FigureKind(_first, _draw_transfer),
}
