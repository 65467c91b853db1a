"""From a run's files to the report's data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from matplotlib import colormaps

from blindspots.reporting.figures.style import COLOUR_MAP
from blindspots.reporting.page import entry_types
from blindspots.reporting.page.histograms import spreads
from blindspots.reporting.page.pair_sample import SEED, Sample, sample
from blindspots.reporting.page.pictures import fitting
from blindspots.reporting.page.run_facts import run_facts
from blindspots.reporting.page.score_entry import score_entry
from blindspots.reporting.page.text import case_of
from blindspots.reporting.page.views import views_of
from blindspots.reporting.score_labels import ScoreWords, words_of
from blindspots.reporting.tables import Cell, Column, Kind, Table, build_tables, render
from blindspots.reporting.tables.column_texts import PAIR_NUMBERS, glossary
from blindspots.reporting.tables.render import shown
from blindspots.reporting.tables.words import column_in_words
from blindspots.schema import Ending
from blindspots.store.reader import Row, Run

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


def report_data(run: Run, tables: Mapping[Kind, Table] | None = None) -> entry_types.ReportData:
    """Everything the page shows of a run; `tables`: the run's, where they are built already.

    Tables, spreads and endings count every pair. One by one are shown those of `sample`.
    """
    chosen = sample(run)
    rows = run.columns.rows("pairs", "pair_id", chosen.ids)
    tables = build_tables(run) if tables is None else tables
    words, models = words_of(run), [facts.name for facts in run.models]
    views = views_of(fitting(run, rows), models)
    return entry_types.ReportData(
        schema=entry_types.SCHEMA,
        run=_run(run, chosen),
        score=score_entry(words, rows, views.triangles, run.delta),
        case=next((case_of(row, words) for row in rows if row["pair_id"] == chosen.case), None),
        models=[model_entry(run, model) for model in models],
        columns=column_entries(words),
        glossary={column.title: column.definition for column in glossary(words)},
        endings=ending_entries({name: run.columns.endings(name) for name in models}, words),
        headline=_table(_headline(tables["summary"])),
        tables=[_table(table) for table in tables.values() if table.columns and table.rows],
        spreads=spreads(run),
        facts=run_facts(run),
        colours=colour_ramp(),
        pairs=views.pairs,
        triangles=views.triangles,
        grids=views.grids,
        images=views.images,
    )


def colour_ramp() -> list[str]:
    """The figures' colour map as hex colours from confidence 0 to 1."""
    ramp = (255 * colormaps[COLOUR_MAP](np.linspace(0, 1, _COLOURS))).round().astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in ramp]


def _run(run: Run, chosen: Sample) -> entry_types.RunEntry:
    return entry_types.RunEntry(
        name=run.name,
        labelled=run.labelled,
        finished=run.finished,
        total=chosen.total,
        listed=len(chosen.ids),
        extremes=chosen.extremes,
        seed=SEED,
        kind="model",
        beside=True,
    )


def model_entry(run: Run, model: str, label: str | None = None) -> entry_types.ModelEntry:
    """A model of a run; `label`: what it is called beside those of other runs."""
    facts = run.facts(model)
    height, width = facts.size or (1, 1)
    aspect = round(width / height, 4)
    return entry_types.ModelEntry(
        label or model, facts.training_epsilon, aspect, run.delta, run.straight
    )


def column_entries(words: ScoreWords) -> list[entry_types.ColumnEntry]:
    """The numbers of every pair, in the words of the score that was held."""
    return [_column(column_in_words(column, words)) for column in PAIR_NUMBERS]


def _column(column: Column) -> entry_types.ColumnEntry:
    blind = next((end for end, keys in _BLIND.items() if column.key in keys), None)
    return entry_types.ColumnEntry(
        column.key, column.title, column.definition, column.digits, column.percent, blind
    )


def ending_entries(
    counts: Mapping[str, Mapping[str, int]], words: ScoreWords
) -> list[entry_types.EndingEntry]:
    """The endings that occurred, in words; `counts`: model to ending to its pairs."""
    entries = [
        entry_types.EndingEntry(
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


def _table(table: Table) -> entry_types.TableEntry:
    return entry_types.TableEntry(
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
