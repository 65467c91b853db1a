"""Which pairs of a run to show: those that are named, or the most telling ones. No torch here."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from blindspots.errors import UsageError
from blindspots.reporting.score_labels import CONFIDENCE, ScoreWords, words_of
from blindspots.reporting.tables.table import PAIR_NUMBERS
from blindspots.schema import Ending
from blindspots.specs import nearest_names
from blindspots.store.parquet import is_one_of
from blindspots.store.reader import (
    Row,
    Run,
    codes,
    finite,
    lowest,
    reached_target,
)

MOST_CLASSES, MOST_SOURCES = 6, 400
_FILLED = 0.6
MOST_PAIRS, EXTREMES, SEED = 200, 2, 0
# So many of the most telling pairs are asked whether their images were kept.
LOOKED_AT = 200


def named_models(run: Run, names: Sequence[str] = ()) -> list[str]:
    known = [facts.name for facts in run.models]
    for name in names:
        if name not in known:
            hint = nearest_names(name, known) or f"it has {', '.join(known) or 'none'}"
            raise UsageError(f"--model {name} was given, which is no model of {run.path}; {hint}")
    return [name for name in known if not names or name in names]


def named_pairs(run: Run, ids: Sequence[str]) -> list[Row]:
    """The pairs of these ids in the order given; a beginning does where only one id has it.

    Refused where an id is unknown or of several pairs, or its traversal did not start.
    """
    return list({row["pair_id"]: row for row in (_named(run, name) for name in ids)}.values())


def representative_pairs(run: Run, models: Sequence[str]) -> list[Row]:
    source = representative_source(run)
    pairs = [representative_pair(run, model, source) for model in models]
    return [row for row in pairs if row is not None]


def representative_pair(run: Run, model: str, source: str | None) -> Row | None:
    return nearest_believed(pairs_of(run, model, source), words_of(run).sure)


def representative_source(run: Run) -> str | None:
    """The source that all models' figures start from: most models, most targets, nearest found."""
    pairs = run.columns.pairs_of(started=True, names=["source_id", "rmse", "p_found"])
    source, ids = codes(pairs["source_id"])
    counts = np.bincount(source, minlength=1)[source]
    often = np.flatnonzero(counts == counts.max(initial=0))
    best = most_representative(pairs.select(["rmse", "p_found"]).take(often), words_of(run).sure, 1)
    return ids[source[often[best[0]]]] if len(best) else None


def most_representative(pairs: pa.Table, least: float, count: int) -> np.ndarray:
    """Where the `count` most telling of started pairs stand, as `nearest_believed` has them.

    `pairs`: columns rmse and p_found. `least`: the score above which an image is believed.
    """
    distance, belief = finite(pairs["rmse"]), finite(pairs["p_found"])
    known = np.isfinite(distance) & np.isfinite(belief)
    believed = known & (belief >= least)
    if believed.any():
        return lowest(np.where(believed, distance, np.nan), count)
    return lowest(np.where(known, -belief, np.nan), count)


def representative_targets(run: Run, source: str | None) -> tuple[str, str] | None:
    """The two targets of a source whose triangle most models have; None where none has one."""
    own = run.columns.triangles
    own = own.filter(is_one_of(own["source_id"], [source] if source else []))
    shared = Counter(zip(own["target_1"].to_pylist(), own["target_2"].to_pylist(), strict=True))
    return max(shared, key=lambda ids: shared[ids], default=None)


def pairs_of(run: Run, model: str, source: str | None) -> list[Row]:
    rows = [
        row
        for row in (run.pairs_from(source) if source is not None else ())
        if row["model"] == model and Ending(row["ending"]).started
    ]
    return sorted(rows, key=lambda row: row["target_id"])


def corners(row: Row) -> tuple[str, str, str]:
    return row["source_id"], row["target_1"], row["target_2"]


def by_source(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["source_id"]), []).append(row)
    return groups


def class_name(row: Row, which: str) -> str:
    return (row[f"{which}_name"] or f"class {row[f'{which}_class']}").replace("_", " ")


def class_reached(row: Row) -> str:
    """The class of a pair's target; behind an arrow where its image is only on its way there."""
    return f"{'' if reached_target(row) else '→ '}{class_name(row, 'target')}"


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


def first_pairs(run: Run, model: str) -> list[Row]:
    """The started pairs of a model, of 400 sources at most, those that come first; no lists."""
    pairs = run.columns.pairs_of(model, started=True)
    sources = pairs["source_id"].unique()[:MOST_SOURCES]
    return pairs.filter(is_one_of(pairs["source_id"], sources.to_pylist())).to_pylist()


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


@dataclass(frozen=True)
class Sample:
    """The ids of the pairs shown, out of `total`; `case`: the one of the first screen, if any.

    `extremes`: how many of each number's lowest and highest pairs are among them for certain; 0
    where every pair is shown.
    """

    ids: list[str]
    total: int
    case: str | None
    extremes: int = 0


