"""Every number of a run in words: its title, its definition, the decimals it is shown with."""

from blindspots.records import TRIANGLE_DROPS, Ending
from blindspots.tables.table import Column

PAIRS = Column("pairs", "pairs", "Pairs of a source and a target that were traversed.", 0)
SOURCES = Column("sources", "sources", "Sources with at least one traversed pair.", 0)
DISTANCE = (
    Column("rmse", "RMSE", "Root mean square difference, found against target; pixels in [0, 1]."),
    Column("linf", "ℓ∞", "Largest difference of any pixel and channel, found against target."),
    Column("ssim", "SSIM", "Structural similarity of found and target; 1: the same structure."),
    Column("lpips", "LPIPS", "Learned perceptual distance (AlexNet) of found and target."),
)
P_SOURCE = Column("p_source", "p source", "Confidence in the source's class at the clean source.")
P_FOUND = Column("p_found", "p found", "Confidence in the source's class at the found image.")
SEGMENT_MEAN = Column(
    "segment_mean",
    "path conf",
    "Mean confidence over 11 points of the straight line from source to found.",
)
CONFIDENCE = (
    SOURCES,
    P_SOURCE,
    Column("mean", "Δ conf", "Mean confidence over the triangle of source and two found images."),
    *(
        Column(
            f"fraction_{drop}",
            f"δ = {drop:g}",
            f"Fraction of the triangle whose confidence is at least p source − {drop:g}.",
        )
        for drop in TRIANGLE_DROPS
    ),
    SEGMENT_MEAN,
)
SOURCE_RMSE = Column("source_rmse", "source RMSE", "Root mean square difference, found to source.")
SOURCE_LINF = Column(
    "source_linf", "source ℓ∞", "Largest difference of any pixel, found to source."
)
SEGMENT_INSIDE = Column(
    "segment_inside",
    "inside",
    "Share of segments whose every point has confidence at least p source − delta.",
    0,
    percent=True,
)
IN_EPSILONS = Column(
    "source_linf_epsilons",
    "source ℓ∞ / ε",
    "Largest pixel difference of found and source, in multiples of the ε the model was trained "
    "to withstand.",
    1,
)
SUMMARY_SPREADS = (
    *DISTANCE,
    P_SOURCE,
    P_FOUND,
    Column("p_found_8bit", "p found, 8 bit", "The same for the found image rounded to 8 bits."),
    SEGMENT_MEAN,
    Column(
        "segment_min",
        "segment min",
        "Lowest confidence on the straight line from source to found (101 points, refined).",
    ),
    SOURCE_RMSE,
    SOURCE_LINF,
    Column("source_ssim", "source SSIM", "Structural similarity of found and source."),
    Column("source_lpips", "source LPIPS", "Learned perceptual distance of found and source."),
    Column("evaluations", "evaluations", "Forward plus gradient for one image; alone a half.", 1),
    Column("seconds", "seconds", "A pair's share of the time its batches took.", 2),
)
SUMMARY = (
    PAIRS,
    SOURCES,
    *SUMMARY_SPREADS[:9],
    SEGMENT_INSIDE,
    *SUMMARY_SPREADS[9:11],
    IN_EPSILONS,
    *SUMMARY_SPREADS[11:],
)
PAIR_NUMBERS = (
    *SUMMARY_SPREADS[:6],
    SUMMARY_SPREADS[6],
    SEGMENT_MEAN,
    SUMMARY_SPREADS[8],
    Column("p_path_min", "path min", "Lowest confidence at any step of the traversal."),
    *SUMMARY_SPREADS[9:13],
    Column("steps", "steps", "Steps done, refused ones included.", 0),
    *SUMMARY_SPREADS[13:],
)


def ending(name: Ending) -> Column:
    """The column that counts the pairs with this ending."""
    return Column(f"ending_{name}", name.replace("_", " "), name.sentence, 0)


def glossary() -> list[Column]:
    """Every number that is shown anywhere, once, with its definition."""
    shown = (*PAIR_NUMBERS, *CONFIDENCE, SEGMENT_INSIDE, IN_EPSILONS, *SUMMARY)
    return list({column.key: column for column in shown}.values())
