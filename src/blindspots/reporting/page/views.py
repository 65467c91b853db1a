"""What is shown of single pairs: the pairs, their triangles, grids and pictures."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from blindspots.reporting.page.pictures import PairPictures, Pictures, rmse
from blindspots.reporting.score_labels import CONFIDENCE, Scale, ScoreWords, number, words_of
from blindspots.reporting.selection import layout_of
from blindspots.reporting.tables.table import PAIR_NUMBERS
from blindspots.schema import Ending
from blindspots.store.reader import Row, Run, reached_target

DIGITS = 2
SCHEMA = 4


@dataclass(frozen=True)
class PairText:
    """One pair in words: what a person sees, what the model sees, how surely.

    `arrived`: whether the image came near enough to be named like its target. `believes`: whether
    the model holds the source's class more likely than not. `percent`: how surely; of a score that
    is no probability its name and value.
    """

    pair_id: str
    model: str
    seen: str
    believed: str
    source: str
    target: str
    percent: str
    believes: bool
    arrived: bool


def case_of(row: Row, words: ScoreWords = CONFIDENCE) -> PairText:
    """The words of a stored pair that started; `words`: of the score that was held."""
    target = spoken(row["target_name"], row["target_class"])
    source = spoken(row["source_name"], row["source_class"])
    return PairText(
        pair_id=row["pair_id"],
        model=row["model"],
        seen=with_article(target),
        believed=words.believe(source, with_article(source)),
        source=source,
        target=target,
        percent=surely(row["p_found"], words),
        believes=row["p_found"] >= words.even,
        arrived=reached_target(row),
    )


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


def surely(value: float, words: ScoreWords) -> str:
    """A score in a sentence: "99.9 %", "margin 9.21"."""
    return percent(value) if words.probability else f"{words.noun} {number(value, DIGITS)}"


def percent(value: float) -> str:
    """A confidence as a percentage that never rounds up to certainty."""
    return f"{min(100 * value, 99.9) if value < 1 else 100:.1f}\u00a0%"


@dataclass(frozen=True)
class Spread:
    """One number over all started pairs: `counts[model]` pairs in each bin from `low` to `high`."""

    key: str
    low: float
    high: float
    counts: dict[str, list[int]]


@dataclass(frozen=True)
class RunEntry:
    """The run as a whole. `total`: its pairs, of which `listed` are shown one by one.

    `extremes`: see `sample.Sample`; `seed`: of the sample. `kind`: what the entries of `models`
    are: models, or the runs of a comparison. `beside`: whether the page lies in the run's
    directory, and so beside its exact pictures.
    """

    name: str
    labelled: bool
    finished: bool
    total: int
    listed: int
    extremes: int
    seed: int
    kind: str
    beside: bool


@dataclass(frozen=True)
class ScoreEntry:
    """The score that the run held, in words, and the scales it is drawn on.

    `probability`: it is read as a percentage, else with `digits` decimals. `along`: the scale of
    curves and limbs; `over`: of colours. The others: see `score_words.ScoreWords`.
    """

    name: str
    probability: bool
    of_classes: bool
    digits: int
    noun: str
    axis: str
    each: str
    source: str
    found: str
    sees: str
    gives: str
    along: Scale
    over: Scale


@dataclass(frozen=True)
class ModelEntry:
    """A model; `epsilon`: what it was trained to withstand; `aspect`: width / height of images.

    `delta`: the drop that its run allowed; `straight`: whether its paths are segments.
    """

    name: str
    epsilon: float | None
    aspect: float
    delta: float | None
    straight: bool


@dataclass(frozen=True)
class ColumnEntry:
    """A number of every pair; `blind`: which end shows the deeper blind spot, if one does."""

    key: str
    title: str
    definition: str
    digits: int
    percent: bool
    blind: str | None


@dataclass(frozen=True)
class EndingEntry:
    """Why traversals ended, in words; `counts`: pairs of each model."""

    ending: str
    title: str
    sentence: str
    counts: dict[str, int]


@dataclass(frozen=True)
class TableEntry:
    """A table of the run: columns and rows as in `reporting.tables`, and the same as CSV.

    A row is `label`, `title`, `origin` and `cells`: column key to mean, std, n and `text`.
    """

    kind: str
    title: str
    transposed: bool
    columns: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    notes: list[str]
    csv: str


@dataclass(frozen=True)
class PairEntry:
    """A pair: names and numbers as stored, its way, its pictures.

    `source_key`, `target_key`: into `images`. `segment`: confidence at equally spaced points.
    `steps`, `path`: step and confidence of each snapshot. `believed`, `believes`: see `words.Case`.
    `caption`: what a bare number is of: the source's class, or its group.
    """

    id: str
    model: str
    source: str
    target: str | None
    source_id: str
    target_id: str | None
    source_key: str | None
    target_key: str | None
    ending: str
    arrived: bool
    believed: str
    believes: bool
    caption: str
    numbers: dict[str, Any]
    segment: list[float | None]
    steps: list[int]
    path: list[float | None]
    pictures: PairPictures


@dataclass(frozen=True)
class TriangleEntry:
    """A triangle: confidence on the stored grid; `sides`: RMSE as `plots.triangle` has them."""

    model: str
    source_id: str
    target_ids: list[str]
    p_source: float | None
    mean: float | None
    confidence: list[float | None]
    sides: list[float]


@dataclass(frozen=True)
class GridEntry:
    """A model's grid: rows the model sees, columns a person sees; a spot is a pair or its source.

    Without columns each row holds a source and its own found images.
    """

    model: str
    rows: list[str]
    columns: list[str]
    spots: list[list[dict[str, Any] | None]]


@dataclass(frozen=True)
class ReportData:
    """Everything the page shows; all JSON values. `schema` changes when a field does.

    The page of a comparison has no `headline`, `tables` and `facts`: it shows differences instead.
    """

    schema: int
    run: RunEntry
    score: ScoreEntry
    case: PairText | None
    models: list[ModelEntry]
    columns: list[ColumnEntry]
    glossary: dict[str, str]
    endings: list[EndingEntry]
    headline: TableEntry | None
    tables: list[TableEntry]
    spreads: list[Spread]
    facts: dict[str, Any]
    colours: list[str]
    pairs: list[PairEntry]
    triangles: list[TriangleEntry]
    grids: list[GridEntry]
    images: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The same as dictionaries and lists."""
        return asdict(self)


