"""What is shown of single pairs: the pairs, their triangles, grids and pictures."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from blindspots.reporting.figures.grid_layout import layout_of
from blindspots.reporting.page import entry_types
from blindspots.reporting.page.pictures import Pictures, rmse
from blindspots.reporting.page.text import spoken, with_article
from blindspots.reporting.score_labels import ScoreWords, words_of
from blindspots.reporting.tables.column_texts import PAIR_NUMBERS
from blindspots.schema import Ending
from blindspots.store.reader import Row, Run, reached_target


class Views(NamedTuple):
    """What the views of some of a run's pairs are drawn from."""

    pairs: list[entry_types.PairEntry]
    triangles: list[entry_types.TriangleEntry]
    grids: list[entry_types.GridEntry]
    images: dict[str, str]


def views_of(pictures: Pictures, models: Iterable[str]) -> Views:
    """The views of the pairs of these pictures, with a grid for each of the models."""
    run, rows = pictures.run, pictures.rows
    return Views(
        pairs=_pairs(run, rows, pictures),
        triangles=_triangles(run, rows),
        grids=[_grid(model, rows, words_of(run)) for model in models],
        images=pictures.images(),
    )


def _pairs(run: Run, rows: Sequence[Row], pictures: Pictures) -> list[entry_types.PairEntry]:
    # Pictures are read and written by Pillow, which lets other threads work meanwhile.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda row: _pair(run, row, pictures), rows))


def _pair(run: Run, row: Row, pictures: Pictures) -> entry_types.PairEntry:
    words = words_of(run)
    source = spoken(row["source_name"], row["source_class"])
    return entry_types.PairEntry(
        id=row["pair_id"],
        model=row["model"],
        source=source,
        target=spoken(row["target_name"], row["target_class"]) if row["target_id"] else None,
        source_id=row["source_id"],
        target_id=row["target_id"],
        source_key=_key(run, row["source_id"], row["model"]),
        target_key=_key(run, row["target_id"], row["model"]),
        ending=row["ending"],
        arrived=reached_target(row),
        believed=words.believe(source, with_article(source)),
        believes=row["p_found"] is not None and row["p_found"] >= words.even,
        caption=words.caption(source),
        numbers={column.key: _value(row[column.key]) for column in PAIR_NUMBERS},
        segment=_rounded(row["segment_confidence"]),
        steps=row["path_step"] or [],
        path=_rounded(row["path_confidence"]),
        pictures=pictures.of_pair(row),
    )


def _triangles(run: Run, rows: Sequence[Row]) -> list[entry_types.TriangleEntry]:
    ids = {
        (row["model"], row["source_id"], row["target_id"]): row["pair_id"]
        for row in rows
        if row["target_id"] and Ending(row["ending"]).started
    }
    stored = run.columns.rows("triangles", "source_id", {source for _, source, _ in ids})
    return [_triangle(run, row, ids) for row in stored if all(key in ids for key in _corners(row))]


def _triangle(
    run: Run, row: Row, ids: dict[tuple[str, str, str], str]
) -> entry_types.TriangleEntry:
    first, second = (ids[key] for key in _corners(row))
    return entry_types.TriangleEntry(
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


def _grid(model: str, rows: Sequence[Row], words: ScoreWords) -> entry_types.GridEntry:
    own = [row for row in rows if row["model"] == model and Ending(row["ending"]).started]
    layout = layout_of(own)
    return entry_types.GridEntry(
        model=model,
        rows=[words.caption(spoken(name)) for name in layout.rows],
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
