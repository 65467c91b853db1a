"""Which of the shared pairs a comparison shows one by one, the same ones on all of its sides."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from blindspots.reporting.compare.pairing import ComparedModel, Key
from blindspots.reporting.page.pair_sample import EXTREMES, MOST_PAIRS, SEED
from blindspots.reporting.score_labels import words_of
from blindspots.store.reader import Row

FEWEST = 2
_NUMBERS = ("segment_min", "p_found", "rmse")
_LOOKED_AT = 200

Sides = Sequence[tuple[ComparedModel, ComparedModel]]


@dataclass(frozen=True)
class PairSelection:
    """The keys of the pairs shown, by the label of each subject: `count` out of `total`.

    `shared`: likewise of all that are shared. `common`: whether by all sides; else each stands
    with what it shares with a partner.
    `case`: the pair looked at first. `extremes`: of how many pairs a comparison those whose
    `number` rises most, and falls most, are shown for certain; 0 where all are shown.
    """

    keys: dict[str, list[Key]]
    shared: dict[str, list[Key]]
    count: int
    total: int
    common: bool
    case: Key | None
    number: str
    extremes: int = 0


def subjects_of(sides: Sides) -> list[ComparedModel]:
    """All that are compared, each once, in the order in which they come."""
    return list({subject.label: subject for both in sides for subject in both}.values())


def choose(sides: Sides, most: int = MOST_PAIRS) -> PairSelection:
    """All shared pairs where they are few; else the greatest differences, then sources by seed.

    `most`: how many rows all sides show together. A sampled source brings all its pairs, so that
    its star and triangles are whole.
    """
    subjects, shared = subjects_of(sides), [_shared(*both) for both in sides]
    common = frozenset.intersection(*shared)
    keys = sorted(common or frozenset.union(*shared))
    case, number = _case(subjects, keys), _number(subjects, keys)
    room, extremes = max(most // len(subjects), FEWEST), 0
    chosen = keys
    if len(keys) > room:
        extremes = min(EXTREMES, room // (4 * len(sides)))
        first = [key for both in sides for key in _extremes(*both, keys, number, extremes)]
        chosen = _filled(keys, [*([case] if case else []), *first][:room], room)
    own, every = (
        {subject.label: _own(subject, sides, shared, some) for subject in subjects}
        for some in (chosen, keys)
    )
    return PairSelection(own, every, len(chosen), len(keys), bool(common), case, number, extremes)


def _shared(before: ComparedModel, after: ComparedModel) -> frozenset[Key]:
    return frozenset(before.pairs.keys() & after.pairs.keys())


def _own(
    subject: ComparedModel, sides: Sides, shared: Sequence[Collection[Key]], chosen: Iterable[Key]
) -> list[Key]:
    """The chosen pairs that this subject shares with a partner."""
    partners = [keys for both, keys in zip(sides, shared, strict=True) if subject in both]
    return [key for key in chosen if any(key in keys for keys in partners)]


def _rows(subjects: Iterable[ComparedModel], key: Key) -> list[Row]:
    return [subject.pairs[key] for subject in subjects if key in subject.pairs]


def _case(subjects: Sequence[ComparedModel], keys: Iterable[Key]) -> Key | None:
    """The pair nearest to its target, in the mean of all sides, that all believe surely.

    The one believed most by whoever believes it least, where none is believed so much; first
    among pairs whose images were kept.
    """
    rows = {key: _rows(subjects, key) for key in keys}
    known = {key: own for key, own in rows.items() if _known(own, "rmse", "p_found")}
    least = {key: min(row["p_found"] for row in own) for key, own in known.items()}
    far = {key: sum(row["rmse"] for row in own) / len(own) for key, own in known.items()}
    sure = [key for key in known if least[key] >= words_of(subjects[0].run).sure]
    order = sorted(sure, key=far.__getitem__) or sorted(known, key=lambda key: -least[key])
    kept = (key for key in order[:_LOOKED_AT] if _kept(subjects, key))
    return next(kept, order[0] if order else None)


def _kept(subjects: Iterable[ComparedModel], key: Key) -> bool:
    own = [subject for subject in subjects if key in subject.pairs]
    return all(subject.run.kept(subject.pairs[key]["pair_id"]) for subject in own)


def _known(rows: Iterable[Row], *names: str) -> bool:
    values = [row[name] for row in rows for name in names]
    return all(value is not None and isfinite(value) for value in values)


def _number(subjects: Sequence[ComparedModel], keys: Sequence[Key]) -> str:
    """The number whose differences say which pairs to show: the first that any pair has."""
    known = (name for name in _NUMBERS if any(_known(_rows(subjects, k), name) for k in keys))
    return next(known, _NUMBERS[0])


def _extremes(
    before: ComparedModel, after: ComparedModel, keys: Iterable[Key], number: str, count: int
) -> list[Key]:
    shared = _shared(before, after)
    both = {key: (before.pairs[key], after.pairs[key]) for key in keys if key in shared}
    gaps = {key: b[number] - a[number] for key, (a, b) in both.items() if _known((a, b), number)}
    order = sorted(gaps, key=gaps.__getitem__)
    return [*order[:count], *order[::-1][:count]]


def _filled(keys: Sequence[Key], first: Sequence[Key], room: int) -> list[Key]:
    """The first ones, then whole sources drawn by the seed while they fit: one part at least.

    The source of the very first one is before all others, for it is the one looked at first.
    """
    groups: defaultdict[str, list[Key]] = defaultdict(list)
    for key in keys:
        groups[key[0]].append(key)
    names, picked = list(groups), dict.fromkeys(first)
    drawn = [names[place] for place in np.random.default_rng(SEED).permutation(len(names))]
    for place, source in enumerate(dict.fromkeys([*(key[0] for key in first[:1]), *drawn])):
        more = [key for key in groups[source] if key not in picked]
        left = room - len(picked)
        if place and len(more) > left:
            break
        picked |= dict.fromkeys(more[:left])
    return sorted(picked)
