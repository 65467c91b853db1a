"""`open_run`: a run directory as a researcher asks it, in a script or a notebook."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from blindspots.api.run_table import RunTable, arrow_frame
from blindspots.errors import UsageError, can_compute
from blindspots.progress import Reporter
from blindspots.reporting.limits import Check, Limit, check_run
from blindspots.reporting.tables import KINDS, Kind, build_table
from blindspots.specs import nearest_names
from blindspots.store.paths import Place
from blindspots.store.reader import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from blindspots.models.classifier import Classifier
    from blindspots.reporting.figures.paper_figures import Drawn
    from blindspots.reporting.publish import Published
    from blindspots.study.verify import Verification


def open_run(path: str | Place | Run) -> "OpenRun":
    """The run in a directory, finished or still growing, with its rows, tables and figures.

    `path`: the directory that was given to `blindspots run --out`, also of an object store. Raises
    `UsageError` where it is no run.
    """
    if not isinstance(path, str | Path | Place | Run):
        raise UsageError(
            f"{path!r} was given as a run; expected its directory; type blindspots.open_run('demo')"
        )
    return OpenRun(path.path if isinstance(path, Run) else path)


class OpenRun(Run):
    """A run directory, read lazily: DataFrames, tables, figures, and what a command does with it.

    `pairs`, `triangles`, `simplices`, `nulls` and `transfer` are pandas DataFrames, each time a new
    one, so a change of theirs changes nothing here; columns as in docs/run-directory.md. Everything
    that `Run` has is there too; `arrow(name)` gives a table without pandas. Attributes cannot be
    set. Raises `UsageError` where pandas is asked for and not installed.
    """

    @property
    def pairs(self) -> "pd.DataFrame":  # type: ignore[override]
        """One row per (model, source, target): what was found, how near, how sure, and why not."""
        return arrow_frame(self.arrow("pairs"))

    @property
    def triangles(self) -> "pd.DataFrame":  # type: ignore[override]
        """One row per (model, source, target 1, target 2): the confidence over the triangle."""
        return arrow_frame(self.arrow("triangles"))

    @property
    def simplices(self) -> "pd.DataFrame":  # type: ignore[override]
        """One row per (model, source) with more than two targets: the hull of all found images."""
        return arrow_frame(self.arrow("simplices"))

    @property
    def nulls(self) -> "pd.DataFrame":  # type: ignore[override]
        """One row per traversed (model, source, target): what its found image is held against."""
        return arrow_frame(self.arrow("nulls"))

    @property
    def transfer(self) -> "pd.DataFrame":  # type: ignore[override]
        """One row per (model, judge, pair): what judges say; empty before `blindspots transfer`."""
        return arrow_frame(self.arrow("transfer"))

    def table(self, kind: Kind = "distance") -> RunTable:
        """A table of the run, models side by side: mean ± standard deviation (ddof 0).

        `kind`: distance, confidence, summary or transfer. Raises `UsageError` for another name.
        """
        _check_name("table", kind, KINDS)
        return RunTable(build_table(self, kind))

    def plot(
        self,
        figure: str,
        *,
        pair: str | Sequence[str] = (),
        model: str | Sequence[str] = (),
        columns: Literal[1, 2] = 1,
    ) -> "Axes":
        """A figure of the run as an axis: path, grid, star, triangle, widths, curves or transfer.

        `pair`: ids of pairs to show, or beginnings of ids; none: the most telling ones, of `model`
        (names) where models are named. `columns`: of a page, 1 is 3.25 inches wide, 2 is 6.75.
        Nothing is written; `axes.figure.savefig("figure.pdf")` does. Raises `UsageError` for an
        unknown figure, pair or model, and where the run did not keep what the figure needs.
        """
        from blindspots.reporting.figures.paper_figures import FIGURES, draw_figure

        _check_name("figure", figure, tuple(FIGURES), "plot")
        pairs, models = _listed(pair), _listed(model)
        axes, _ = draw_figure(self, figure, pairs=pairs, models=models, columns=columns)
        return axes

    def save_plot(
        self,
        figure: str,
        *,
        pair: str | Sequence[str] = (),
        model: str | Sequence[str] = (),
        columns: Literal[1, 2, "1", "1.5", "2", "slide"] = 1,
        names: Mapping[str, str] | None = None,
        format: str = "pdf",
        out: Place | None = None,
    ) -> "Drawn":
        """Write a figure for a page, as `blindspots plot` does; its `file` and what it shows.

        As `plot`; `columns`: also 1.5 (5.5 inches) and "slide"; `names`: what models are called,
        by name or spec; `out`: the file; None: figures/FIGURE-COLUMNS-column.FORMAT in the run.
        """
        from blindspots.reporting.figures.paper_figures import write_figure

        pairs, models = _listed(pair), _listed(model)
        return write_figure(
            self,
            figure,
            pairs=pairs,
            models=models,
            format=format,
            columns=columns,
            names=names,
            out=out,
        )

    def report(self, out: str | Place | None = None) -> Place:
        """Build report.html, tables and figures of the run again; the report's file.

        `out`: the directory they are written into; None: that of the run. Raises `UsageError` where
        it cannot be written.
        """
        return self.publish(out).report

    def publish(
        self, out: str | Place | None = None, names: Mapping[str, str] | None = None
    ) -> "Published":
        """What `report` writes: where it is, and the slides' tables; `names`: as `save_plot`."""
        from blindspots.reporting.publish import publish
        from blindspots.store.paths import check_made_here, check_writable, find_place

        place = self.path if out is None else find_place(out)
        check_writable(place)
        if place.resolve() != self.path.resolve():
            check_made_here(place, ("report.html", "tables", "figures"), "<title>Blind spots: ")
        else:
            place = self.path
        return publish(self.path, out=place, names=names)

    def verify(
        self,
        *,
        device: str = "auto",
        batch: int | None = None,
        sources: int | None = None,
        images: str | None = None,
        lpips_weights: str | Path | None = None,
        models: Any = (),
        trust_file: bool = False,
        trust_remote_code: bool = False,
        trust_run_code: bool = False,
        progress: bool = False,
    ) -> "Verification":
        """Compare the run with its files' hashes, its plan, and what its saved images give anew.

        Models are loaded afresh. `batch`: images at once; None: another number than the run's.
        `sources`: only what starts from so many sources of each model; None: all. `different`
        names the columns that deviate and `problems` tells what else disagrees,
        `raise_if_different()` fails for both, `text()` tells all. `images`: a spec of the images
        themselves, with which the saved sources and targets are compared. `models`: models in
        memory, as `blindspots.run` took them; those that are the run's are not loaded.
        `trust_run_code`: run the code that file: and python: models of the run name.

        Raises `UsageError` where found images were not kept or a model is no longer the same.
        """
        from blindspots.settings import Trust
        from blindspots.study.verify import verify_run

        weights = None if lpips_weights is None else Path(lpips_weights)
        trust = Trust(file=trust_file, remote_code=trust_remote_code, run_code=trust_run_code)
        reporter = Reporter(quiet=not progress)
        own = self._held(models) if can_compute() else []
        return verify_run(self.path, device, batch, weights, reporter, trust, sources, images, own)

    @property
    def input_size(self) -> Sequence[int] | None:
        """Height and width of what its first model takes; None where it names no model."""
        return next((facts.size for facts in self.models), None)

    def _held(self, models: Any) -> "list[Classifier]":
        from blindspots.api.arguments import as_models

        return as_models(models, self.input_size, specs=False)

    def check(
        self,
        *,
        max: Mapping[str, float] | None = None,
        min: Mapping[str, float] | None = None,
        model: str | Sequence[str] = (),
    ) -> Check:
        """Each model's numbers against limits, as in `run.check(max={"segment_inside": 0.5})`.

        `max`, `min`: columns of the summary, and the most and the least they may be. `model`:
        names; none: all. `broken` holds what breaks its limit, `raise_if_broken()` fails for it.
        Raises `UsageError` for an unknown column or model, without a limit, and for a run that is
        not finished.
        """
        limits = [*_limits("max", max or {}), *_limits("min", min or {})]
        return check_run(self, limits, _listed(model))

    def __setattr__(self, name: str, value: object) -> None:
        if "path" in vars(self):
            raise AttributeError(f"a run cannot be changed: {name} was to be set on {self!r}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        state = "finished" if self.finished else "not finished"
        count = sum(self.columns.endings().values())
        return f"<run {str(self.path)!r}: {len(self.models)} models, {count} pairs, {state}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.table('distance')._repr_html_()}"


def _listed(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _check_name(what: str, given: str, known: Sequence[str], method: str = "table") -> None:
    if given not in known:
        hint = nearest_names(str(given), known) or f"type run.{method}({known[0]!r})"
        raise UsageError(
            f"{given!r} was given, which is no {what} of a run; expected one of "
            f"{', '.join(known)}; {hint}"
        )


def _limits(kind: Literal["max", "min"], given: Mapping[str, float]) -> list[Limit]:
    for column, bound in given.items():
        if not isinstance(bound, int | float) or not isfinite(bound):
            raise UsageError(
                f"{kind}={{{column!r}: {bound!r}}} was given; expected a finite number; type "
                f"{kind}={{{column!r}: 0.5}}"
            )
    return [Limit(kind, column, float(bound)) for column, bound in given.items()]