class Views(NamedTuple):
    """What the views of some of a run's pairs are drawn from."""

    pairs: list[PairEntry]
    triangles: list[TriangleEntry]
    grids: list[GridEntry]
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


def _pairs(run: Run, rows: Sequence[Row], pictures: Pictures) -> list[PairEntry]:
    # Pictures are read and written by Pillow, which lets other threads work meanwhile.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda row: _pair(run, row, pictures), rows))


def _pair(run: Run, row: Row, pictures: Pictures) -> PairEntry:
    words = words_of(run)
    source = spoken(row["source_name"], row["source_class"])
    return PairEntry(
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


def _triangles(run: Run, rows: Sequence[Row]) -> list[TriangleEntry]:
    ids = {
        (row["model"], row["source_id"], row["target_id"]): row["pair_id"]
        for row in rows
        if row["target_id"] and Ending(row["ending"]).started
    }
    stored = run.columns.rows("triangles", "source_id", {source for _, source, _ in ids})
    return [_triangle(run, row, ids) for row in stored if all(key in ids for key in _corners(row))]


def _triangle(run: Run, row: Row, ids: dict[tuple[str, str, str], str]) -> TriangleEntry:
    first, second = (ids[key] for key in _corners(row))
    return TriangleEntry(
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


def _grid(model: str, rows: Sequence[Row], words: ScoreWords) -> GridEntry:
    own = [row for row in rows if row["model"] == model and Ending(row["ending"]).started]
    layout = layout_of(own)
    return GridEntry(
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
