"""From a run's files to the report's data."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from matplotlib import colormaps

from blindspots.plots.grid_layout import layout_of
from blindspots.plots.style import COLOUR_MAP
from blindspots.records import Ending
from blindspots.report import data
from blindspots.report.facts import run_facts
from blindspots.report.pictures import Pictures, fitting, rmse
from blindspots.report.sample import SEED, Sample, sample
from blindspots.report.score import score_entry
from blindspots.report.spreads import spreads
from blindspots.report.words import case_of, spoken, with_article
from blindspots.run_reader import ModelFacts, Row, Run, arrived
from blindspots.score_words import ScoreWords, words_of
from blindspots.tables import Cell, Column, Kind, Table, build_tables, render
from blindspots.tables.columns import PAIR_NUMBERS, glossary
from blindspots.tables.render import shown
from blindspots.tables.words import column_in_words

_COLOURS = 64
_HEADLINE = ("pairs", "rmse", "p_found", "segment_mean", "segment_inside", "source_linf_epsilons")
# Near to the target, far from the source, and believed all the way: that is to be blind.
_BLIND = {
    "low": {"rmse", "linf", "lpips", "source_ssim"},
    "high": {
        *("ssim", "p_found", "p_found_8bit", "segment_mean", "segment_min", "segment_inside"),
        *("p_path_min", "source_rmse", "source_linf", "source_lpips"),
    },
}


def report_data(run: Run, tables: Mapping[Kind, Table] | None = None) -> data.ReportData:
    """Everything the page shows of a run; `tables`: the run's, where they are built already.

    Tables, spreads and endings count every pair. One by one are shown those of `sample`.
    """
    chosen = sample(run)
    rows = run.columns.whole_pairs(chosen.ids)
    pictures = fitting(run, rows)
    tables = build_tables(run) if tables is None else tables
    words, triangles = words_of(run), _triangles(run, rows)
    return data.ReportData(
        schema=data.SCHEMA,
        run=_run(run, chosen),
        score=score_entry(run, words, rows, triangles),
        case=next((case_of(row, words) for row in rows if row["pair_id"] == chosen.case), None),
        models=[_model(facts) for facts in run.models],
        columns=[_column(column_in_words(column, words)) for column in PAIR_NUMBERS],
        glossary={column.title: column.definition for column in glossary(words)},
        endings=_endings(run, words),
        headline=_table(_headline(tables["summary"])),
        tables=[_table(table) for table in tables.values() if table.columns and table.rows],
        spreads=spreads(run),
        facts=run_facts(run),
        colours=colour_ramp(),
        pairs=_pairs(run, rows, pictures),
        triangles=triangles,
        grids=[_grid(facts.name, rows) for facts in run.models],
        images=pictures.images(),
    )


def colour_ramp() -> list[str]:
    """The figures' colour map as hex colours from confidence 0 to 1."""
    ramp = (255 * colormaps[COLOUR_MAP](np.linspace(0, 1, _COLOURS))).round().astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in ramp]


def _run(run: Run, chosen: Sample) -> data.RunEntry:
    return data.RunEntry(
        name=run.name,
        delta=run.delta,
        straight=run.straight,
        labelled=run.labelled,
        finished=run.finished,
        total=chosen.total,
        listed=len(chosen.ids),
        extremes=chosen.extremes,
        seed=SEED,
    )


def _model(facts: ModelFacts) -> data.ModelEntry:
    height, width = facts.size or (1, 1)
    return data.ModelEntry(facts.name, facts.training_epsilon, round(width / height, 4))


def _column(column: Column) -> data.ColumnEntry:
    blind = next((end for end, keys in _BLIND.items() if column.key in keys), None)
    return data.ColumnEntry(
        column.key, column.title, column.definition, column.digits, column.percent, blind
    )


def _endings(run: Run, words: ScoreWords) -> list[data.EndingEntry]:
    counts = {facts.name: run.columns.endings(facts.name) for facts in run.models}
    entries = [
        data.EndingEntry(
            ending.value,
            ending.replace("_", " "),
            words.say(ending.sentence),
            {model: own[ending] for model, own in counts.items() if ending in own},
        )
        for ending in Ending
    ]
    return [entry for entry in entries if entry.counts]


def _headline(table: Table) -> Table:
    chosen = tuple(column for column in table.columns if column.key in _HEADLINE)
    return replace(table, kind="headline", title="In short", columns=chosen, transposed=False)


