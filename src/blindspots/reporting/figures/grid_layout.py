"""Which found images a grid of source × target shows, when there are too many for one page."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow.compute as pc

from blindspots.reporting.score_labels import CONFIDENCE, ScoreWords, words_of
from blindspots.store.reader import Row, Run

MOST, MOST_SOURCES = 6, 400
_FILLED = 0.6


@dataclass(frozen=True)
class Spot:
    """One place of a grid: a stored pair, of which `clean` shows the untouched source."""

    row: Row
    clean: bool = False


@dataclass(frozen=True)
class GridLayout:
    """Spots line by line; the classes the model sees (rows) and a person sees (columns).

    Without columns each line holds a source and its own found images.
    """

    spots: list[list[Spot | None]]
    rows: list[str]
    columns: list[str]


def grid_layout(run: Run, model: str) -> GridLayout:
    """The layout of a model's started pairs; see `layout_of` and `first_pairs`."""
    return layout_of(first_pairs(run, model), words_of(run))


def first_pairs(run: Run, model: str) -> list[Row]:
    """The started pairs of a model, of 400 sources at most, those that come first; no lists."""
    pairs = run.columns.pairs_of(model, started=True)
    sources = pairs["source_id"].unique()[:MOST_SOURCES]
    return pairs.filter(pc.field("source_id").isin(sources)).to_pylist()


def layout_of(pairs: list[Row], words: ScoreWords = CONFIDENCE) -> GridLayout:
    """At most six classes a side, those with most pairs between them, untouched on the diagonal.

    `pairs`: one model's, started. `words`: of the score that their numbers are. Where too few of
    the classes' combinations were traversed for a square, a line per source.
    """
    # The first pair of two classes wins: reversed, because a later key overwrites.
    cells = {(_seen(row, "source"), _seen(row, "target")): row for row in reversed(pairs)}
    names = _densest(cells)
    wanted = len(names) * (len(names) - 1)
    filled = sum(set(cell) <= set(names) for cell in cells)
    if not wanted or filled / wanted < _FILLED:
        return _lines(pairs, words)
    rows = [words.caption(name) for name in names]
    return GridLayout([[_spot(cells, a, b) for b in names] for a in names], rows, names)


def _seen(row: Row, which: str) -> str:
    return row[f"{which}_name"] or f"class {row[f'{which}_class']}"


def _densest(cells: Collection[tuple[str, str]]) -> list[str]:
    """The classes that are left when the one with fewest pairs among them is dropped repeatedly."""
    used, those_of = Counter(name for cell in cells for name in cell), defaultdict(list)
    for cell in cells:
        for name in set(cell):
            those_of[name].append(cell)
    names = sorted(used)
    while len(names) > MOST:
        least = min(reversed(names), key=lambda name: used[name])
        names.remove(least)
        # A pair of two classes that are gone counts for neither any more, so twice does no harm.
        for cell in those_of[least]:
            used.subtract(cell)
    return names


def _spot(cells: dict[tuple[str, str], Row], a: str, b: str) -> Spot | None:
    if a != b:
        return Spot(cells[a, b]) if (a, b) in cells else None
    own = next((row for (name, _), row in cells.items() if name == a), None)
    return Spot(own, clean=True) if own else None


def _lines(pairs: list[Row], words: ScoreWords) -> GridLayout:
    sources: dict[str, list[Row]] = {}
    for row in pairs:
        sources.setdefault(row["source_id"], []).append(row)
    chosen = list(sources.values())[:MOST]
    spots = [[Spot(rows[0], clean=True), *map(Spot, rows[:MOST])] for rows in chosen]
    names = [words.caption(_seen(rows[0], "source")) for rows in chosen]
    return GridLayout([[*line] for line in spots], names, [])
