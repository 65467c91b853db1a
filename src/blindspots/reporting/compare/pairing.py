"""Who is compared with whom, and which of their pairs and triangles are the same."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import isfinite
from typing import Any

import numpy as np

from blindspots.errors import UsageError
from blindspots.reporting.page.views import Side
from blindspots.reporting.score_labels import score_text, words_of
from blindspots.reporting.selection import EXTREMES, LOOKED_AT, MOST_PAIRS, SEED, named_models
from blindspots.reporting.tables.nulls import PAIR_COLUMNS, reach_rows
from blindspots.settings import differences
from blindspots.specs import nearest_names
from blindspots.store.reader import Row, Run

Key = tuple[str, str]
_PAIRS_FOLLOW_FROM = ("images", "seed", "sources", "targets_per_source", "pairs")
FEWEST = 2
_NUMBERS = ("segment_min", "p_found", "rmse")


@dataclass(frozen=True)
class ComparedModel(Side):
    @cached_property
    def pairs(self) -> dict[Key, Row]:
        rows = self.run.pair_rows(self.model, started=True)
        own = {(row["source_id"], row["target_id"]): row for row in rows}
        for key, reached in self._reached.items():
            own[key] |= reached
        return own

    @cached_property
    def _reached(self) -> dict[Key, Row]:
        """What stands in no stored column: reach and blindness of its pairs."""
        pairs = self.run.columns.pairs_of(self.model, True, PAIR_COLUMNS)
        found = reach_rows(self.run, self.model, pairs)
        rows = [] if found is None else found.to_pylist()
        return {(row["source_id"], row["target_id"]): row for row in rows}

    @cached_property
    def triangles(self) -> dict[tuple[str, frozenset[str]], Row]:
        rows = self.run.triangle_rows(self.model)
        return {
            (row["source_id"], frozenset((row["target_1"], row["target_2"]))): row for row in rows
        }


def find_subjects(runs: Sequence[Run], models: Sequence[str] = ()) -> list[ComparedModel]:
    """The models of the runs, labelled by what tells them apart: model, run, or both."""
    for run, other in combinations(runs, 2):
        if run.path.resolve() == other.path.resolve():
            raise UsageError(f"{run.path} was given twice; expected different run directories")
        if (one := score_text(run)) != (two := score_text(other)):
            raise UsageError(
                f"{run.path} holds {one} and {other.path} holds {two}, so their numbers are of "
                "different things; expected runs with the same --score"
            )
    found = [(run, model) for run in runs for model in _models(runs, run, models)]
    names, places = [model for _, model in found], [run.name for run in runs]
    if len(set(names)) == len(names):
        return [ComparedModel(run, model, model) for run, model in found]
    title = (lambda run: run.name) if len(set(places)) == len(places) else lambda r: str(r.path)
    if len(set(names)) == 1:
        return [ComparedModel(run, model, title(run)) for run, model in found]
    return [ComparedModel(run, model, f"{title(run)}/{model}") for run, model in found]


def contrasts(
    subjects: Sequence[ComparedModel], baseline: str | None
) -> list[tuple[ComparedModel, ComparedModel]]:
    """(before, after): all with the baseline, or each model with itself in the first run.

    The latter where no baseline is named and a later run has a model of the first one.
    """
    if baseline is not None:
        first = _baseline(subjects, baseline)
        chosen = [(first, subject) for subject in subjects if subject is not first]
    else:
        chosen = _same_models(subjects) or [(subjects[0], subject) for subject in subjects[1:]]
    if not chosen:
        raise UsageError(
            f"only {subjects[0].label} was given, and nothing to compare it with; expected a run "
            "of several models or several runs, as in blindspots compare DIR DIR"
        )
    for before, after in chosen:
        if not before.pairs.keys() & after.pairs.keys():
            raise UsageError(_nothing_shared(before, after))
    return chosen


def _models(runs: Sequence[Run], run: Run, models: Sequence[str]) -> list[str]:
    """The asked-for models that this run has; a name that no run has is refused."""
    known = [facts.name for facts in run.models]
    everywhere = {facts.name for other in runs for facts in other.models}
    asked = [name for name in models if name in known or name not in everywhere]
    return named_models(run, asked) if asked or not models else []


def _same_models(subjects: Sequence[ComparedModel]) -> list[tuple[ComparedModel, ComparedModel]]:
    first = {s.model: s for s in subjects if s.run is subjects[0].run}
    later = [s for s in subjects if s.run is not subjects[0].run]
    return [(first[s.model], s) for s in later if s.model in first]


def _baseline(subjects: Sequence[ComparedModel], name: str) -> ComparedModel:
    for known in (lambda s: s.label, lambda s: s.model, lambda s: str(s.run.path)):
        matching = [subject for subject in subjects if known(subject) == name]
        if len(matching) == 1:
            return matching[0]
    labels = [subject.label for subject in subjects]
    hint = nearest_names(name, labels) or f"there are {', '.join(labels)}"
    raise UsageError(f"--baseline {name} was given, which names nothing compared here; {hint}")


def _nothing_shared(before: ComparedModel, after: ComparedModel) -> str:
    there, here = (_choice(s.run.plan) for s in (before, after))
    unlike = "; ".join(differences(there, here)) or "no source is traversed in both"
    return (
        f"{before.label} and {after.label} share no pair of the same source and target "
        f"({unlike}); expected runs on the same pairs; give both blindspots runs the same "
        "--images, --seed, --sources and --targets-per-source, or the same --pairs FILE"
    )


def _choice(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plan[key] for key in _PAIRS_FOLLOW_FROM if key in plan}


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
    kept = (key for key in order[:LOOKED_AT] if _kept(subjects, key))
    return next(kept, order[0] if order else None)


def _kept(subjects: Iterable[ComparedModel], key: Key) -> bool:
    own = [subject for subject in subjects if key in subject.pairs]
    return all(subject.run.kept(subject.pairs[key]["pair_id"]) for subject in own)


def _known(rows: Iterable[Row], *names: str) -> bool:
    values = [row[name] for row in rows for name in names]
    return all(value is not None and isfinite(value) for value in values)


def _number(subjects: Sequence[ComparedModel], keys: Sequence[Key]) -> str:
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
