"""What a page shows, as data: it is drawn from this alone, and holds it as JSON."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from blindspots.reporting.page.inline import PairPictures, Pictures, fitting_together, rmse
from blindspots.reporting.page.model_numbers import ModelNumbers
from blindspots.reporting.page.sentences import PairText, spoken, with_article
from blindspots.reporting.score_labels import words_of
from blindspots.reporting.selection import SEED, GridLayout, Spot, layout_of
from blindspots.reporting.tables.table import PAIR_NUMBERS
from blindspots.schema import Ending
from blindspots.store.reader import Row, Run, reached_target

SCHEMA = 5
Shown = Sequence[tuple["Side", Sequence[Row]]]


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
    """A model; `title`: in words; `epsilon`: what it was trained to withstand, in [0, 1].

    `aspect`: width / height of images. `delta`: the drop that its run allowed; `straight`: whether
    its paths are segments.
    """

    name: str
    title: str
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

    `source_key`, `target_key`: into `images`. `segment`: confidence at equally spaced points from
    source to found; `plain`: the same from source to target, which stays inside up to
    `plain_until`. `steps`, `path`: step and confidence
    of each snapshot, empty where the way is the segment. `believed`, `believes`: see `PairText`.
    `caption`: what a bare number is of: the source's class, or its group. `target_said`: the class
    that the model gives the target, and how surely.
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
    plain: list[float | None]
    plain_until: float | None
    steps: list[int]
    path: list[float | None]
    target_said: tuple[str, float] | None
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
class ContrastEntry:
    """The other way to fool the model of the first screen: a change nobody sees.

    `perturbed`, `change` (times `gain`, about grey), `found_change` (times one half): data URIs.
    """

    perturbed: str
    change: str
    gain: int
    levels: int
    before: str
    p_before: str
    after: str
    p_after: str
    reached: bool
    found_change: str


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything the page shows; all JSON values. `schema` changes when a field does.

    `score`: the words of the score that was held, the `digits` it is written with where it is no
    probability, and its scales: `along` of curves and limbs, `over` of colours. `exact`: the
    pictures of the first screen's pair, nothing lost. `columns`: the numbers of every pair.
    `gains`: of the differences in `pairs`. `numbers`: of each model. `tables`: as in
    `reporting.tables`, with the `text` of each cell, and the same as CSV. The page of a comparison
    has no `exact`, `contrast`, `numbers`, `tables` and `facts`: it shows differences instead.
    """

    schema: int = SCHEMA
    run: RunEntry
    score: dict[str, Any]
    case: PairText | None
    models: list[ModelEntry]
    columns: list[dict[str, Any]]
    glossary: dict[str, str]
    endings: list[EndingEntry]
    exact: dict[str, str] = field(default_factory=dict)
    contrast: ContrastEntry | None = None
    numbers: list[ModelNumbers] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    spreads: list[Spread]
    facts: dict[str, Any] = field(default_factory=dict)
    gains: dict[str, int]
    colours: list[str]
    pairs: list[PairEntry]
    triangles: list[TriangleEntry]
    grids: list[GridEntry]
    images: dict[str, str]


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

    more = {side.label: _more(side, own) for side, own in shown}

    def entry(side: Side, row: Row) -> PairEntry:
        run = side.run
        return _pair(side, row, prefixes[run], pictures[run], keys[run], more[side.label])

    # Pictures are read and written by Pillow, which lets other threads work meanwhile.
    with ThreadPoolExecutor() as pool:
        pairs = pool.map(lambda one: entry(*one), [(s, row) for s, own in shown for row in own])
        return Views(
            list(pairs),
            [triangle for side, own in shown for triangle in _triangles(side, own)],
            _grids(shown, prefixes),
            images,
        )


def id_prefixes(sides: Iterable[Side]) -> dict[Run, str]:
    runs = list(dict.fromkeys(side.run for side in sides))
    return {run: f"{place}-" if len(runs) > 1 else "" for place, run in enumerate(runs, start=1)}


_BARE: Row = {"interpolation_confidence": None, "interpolation_t": None}


class More(NamedTuple):
    """What other tables hold of a side's pairs: the plain mixes, and what is said of images."""

    plain: Mapping[tuple[str, str], Row]
    said: Mapping[str, tuple[str, float]]


def _pair(
    side: Side, row: Row, prefix: str, pictures: Pictures, keys: Mapping[str, str], more: More
) -> PairEntry:
    words, plain = words_of(side.run), more.plain.get((row["source_id"], row["target_id"]), _BARE)
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
        plain=_rounded(plain["interpolation_confidence"]),
        plain_until=_value(plain["interpolation_t"]),
        steps=[] if side.run.straight else row["path_step"] or [],
        path=[] if side.run.straight else _rounded(row["path_confidence"]),
        target_said=more.said.get(row["target_id"]),
        pictures=pictures.of_pair(row),
    )


def _more(side: Side, rows: Sequence[Row]) -> More:
    sources = {row["source_id"] for row in rows}
    nulls = side.run.columns.rows("nulls", "source_id", sources) if sources else []
    plain = {
        (null["source_id"], null["target_id"]): null
        for null in nulls
        if null["model"] == side.model
    }
    return More(plain, _said(side, rows))


def _said(side: Side, rows: Sequence[Row]) -> dict[str, tuple[str, float]]:
    names = {row[f"{w}_class"]: row[f"{w}_name"] for row in rows for w in ("source", "target")}
    targets = {row["target_id"] for row in rows if row["target_id"]}
    stored = side.run.columns.rows("predictions", "image_id", targets) if targets else []
    return {
        one["image_id"]: (
            spoken(names.get(one["predicted"]), one["predicted"]),
            _value(one["confidence"]),
        )
        for one in stored
        if one["model"] == side.model and one["confidence"] is not None
    }


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


def _grids(shown: Shown, prefixes: Mapping[Run, str]) -> list[GridEntry]:
    """A grid for each side, of the same images in the same places where it has them."""
    started = [(side, [row for row in rows if _started(row)]) for side, rows in shown]
    first = next((layout_of(rows) for _, rows in started if rows), None)
    return [] if first is None else [_grid(s, rows, prefixes[s.run], first) for s, rows in started]


def _grid(side: Side, rows: list[Row], prefix: str, first: GridLayout) -> GridEntry:
    own = {(row["source_id"], row["target_id"]): row for row in rows}
    layout = first if any(_own(spot, own) for line in first.spots for spot in line) else None
    layout = layout or layout_of(rows)
    return GridEntry(
        model=side.label,
        rows=[words_of(side.run).caption(spoken(name)) for name in layout.rows],
        columns=[spoken(name) for name in layout.columns],
        spots=[[_spot(spot, own, prefix) for spot in line] for line in layout.spots],
    )


def _own(spot: Spot | None, own: Mapping[tuple[str, str], Row]) -> Row | None:
    return spot and own.get((spot.row["source_id"], spot.row["target_id"]))


def _spot(
    spot: Spot | None, own: Mapping[tuple[str, str], Row], prefix: str
) -> dict[str, Any] | None:
    row = _own(spot, own)
    return spot and row and {"pair": prefix + row["pair_id"], "clean": spot.clean}


def _rounded(values: Sequence[float] | None) -> list[float | None]:
    return [_value(value) for value in values or ()]


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
