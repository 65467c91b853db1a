"""Who is compared with whom, and which of their pairs and triangles are the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from blindspots.errors import UsageError
from blindspots.reporting.score_labels import score_text
from blindspots.reporting.selection import named_models
from blindspots.settings import differences
from blindspots.specs import nearest_names
from blindspots.store.reader import Row, Run

Key = tuple[str, str]
_PAIRS_FOLLOW_FROM = ("images", "seed", "sources", "targets_per_source", "pairs")


@dataclass(frozen=True)
class ComparedModel:
    """A model of a run; `label`: what it is called beside the others."""

    run: Run
    model: str
    label: str

    @cached_property
    def pairs(self) -> dict[Key, Row]:
        """Its traversed pairs by (source id, target id)."""
        rows = self.run.pair_rows(self.model, started=True)
        return {(row["source_id"], row["target_id"]): row for row in rows}

    @cached_property
    def triangles(self) -> dict[tuple[str, frozenset[str]], Row]:
        """Its triangles by source id and the two targets' ids, in either order."""
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