def _table(table: Table) -> data.TableEntry:
    return data.TableEntry(
        kind=table.kind,
        title=table.title,
        transposed=table.transposed,
        columns=[asdict(column) for column in table.columns],
        rows=[_table_row(row, table.columns) for row in table.rows],
        notes=list(table.notes),
        csv=render(table, "csv"),
    )


def _table_row(row: Any, columns: Sequence[Column]) -> Row:
    cells = {column.key: row.cells.get(column.key, Cell()) for column in columns}
    texts = {column.key: shown(cells[column.key], column) for column in columns}
    return {
        "title": "",
        **asdict(row),
        "cells": {key: {**asdict(cell), "text": texts[key]} for key, cell in cells.items()},
    }


def _pairs(run: Run, rows: Sequence[Row], pictures: Pictures) -> list[data.PairEntry]:
    # Pictures are read and written by Pillow, which lets other threads work meanwhile.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda row: _pair(run, row, pictures), rows))


def _pair(run: Run, row: Row, pictures: Pictures) -> data.PairEntry:
    words = words_of(run)
    source = spoken(row["source_name"], row["source_class"])
    return data.PairEntry(
        id=row["pair_id"],
        model=row["model"],
        source=source,
        target=spoken(row["target_name"], row["target_class"]) if row["target_id"] else None,
        source_id=row["source_id"],
        target_id=row["target_id"],
        source_key=_key(run, row["source_id"], row["model"]),
        target_key=_key(run, row["target_id"], row["model"]),
        ending=row["ending"],
        arrived=arrived(row),
        believed=words.believe(source, with_article(source)),
        believes=row["p_found"] is not None and row["p_found"] >= words.even,
        numbers={column.key: _value(row[column.key]) for column in PAIR_NUMBERS},
        segment=_rounded(row["segment_confidence"]),
        steps=row["path_step"] or [],
        path=_rounded(row["path_confidence"]),
        pictures=pictures.of_pair(row),
    )


def _triangles(run: Run, rows: Sequence[Row]) -> list[data.TriangleEntry]:
    ids = {
        (row["model"], row["source_id"], row["target_id"]): row["pair_id"]
        for row in rows
        if row["target_id"] and Ending(row["ending"]).started
    }
    stored = run.columns.whole_triangles({source for _, source, _ in ids})
    return [_triangle(run, row, ids) for row in stored if all(key in ids for key in _corners(row))]


def _triangle(run: Run, row: Row, ids: dict[tuple[str, str, str], str]) -> data.TriangleEntry:
    first, second = (ids[key] for key in _corners(row))
    return data.TriangleEntry(
        model=row["model"],
        source_id=row["source_id"],
        target_ids=[row["target_1"], row["target_2"]],
        p_source=_value(row["p_source"]),
        mean=_value(row["mean"]),
        confidence=_rounded(row["confidence"]),
        sides=_sides(run, row, first, second),
    )


def _sides(run: Run, row: Row, first: str, second: str) -> list[float]:
    source = run.image(row["source_id"], row["model"])
    a, b = run.found(first), run.found(second)
    if source is None or a is None or b is None:
        return [1.0, 1.0, 1.0]
    sides = [rmse(source, a), rmse(source, b), rmse(a, b)]
    return [1.0, 1.0, 1.0] if None in sides else [round(side or 0.0, 6) for side in sides]


def _corners(row: Row) -> list[tuple[str, str, str]]:
    return [(row["model"], row["source_id"], row[name]) for name in ("target_1", "target_2")]


def _grid(model: str, rows: Sequence[Row]) -> data.GridEntry:
    own = [row for row in rows if row["model"] == model and Ending(row["ending"]).started]
    layout = layout_of(own)
    return data.GridEntry(
        model=model,
        rows=[spoken(name) for name in layout.rows],
        columns=[spoken(name) for name in layout.columns],
        spots=[
            [spot and {"pair": spot.row["pair_id"], "clean": spot.clean} for spot in line]
            for line in layout.spots
        ],
    )


def _key(run: Run, image_id: str | None, model: str) -> str | None:
    return run.image_path(image_id, model).stem if image_id else None


def _rounded(values: Sequence[float] | None) -> list[float | None]:
    return [_value(value) for value in values or ()]


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
