"""From the rows of a run to its tables (slides, tables 1 and 2; aggregation as they have it)."""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import pyarrow as pa

from blindspots.errors import Refused
from blindspots.records import TRIANGLE_DROPS, Ending
from blindspots.run_columns import finite
from blindspots.run_reader import ModelFacts, Run
from blindspots.tables import columns
from blindspots.tables.slides import METHODS, published_row, setting_differences
from blindspots.tables.table import Cell, Column, Row, Table, count, share, spread

Kind = Literal["distance", "confidence", "summary"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_TRIANGLE_KEYS = ("mean", *(f"fraction_{drop}" for drop in TRIANGLE_DROPS))


def build_table(run: Run, kind: str = "distance") -> Table:
    """A table of the run, one row a model; the slides' rows follow where the model is theirs.

    `distance`: found against target, pooled over pairs. `confidence`: per source over its
    triangles or segments, then over sources. `summary`: one of everything. Mean ± standard
    deviation, ddof 0; pairs that did not start are in no statistic.
    """
    builders = {"distance": _distance, "confidence": _confidence, "summary": _summary}
    if kind not in builders:
        raise Refused(f"{kind!r} is no table; expected one of {', '.join(KINDS)}")
    return builders[kind](run)


def _distance(run: Run) -> Table:
    rows = tuple(
        Row(facts.name, {"pairs": count(len(pairs)), **_spreads(pairs, columns.DISTANCE)})
        for facts, pairs in _by_model(run)
    )
    rows += _published(run, "distance")
    notes = (*_lpips_note(rows), *_left_out(run), *_settings_note(run, rows))
    title = "Distance of the found image from its target"
    return Table("distance", title, (*columns.columns("pairs"), *columns.DISTANCE), rows, notes)


def _confidence(run: Run) -> Table:
    rows = tuple(
        Row(facts.name, _confidence_cells(pairs, run.columns.triangles_of(facts.name)))
        for facts, pairs in _by_model(run)
    )
    rows += _published(run, "confidence")
    notes = (*_triangle_note(run), *_left_out(run), *_settings_note(run, rows))
    title = "Confidence in the source's class over triangles and segments"
    return Table("confidence", title, columns.CONFIDENCE, rows, notes)


def _confidence_cells(pairs: pa.Table, triangles: pa.Table) -> dict[str, Cell]:
    return {
        "sources": count(_sources(pairs)),
        "p_source": _per_source(pairs, "p_source"),
        **{key: _per_source(triangles, key) for key in _TRIANGLE_KEYS},
        "segment_mean": _per_source(pairs, "segment_mean"),
    }


def _sources(pairs: pa.Table) -> int:
    return len(pairs["source_id"].unique().drop_null())


def _per_source(rows: pa.Table, key: str) -> Cell:
    known = pa.array(finite(rows[key]), from_pandas=True)
    sources = pa.table({"source": rows["source_id"], "value": known}).group_by("source")
    return spread(finite(sources.aggregate([("value", "mean")])["value_mean"]))


def _summary(run: Run) -> Table:
    endings = run.columns.endings()
    shown = tuple(columns.ending(ending) for ending in Ending if ending in endings)
    rows = tuple(
        Row(facts.name, {**_summary_cells(facts, pairs), **_ending_cells(run, facts.name)})
        for facts, pairs in _by_model(run)
    )
    known = _drop_unknown(columns.SUMMARY, rows)
    notes = (*_left_out(run), *_unlabelled_note(run))
    return Table("summary", "Summary", (*columns.COUNTS, *shown, *known), rows, notes, True)


def _summary_cells(facts: ModelFacts, pairs: pa.Table) -> dict[str, Cell]:
    return {
        "pairs": count(len(pairs)),
        "sources": count(_sources(pairs)),
        **_spreads(pairs, columns.SUMMARY_SPREADS),
        "segment_inside": share(finite(pairs["segment_inside"])),
        "source_linf_epsilons": _in_epsilons(pairs, facts.training_epsilon),
    }


def _in_epsilons(pairs: pa.Table, epsilon: float | None) -> Cell:
    return spread(finite(pairs["source_linf"]) / epsilon) if epsilon else Cell()


def _ending_cells(run: Run, model: str) -> dict[str, Cell]:
    endings = run.columns.endings(model)
    return {columns.ending(ending).key: count(endings.get(ending, 0)) for ending in Ending}


def _by_model(run: Run) -> Iterator[tuple[ModelFacts, pa.Table]]:
    return ((facts, run.columns.pairs_of(facts.name, started=True)) for facts in run.models)


def _spreads(pairs: pa.Table, shown: Iterable[Column]) -> dict[str, Cell]:
    return {column.key: spread(finite(pairs[column.key])) for column in shown}


def _drop_unknown(shown: tuple[Column, ...], rows: tuple[Row, ...]) -> tuple[Column, ...]:
    optional = {"source_linf_epsilons", "source_lpips"}
    known = {key for row in rows for key, cell in row.cells.items() if cell.mean is not None}
    return tuple(column for column in shown if column.key in known | ({column.key} - optional))


def _published(run: Run, kind: str) -> tuple[Row, ...]:
    method = _method(run).get("name")
    rows = (published_row(kind, facts.name, method) for facts in run.models)
    return tuple(row for row in rows if row is not None)


def _method(run: Run) -> dict:
    return run.plan.get("method") or {}


def _lpips_note(rows: Iterable[Row]) -> tuple[str, ...]:
    if all(row.cells["lpips"].mean is not None for row in rows):
        return ()
    return (
        "LPIPS is not measured here: it needs AlexNet's weights; give them to blindspots run with "
        "--lpips-weights FILE.",
    )


def _triangle_note(run: Run) -> tuple[str, ...]:
    if run.columns.triangles_of() or not run.columns.pairs_of(started=True):
        return ()
    return ("No source has two targets, so there is no triangle; give --targets-per-source 2.",)


def _left_out(run: Run) -> tuple[str, ...]:
    endings = sorted(run.columns.endings().items())
    listed = ", ".join(f"{n} {ending}" for ending, n in endings if not Ending(ending).started)
    missing = (f"Left out, because nothing was traversed: {listed}.",) if listed else ()
    return missing if run.finished else (*missing, "The run is not finished; more rows will come.")


def _unlabelled_note(run: Run) -> tuple[str, ...]:
    if run.labelled:
        return ()
    return ("The images have no labels: a class is what the model itself says of the image.",)


def _settings_note(run: Run, rows: Iterable[Row]) -> tuple[str, ...]:
    different = setting_differences(_method(run)) if _method(run).get("name") in METHODS else ""
    if not different or all(row.origin == "run" for row in rows):
        return ()
    return (f"This run's settings differ from the slides': {different}.",)
