"""The verdict in plain words: who is more under-sensitive, and whether that is shown at all."""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

from blindspots.reporting.score_labels import ScoreWords
from blindspots.reporting.tables.render import number
from blindspots.schema import TRIANGLE_DROPS
from blindspots.store.reader import Row, reached_target

if TYPE_CHECKING:
    from blindspots.reporting.compare.differences import Difference

SLIDES_DELTA = 0.2


def verdicts(
    before: str,
    after: str,
    known: Mapping[str, Iterable["Difference"]],
    delta: float | None,
    matched: Sequence[tuple[Row, Row]],
    words: ScoreWords,
) -> tuple[str, ...]:
    """One sentence about under-sensitivity, one about the distance to the targets.

    An image that hardly changed is trivially believed: where fewer than half of a subject's found
    images came near their targets, there is no verdict.
    """
    found = {d.column.key: d for differences in known.values() for d in differences}
    drop = delta if delta in TRIANGLE_DROPS else SLIDES_DELTA
    fraction = f"fraction_{drop}" if words.probability else "fraction"
    keys = (fraction, "segment_inside", "segment_mean")
    chosen = next((found[key] for key in keys if key in found), None)
    if chosen is None:
        return ()
    unmoved = [
        _unmoved(label, [row[place] for row in matched])
        for place, label in enumerate((before, after))
    ]
    if any(unmoved):
        reasons = " and ".join(filter(None, unmoved))
        return (f"No verdict between {after} and {before}: {reasons}.",)
    first = _sensitivity(before, after, chosen, words)
    return (first, *([_distance(after, chosen, found["rmse"])] if "rmse" in found else []))


def signed(difference: "Difference", digits: int | None = None) -> str:
    """A difference with its sign, in `digits` decimals; None: its column's."""
    mean, (shown, percent) = difference.interval.mean, _style(difference)
    text = number(mean, shown if digits is None else digits, percent)
    return text if mean < 0 else f"+{text}"


def interval(difference: "Difference", digits: int | None = None) -> str:
    """The 95 % interval in brackets; a dash where one source leaves it unknown."""
    low, high = difference.interval.low, difference.interval.high
    if isnan(low):
        return "–"
    shown, percent = _style(difference)
    ends = (number(end, shown if digits is None else digits, percent) for end in (low, high))
    return f"[{', '.join(ends)}]"


def _style(difference: "Difference") -> tuple[int, bool]:
    return difference.column.digits, difference.column.percent


def _figure(difference: "Difference") -> str:
    """As in "+.32 [.27, .37]": two decimals, unless an end of the interval would look like 0."""
    if difference.column.percent:
        return f"{signed(difference)} {interval(difference)}"
    ends = difference.interval[1:]
    digits = 2 if all(isnan(end) or abs(end) >= 0.005 for end in ends) else 3
    return f"{signed(difference, digits)} {interval(difference, digits)}"


def _sensitivity(before: str, after: str, chosen: "Difference", score: ScoreWords) -> str:
    names = {"segment_inside": "segments inside", "segment_mean": f"path {score.noun}"}
    words = f"{names.get(chosen.column.key, 'triangle fraction')} {_figure(chosen)}"
    if isnan(chosen.interval.low):
        return f"One source shows no difference between {after} and {before}: {words}."
    if not chosen.shown:
        return (
            f"No difference shown between {after} and {before} in under-sensitivity on this "
            f"data: {words}."
        )
    more = "more" if chosen.interval.mean > 0 else "less"
    return f"{after} is {more} under-sensitive than {before} on this data: {words}."


def _unmoved(label: str, rows: Sequence[Row]) -> str:
    """What keeps a subject from a verdict; empty where at least half of its images arrived."""
    near = sum(map(reached_target, rows))
    if 2 * near >= len(rows):
        return ""
    return (
        f"{near} of {len(rows)} found images of {label} came near their targets, and an "
        "image that hardly changed is trivially believed"
    )


def _distance(after: str, chosen: "Difference", rmse: "Difference") -> str:
    words = f"RMSE {_figure(rmse)}"
    if rmse.shown and chosen.shown and rmse.interval.mean > 0 and chosen.interval.mean > 0:
        return (
            f"But found images of {after} stay farther from their targets, and what changes less "
            f"is easier to believe: {words}."
        )
    if not rmse.shown:
        return f"No difference shown in how near found images come to their targets: {words}."
    nearer = "nearer to" if rmse.interval.mean < 0 else "farther from"
    return f"Found images of {after} are {nearer} their targets: {words}."
