"""A table before it is text: cells with mean, standard deviation and count."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from blindspots.reporting.score_labels import CONFIDENCE as CONFIDENCE_WORDS
from blindspots.reporting.score_labels import ScoreWords
from blindspots.schema import TRIANGLE_DROPS, Ending

Origin = Literal["run", "slides", "random_pair", "interpolation", "source", "target", "kept"]
NULLS: dict[Origin, str] = {
    "random_pair": "random pair",
    "interpolation": "straight line",
    "source": "clean source",
    "target": "target itself",
}
Values = Iterable[float | None] | np.ndarray


@dataclass(frozen=True)
class Cell:
    """One number: `mean` (None: not known), `std` with ddof 0 (None: has none), over `n` values.

    `digits`: decimals it was published with, where those are not its column's. `text`: how it is
    written, where not by these rules.
    """

    mean: float | None = None
    std: float | None = None
    n: int = 0
    digits: int | None = None
    text: str | None = None

    def as_json(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ("mean", "std", "n", "digits")}


@dataclass(frozen=True)
class Column:
    """A column: `key` as in the stored files, `title` for the eye, `definition` in one sentence.

    `digits`: decimals shown; `percent`: shown as a percentage.
    """

    key: str
    title: str
    definition: str = ""
    digits: int = 3
    percent: bool = False


@dataclass(frozen=True)
class TableRow:
    """A model's cells, by column key; `origin` says where the numbers come from.

    `label`: the model, also in the rows below its own, which have a `title` of their own.
    `origin`: "run": the model's found images; "slides": published numbers; `NULLS`: what the found
    images are held against; "kept": the share of them whose class was kept.
    """

    label: str
    cells: dict[str, Cell]
    origin: Origin = "run"
    title: str = ""

    @property
    def heading(self) -> str:
        return self.title or self.label


@dataclass(frozen=True)
class Table:
    """A table of a run: one row per model; `transposed` where it is read better with columns.

    `corner`: the head of the rows' own column. `turns`: whether models go into columns where it is
    wider than the terminal.
    """

    kind: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    transposed: bool = False
    corner: str = "model"
    turns: bool = True


def spread(values: Values) -> Cell:
    """Mean ± standard deviation (ddof 0, as the slides) of the values that are known."""
    known = _known(values)
    known = known[np.isfinite(known)]
    if not known.size:
        return Cell()
    return Cell(float(known.mean()), float(known.std()), known.size)


def _known(values: Values) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    return np.array([value for value in values if value is not None], dtype=float)


def share(flags: Values) -> Cell:
    """The fraction of the known flags that hold, without a deviation."""
    cell = spread(flags)
    return Cell(cell.mean, None, cell.n)


def count(number: int) -> Cell:
    return Cell(float(number), None, number)


def in_words(table: Table, words: ScoreWords) -> Table:
    return replace(
        table,
        title=words.say(table.title),
        columns=tuple(column_in_words(column, words) for column in table.columns),
        notes=tuple(map(words.say, table.notes)),
    )


def column_in_words(column: Column, words: ScoreWords) -> Column:
    return replace(column, title=words.say(column.title), definition=words.say(column.definition))


_FRACTIONS = tuple(
    Column(
        f"fraction_{drop}",
        f"δ = {drop:g}",
        f"Fraction of the triangle whose confidence is at least p source − {drop:g}.",
    )
    for drop in TRIANGLE_DROPS
)
# A found image at this RMSE or this LPIPS of its target looks like it.
LOOKS_LIKE_RMSE, LOOKS_LIKE_LPIPS = 0.02, 0.05
_ALL = (
    Column(
        "reach",
        "reach",
        "1 − RMSE(found, target) / RMSE(source, target), where the whole segment and the 8-bit "
        "found image are inside, else 0. 1: the model cannot tell source and target apart along a "
        "straight line. A lower bound on the model's blindness.",
    ),
    Column("reach_line", "straight line reach", "The same of the straight line to the target."),
    Column(
        "blind",
        "blind pairs",
        f"Pairs whose found image looks like the target (RMSE at most {LOOKS_LIKE_RMSE:g} or LPIPS "
        f"at most {LOOKS_LIKE_LPIPS:g}), the whole segment and the 8-bit image inside.",
        0,
        percent=True,
    ),
    Column("pairs", "pairs", "Pairs of a source and a target that were traversed.", 0),
    Column("sources", "sources", "Sources with at least one traversed pair.", 0),
    Column("rmse", "RMSE", "Root mean square difference, found against target; pixels in [0, 1]."),
    Column("linf", "ℓ∞", "Largest difference of any pixel and channel, found against target."),
    Column("ssim", "SSIM", "Structural similarity of found and target; 1: the same structure."),
    Column("lpips", "LPIPS", "Learned perceptual distance (AlexNet) of found and target."),
    Column("p_source", "p source", "Confidence in the source's class at the clean source."),
    Column("p_found", "p found", "Confidence in the source's class at the found image."),
    Column("p_found_8bit", "p found, 8 bit", "The same for the found image rounded to 8 bits."),
    Column("mean", "Δ conf", "Mean confidence over the triangle of source and two found images."),
    *_FRACTIONS,
    Column(
        "fraction",
        "Δ inside",
        "Fraction of the triangle whose confidence is at least p source − delta.",
    ),
    Column(
        "segment_mean",
        "path conf",
        "Mean confidence over 11 points of the straight line from source to found.",
    ),
    Column(
        "segment_min",
        "segment min",
        "Lowest confidence on the straight line from source to found (101 points, refined).",
    ),
    Column(
        "segment_inside",
        "inside",
        "Segments whose every point has confidence at least p source − delta.",
        0,
        percent=True,
    ),
    Column("p_path_min", "path min", "Lowest confidence at any step of the traversal."),
    Column("source_rmse", "source RMSE", "Root mean square difference, found to source."),
    Column("source_linf", "source ℓ∞", "Largest difference of any pixel, found to source."),
    Column(
        "source_linf_epsilons",
        "source ℓ∞ / ε",
        "Largest pixel difference of found and source, in multiples of the ε the model was "
        "trained to withstand.",
        1,
    ),
    Column("source_ssim", "source SSIM", "Structural similarity of found and source."),
    Column("source_lpips", "source LPIPS", "Learned perceptual distance of found and source."),
    Column(
        "random_pair_rmse",
        "random pair RMSE",
        "Root mean square difference of source and target: nothing was changed.",
    ),
    Column("random_pair_linf", "random pair ℓ∞", "Largest difference of source and target."),
    Column("random_pair_ssim", "random pair SSIM", "Structural similarity of source and target."),
    Column(
        "random_pair_lpips",
        "random pair LPIPS",
        "Learned perceptual distance of source and target.",
    ),
    Column(
        "interpolation_t",
        "straight line holds to",
        "Share of the straight line from source to target up to which every one of 101 points "
        "has confidence at least p source − delta.",
    ),
    Column(
        "interpolation_mean",
        "straight line conf",
        "Mean confidence over 11 points of the straight line from source to target.",
    ),
    Column(
        "interpolation_rmse",
        "straight line RMSE",
        "Root mean square difference to the target of the last point up to which the straight "
        "line holds.",
    ),
    Column("interpolation_linf", "straight line ℓ∞", "Largest difference of the same two."),
    Column("interpolation_ssim", "straight line SSIM", "Structural similarity of the same two."),
    Column(
        "interpolation_lpips",
        "straight line LPIPS",
        "Learned perceptual distance of the same two.",
    ),
    Column("p_target", "target itself p", "Confidence in the source's class at the clean target."),
    Column("simplex_sources", "sources", "Sources with at least three found images.", 0),
    Column("simplex_k", "found images", "Found images of a source, the corners beside it.", 0),
    Column("simplex_samples", "samples", "Uniform samples of each simplex.", 0),
    Column(
        "simplex_fraction",
        "simplex inside",
        "Fraction of the hull of a source and all its found images whose confidence is at least "
        "p source − delta, by uniform samples.",
    ),
    Column("simplex_low", "at least", "Lower end of that fraction's 95 % interval of sampling."),
    Column("simplex_high", "at most", "Upper end of that fraction's 95 % interval of sampling."),
    Column("simplex_mean", "simplex conf", "Mean confidence over the same samples."),
    Column("steps", "steps", "Steps done, refused ones included.", 0),
    Column("evaluations", "evaluations", "Forward plus gradient for one image; alone a half.", 1),
    Column("seconds", "seconds", "A pair's share of the time its batches took.", 2),
)
_BY_KEY = {column.key: column for column in _ALL}


def columns_of(*keys: str) -> tuple[Column, ...]:
    return tuple(_BY_KEY[key] for key in keys)


def ending_column(name: Ending) -> Column:
    return Column(f"ending_{name}", name.replace("_", " "), name.sentence, 0)


def glossary(words: ScoreWords = CONFIDENCE_WORDS) -> tuple[Column, ...]:
    shown = (column for column in _ALL if words.probability or column not in _FRACTIONS)
    return tuple(column_in_words(column, words) for column in shown)


def score_columns(words: ScoreWords) -> tuple[Column, ...]:
    """The columns of the table of the score held: the slides' drops are of probabilities alone."""
    return CONFIDENCE_COLUMNS if words.probability else _OTHER_SCORE


