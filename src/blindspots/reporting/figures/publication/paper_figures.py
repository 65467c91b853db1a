"""The figures for papers by name: what each shows where no pair is named, and how it is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from blindspots.errors import UsageError
from blindspots.reporting.figures.grid_layout import first_pairs
from blindspots.reporting.figures.publication.curves import draw_curves
from blindspots.reporting.figures.publication.grids import draw_grid
from blindspots.reporting.figures.publication.layout import RESOLUTION, figure_of
from blindspots.reporting.figures.publication.matrices import draw_transfer
from blindspots.reporting.figures.publication.stars import draw_star
from blindspots.reporting.figures.publication.strips import draw_path
from blindspots.reporting.figures.publication.triangles import draw_triangle
from blindspots.reporting.figures.publication.width_bands import draw_widths
from blindspots.reporting.figures.style import save
from blindspots.reporting.selection import (
    named_models,
    named_pairs,
    pairs_of,
    representative_pairs,
    representative_source,
    representative_targets,
)
from blindspots.store.paths import Place
from blindspots.store.reader import Row, Run
from blindspots.store.width_rows import read_widths

FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class FigureKind:
    """A figure: `usual` gives its pairs where none is named, `draw` makes it of pairs.

    `draw(run, pairs, columns)` returns an axis of the figure, and refuses what was not kept.
    """

    usual: Callable[[Run, Sequence[str]], list[Row]]
    draw: Callable[[Run, Sequence[Row], int], Axes]


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
    """Draw one of `FIGURES` from a run's files and write it.

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
    return FIGURES[kind].draw(run, chosen, columns), chosen


def _first(run: Run, models: Sequence[str]) -> list[Row]:
    return [row for model in models for row in first_pairs(run, model)]


def _limbs(run: Run, models: Sequence[str]) -> list[Row]:
    source = representative_source(run)
    return [row for model in models for row in pairs_of(run, model, source)[:1]]


def _corners(run: Run, models: Sequence[str]) -> list[Row]:
    source = representative_source(run)
    targets = representative_targets(run, source) or ()
    rows = [row for model in models for row in pairs_of(run, model, source)]
    return [row for row in rows if row["target_id"] in targets] or rows[:1]


def _measured(run: Run, models: Sequence[str]) -> list[Row]:
    ids = {row["pair_id"] for row in read_widths(run.path)}
    rows = run.columns.rows("pairs", "pair_id", ids) if ids else []
    return [row for row in rows if row["model"] in models] or representative_pairs(run, models)


FIGURES: dict[str, FigureKind] = {
    "path": FigureKind(representative_pairs, draw_path),
    "grid": FigureKind(_first, draw_grid),
    "star": FigureKind(_limbs, draw_star),
    "triangle": FigureKind(_corners, draw_triangle),
    "widths": FigureKind(_measured, draw_widths),
    "curves": FigureKind(representative_pairs, draw_curves),
    "transfer": FigureKind(_first, draw_transfer),
}
