"""What a run stores: the endings, the columns and their types. No torch here."""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import pyarrow as pa

NORMAL_975 = 1.959963984540054  # the standard normal below which 97.5 % lie
SEGMENT_POINTS = 101
SLIDES_SEGMENT_POINTS = 11
TRIANGLE_STEPS = 10
# The straight methods of runs that are older than `straight` in `run.json`.
STRAIGHT_METHODS = ("fan", "star")
TRIANGLE_DROPS = (0.0, 0.1, 0.2, 0.3)
# Scores in [0, 1], of which the drops above are a sensible choice.
PROBABILITIES = ("confidence", "group")
SIMPLEX_SAMPLES = 500  # a fraction's 95 % interval is then at most 0.09 wide
SIMPLEX_COUNTS = (SIMPLEX_SAMPLES, 2000)  # the second in runs of earlier versions
LPIPS_FILE = "alexnet-owt-7be5be79.pth"  # torchvision's AlexNet, which LPIPS looks through
LPIPS_DOWNLOAD = "download"  # typed in place of a file, to have torchvision's fetched
# Methods that take all targets of a source at once, and scores whose targets lie outside what they
# hold: which rows there must be is told where the classes cannot be imported, too.
GROUPED_METHODS, CONFINED_SCORES = ("fan",), ("group",)
FORWARD = 0.5  # what a forward costs without its gradient, in evaluations
LOOK_STRIDE = 8  # a look asks for at least every eighth of its points
LPIPS_SMALLEST = 31  # pixels per side: AlexNet pools what is smaller to nothing
SIMPLEX_FEWEST = 3  # the fewest found images: with two the triangle says it all


class Ending(StrEnum):
    """Why a pair's traversal ended; `sentence` says it in words."""

    FINISHED = "finished"
    REACHED = "reached"
    STATIONARY = "stationary"
    BUDGET = "budget"
    LEFT_LEVEL_SET = "left_level_set"
    SOURCE_MISCLASSIFIED = "source_misclassified"
    DELTA_VACUOUS = "delta_vacuous"
    FAILED = "failed"
    UNREADABLE = "unreadable"

    @property
    def sentence(self) -> str:
        """What this ending means, for a reader of tables and reports."""
        return _SENTENCES[self]

    @property
    def started(self) -> bool:
        """Whether the traversal took place, so that found image and distances exist."""
        return self not in _UNSTARTED


_SENTENCES = {
    Ending.FINISHED: "All steps were done.",
    Ending.REACHED: "The found image came as close to the target as was asked for.",
    Ending.STATIONARY: "No further step could move the image.",
    Ending.BUDGET: "The evaluations allowed were used up.",
    Ending.LEFT_LEVEL_SET: "The next step would have left the superlevel set.",
    Ending.SOURCE_MISCLASSIFIED: "The model does not give the source its class, so there is "
    "nothing to keep.",
    Ending.DELTA_VACUOUS: "The source's confidence is at most delta, so every image is inside.",
    Ending.FAILED: "The model returned a number that is not finite.",
    Ending.UNREADABLE: "An image of the pair could not be read when its turn came.",
}
_UNSTARTED = (
    Ending.SOURCE_MISCLASSIFIED,
    Ending.DELTA_VACUOUS,
    Ending.FAILED,
    Ending.UNREADABLE,
)
STARTED = tuple(ending.value for ending in Ending if ending.started)

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_NUMBERS = pa.list_(pa.float32())

PAIRS = pa.schema(
    [
        ("model", _TEXT),
        ("pair_id", _TEXT),
        ("source_id", _TEXT),
        ("target_id", _TEXT),
        ("source_class", _COUNT),
        ("target_class", _COUNT),
        ("source_name", _TEXT),
        ("target_name", _TEXT),
        ("p_source", _NUMBER),
        ("p_found", _NUMBER),
        ("p_found_8bit", _NUMBER),
        ("rmse", _NUMBER),
        ("linf", _NUMBER),
        ("ssim", _NUMBER),
        ("lpips", _NUMBER),
        ("source_rmse", _NUMBER),
        ("source_linf", _NUMBER),
        ("source_ssim", _NUMBER),
        ("source_lpips", _NUMBER),
        ("segment_mean", _NUMBER),
        ("segment_min", _NUMBER),
        ("segment_inside", _FLAG),
        ("segment_confidence", _NUMBERS),
        ("path_step", pa.list_(pa.int32())),
        ("path_confidence", _NUMBERS),
        ("p_path_min", _NUMBER),
        ("steps", _COUNT),
        ("evaluations", _NUMBER),
        ("check_evaluations", _NUMBER),
        ("seconds", _NUMBER),
        ("ending", _TEXT),
    ]
)