COUNT_COLUMNS = columns_of("pairs", "sources")
SIMPLEX_COLUMNS = columns_of(
    *(f"simplex_{name}" for name in ("sources", "k", "samples", "fraction", "low", "high", "mean"))
)
REACH_COLUMNS = columns_of("reach", "reach_line", "blind")
DISTANCE_COLUMNS = columns_of("rmse", "linf", "ssim", "lpips")
CONFIDENCE_COLUMNS = (
    *columns_of("sources", "p_source", "mean"),
    *_FRACTIONS,
    *columns_of("segment_mean"),
)
_OTHER_SCORE = columns_of("sources", "p_source", "mean", "fraction", "segment_mean")
_BEFORE = (
    *DISTANCE_COLUMNS,
    *columns_of("p_source", "p_found", "p_found_8bit", "segment_mean", "segment_min"),
)
_AFTER = columns_of("source_ssim", "source_lpips", "evaluations", "seconds")
SUMMARY_SPREADS = (*_BEFORE, *columns_of("source_rmse", "source_linf"), *_AFTER)
SUMMARY_COLUMNS = (
    *_BEFORE,
    *columns_of("segment_inside", "source_rmse", "source_linf", "source_linf_epsilons"),
    *_AFTER,
)
NULL_NUMBERS = columns_of(
    *(f"random_pair_{name}" for name in ("rmse", "linf", "ssim", "lpips")),
    *("interpolation_t", "interpolation_mean"),
    *(f"interpolation_{name}" for name in ("rmse", "linf", "ssim", "lpips")),
    "p_target",
)
PAIR_NUMBERS = (
    *_BEFORE,
    *columns_of("segment_inside", "p_path_min", "source_rmse", "source_linf"),
    *columns_of("source_ssim", "source_lpips", "steps", "evaluations", "seconds"),
)