def sample(run: Run) -> Sample:
    """Every pair of at most `MOST_PAIRS`; else extremes of every number, then sources by seed.

    A sampled source brings all its pairs, of all models, so that its star and triangles are whole.
    """
    pairs = run.columns.pairs
    case = striking_case(run)
    if len(pairs) <= MOST_PAIRS:
        return Sample(pairs["pair_id"].to_pylist(), len(pairs), case)
    picked = dict.fromkeys(_extremes(pairs))
    if case is not None:
        picked[pairs["pair_id"].index(case).as_py()] = None
    for rows in _sources(pairs):
        picked |= dict.fromkeys(rows)
        if len(picked) >= MOST_PAIRS:
            break
    rows = sorted(list(picked)[:MOST_PAIRS])
    return Sample(pairs["pair_id"].take(rows).to_pylist(), len(pairs), case, EXTREMES)


def striking_case(run: Run) -> str | None:
    """The id of the run's most telling pair, first among those whose image was kept.

    Nearest to its target among those believed surely, and before others those whose real target the
    model names correctly: it is the control. None where no pair was traversed.
    """
    names = ["pair_id", "model", "target_id", "target_class", "rmse", "p_found"]
    pairs = run.columns.pairs_of(started=True, names=names)
    rows = pairs.take(most_representative(pairs, words_of(run).sure, LOOKED_AT)).to_pylist()
    said = run.columns.rows("predictions", "image_id", {row["target_id"] for row in rows})
    known = {(one["model"], one["image_id"]): one["predicted"] for one in said}
    kept = [row for row in rows if run.kept(row["pair_id"])] or rows[:1]
    right = (
        one for one in kept if known.get((one["model"], one["target_id"])) == one["target_class"]
    )
    return next((row["pair_id"] for row in (*right, *kept)), None)


def _named(run: Run, name: str) -> Row:
    known = run.columns.pairs["pair_id"].to_pylist()
    ids = [one for one in known if name and one.startswith(name)]
    ids = [one for one in ids if one == name] or ids
    rows = run.columns.rows("pairs", "pair_id", ids) if len(ids) == 1 else []
    if not rows:
        raise UsageError(_unclear(run, name, ids))
    ending = Ending(rows[0]["ending"])
    if not ending.started:
        raise UsageError(
            f"--pair {name} was given, which was not traversed ({ending}): "
            f"{ending.sentence.lower().rstrip('.')}; name another pair"
        )
    return rows[0]


def _unclear(run: Run, name: str, ids: Sequence[str]) -> str:
    if ids:
        return (
            f"--pair {name} was given, with which {len(ids)} pairs begin; expected the id of one, "
            f"as in --pair {ids[0]}"
        )
    known = run.columns.pairs_of(started=True, names=["pair_id"])["pair_id"].to_pylist()
    hint = nearest_names(name, known) or (f"type --pair {known[0]}" if known else "it has none")
    return (
        f"--pair {name!r} was given, which is no pair of {run.path}; expected a pair_id of its "
        f"pairs.parquet; {hint}"
    )


def _seen(row: Row, which: str) -> str:
    return row[f"{which}_name"] or f"class {row[f'{which}_class']}"


def _densest(cells: Collection[tuple[str, str]]) -> list[str]:
    """The classes that are left when the one with fewest pairs among them is dropped repeatedly."""
    used, those_of = Counter(name for cell in cells for name in cell), defaultdict(list)
    for cell in cells:
        for name in set(cell):
            those_of[name].append(cell)
    names = sorted(used)
    while len(names) > MOST_CLASSES:
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
    chosen = list(sources.values())[:MOST_CLASSES]
    spots = [[Spot(rows[0], clean=True), *map(Spot, rows[:MOST_CLASSES])] for rows in chosen]
    names = [words.caption(_seen(rows[0], "source")) for rows in chosen]
    return GridLayout([[*line] for line in spots], names, [])


def nearest_believed(rows: Iterable[Row], least: float = 0.9) -> Row | None:
    """The most telling of started pairs: nearest to its target among those believed at `least`.

    Where none is believed that much, the one believed most; None where no pair has a number.
    """
    rows = [row for row in rows if row["rmse"] is not None and row["p_found"] is not None]
    believed = [row for row in rows if row["p_found"] >= least]
    if believed:
        return min(believed, key=lambda row: row["rmse"])
    return max(rows, key=lambda row: row["p_found"], default=None)


def _extremes(pairs: pa.Table) -> list[int]:
    columns = [finite(pairs[column.key]) for column in PAIR_NUMBERS]
    sides = (side for values in columns for side in (values, -values))
    return [row for side in sides for row in lowest(side, EXTREMES).tolist()]


def _sources(pairs: pa.Table) -> Iterator[list[int]]:
    owners, names = codes(pairs["source_id"])
    for source in np.random.default_rng(SEED).permutation(len(names)):
        yield np.flatnonzero(owners == source).tolist()