TRIANGLES = pa.schema(
    [
        ("model", _TEXT),
        ("source_id", _TEXT),
        ("target_1", _TEXT),
        ("target_2", _TEXT),
        ("p_source", _NUMBER),
        ("mean", _NUMBER),
        *[(f"fraction_{drop}", _NUMBER) for drop in TRIANGLE_DROPS],
        ("fraction", _NUMBER),
        ("drop", _NUMBER),
        ("confidence", _NUMBERS),
    ]
)

# Columns that runs of an earlier version have not; they are read as unknown.
YOUNGER = frozenset({"triangles.fraction", "triangles.drop"})

SIMPLICES = pa.schema(
    [
        ("model", _TEXT),
        ("source_id", _TEXT),
        ("k", _COUNT),
        ("p_source", _NUMBER),
        ("samples", _COUNT),
        ("fraction", _NUMBER),
        ("low", _NUMBER),
        ("high", _NUMBER),
        ("drop", _NUMBER),
        ("mean", _NUMBER),
    ]
)

# What a found image is held against: the source, the straight line and the target themselves.
NULLS = pa.schema(
    [
        ("model", _TEXT),
        ("source_id", _TEXT),
        ("target_id", _TEXT),
        ("random_pair_rmse", _NUMBER),
        ("random_pair_linf", _NUMBER),
        ("random_pair_ssim", _NUMBER),
        ("random_pair_lpips", _NUMBER),
        ("interpolation_t", _NUMBER),
        ("interpolation_mean", _NUMBER),
        ("interpolation_rmse", _NUMBER),
        ("interpolation_linf", _NUMBER),
        ("interpolation_ssim", _NUMBER),
        ("interpolation_lpips", _NUMBER),
        ("interpolation_confidence", _NUMBERS),
        ("p_interpolation", _NUMBER),
        ("p_target", _NUMBER),
    ]
)

TRANSFER = pa.schema(
    [
        ("model", _TEXT),
        ("judge", _TEXT),
        ("pair_id", _TEXT),
        ("source_id", _TEXT),
        ("target_id", _TEXT),
        ("source_class", _COUNT),
        ("judge_class", _COUNT),
        ("p_found", _NUMBER),
        ("p_source", _NUMBER),
        ("p_target", _NUMBER),
        ("kept_found", _FLAG),
        ("kept_source", _FLAG),
        ("kept_target", _FLAG),
        ("resized", _FLAG),
    ]
)

# What each model says of the clean images.
PREDICTIONS = pa.schema(
    [
        ("model", _TEXT),
        ("image_id", _TEXT),
        ("predicted", _COUNT),
        ("confidence", _NUMBER),
        ("p_label", _NUMBER),
    ]
)

# Confidence around the paths, where `blindspots widths` was asked.
WIDTHS = pa.schema(
    [
        ("model", _TEXT),
        ("pair_id", _TEXT),
        ("point", _COUNT),
        ("along", _NUMBER),
        ("confidence", _NUMBER),
        ("radius", _NUMBER),
        ("directions", _COUNT),
        ("seed", _COUNT),
        ("low", _NUMBER),
        ("median", _NUMBER),
        ("high", _NUMBER),
        ("inside", _NUMBER),
    ]
)

# The tables that a run writes: their columns, and which of them tell a row from the others.
TABLES: dict[str, tuple[pa.Schema, tuple[str, ...]]] = {
    "pairs": (PAIRS, ("model", "pair_id")),
    "triangles": (TRIANGLES, ("model", "source_id", "target_1", "target_2")),
    "simplices": (SIMPLICES, ("model", "source_id")),
    "nulls": (NULLS, ("model", "source_id", "target_id")),
}
# With what is written before the rows, and what is added to a run later.
ALL_TABLES: dict[str, tuple[pa.Schema, tuple[str, ...]]] = {
    **TABLES,
    "predictions": (PREDICTIONS, ("model", "image_id")),
    "transfer": (TRANSFER, ("model", "judge", "pair_id")),
    "widths": (WIDTHS, ("model", "pair_id", "point", "radius")),
}


@dataclass(frozen=True)
class PlannedPair:
    """A pair to traverse for one model, by ids; `label` is the class to keep; −1: not known."""

    pair_id: str
    source_id: str
    target_id: str
    label: int
    target_label: int


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share observed in `count` trials; it holds the share."""
    z2 = NORMAL_975**2 / count
    centre = (share + z2 / 2) / (1 + z2)
    half = NORMAL_975 / (1 + z2) * sqrt(share * (1 - share) / count + z2 / (4 * count))
    # A bound at the share itself, as at 0 and 1, is rounded to either side of it.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
