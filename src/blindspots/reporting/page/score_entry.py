"""The score that a run held, as its page says and draws it."""

from collections.abc import Sequence

from blindspots.reporting.page.entry_types import ScoreEntry, TriangleEntry
from blindspots.reporting.page.text import DIGITS
from blindspots.reporting.score_axes import scales
from blindspots.reporting.score_labels import ScoreWords
from blindspots.store.reader import Row


def score_entry(
    words: ScoreWords,
    pairs: Sequence[Row],
    triangles: Sequence[TriangleEntry],
    delta: float | None,
) -> ScoreEntry:
    """Its words, and scales on which all pairs and triangles of the page have room."""
    along, over = scales(words, pairs, [one.confidence for one in triangles], delta)
    return ScoreEntry(
        name=words.name,
        probability=words.probability,
        of_classes=words.of_classes,
        digits=DIGITS,
        noun=words.noun,
        axis=words.axis,
        each=words.each,
        source=words.source,
        found=words.found,
        sees=words.sees,
        gives=words.gives,
        along=along,
        over=over,
    )
