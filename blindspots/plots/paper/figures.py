"""The figures for papers by name: what each shows where no pair is named, and how it is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from blindspots.choice import (
    named_models,
    named_pairs,
    pairs_of,
    telling_pairs,
    telling_source,
    telling_targets,
)
from blindspots.errors import Refused
from blindspots.places import Place
from blindspots.plots.grid_layout import first_pairs
from blindspots.plots.paper.curves import draw_curves
from blindspots.plots.paper.grids import draw_grid
from blindspots.plots.paper.matrices import draw_transfer
from blindspots.plots.paper.sheet import RESOLUTION, figure_of
from blindspots.plots.paper.stars import draw_star
from blindspots.plots.paper.strips import draw_path
from blindspots.plots.paper.triangles import draw_triangle
from blindspots.plots.paper.widths import draw_widths
from blindspots.plots.style import save
from blindspots.run_reader import Row, Run
from blindspots.widths.records import read_widths

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

    `pairs`: ids; none: the run's most telling ones, of `models` where they are named. `columns`: of
    the page, 1 (3.25 inches) or 2 (6.75). `out`: the file; None: in the run's `figures/`. Refused,
    and nothing written, where the run did not keep what the figure needs.
    """
    if pairs and models:
        raise Refused(
            f"--model {models[0]} was given beside --pair; a pair has its model already; "
            "give one of the two"
        )
    chosen = named_pairs(run, pairs) or FIGURES[kind].usual(run, named_models(run, models))
    if not chosen:
        raise Refused(f"{run.path} holds no traversed pair, so there is nothing to draw")
    page = FIGURES[kind].draw(run, chosen, columns)
    base = out.with_suffix("") if out else run.path / "figures" / f"{kind}-{columns}-column"
    (written,) = save(page, base, [format], RESOLUTION)
    width, height = (round(float(side), 3) for side in figure_of(page).get_size_inches())
    return Drawn(kind, written, tuple(row["pair_id"] for row in chosen), (width, height))


def _first(run: Run, models: Sequence[str]) -> list[Row]:
    return [row for model in models for row in first_pairs(run, model)]


def _limbs(run: Run, models: Sequence[str]) -> list[Row]:
    source = telling_source(run)
    return [row for model in models for row in pairs_of(run, model, source)[:1]]


def _corners(run: Run, models: Sequence[str]) -> list[Row]:
    source = telling_source(run)
    targets = telling_targets(run, source) or ()
    rows = [row for model in models for row in pairs_of(run, model, source)]
    return [row for row in rows if row["target_id"] in targets] or rows[:1]


def _measured(run: Run, models: Sequence[str]) -> list[Row]:
    ids = {row["pair_id"] for row in read_widths(run.path)}
    rows = run.columns.whole_pairs(ids) if ids else []
    return [row for row in rows if row["model"] in models] or telling_pairs(run, models)


FIGURES: dict[str, FigureKind] = {
    "path": FigureKind(telling_pairs, draw_path),
    "grid": FigureKind(_first, draw_grid),
    "star": FigureKind(_limbs, draw_star),
    "triangle": FigureKind(_corners, draw_triangle),
    "widths": FigureKind(_measured, draw_widths),
    "curves": FigureKind(telling_pairs, draw_curves),
    "transfer": FigureKind(_first, draw_transfer),
}
