"""What the report shows, as plain data: the page's scripts read nothing else."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps

from blindspots.plots.grid_layout import grid_layout
from blindspots.plots.style import COLOUR_MAP
from blindspots.plots.triangle import side_lengths
from blindspots.records import Ending
from blindspots.report.pictures import Pictures
from blindspots.run_reader import Row, Run, arrived
from blindspots.tables.columns import PAIR_NUMBERS

SCHEMA = 1
MOST_ROWS = 4000
_COLOURS = 64


def report_data(run: Run) -> dict[str, Any]:
    """Everything the page draws: models, pairs, triangles, pictures, words; all JSON values.

    At most `MOST_ROWS` pairs are listed, in the run's order; `total` says how many there are.
    """
    rows = run.pair_rows()
    listed = rows[:MOST_ROWS]
    pictures = Pictures(run, listed)
    shown = {(row["model"], row["source_id"], row["target_id"]) for row in pictures.chosen}
    return {
        "schema": SCHEMA,
        "total": len(rows),
        "delta": run.delta,
        "straight": run.straight,
        "models": [{"name": facts.name, "epsilon": facts.training_epsilon} for facts in run.models],
        "columns": [
            {"key": c.key, "title": c.title, "definition": c.definition, "digits": c.digits}
            for c in PAIR_NUMBERS
        ],
        "endings": {ending.value: ending.sentence for ending in Ending},
        "colours": colour_ramp(),
        "pairs": [_pair(run, row) for row in listed],
        "triangles": [_triangle(run, row) for row in run.triangle_rows() if _both(row, shown)],
        "grids": [_grid(run, facts.name) for facts in run.models],
        "pictures": {
            "images": pictures.images(),
            "found": pictures.found(),
            "paths": pictures.paths(),
        },
    }


def colour_ramp() -> list[str]:
    """The figures' colour map as hex colours from confidence 0 to 1."""
    ramp = (255 * colormaps[COLOUR_MAP](np.linspace(0, 1, _COLOURS))).round().astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in ramp]


def spoken(name: str | None, index: int | None = None) -> str:
    """A class name for a sentence: no underscores; a bare number becomes "class 7"."""
    text = (name or "").replace("_", " ").strip()
    if not text or text.isdigit():
        return f"class {text or index}" if text or index is not None else "unknown"
    return text


def with_article(name: str) -> str:
    """ "a goose", "an academic gown"; "class 7" stays as it is."""
    if name.startswith("class ") or name == "unknown":
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _pair(run: Run, row: Row) -> Row:
    return {
        "id": row["pair_id"],
        "model": row["model"],
        "source": spoken(row["source_name"], row["source_class"]),
        "target": spoken(row["target_name"], row["target_class"]) if row["target_id"] else None,
        "sourceId": row["source_id"],
        "targetId": row["target_id"],
        "sourceKey": _key(run, row["source_id"], row["model"]),
        "targetKey": _key(run, row["target_id"], row["model"]),
        "ending": row["ending"],
        "arrived": arrived(row),
        "numbers": {column.key: _value(row[column.key]) for column in PAIR_NUMBERS},
        "segment": _rounded(row["segment_confidence"]),
        "steps": row["path_step"] or [],
        "path": _rounded(row["path_confidence"]),
    }


def _triangle(run: Run, row: Row) -> Row:
    return {
        "model": row["model"],
        "sourceId": row["source_id"],
        "targetIds": [row["target_1"], row["target_2"]],
        "pSource": _value(row["p_source"]),
        "mean": _value(row["mean"]),
        "confidence": _rounded(row["confidence"]),
        "sides": [round(side, 6) for side in side_lengths(run, row)],
    }


def _grid(run: Run, model: str) -> Row:
    layout = grid_layout(run, model)
    return {
        "model": model,
        "rows": [spoken(name) for name in layout.rows],
        "columns": [spoken(name) for name in layout.columns],
        "spots": [
            [spot and {"pair": spot.row["pair_id"], "clean": spot.clean} for spot in line]
            for line in layout.spots
        ],
    }


def _both(row: Row, shown: set[tuple[str, str, str]]) -> bool:
    names = ("target_1", "target_2")
    return all((row["model"], row["source_id"], row[name]) in shown for name in names)


def _key(run: Run, image_id: str | None, model: str) -> str | None:
    return run.image_path(image_id, model).stem if image_id else None


def _rounded(values: Sequence[float] | None) -> list[float | None]:
    return [_value(value) for value in values or ()]


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
