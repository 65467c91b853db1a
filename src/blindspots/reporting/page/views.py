"""What a page shows, as data: it is drawn from this alone, and holds it as JSON."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from blindspots.reporting.page.inline import PairPictures, Pictures, fitting_together, rmse
from blindspots.reporting.score_labels import CONFIDENCE, ScoreWords, number, words_of
from blindspots.reporting.selection import SEED, layout_of
from blindspots.reporting.tables.table import PAIR_NUMBERS
from blindspots.schema import Ending
from blindspots.store.reader import Row, Run, reached_target

DIGITS = 2
SCHEMA = 4
Shown = Sequence[tuple["Side", Sequence[Row]]]


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
class Side:
    """A model of a run; `label`: what it is called beside the others of a page."""

    run: Run
    model: str
    label: str


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

    `extremes`: see `selection.Sample`; `seed`: of the sample. `kind`: what the entries of `models`
    are: models, or the runs of a comparison. `beside`: whether the page lies in the run's
    directory, and so beside its exact pictures.
    """

    name: str
    labelled: bool
    finished: bool
    total: int
    listed: int
    extremes: int = 0
    seed: int = SEED
    kind: str = "model"
    beside: bool = True


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
class EndingEntry:
    ending: str
    title: str
    sentence: str
    counts: dict[str, int]


@dataclass(frozen=True)
class PairEntry:
    """A pair: names and numbers as stored, its way, its pictures.

    `source_key`, `target_key`: into `images`. `segment`: confidence at equally spaced points.
    `steps`, `path`: step and confidence of each snapshot. `believed`, `believes`: see `PairText`.
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


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything the page shows; all JSON values. `schema` changes when a field does.

    `score`: the words of the score that was held, the `digits` it is written with where it is no
    probability, and its scales: `along` of curves and limbs, `over` of colours. `columns`: the
    numbers of every pair; `blind`: which end shows the deeper blind spot, if one does. `tables`: as
    in `reporting.tables`, with the `text` of each cell, and the same as CSV. The page of a
    comparison has no `headline`, `tables` and `facts`: it shows differences instead.
    """

    schema: int = SCHEMA
    run: RunEntry
    score: dict[str, Any]
    case: PairText | None
    models: list[ModelEntry]
    columns: list[dict[str, Any]]
    glossary: dict[str, str]
    endings: list[EndingEntry]
    headline: dict[str, Any] | None = None
    tables: list[dict[str, Any]] = field(default_factory=list)
    spreads: list[Spread]
    facts: dict[str, Any] = field(default_factory=dict)
    colours: list[str]
    pairs: list[PairEntry]
    triangles: list[TriangleEntry]
    grids: list[GridEntry]
    images: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Views(NamedTuple):
    pairs: list[PairEntry]
    triangles: list[TriangleEntry]
    grids: list[GridEntry]
    images: dict[str, str]


def views_of(shown: Shown) -> Views:
    """The views of the pairs shown of each side; the pictures of all runs are of one size.

    Pairs of several runs, whose ids may be the same, have ids of their own; an image that several
    runs saw alike is there once.
    """
    prefixes = id_prefixes(side for side, _ in shown)
    rows = [(run, [row for s, own in shown if s.run is run for row in own]) for run in prefixes]
    pictures = dict(zip(prefixes, fitting_together(rows), strict=True))
    images: dict[str, str] = {}
    keys: dict[Run, dict[str, str]] = {}
    for place, (run, own) in enumerate(pictures.items(), start=1):
        uris = own.images()
        keys[run] = {
            k: k if images.get(k, uri) == uri else f"{place}-{k}" for k, uri in uris.items()
        }
        images |= {keys[run][stem]: uri for stem, uri in uris.items()}

    def entry(side: Side, row: Row) -> PairEntry:
        return _pair(side, row, prefixes[side.run], pictures[side.run], keys[side.run])

    # Pictures are read and written by Pillow, which lets other threads work meanwhile.
    with ThreadPoolExecutor() as pool:
        pairs = pool.map(lambda one: entry(*one), [(s, row) for s, own in shown for row in own])
        return Views(
            list(pairs),
            [triangle for side, own in shown for triangle in _triangles(side, own)],
            [_grid(side, own, prefixes[side.run]) for side, own in shown],
            images,
        )


def id_prefixes(sides: Iterable[Side]) -> dict[Run, str]:
    runs = list(dict.fromkeys(side.run for side in sides))
    return {run: f"{place}-" if len(runs) > 1 else "" for place, run in enumerate(runs, start=1)}


def _pair(
    side: Side, row: Row, prefix: str, pictures: Pictures, keys: Mapping[str, str]
) -> PairEntry:
    words = words_of(side.run)
    source = spoken(row["source_name"], row["source_class"])
    source_key, target_key = (
        keys.get(side.run.image_path(image, side.model).stem) if image else None
        for image in (row["source_id"], row["target_id"])
    )
    return PairEntry(
        id=prefix + row["pair_id"],
        model=side.label,
        source=source,
        target=spoken(row["target_name"], row["target_class"]) if row["target_id"] else None,
        source_id=row["source_id"],
        target_id=row["target_id"],
        source_key=source_key,
        target_key=target_key,
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


def _triangles(side: Side, rows: Sequence[Row]) -> Iterator[TriangleEntry]:
    ids = {(row["source_id"], row["target_id"]): row["pair_id"] for row in rows if _started(row)}
    stored = side.run.columns.rows("triangles", "source_id", {source for source, _ in ids})
    for row in (row for row in stored if row["model"] == side.model):
        source, targets = row["source_id"], [row["target_1"], row["target_2"]]
        found = [ids.get((source, target)) for target in targets]
        if None not in found:
            yield TriangleEntry(
                model=side.label,
                source_id=source,
                target_ids=targets,
                p_source=_value(row["p_source"]),
                mean=_value(row["mean"]),
                confidence=_rounded(row["confidence"]),
                sides=_sides(side, source, [name for name in found if name]),
            )


def _started(row: Row) -> bool:
    return bool(row["target_id"]) and Ending(row["ending"]).started


def _sides(side: Side, source: str, found: Sequence[str]) -> list[float]:
    corners = [side.run.image(source, side.model), *map(side.run.found, found)]
    known = [one for one in corners if one is not None]
    if len(known) < 3 or len({one.shape for one in known}) > 1:
        return [1.0, 1.0, 1.0]
    pairs = ((0, 1), (0, 2), (1, 2))
    return [round(rmse(known[a], known[b]) or 0.0, 6) for a, b in pairs]


def _grid(side: Side, rows: Sequence[Row], prefix: str) -> GridEntry:
    layout = layout_of([row for row in rows if _started(row)])
    return GridEntry(
        model=side.label,
        rows=[words_of(side.run).caption(spoken(name)) for name in layout.rows],
        columns=[spoken(name) for name in layout.columns],
        spots=[
            [spot and {"pair": prefix + spot.row["pair_id"], "clean": spot.clean} for spot in line]
            for line in layout.spots
        ],
    )


def _rounded(values: Sequence[float] | None) -> list[float | None]:
    return [_value(value) for value in values or ()]


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
