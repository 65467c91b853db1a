"""From the rows of a run to its tables (slides, tables 1 and 2; aggregation as they have it)."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal, get_args

from blindspots.errors import Refused
from blindspots.records import LPIPS_SMALLEST, TRIANGLE_DROPS, Ending
from blindspots.run_reader import ModelFacts, Run
from blindspots.run_reader import Row as StoredRow
from blindspots.tables import columns
from blindspots.tables.nulls import null_cells, null_note, null_rows
from blindspots.tables.slides import METHODS, published_row, setting_differences
from blindspots.tables.table import Cell, Column, Row, Table, count, share, spread
from blindspots.tables.transfer import transfer_table

Kind = Literal["distance", "confidence", "summary", "transfer"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_TRIANGLE_KEYS = ("mean", *(f"fraction_{drop}" for drop in TRIANGLE_DROPS))


def build_table(run: Run, kind: str = "distance") -> Table:
    """A table of the run, one row a model; the slides' rows follow where the model is theirs.

    `distance`: found against target, pooled over pairs; below each model rows for what its found
    images are held against, which in `summary` are columns. `confidence`: per source over its
    triangles or segments, then over sources. `summary`: one of everything. `transfer`: what other
    models say of the found images, a column a judge. Mean ± standard deviation, ddof 0; pairs that
    did not start are in no statistic.
    """
    builders = {
        "distance": _distance,
        "confidence": _confidence,
        "summary": _summary,
        "transfer": transfer_table,
    }
    if kind not in builders:
        raise Refused(f"{kind!r} is no table; expected one of {', '.join(KINDS)}")
    return builders[kind](run)


def _distance(run: Run) -> Table:
    shown = columns.DISTANCE
    if run.null_rows():
        shown = (*shown, *columns.columns("p_found"))
    rows = tuple(
        row
        for facts, pairs in _by_model(run)
        for row in (
            Row(facts.name, {"pairs": count(len(pairs)), **_spreads(pairs, shown)}),
            *null_rows(run, facts.name),
        )
    )
    rows += _published(run, "distance")
    notes = (*null_note(run), *_lpips_note(rows), *_left_out(run), *_settings_note(run, rows))
    title = "Distance of the found image from its target"
    return Table("distance", title, (*columns.columns("pairs"), *shown), rows, notes)


def _confidence(run: Run) -> Table:
    rows = tuple(
        Row(facts.name, _confidence_cells(pairs, run.triangle_rows(facts.name)))
        for facts, pairs in _by_model(run)
    )
    rows += _published(run, "confidence")
    notes = (*_triangle_note(run), *_left_out(run), *_settings_note(run, rows))
    title = "Confidence in the source's class over triangles and segments"
    return Table("confidence", title, columns.CONFIDENCE, rows, notes)


def _confidence_cells(pairs: list[StoredRow], triangles: list[StoredRow]) -> dict[str, Cell]:
    return {
        "sources": count(len({row["source_id"] for row in pairs})),
        "p_source": _per_source(pairs, "p_source"),
        **{key: _per_source(triangles, key) for key in _TRIANGLE_KEYS},
        "segment_mean": _per_source(pairs, "segment_mean"),
    }


def _per_source(rows: Iterable[StoredRow], key: str) -> Cell:
    groups: defaultdict[str, list[float | None]] = defaultdict(list)
    for row in rows:
        groups[row["source_id"]].append(row[key])
    return spread(spread(values).mean for values in groups.values())


def _summary(run: Run) -> Table:
    endings = Counter(row["ending"] for row in run.pair_rows())
    shown = tuple(columns.ending(ending) for ending in Ending if endings[ending])
    rows = tuple(
        Row(facts.name, _summary_cells(run, facts, pairs)) for facts, pairs in _by_model(run)
    )
    known = _drop_unknown((*columns.SUMMARY, *columns.NULL_NUMBERS), rows)
    notes = (*_lpips_note(rows), *_left_out(run), *_unlabelled_note(run))
    return Table("summary", "Summary", (*columns.COUNTS, *shown, *known), rows, notes, True)


def _summary_cells(run: Run, facts: ModelFacts, pairs: list[StoredRow]) -> dict[str, Cell]:
    return {
        "pairs": count(len(pairs)),
        "sources": count(len({row["source_id"] for row in pairs})),
        **_spreads(pairs, columns.SUMMARY_SPREADS),
        "segment_inside": share(row["segment_inside"] for row in pairs),
        "source_linf_epsilons": _in_epsilons(pairs, facts.training_epsilon),
        **null_cells(run, facts.name),
        **_ending_cells(run, facts.name),
    }


def _in_epsilons(pairs: list[StoredRow], epsilon: float | None) -> Cell:
    if not epsilon:
        return Cell()
    known = (row["source_linf"] for row in pairs if row["source_linf"] is not None)
    return spread(value / epsilon for value in known)


def _ending_cells(run: Run, model: str) -> dict[str, Cell]:
    endings = Counter(row["ending"] for row in run.pair_rows(model))
    return {columns.ending(ending).key: count(endings[ending]) for ending in Ending}


def _by_model(run: Run) -> list[tuple[ModelFacts, list[StoredRow]]]:
    return [(facts, run.pair_rows(facts.name, started=True)) for facts in run.models]


def _spreads(pairs: list[StoredRow], shown: Iterable[Column]) -> dict[str, Cell]:
    return {column.key: spread(row[column.key] for row in pairs) for column in shown}


def _drop_unknown(shown: tuple[Column, ...], rows: tuple[Row, ...]) -> tuple[Column, ...]:
    nulls = (column.key for column in columns.NULL_NUMBERS)
    optional = {"source_linf_epsilons", "source_lpips", *nulls}
    known = {key for row in rows for key, cell in row.cells.items() if cell.mean is not None}
    return tuple(column for column in shown if column.key in known | ({column.key} - optional))


def _published(run: Run, kind: str) -> tuple[Row, ...]:
    method = _method(run).get("name")
    rows = (published_row(kind, facts.name, method) for facts in run.models)
    return tuple(row for row in rows if row is not None)


def _method(run: Run) -> dict:
    return run.plan.get("method") or {}


def _lpips_note(rows: Iterable[Row]) -> tuple[str, ...]:
    own = [row.cells for row in rows if row.origin == "run"]
    pairs, measured = (sum(cells[key].n for cells in own) for key in ("pairs", "lpips"))
    if measured == pairs and all(cells["lpips"].mean is not None for cells in own):
        return ()
    what = f"measured of {measured} of {pairs} pairs" if measured else "not measured"
    return (
        f"LPIPS is {what} here: it needs AlexNet's weights; give them to blindspots run with "
        f"--lpips-weights FILE. It takes images of at least {LPIPS_SMALLEST} pixels a side.",
    )


def _triangle_note(run: Run) -> tuple[str, ...]:
    if run.triangle_rows() or not run.pair_rows(started=True):
        return ()
    return ("No source has two targets, so there is no triangle; give --targets-per-source 2.",)


def _left_out(run: Run) -> tuple[str, ...]:
    endings = Counter(row["ending"] for row in run.pair_rows(started=False))
    listed = ", ".join(f"{number} {ending}" for ending, number in sorted(endings.items()))
    missing = (f"Left out, because nothing was traversed: {listed}.",) if listed else ()
    return missing if run.finished else (*missing, "The run is not finished; more rows will come.")


def _unlabelled_note(run: Run) -> tuple[str, ...]:
    if run.labelled:
        return ()
    return ("The images have no labels: a class is what the model itself says of the image.",)


def _settings_note(run: Run, rows: Iterable[Row]) -> tuple[str, ...]:
    different = setting_differences(_method(run)) if _method(run).get("name") in METHODS else ""
    if not different or all(row.origin != "slides" for row in rows):
        return ()
    return (f"This run's settings differ from the slides': {different}.",)
