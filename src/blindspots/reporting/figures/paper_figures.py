"""The figures for papers by name: what each shows where no pair is named, and how it is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from blindspots.errors import UsageError, without_pairs
from blindspots.reporting.figures.curve_plots import curves, run_transfer, simplices, widths
from blindspots.reporting.figures.run_figures import (
    MOST_LIMBS,
    draw_grids,
    draw_stars,
    draw_strips,
    draw_triangles,
    filled_layout,
    segments,
)
from blindspots.reporting.figures.style import (
    LEAST_ENLARGED,
    PRINT,
    SLIDE,
    TALLEST,
    Style,
    figure_of,
    on_slide,
    save,
)
from blindspots.reporting.model_names import Names, renamed
from blindspots.reporting.selection import (
    by_source,
    corners,
    first_pairs,
    named_models,
    named_pairs,
    pairs_of,
    representative_pairs,
    representative_source,
    representative_targets,
)
from blindspots.store.manifest import list_shown
from blindspots.store.paths import Place
from blindspots.store.reader import Row, Run
from blindspots.store.width_rows import read_widths

FORMATS = ("pdf", "svg", "png")
RESOLUTION = 600


@dataclass(frozen=True)
class FigureKind:
    """A figure: `usual` gives its pairs where none is named, `draw` makes it of pairs.

    `draw(run, pairs, style)` returns an axis of the figure, and refuses what was not kept.
    """

    usual: Callable[[Run, Sequence[str]], list[Row]]
    draw: Callable[[Run, Sequence[Row], Style], Axes]


@dataclass(frozen=True)
class Drawn:
    figure: str
    file: Place
    pairs: tuple[str, ...]
    size: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
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
    columns: int | str = 1,
    names: Names | None = None,
    out: Place | None = None,
) -> Drawn:
    """Draw one of `FIGURES` from a run's files for print and write it.

    What is drawn: see `draw_figure`. `out`: the file; None: in the run's `figures/`. Refused, and
    nothing written, where the run did not keep what the figure needs.
    """
    page, chosen = draw_figure(run, kind, pairs=pairs, models=models, columns=columns, names=names)
    ending = "slide" if columns == "slide" else f"{columns}-column"
    base = out.with_suffix("") if out else run.path / "figures" / f"{kind}-{ending}"
    (written,) = save(page, base, [format], RESOLUTION)
    list_shown(run.path, [written])
    width, height = (round(float(side), 3) for side in figure_of(page).get_size_inches())
    return Drawn(kind, written, tuple(row["pair_id"] for row in chosen), (width, height))


def draw_figure(
    run: Run,
    kind: str,
    *,
    pairs: Sequence[str] = (),
    models: Sequence[str] = (),
    columns: int | str = 1,
    names: Names | None = None,
) -> tuple[Axes, list[Row]]:
    """One of `FIGURES` from a run's files, as an axis of the figure, and the pairs it shows.

    `pairs`: ids; none: the run's most telling ones, of `models` where they are named. `columns`: of
    the page, 1 (3.25 inches), 1.5 (5.5) or 2 (6.75), or "slide" (16 to 9). `names`: what models are
    called, by name or spec. Refused where the run did not keep what it needs, or where the figure
    would be taller than 9 inches or the slide.
    """
    if pairs and models:
        raise UsageError(
            f"--model {models[0]} was given beside --pair; a pair has its model already; "
            "give one of the two"
        )
    chosen = named_pairs(run, pairs) or FIGURES[kind].usual(run, named_models(run, models))
    if not chosen:
        raise without_pairs(run.path, "there is nothing to draw")
    if str(columns) not in PRINT:
        raise UsageError(f"columns={columns} was given; expected one of {', '.join(PRINT)}")
    called = renamed(run, names)
    return _fitting(kind, str(columns), partial(FIGURES[kind].draw, called, chosen)), chosen


def _fitting(kind: str, columns: str, draw: Callable[[Style], Axes]) -> Axes:
    """The figure, on a slide where one was asked for; refused where it is too tall."""
    page, most = draw(PRINT[columns]), TALLEST
    if columns == "slide":
        most = SLIDE[1] / LEAST_ENLARGED
        # A single grid or matrix is tall: narrower, it has room.
        page = page if _height(page) <= most else draw(PRINT["1"])
    height = _height(page)
    if height > most:
        wide = columns not in ("2", "slide") and _height(draw(PRINT["2"])) <= TALLEST
        wider = ", or type --columns 2" * wide
        of = f"slide has room for {most:g}" if columns == "slide" else f"page has {most:g}"
        raise UsageError(
            f"the figure {kind} would be {height:.1f} inches tall, and a {of}; expected fewer "
            f"models or pairs in one figure; name them with --model or --pair{wider}"
        )
    return on_slide(page) if columns == "slide" else page


def _height(page: Axes) -> float:
    return float(figure_of(page).get_size_inches()[1])


def _grids(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    models = dict.fromkeys(row["model"] for row in rows)
    layouts = {m: filled_layout(run, [row for row in rows if row["model"] == m]) for m in models}
    for spot in (s for own in layouts.values() for line in own.spots for s in line if s):
        _check_kept(run, [spot.row], "source" if spot.clean else "found")
    return draw_grids(run, layouts, style)


def _strips(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    _check_kept(run, rows, "frames", "target")
    return draw_strips(run, rows, style)


def _stars(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A star a source and model; a source of which one pair is named has all its limbs."""
    stars = [_limbs(run, group) for group in by_source(rows).values()]
    for limbs in stars:
        _check_kept(run, limbs, "source", "found")
    return draw_stars(run, stars, style)


def _limbs(run: Run, rows: list[Row]) -> list[Row]:
    if len(rows) > MOST_LIMBS:
        raise UsageError(
            f"{len(rows)} pairs of source {rows[0]['source_id']} were given; a star has room for "
            f"{MOST_LIMBS}; name fewer with --pair"
        )
    return rows if len(rows) > 1 else segments(run, rows[0]["model"], rows[0]["source_id"])


def _triangles(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    """A triangle a source and model, drawn at its true side lengths (RMSE).

    Of a source with two pairs named it is theirs; with one, the run's usual one that has it.
    """
    _check_kept(run, rows, "found")
    return draw_triangles(run, [_asked(run, group) for group in by_source(rows).values()], style)


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


def _curves(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    if len(rows) > MOST_LIMBS:
        raise UsageError(
            f"{len(rows)} pairs were given; curves are told apart up to {MOST_LIMBS}; "
            "name fewer with --pair"
        )
    _check_kept(run, rows, "frames", "target")
    return curves(run, rows, style)


def _widths(run: Run, rows: Sequence[Row], style: Style) -> Axes:
    _check_kept(run, rows, "source", "found")
    return widths(run, rows, style)


def _transfer(run: Run, rows: Sequence[Row], style: Style) -> Axes:  # noqa: ARG001
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
    "path": FigureKind(representative_pairs, _strips),
    "grid": FigureKind(_first, _grids),
    "star": FigureKind(_one_a_star, _stars),
    "triangle": FigureKind(_of_triangles, _triangles),
    "simplex": FigureKind(_first, simplices),
    "widths": FigureKind(_measured, _widths),
    "curves": FigureKind(representative_pairs, _curves),
    "transfer": FigureKind(_first, _transfer),
}
