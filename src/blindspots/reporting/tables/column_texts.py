"""Every number of a run in words: its title, its definition, the decimals it is shown with."""

from blindspots.reporting.score_labels import CONFIDENCE as CONFIDENCE_WORDS
from blindspots.reporting.score_labels import ScoreWords
from blindspots.reporting.tables.table import Column
from blindspots.reporting.tables.words import column_in_words
from blindspots.schema import TRIANGLE_DROPS, Ending

_FRACTIONS = tuple(
    Column(
        f"fraction_{drop}",
        f"δ = {drop:g}",
        f"Fraction of the triangle whose confidence is at least p source − {drop:g}.",
    )
    for drop in TRIANGLE_DROPS
)
_ALL = (
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
    Column("steps", "steps", "Steps done, refused ones included.", 0),
    Column("evaluations", "evaluations", "Forward plus gradient for one image; alone a half.", 1),
    Column("seconds", "seconds", "A pair's share of the time its batches took.", 2),
)
_BY_KEY = {column.key: column for column in _ALL}


def columns(*keys: str) -> tuple[Column, ...]:
    """The columns of these keys, in this order."""
    return tuple(_BY_KEY[key] for key in keys)


def ending(name: Ending) -> Column:
    """The column that counts the pairs with this ending."""
    return Column(f"ending_{name}", name.replace("_", " "), name.sentence, 0)


def glossary(words: ScoreWords = CONFIDENCE_WORDS) -> tuple[Column, ...]:
    """Every number that is shown anywhere of this score, once, with its definition."""
    shown = (column for column in _ALL if words.probability or column not in _FRACTIONS)
    return tuple(column_in_words(column, words) for column in shown)


def of_score(words: ScoreWords) -> tuple[Column, ...]:
    """The columns of the table of the score held: the slides' drops are of probabilities alone."""
    return CONFIDENCE if words.probability else OTHER_SCORE


COUNTS = columns("pairs", "sources")
DISTANCE = columns("rmse", "linf", "ssim", "lpips")
CONFIDENCE = (
    *columns("sources", "p_source", "mean"),
    *_FRACTIONS,
    *columns("segment_mean"),
)
OTHER_SCORE = columns("sources", "p_source", "mean", "fraction", "segment_mean")
_BEFORE = (
    *DISTANCE,
    *columns("p_source", "p_found", "p_found_8bit", "segment_mean", "segment_min"),
)
_AFTER = columns("source_ssim", "source_lpips", "evaluations", "seconds")
SUMMARY_SPREADS = (*_BEFORE, *columns("source_rmse", "source_linf"), *_AFTER)
SUMMARY = (
    *_BEFORE,
    *columns("segment_inside", "source_rmse", "source_linf", "source_linf_epsilons"),
    *_AFTER,
)
NULL_NUMBERS = columns(
    *(f"random_pair_{name}" for name in ("rmse", "linf", "ssim", "lpips")),
    *("interpolation_t", "interpolation_mean"),
    *(f"interpolation_{name}" for name in ("rmse", "linf", "ssim", "lpips")),
    "p_target",
)
PAIR_NUMBERS = (
    *_BEFORE,
    *columns("segment_inside", "p_path_min", "source_rmse", "source_linf"),
    *columns("source_ssim", "source_lpips", "steps", "evaluations", "seconds"),
)
