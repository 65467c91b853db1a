"""The report: one HTML file that shows a run and needs nothing beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from blindspots.reporting.figures.style import colour_ramp
from blindspots.reporting.page.inline import fill
from blindspots.reporting.page.views import (
    DIGITS,
    EndingEntry,
    ModelEntry,
    ReportData,
    RunEntry,
    Shown,
    Side,
    Spread,
    case_of,
    views_of,
)
from blindspots.reporting.score_labels import ScoreWords, scales, words_of
from blindspots.reporting.selection import sample
from blindspots.reporting.tables import Cell, Column, Kind, Table, TableRow, build_tables, render
from blindspots.reporting.tables.render import shown
from blindspots.reporting.tables.table import PAIR_NUMBERS, column_in_words, glossary
from blindspots.schema import Ending
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place
from blindspots.store.reader import ModelFacts, Row, Run, codes, finite

Facts = list[tuple[str, str]]
BINS = 32
_SCORE = (
    *("name", "probability", "of_classes", "noun", "axis", "each"),
    *("source", "found", "sees", "gives"),
)
_HEADLINE = ("pairs", "rmse", "p_found", "segment_mean", "segment_inside", "source_linf_epsilons")
# Near to the target, far from the source, and believed all the way: that is to be blind.
_BLIND = {
    "low": {"rmse", "linf", "lpips", "source_ssim"},
    "high": {
        *("ssim", "p_found", "p_found_8bit", "segment_mean", "segment_min", "segment_inside"),
        *("p_path_min", "source_rmse", "source_linf", "source_lpips"),
    },
}


def run_facts(run: Run) -> dict[str, Any]:
    """Groups of (name, text): plan, run, versions, models, notes, skipped and converted images."""
    info = run.info
    return {
        "plan": _plan(run),
        "run": _known(
            {
                "Command": info.command,
                "Started": info.started,
                "Finished": info.finished or "not yet",
                "Duration": _duration(info.seconds),
                "Device": info.device,
                "Pictures kept": info.keep,
                "Plan hash": info.plan_hash,
            }
        ),
        "versions": _known(info.versions),
        "models": [(facts.name, _model_facts(facts)) for facts in run.models],
        "notes": list(info.notes),
        "skipped": _listed(info.images.skipped),
        "converted": _listed(info.images.converted),
    }


def _plan(run: Run) -> Facts:
    plan, images = run.plan, run.info.images
    score = plan.get("score") or {}
    return _known(
        {
            "Images": images.spec or plan.get("images"),
            "Images found": images.count,
            "Method": _settings(run.info.method),
            "Score": _settings(score),
            "Sources": plan.get("sources"),
            "Targets per source": plan.get("targets_per_source"),
            "Seed": plan.get("seed"),
            "Precision": plan.get("precision"),
        }
    )


def _settings(settings: Mapping[str, Any]) -> str:
    fields = ", ".join(
        f"{key.replace('_', ' ')} {_number(value)}"
        for key, value in settings.items()
        if key != "name"
    )
    name = settings.get("name", "")
    return f"{name} ({fields})" if fields else name


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _model_facts(facts: ModelFacts) -> Facts:
    preflight = facts.preflight
    return _known(
        {
            "Spec": facts.spec if facts.spec != facts.name else None,
            "Fingerprint": facts.fingerprint,
            "Input": " × ".join(map(str, facts.size or ())) + (" px" if facts.size else ""),
            "Classes": facts.num_classes,
            "Trained to withstand": _epsilon(facts.training_epsilon),
            "Preflight images": preflight.images,
            "Clean accuracy": _share(preflight.accuracy),
            "Mean confidence": _share(preflight.mean_confidence),
        }
    )


def _epsilon(epsilon: float | None) -> str | None:
    return None if epsilon is None else f"ℓ∞ {255 * epsilon:.3g}/255"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f} %"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _listed(entries: Iterable[Mapping[str, str]]) -> Facts:
    return [(entry.get("name", "?"), entry.get("reason", "")) for entry in entries]


def _known(facts: Mapping[str, Any]) -> Facts:
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]


def spreads(run: Run) -> list[Spread]:
    models = [facts.name for facts in run.models]
    owners, pairs = _owners(run.columns.pairs, models), run.columns.pairs
    columns = ((key, finite(pairs[key])) for key in spread_keys())
    of_models = (
        (key, {model: values[owners == index] for index, model in enumerate(models)})
        for key, values in columns
    )
    return list(filter(None, (spread(key, values) for key, values in of_models)))


def spread_keys() -> Iterator[str]:
    """The numbers of which a spread is worth drawing: a flag has two values alone."""
    return (column.key for column in PAIR_NUMBERS if column.key != "segment_inside")


def spread(key: str, values: Mapping[str, np.ndarray]) -> Spread | None:
    known = {model: own[np.isfinite(own)] for model, own in values.items()}
    every = np.concatenate([np.empty(0), *known.values()])
    if not len(every) or every.min() == every.max():
        return None
    low, high = float(every.min()), float(every.max())
    counts = {model: np.histogram(own, BINS, (low, high))[0] for model, own in known.items()}
    return Spread(key, low, high, {model: own.tolist() for model, own in counts.items()})


def _owners(pairs: pa.Table, models: list[str]) -> np.ndarray:
    """Which model each pair is of, −1 where it did not start."""
    owners, names = codes(pairs["model"])
    endings, words = codes(pairs["ending"])
    places = np.array([models.index(str(name)) for name in names] or [0])
    started = np.array([Ending(word).started for word in words] or [False])
    return np.where(started[endings], places[owners], -1)


def write_report(
    run: Run, tables: Mapping[Kind, Table] | None = None, out: Place | None = None
) -> Place:
    """`report.html` in the run's directory: self-contained, opens from disk; returns its path.

    `tables`: the run's, where they are built already. `out`: another directory to write it into.
    """
    return write_text((out or run.path) / "report.html", page_html(report_data(run, tables)))


def page_html(data: ReportData) -> str:
    return fill("report.html", data)


def report_data(run: Run, tables: Mapping[Kind, Table] | None = None) -> ReportData:
    """Everything the page shows of a run; `tables`: the run's, where they are built already.

    Tables, spreads and endings count every pair. One by one are shown those of `sample`.
    """
    chosen, words = sample(run), words_of(run)
    rows = run.columns.rows("pairs", "pair_id", chosen.ids)
    tables = build_tables(run) if tables is None else tables
    models = [facts.name for facts in run.models]
    return page_data(
        [(Side(run, one, one), [row for row in rows if row["model"] == one]) for one in models],
        run=RunEntry(
            run.name,
            run.labelled,
            run.finished,
            total=chosen.total,
            listed=len(chosen.ids),
            extremes=chosen.extremes,
        ),
        words=words,
        case=next((case_of(row, words) for row in rows if row["pair_id"] == chosen.case), None),
        glossary={column.title: column.definition for column in glossary(words)},
        headline=_table(_headline(tables["summary"])),
        tables=[_table(table) for table in tables.values() if table.columns and table.rows],
        spreads=spreads(run),
        facts=run_facts(run),
    )


def page_data(shown: Shown, *, words: ScoreWords, **own: Any) -> ReportData:
    """The data of a page on which these pairs of each side are shown; `own`: its other fields."""
    views, sides = views_of(shown), [side for side, _ in shown]
    deltas = [side.run.delta for side in sides if side.run.delta is not None]
    rows = [row for _, own_rows in shown for row in own_rows]
    grids = [triangle.confidence for triangle in views.triangles]
    return ReportData(
        score={
            **{name: getattr(words, name) for name in _SCORE},
            "digits": DIGITS,
            **scales(words, rows, grids, max(deltas, default=None))._asdict(),
        },
        models=[_model_entry(side) for side in sides],
        columns=[_column(column_in_words(column, words)) for column in PAIR_NUMBERS],
        endings=_endings(sides, words),
        colours=colour_ramp(),
        **views._asdict(),
        **own,
    )


def _model_entry(side: Side) -> ModelEntry:
    facts, run = side.run.facts(side.model), side.run
    height, width = facts.size or (1, 1)
    aspect = round(width / height, 4)
    return ModelEntry(side.label, facts.training_epsilon, aspect, run.delta, run.straight)


def _column(column: Column) -> dict[str, Any]:
    return {
        **asdict(column),
        "blind": next((e for e, keys in _BLIND.items() if column.key in keys), None),
    }


def _endings(sides: Sequence[Side], words: ScoreWords) -> list[EndingEntry]:
    counts = {side.label: side.run.columns.endings(side.model) for side in sides}
    entries = [
        EndingEntry(
            ending.value,
            ending.replace("_", " "),
            words.say(ending.sentence),
            {label: own[ending] for label, own in counts.items() if ending in own},
        )
        for ending in Ending
    ]
    return [entry for entry in entries if entry.counts]


def _headline(table: Table) -> Table:
    chosen = tuple(column for column in table.columns if column.key in _HEADLINE)
    return replace(table, kind="headline", title="In short", columns=chosen, transposed=False)


def _table(table: Table) -> dict[str, Any]:
    return {
        "kind": table.kind,
        "title": table.title,
        "transposed": table.transposed,
        "columns": [asdict(column) for column in table.columns],
        "rows": [_table_row(row, table.columns) for row in table.rows],
        "notes": list(table.notes),
        "csv": render(table, "csv"),
    }


def _table_row(row: TableRow, columns: Sequence[Column]) -> Row:
    cells = {column.key: row.cells.get(column.key, Cell()) for column in columns}
    texts = {column.key: shown(cells[column.key], column) for column in columns}
    return {
        "label": row.label,
        "title": row.title,
        "origin": row.origin,
        "cells": {key: {**cell.as_json(), "text": texts[key]} for key, cell in cells.items()},
    }
