"""From the rows of a run to its tables (slides, tables 1 and 2; aggregation as they have it)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import pyarrow as pa
from pyarrow.types import is_primitive

from blindspots.errors import UsageError
from blindspots.reporting.score_labels import words_of
from blindspots.reporting.tables.nulls import null_cells, null_note, null_rows, reach_cells
from blindspots.reporting.tables.table import (
    COUNT_COLUMNS,
    DISTANCE_COLUMNS,
    NULL_NUMBERS,
    NULLS,
    REACH_COLUMNS,
    SIMPLEX_COLUMNS,
    SUMMARY_COLUMNS,
    SUMMARY_SPREADS,
    Cell,
    Column,
    Origin,
    Table,
    TableRow,
    columns_of,
    count,
    ending_column,
    in_words,
    score_columns,
    share,
    spread,
)
from blindspots.schema import LPIPS_SMALLEST, PAIRS, TRIANGLE_DROPS, Ending
from blindspots.store.reader import ModelFacts, Run, finite, of_model
from blindspots.store.reader import Row as StoredRow

_TRANSFER_TITLE = "Confidence in the source's class at found images, by judge"
# The target is itself: at no distance, and of equal structure.
SLIDES_METHODS = ("paper", "reference")
_SLIDES_SETTINGS = {"step_size": 1e-2, "epsilon": 2e-3, "delta": 0.2, "max_steps": 400}
# Word borders keep resnet50d or wide_resnet50_2 from passing as the slides' model.
_SLIDES_MODELS = {
    r"(?<!\w)resnet50(?!\w)": "ResNet-50 normal",
    r"Salman2020Do_R50(?!\w)": "ResNet-50 AT",
    r"(?<!\w)deit_small_patch16_224(?!\w)": "DeiT-S normal",
    r"Singh2023Revisiting_ViT-S-ConvStem(?!\w)": "DeiT-S AT",
}
_SLIDES_COLUMNS = {
    "distance": ("rmse", "linf", "ssim", "lpips"),
    "confidence": (
        "p_source",
        "mean",
        "fraction_0.0",
        "fraction_0.1",
        "fraction_0.2",
        "fraction_0.3",
        "segment_mean",
    ),
}
# Slides, tables 1 (distance) and 2 (confidence): mean and standard deviation in turn.
_SLIDES_NUMBERS = {
    "distance": {
        "ResNet-50 normal": "0.008 0.001 0.046 0.020 0.990 0.021 0.002 0.004",
        "ResNet-50 AT": "0.029 0.008 0.746 0.124 0.915 0.041 0.057 0.037",
        "DeiT-S normal": "0.011 0.002 0.116 0.030 0.973 0.024 0.024 0.017",
        "DeiT-S AT": "0.046 0.010 0.821 0.117 0.898 0.041 0.219 0.068",
    },
    "confidence": {
        "ResNet-50 normal": "0.99 0.02 0.56 0.10 0.13 0.15 0.51 0.11 0.53 0.1 0.54 0.10 0.96 0.05",
        "ResNet-50 AT": "0.88 0.11 0.83 0.09 0.49 0.29 0.79 0.13 0.85 0.1 0.88 0.09 0.93 0.06",
        "DeiT-S normal": "0.85 0.06 0.68 0.05 0.54 0.11 0.67 0.06 0.71 0.06 0.73 0.06 0.94 0.02",
        "DeiT-S AT": "0.76 0.08 0.59 0.07 0.20 0.09 0.43 0.14 0.63 0.15 0.76 0.12 0.73 0.06",
    },
}
Kind = Literal["distance", "confidence", "simplices", "summary", "transfer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SLIDES_TABLES = KINDS[:2]
_OPTIONAL: tuple[Kind, ...] = ("simplices", "transfer")
_READ = ("source_id", "target_id", *(field.name for field in PAIRS if is_primitive(field.type)))
_SIMPLEX_NUMBERS = columns_of("simplex_fraction", "simplex_mean")
_TRIANGLE_KEYS = ("mean", *(f"fraction_{drop}" for drop in TRIANGLE_DROPS), "fraction")


def transfer_table(run: Run) -> Table:
    """What each judge says of each model's found images; below, of the clean sources and targets.

    Mean ± standard deviation over pairs; the rows "class kept" hold the share of found images to
    which the judge gives the source's class. Without a stored transfer it has no columns.
    """
    stored = run.arrow("transfer").to_pylist()
    judges = tuple(dict.fromkeys(row["judge"] for row in stored))
    models = dict.fromkeys(row["model"] for row in stored)
    known = [facts.name for facts in run.models if facts.name in models]
    rows = tuple(row for model in known for row in _model_rows(stored, model))
    nulls = tuple(_judged_row(stored, origin) for origin in ("source", "target") if stored)
    columns = tuple(Column(judge, judge, f"Confidence that {judge} gives.") for judge in judges)
    return Table(
        "transfer", _TRANSFER_TITLE, columns, (*rows, *nulls), tuple(_transfer_notes(run, stored))
    )


def _model_rows(stored: list[StoredRow], model: str) -> tuple[TableRow, TableRow]:
    mine = [row for row in stored if row["model"] == model]
    believed = {judge: spread(r["p_found"] for r in rows) for judge, rows in _by_judge(mine)}
    kept = {judge: share(r["kept_found"] for r in rows) for judge, rows in _by_judge(mine)}
    return TableRow(model, believed), TableRow(model, kept, "kept", "class kept")


def _judged_row(stored: list[StoredRow], origin: Origin) -> TableRow:
    judged = _by_judge(stored)
    cells = {judge: spread(row[f"p_{origin}"] for row in rows) for judge, rows in judged}
    return TableRow(NULLS[origin], cells, origin)


def _by_judge(rows: Iterable[StoredRow]) -> list[tuple[str, list[StoredRow]]]:
    groups: dict[str, list[StoredRow]] = {}
    for row in rows:
        groups.setdefault(row["judge"], []).append(row)
    return list(groups.items())


def _transfer_notes(run: Run, stored: list[StoredRow]) -> Iterable[str]:
    if not stored:
        yield f"Nothing was judged yet; type blindspots transfer {run.path}."
        return
    yield (
        "Rows: the model that was traversed; columns: the model that judges. Class kept: the share "
        "of found images to which the judge gives the source's class. Clean source and target "
        "itself: what the judge says of them, over the pairs of all rows."
    )
    resized = dict.fromkeys(row["judge"] for row in stored if row["resized"])
    if resized:
        yield (
            "Images of another size than the judge's were resized through its preprocessing: "
            f"{', '.join(resized)}."
        )
    named = dict.fromkeys(
        row["judge"] for row in stored if row["source_class"] != row["judge_class"]
    )
    if named:
        yield f"Classes were matched by their names for {', '.join(named)}."
    judged = {(row["model"], row["judge"]) for row in stored}
    models, judges = ({pair[i] for pair in judged} for i in (0, 1))
    if len(judged) < len(models) * len(judges):
        yield "–: the two models have different classes."


def published_row(kind: str, model: str, method: str | None) -> TableRow | None:
    name = next(
        (name for pattern, name in _SLIDES_MODELS.items() if re.search(pattern, model)), None
    )
    if name is None or method not in SLIDES_METHODS or kind not in _SLIDES_COLUMNS:
        return None
    numbers = [float(number) for number in _SLIDES_NUMBERS[kind][name].split()]
    digits = 2 if kind == "confidence" else 3
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    cells = [Cell(mean, std, digits=digits) for mean, std in pairs]
    return TableRow(
        f"{name} (slides)", dict(zip(_SLIDES_COLUMNS[kind], cells, strict=True)), "slides"
    )


def setting_differences(method: Mapping[str, Any]) -> str:
    """Where a run's settings are not the slides', as one phrase; empty where they agree."""
    return ", ".join(
        f"{name} {method[name]:g} (slides: {value:g})"
        for name, value in _SLIDES_SETTINGS.items()
        if name in method and method[name] != value
    )


def build_table(run: Run, kind: str = "distance") -> Table:
    """A table of the run, one row per model; the slides' rows follow where the model is theirs.

    `distance`: found against target, pooled over pairs; below each model rows for what its found
    images are held against, which in `summary` are columns. `confidence`: per source over its
    triangles or segments, then over sources. `simplices`: over sources with three found images or
    more. `summary`: one of everything. `transfer`: what other
    models say of the found images, a column per judge. Mean ± standard deviation, ddof 0; pairs
    that did not start are in no statistic.
    """
    builders = {
        "distance": _distance,
        "confidence": _confidence,
        "simplices": simplex_table,
        "summary": _summary,
        "transfer": transfer_table,
    }
    if kind not in builders:
        raise UsageError(f"{kind!r} is no table; expected one of {', '.join(KINDS)}")
    table = builders[kind](run)
    # Judges are asked for their confidence, whatever the run held.
    return table if kind == "transfer" else in_words(table, words_of(run))


def build_tables(run: Run) -> dict[Kind, Table]:
    kinds: list[Kind] = [
        kind for kind in KINDS if kind not in _OPTIONAL or run.arrow(kind).num_rows
    ]
    return {kind: build_table(run, kind) for kind in kinds}


def simplex_table(run: Run) -> Table:
    """How much of the hull of a source and all its found images is inside, a row per model.

    Mean ± standard deviation over sources with at least three found images; `simplex_low` and
    `simplex_high` are the means of each source's own interval. Without such sources, no columns.
    """
    stored = run.arrow("simplices")
    rows = tuple(
        TableRow(facts.name, simplex_cells(run, facts.name)) for facts in run.models if len(stored)
    )
    note = "No source has three found images, so there is no simplex; give --targets-per-source 3."
    title = "Confidence in the source's class over the simplex of all found images"
    shown = SIMPLEX_COLUMNS if len(stored) else ()
    return Table("simplices", title, shown, rows, () if len(stored) else (note,))


def simplex_cells(run: Run, model: str) -> dict[str, Cell]:
    rows = of_model(run.arrow("simplices"), model)
    names = (column.key.removeprefix("simplex_") for column in SIMPLEX_COLUMNS[1:])
    cells = {f"simplex_{name}": spread(finite(rows[name])) for name in names}
    given = {key: replace(cells[key], std=None) for key in ("simplex_k", "simplex_samples")}
    return {"simplex_sources": count(len(rows)), **cells, **given}


def _distance(run: Run) -> Table:
    shown = DISTANCE_COLUMNS
    if run.columns.nulls:
        shown = (*shown, *columns_of("p_found"))
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
    return Table("distance", title, (*columns_of("pairs"), *shown), rows, notes)


def _confidence(run: Run) -> Table:
    rows = tuple(
        TableRow(facts.name, _confidence_cells(pairs, of_model(run.columns.triangles, facts.name)))
        for facts, pairs in _by_model(run)
    )
    rows += _published(run, "confidence")
    notes = (*_triangle_note(run), *_left_out(run), *_settings_note(run, rows))
    title = "Confidence in the source's class over triangles and segments"
    shown = score_columns(words_of(run))
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
    shown = tuple(ending_column(ending) for ending in Ending if ending in endings)
    rows = tuple(
        TableRow(facts.name, _summary_cells(run, facts, pairs)) for facts, pairs in _by_model(run)
    )
    known = _drop_unknown(
        (*REACH_COLUMNS, *SUMMARY_COLUMNS, *_SIMPLEX_NUMBERS, *NULL_NUMBERS), rows
    )
    notes = (*_lpips_note(rows), *_left_out(run), *_unlabelled_note(run))
    return Table("summary", "Summary", (*COUNT_COLUMNS, *shown, *known), rows, notes, True)


def _summary_cells(run: Run, facts: ModelFacts, pairs: pa.Table) -> dict[str, Cell]:
    return {
        "pairs": count(len(pairs)),
        "sources": count(_sources(pairs)),
        **reach_cells(run, facts.name, pairs),
        **_spreads(pairs, SUMMARY_SPREADS),
        "segment_inside": share(finite(pairs["segment_inside"])),
        "source_linf_epsilons": _in_epsilons(pairs, facts.training_epsilon),
        **simplex_cells(run, facts.name),
        **null_cells(run, facts.name),
        **_ending_cells(run, facts.name),
    }


def _in_epsilons(pairs: pa.Table, epsilon: float | None) -> Cell:
    return spread(finite(pairs["source_linf"]) / epsilon) if epsilon else Cell()


def _ending_cells(run: Run, model: str) -> dict[str, Cell]:
    endings = run.columns.endings(model)
    return {ending_column(ending).key: count(endings.get(ending, 0)) for ending in Ending}


def _by_model(run: Run) -> Iterator[tuple[ModelFacts, pa.Table]]:
    return ((facts, run.columns.pairs_of(facts.name, True, _READ)) for facts in run.models)


def _spreads(pairs: pa.Table, shown: Iterable[Column]) -> dict[str, Cell]:
    return {column.key: spread(finite(pairs[column.key])) for column in shown}


def _drop_unknown(shown: tuple[Column, ...], rows: tuple[TableRow, ...]) -> tuple[Column, ...]:
    nulls = (column.key for column in (*REACH_COLUMNS, *_SIMPLEX_NUMBERS, *NULL_NUMBERS))
    optional = {"source_linf_epsilons", "source_lpips", *nulls}
    known = {key for row in rows for key, cell in row.cells.items() if cell.mean is not None}
    return tuple(column for column in shown if column.key in known | ({column.key} - optional))


def _published(run: Run, kind: str) -> tuple[TableRow, ...]:
    method = run.info.method.get("name")
    rows = (published_row(kind, facts.name, method) for facts in run.models)
    return tuple(row for row in rows if row is not None)


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
    method = run.info.method
    different = setting_differences(method) if method.get("name") in SLIDES_METHODS else ""
    if not different or all(row.origin != "slides" for row in rows):
        return ()
    return (f"This run's settings differ from the slides': {different}.",)
