"""From the rows of a run to its tables (slides, tables 1 and 2; aggregation as they have it)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import pyarrow as pa
from pyarrow.types import is_primitive

from blindspots.errors import UsageError
from blindspots.reporting.score_labels import words_of
from blindspots.reporting.tables import column_texts
from blindspots.reporting.tables.nulls import null_cells, null_note, null_rows
from blindspots.reporting.tables.slides import METHODS, published_row, setting_differences
from blindspots.reporting.tables.table import Cell, Column, Table, TableRow, count, share, spread
from blindspots.reporting.tables.transfer_table import transfer_table
from blindspots.reporting.tables.words import in_words
from blindspots.schema import LPIPS_SMALLEST, PAIRS, TRIANGLE_DROPS, Ending
from blindspots.store.reader import ModelFacts, Run, finite, of_model

Kind = Literal["distance", "confidence", "summary", "transfer"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_READ = ("source_id", *(field.name for field in PAIRS if is_primitive(field.type)))
_TRIANGLE_KEYS = ("mean", *(f"fraction_{drop}" for drop in TRIANGLE_DROPS), "fraction")


def build_table(run: Run, kind: str = "distance") -> Table:
    """A table of the run, one row per model; the slides' rows follow where the model is theirs.

    `distance`: found against target, pooled over pairs; below each model rows for what its found
    images are held against, which in `summary` are columns. `confidence`: per source over its
    triangles or segments, then over sources. `summary`: one of everything. `transfer`: what other
    models say of the found images, a column per judge. Mean ± standard deviation, ddof 0; pairs
    that did not start are in no statistic.
    """
    builders = {
        "distance": _distance,
        "confidence": _confidence,
        "summary": _summary,
        "transfer": transfer_table,
    }
    if kind not in builders:
        raise UsageError(f"{kind!r} is no table; expected one of {', '.join(KINDS)}")
    table = builders[kind](run)
    # Judges are asked for their confidence, whatever the run held.
    return table if kind == "transfer" else in_words(table, words_of(run))


def build_tables(run: Run) -> dict[Kind, Table]:
    """Every table that the run has rows for, by its kind."""
    kinds: list[Kind] = [
        kind for kind in KINDS if kind != "transfer" or run.arrow("transfer").num_rows
    ]
    return {kind: build_table(run, kind) for kind in kinds}


def _distance(run: Run) -> Table:
    shown = column_texts.DISTANCE
    if run.columns.nulls:
        shown = (*shown, *column_texts.columns("p_found"))
    rows = tuple(
        row
        for facts, pairs in _by_model(run)
        for row in (
            TableRow(facts.name, {"pairs": count(len(pairs)), **_spreads(pairs, shown)}),
            *null_rows(run, facts.name),
        )
    )
    rows += _published(run, "distance")
    notes = (*null_note(run), *_lpips_note(rows), *_left_out(run), *_settings_note(run, rows))
    title = "Distance of the found image from its target"
    return Table("distance", title, (*column_texts.columns("pairs"), *shown), rows, notes)


def _confidence(run: Run) -> Table:
    rows = tuple(
        TableRow(facts.name, _confidence_cells(pairs, of_model(run.columns.triangles, facts.name)))
        for facts, pairs in _by_model(run)
    )
    rows += _published(run, "confidence")
    notes = (*_triangle_note(run), *_left_out(run), *_settings_note(run, rows))
    title = "Confidence in the source's class over triangles and segments"
    shown = column_texts.of_score(words_of(run))
    return Table("confidence", title, shown, rows, notes)


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
    shown = tuple(column_texts.ending(ending) for ending in Ending if ending in endings)
    rows = tuple(
        TableRow(facts.name, _summary_cells(run, facts, pairs)) for facts, pairs in _by_model(run)
    )
    known = _drop_unknown((*column_texts.SUMMARY, *column_texts.NULL_NUMBERS), rows)
    notes = (*_lpips_note(rows), *_left_out(run), *_unlabelled_note(run))
    return Table("summary", "Summary", (*column_texts.COUNTS, *shown, *known), rows, notes, True)


def _summary_cells(run: Run, facts: ModelFacts, pairs: pa.Table) -> dict[str, Cell]:
    return {
        "pairs": count(len(pairs)),
        "sources": count(_sources(pairs)),
        **_spreads(pairs, column_texts.SUMMARY_SPREADS),
        "segment_inside": share(finite(pairs["segment_inside"])),
        "source_linf_epsilons": _in_epsilons(pairs, facts.training_epsilon),
        **null_cells(run, facts.name),
        **_ending_cells(run, facts.name),
    }


def _in_epsilons(pairs: pa.Table, epsilon: float | None) -> Cell:
    return spread(finite(pairs["source_linf"]) / epsilon) if epsilon else Cell()


def _ending_cells(run: Run, model: str) -> dict[str, Cell]:
    endings = run.columns.endings(model)
    return {column_texts.ending(ending).key: count(endings.get(ending, 0)) for ending in Ending}


def _by_model(run: Run) -> Iterator[tuple[ModelFacts, pa.Table]]:
    return ((facts, run.columns.pairs_of(facts.name, True, _READ)) for facts in run.models)


def _spreads(pairs: pa.Table, shown: Iterable[Column]) -> dict[str, Cell]:
    return {column.key: spread(finite(pairs[column.key])) for column in shown}


def _drop_unknown(shown: tuple[Column, ...], rows: tuple[TableRow, ...]) -> tuple[Column, ...]:
    nulls = (column.key for column in column_texts.NULL_NUMBERS)
    optional = {"source_linf_epsilons", "source_lpips", *nulls}
    known = {key for row in rows for key, cell in row.cells.items() if cell.mean is not None}
    return tuple(column for column in shown if column.key in known | ({column.key} - optional))


def _published(run: Run, kind: str) -> tuple[TableRow, ...]:
    method = _method(run).get("name")
    rows = (published_row(kind, facts.name, method) for facts in run.models)
    return tuple(row for row in rows if row is not None)


def _method(run: Run) -> Mapping[str, Any]:
    return run.info.method


def _lpips_note(rows: Iterable[TableRow]) -> tuple[str, ...]:
    own = [row.cells for row in rows if row.origin == "run"]
    pairs, measured = (sum(cells[key].n for cells in own) for key in ("pairs", "lpips"))
    if measured == pairs and all(cells["lpips"].mean is not None for cells in own):
        return ()
    what = f"measured of {measured} of {pairs} pairs" if measured else "not measured"
    return (
        f"LPIPS is {what} here: it needs AlexNet's weights; give them to blindspots run with "
        f"--lpips-weights FILE. It takes images of at least {LPIPS_SMALLEST} pixels per side.",
    )


def _triangle_note(run: Run) -> tuple[str, ...]:
    if run.columns.triangles or not any(Ending(ending).started for ending in run.columns.endings()):
        return ()
    return ("No source has two targets, so there is no triangle; give --targets-per-source 2.",)


def _left_out(run: Run) -> tuple[str, ...]:
    endings = sorted(run.columns.endings().items())
    listed = ", ".join(f"{n} {ending}" for ending, n in endings if not Ending(ending).started)
    missing = (f"Left out, because nothing was traversed: {listed}.",) if listed else ()
    return missing if run.finished else (*missing, "The run is not finished; more rows will come.")


def _unlabelled_note(run: Run) -> tuple[str, ...]:
    if run.labelled or not words_of(run).of_classes:
        return ()
    return ("The images have no labels: a class is what the model itself says of the image.",)


def _settings_note(run: Run, rows: Iterable[TableRow]) -> tuple[str, ...]:
    different = setting_differences(_method(run)) if _method(run).get("name") in METHODS else ""
    if not different or all(row.origin != "slides" for row in rows):
        return ()
    return (f"This run's settings differ from the slides': {different}.",)
