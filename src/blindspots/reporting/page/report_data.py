"""The report: one HTML file that shows a run and needs nothing beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from blindspots.reporting.figures.style import colour_ramp
from blindspots.reporting.model_names import Names, renamed, titles, without_folders
from blindspots.reporting.page.inline import (
    GAINS,
    LARGEST,
    data_uri,
    exact_found,
    exact_pictures,
    fill,
    scaled,
    signed,
)
from blindspots.reporting.page.model_numbers import model_numbers
from blindspots.reporting.page.sentences import DIGITS, case_of, percent, spoken
from blindspots.reporting.page.views import (
    ContrastEntry,
    EndingEntry,
    ModelEntry,
    ReportData,
    RunEntry,
    Shown,
    Side,
    Spread,
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
BINS, CONTRAST_GAIN = 32, 12
_SCORE = (
    *("name", "probability", "of_classes", "noun", "axis", "each"),
    *("source", "found", "sees", "gives"),
)


def run_facts(run: Run) -> dict[str, Any]:
    """Groups of (name, text): plan, run, versions, models, notes, skipped and converted images."""
    info = run.info
    return {
        "command": without_folders(info.command),
        "plan": _plan(run),
        "run": _known(
            {
                "Started": info.started,
                "Finished": info.finished or "not yet",
                "Duration": _duration(info.seconds),
                "Device": info.device,
                "Pictures kept": info.keep,
                "Plan hash": info.plan_hash,
            }
        ),
        "versions": _known(info.versions),
        "models": [(without_folders(facts.name), _model_facts(facts)) for facts in run.models],
        "notes": [without_folders(note) for note in info.notes],
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
    said = ((entry.get("name", "?"), entry.get("reason", "")) for entry in entries)
    return [(without_folders(name), without_folders(reason)) for name, reason in said]


def _known(facts: Mapping[str, Any]) -> Facts:
    known = ((name, value) for name, value in facts.items() if value not in (None, ""))
    return [(name, without_folders(str(value))) for name, value in known]


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
    run: Run,
    tables: Mapping[Kind, Table] | None = None,
    names: Names | None = None,
    out: Place | None = None,
) -> Place:
    """`report.html` in the run's directory: self-contained, opens from disk; returns its path.

    `tables`: the run's, where they are built already; `names`: what its models are called; `out`:
    another directory to write it into.
    """
    page = page_html(report_data(run, tables, names))
    return write_text((out or run.path) / "report.html", page)


def page_html(data: ReportData) -> str:
    return fill("report.html", data)


def report_data(
    run: Run, tables: Mapping[Kind, Table] | None = None, names: Names | None = None
) -> ReportData:
    """Everything the page shows of a run; `tables`: the run's, where they are built already.

    Numbers, tables, spreads and endings count every pair. One by one are shown those of `sample`.
    `names`: what models are called, by name or spec.
    """
    run = renamed(run, names)
    chosen, words, called = sample(run), words_of(run), titles(run)
    rows = run.columns.rows("pairs", "pair_id", chosen.ids)
    tables = build_tables(run) if tables is None else tables
    labels = {facts.name: without_folders(facts.name) for facts in run.models}
    case = next((row for row in rows if row["pair_id"] == chosen.case), None)
    return page_data(
        [
            (Side(run, m, label), [r for r in rows if r["model"] == m])
            for m, label in labels.items()
        ],
        run=RunEntry(
            run.name,
            run.labelled,
            run.finished,
            total=chosen.total,
            listed=len(chosen.ids),
            extremes=chosen.extremes,
        ),
        words=words,
        titles={labels[name]: title for name, title in called.items()},
        case=None if case is None else replace(case_of(case, words), model=labels[case["model"]]),
        exact={} if case is None else exact_pictures(run, case),
        contrast=None if case is None else _contrast(run, case),
        numbers=[
            model_numbers(run, one, called[one.name], without_folders(one.spec or one.name))
            for one in run.models
        ],
        glossary={column.title: column.definition for column in glossary(words)},
        tables=[_table(t, called) for t in tables.values() if t.columns and t.rows],
        spreads=[_labelled(one, labels) for one in spreads(run)],
        facts=run_facts(run),
    )


def _labelled(one: Spread, labels: Mapping[str, str]) -> Spread:
    return replace(one, counts={labels[name]: counts for name, counts in one.counts.items()})


def _contrast(run: Run, row: Row) -> ContrastEntry | None:
    facts, perturbed = run.info.contrast, run.contrast()
    source, found = run.image(row["source_id"], row["model"]), exact_found(run, row["pair_id"])
    if facts is None or facts.pair_id != row["pair_id"] or perturbed is None:
        return None
    if source is None or found is None or not perturbed.shape == source.shape == found.shape:
        return None
    return ContrastEntry(
        perturbed=data_uri(scaled(perturbed, LARGEST)),
        change=signed(perturbed.astype(np.float32) - source, CONTRAST_GAIN),
        gain=CONTRAST_GAIN,
        levels=round(255 * (facts.linf or 0)),
        before=spoken(facts.before),
        p_before=percent(facts.p_before or 0.0),
        after=spoken(facts.after),
        p_after=percent(facts.p_after or 0.0),
        reached=facts.before != facts.after,
        found_change=signed(found - source, 0.5),
    )


def page_data(
    shown: Shown, *, words: ScoreWords, titles: Mapping[str, str] | None = None, **own: Any
) -> ReportData:
    """The data of a page on which these pairs of each side are shown; `own`: its other fields.

    `titles`: what the sides are called, by label.
    """
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
        models=[_model_entry(side, (titles or {}).get(side.label, side.label)) for side in sides],
        columns=[asdict(column_in_words(column, words)) for column in PAIR_NUMBERS],
        endings=_endings(sides, words),
        gains=GAINS,
        colours=colour_ramp(),
        **views._asdict(),
        **own,
    )


def _model_entry(side: Side, title: str) -> ModelEntry:
    facts, run = side.run.facts(side.model), side.run
    height, width = facts.size or (1, 1)
    aspect = round(width / height, 4)
    return ModelEntry(side.label, title, facts.training_epsilon, aspect, run.delta, run.straight)


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


def _table(table: Table, called: Mapping[str, str]) -> dict[str, Any]:
    rows = [_table_row(row, table.columns, called) for row in table.rows]
    own = [row for row in rows if row["origin"] == "run"]
    below = [row for row in rows if row["origin"] != "run"]
    return {
        "kind": table.kind,
        "title": table.title,
        "transposed": table.transposed,
        "columns": [asdict(column) for column in table.columns],
        "rows": [*own, *_shared(below)] if table.kind == "distance" else rows,
        "notes": [without_folders(note) for note in table.notes],
        "csv": without_folders(render(table, "csv")),
    }


def _shared(rows: Sequence[Row]) -> list[Row]:
    """Rows below the models' own, kind by kind: one where all models have the same distances."""
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row["title"], []).append(row)
    return [row for title, own in kinds.items() for row in _once(title, own)]


def _once(title: str, rows: Sequence[Row]) -> Sequence[Row]:
    own = "p_found"  # of a random pair each model's own p source
    distances = [{k: c["text"] for k, c in row["cells"].items() if k != own} for row in rows]
    if title and all(each == distances[0] for each in distances):
        said = {row["cells"][own]["text"] for row in rows if own in row["cells"]}
        cells = {**rows[0]["cells"]}
        if len(said) > 1:
            cells[own] = {**Cell().as_json(), "text": "–"}
        return [{**rows[0], "cells": cells}]
    return [{**row, "title": title and f"{title}, {row['label']}"} for row in rows]


def _table_row(row: TableRow, columns: Sequence[Column], called: Mapping[str, str]) -> Row:
    cells = {column.key: row.cells.get(column.key, Cell()) for column in columns}
    texts = {column.key: shown(cells[column.key], column) for column in columns}
    return {
        "label": called.get(row.label, without_folders(row.label)),
        "title": row.title,
        "origin": row.origin,
        "cells": {key: {**cell.as_json(), "text": texts[key]} for key, cell in cells.items()},
    }
