"""What a leaderboard's pages say of entries: rows, columns, points and bars, as text and places."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from blindspots.leaderboard.listed import Listed
from blindspots.leaderboard.numbers import LevelNumbers, Numbers

BINS, MOST_LABELS = 25, 12
WIDE, HIGH, LEFT, BOTTOM = 568, 320, 56, 350


class BoardColumn(NamedTuple):
    key: str
    title: str
    definition: str


COLUMNS = (
    BoardColumn("rank", "rank", "By reach within δ, least first, where enough sources are named."),
    BoardColumn(
        "reach",
        "reach",
        "How far towards the target the model does not see, within δ: 1 − RMSE to the target / "
        "RMSE of source and target; 0 without a witness. Mean over the pairs with its 95 % "
        "interval, sources being drawn anew. A lower bound.",
    ),
    BoardColumn("line", "line", "How far the plain straight line holds: what needs no search."),
    BoardColumn("blind", "blind", "The share of pairs whose witness looks like its target."),
    BoardColumn("failures", "none", "The share of pairs without a witness."),
    BoardColumn(
        "margin_reach",
        "reach, m ≥ 0",
        "Reach where the class must only stay more likely than all others together.",
    ),
    BoardColumn("margin_blind", "blind, m ≥ 0", "Blind pairs at that level."),
    BoardColumn(
        "coverage",
        "coverage",
        "The share of sources that the model names correctly; pairs of others are in no number.",
    ),
    BoardColumn("robust", "robust", "Accuracy under small changes, for information: see below."),
    BoardColumn("track", "track", "The pinned method; open: another one, or other settings."),
    BoardColumn(
        "cost", "cost", "Evaluations per pair, as told: a forward with its gradient counts as one."
    ),
)
# What the CSV holds besides.
ENDS_OF_REACH = ("reach_low", "reach_high")

LEVEL_LINES = (
    ("reach", "reach", "How far towards the target the model does not see. A lower bound."),
    ("median", "median reach", "Half of the pairs reach less far."),
    ("blind", "blind pairs", "The share of pairs whose witness looks like its target."),
    ("failures", "none found", "The share of pairs without a witness."),
    ("line", "straight line", "How far the plain straight line to the target holds."),
    ("pairs", "pairs", "Pairs of sources that are named, and sure enough to have the level."),
    ("without", "without the level", "Pairs of named sources that are too unsure to have it."),
)


@dataclass(frozen=True)
class RankedRow:
    name: str
    page: str
    cells: Sequence[dict[str, Any]]
    ends: tuple[float | None, float | None]
    bar: dict[str, float]
    reach_text: str
    median_text: str
    percent: str
    line_percent: str


def ranking(rows: Sequence[Listed]) -> list[RankedRow]:
    ranks = iter(range(1, len(rows) + 1))
    return [_row(one, next(ranks) if one.ranked else None) for one in rows]


def _row(one: Listed, rank: int | None) -> RankedRow:
    numbers = one.entry.numbers
    mean, low, high = numbers.delta.reach
    line = numbers.delta.line[0]
    values: dict[str, Any] = {
        "rank": rank,
        "reach": mean,
        "line": line,
        "blind": numbers.delta.blind[0],
        "failures": numbers.delta.failures,
        "margin_reach": numbers.margin.reach[0],
        "margin_blind": numbers.margin.blind[0],
        "coverage": numbers.coverage[0],
        "robust": None if one.robust is None else one.robust[0],
        "track": one.track,
        "cost": one.entry.evaluations / max(1, numbers.pairs),
    }
    cells = [_cell(column.key, values[column.key]) for column in COLUMNS]
    cells[1]["aside"] = "" if low is None else f"{_digits(low)}–{_digits(high)}"
    start, end = 100 * (low or mean or 0), 100 * (high or mean or 0)
    bar = {"low": start, "wide": end - start, "line": 100 * (line or 0)}
    return RankedRow(
        name=one.entry.name,
        page=one.page,
        cells=cells,
        ends=(low, high),
        bar={key: round(value, 2) for key, value in bar.items()},
        reach_text=_digits(mean),
        median_text=_digits(numbers.delta.median),
        percent=_percent(mean),
        line_percent=_percent(line),
    )


def _cell(key: str, value: Any) -> dict[str, Any]:
    if value is None or isinstance(value, str):
        return {"key": key, "value": "", "text": value or "–"}
    shares = ("coverage", "robust", "blind", "margin_blind", "failures")
    text = f"{value:.0f}" if key in ("rank", "cost") else _digits(value)
    return {"key": key, "value": value, "text": _percent(value) if key in shares else text}


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def robust_text(known: tuple[float, str] | None) -> str:
    return "not known" if known is None else f"{_percent(known[0])}, {known[1]}"


def csv_of(rows: Sequence[RankedRow]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["model", *(column.key for column in COLUMNS), *ENDS_OF_REACH])
    for row in rows:
        cells = [c["value"] if c["value"] != "" else c["text"].replace("–", "") for c in row.cells]
        writer.writerow([row.name, *cells, *row.ends])
    return out.getvalue()


def level_rows(numbers: Numbers) -> list[dict[str, str]]:
    return [
        {
            "title": title,
            "definition": definition,
            "delta": _level_text(numbers.delta, key),
            "margin": _level_text(numbers.margin, key),
        }
        for key, title, definition in LEVEL_LINES
    ]


def _level_text(level: LevelNumbers, key: str) -> str:
    value = getattr(level, key)
    if isinstance(value, int) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, float):
        return _digits(value)
    mean, low, high = value
    return _digits(mean) if low is None else f"{_digits(mean)} ({_digits(low)} to {_digits(high)})"


def scatter_of(rows: Sequence[Listed]) -> dict[str, Any]:
    """Where each entry stands by robust accuracy and reach; few enough have their names beside."""
    known = [one for one in rows if one.robust and one.entry.numbers.delta.reach[0] is not None]
    kinds = list(dict.fromkeys(one.robust[1] for one in known if one.robust))
    points = [_point(one, kinds) for one in known]
    if len(points) <= MOST_LABELS:
        _label(points)
    return {"points": points, "kinds": kinds[:3], "unknown": len(rows) - len(known)}


def _point(one: Listed, kinds: Sequence[str]) -> dict[str, Any]:
    accuracy, under = one.robust or (0.0, "")
    mean, low, high = one.entry.numbers.delta.reach
    return {
        "name": one.entry.name,
        "page": one.page,
        "robust": _percent(accuracy),
        "reach": _digits(mean),
        "x": round(LEFT + WIDE * accuracy, 1),
        "y": _up(mean),
        "low": _up(low if low is not None else mean),
        "high": _up(high if high is not None else mean),
        "kind": min(kinds.index(under), 2),
        "label": None,
    }


def _up(reach: float | None) -> float:
    return round(BOTTOM - HIGH * (reach or 0), 1)


def _label(points: Sequence[dict[str, Any]]) -> None:
    """Names beside points, moved down where they would lie on one another."""
    taken: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda one: (one["y"], one["x"])):
        right = point["x"] < LEFT + 0.7 * WIDE
        y = point["y"] + 5
        while any(abs(y - other) < 20 and abs(point["x"] - x) < 180 for x, other in taken):
            y += 20
        taken.append((point["x"], y))
        x = point["x"] + (12 if right else -12)
        point["label"] = {"x": x, "y": round(y, 1), "anchor": "start" if right else "end"}


def spread_of(values: Sequence[float]) -> dict[str, Any]:
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(value * BINS))] += 1
    most, wide = max([1, *counts]), 300 / BINS
    bars = [
        {
            "x": round(place * wide, 2),
            "y": round(60 - 56 * count / most, 2),
            "width": round(wide - 1, 2),
            "height": round(56 * count / most, 2),
            "count": count,
        }
        for place, count in enumerate(counts)
        if count
    ]
    return {"bars": bars, "total": len(values)}
