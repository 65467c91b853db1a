"""What the report shows, as data: the page is drawn from this alone, and holds it as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from blindspots.reporting.page.histograms import Spread
from blindspots.reporting.page.pictures import PairPictures
from blindspots.reporting.page.text import PairText
from blindspots.reporting.score_axes import Scale

SCHEMA = 4


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
