"""The score that a run held, as its page says and draws it."""

from collections.abc import Sequence

from blindspots.report.data import ScoreEntry, TriangleEntry
from blindspots.report.words import DIGITS
from blindspots.run_reader import Row
from blindspots.score_scales import scales
from blindspots.score_words import ScoreWords


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
