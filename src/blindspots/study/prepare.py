"""From specs to a plan: load models and images, survey them, choose sources, draw targets."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.images import ImageSet
from blindspots.images.listing import seeded_order
from blindspots.measure.hulls import REFINED_POINTS
from blindspots.methods import METHODS
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.schema import SEGMENT_POINTS, SIMPLEX_FEWEST, SIMPLEX_SAMPLES, TRIANGLE_STEPS
from blindspots.settings import LEAST_IMAGES, Shard
from blindspots.store.paths import Place
from blindspots.store.prediction_rows import write_predictions_file
from blindspots.store.run_info import Preflight, RunInfo, StoredFinding, read_run_info
from blindspots.study.pairs import (
    PairsByModel,
    PlannedPairs,
    known_predictions,
    pair_id,
    plan_pairs,
)
from blindspots.study.subjects import (
    RunRequest,
    check_differentiable,
    keep_fingerprints,
    load_subjects,
    preflight,
)
from blindspots.study.survey import (
    Predictions,
    Survey,
    check_accuracy,
    read_model_predictions,
    survey,
)
from blindspots.study.targets import Choice, choose, read_pairs


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan with all it needs: `pairs` and `misclassified` sources (image indices) a model.

    `preflight`: what was found out about each model before the work. The pairs and
    sources are those of the request's shard alone. `most_pairs`: how many pairs each model has in
    the whole plan; `pairs_hash`: 16 hex digits over the ids of all of them.
    """

    request: RunRequest
    plan: Mapping[str, Any]
    subjects: Sequence[Subject]
    survey: Survey
    preflight: Mapping[str, Preflight]
    pairs: PairsByModel
    misclassified: Mapping[str, Sequence[int]]
    most_pairs: int
    pairs_hash: str
    notes: Sequence[str]

    @property
    def shard(self) -> Shard:
        return self.request.machine.shard

    def unstarted_id(self, subject: Subject, index: int) -> str:
        return pair_id(subject.fingerprint, subject.images.ids[index], None, self.plan)

    def row_ids(self, subject: Subject) -> list[str]:
        """The ids of all rows that a model gets: its pairs, and sources without a target."""
        missed = self.misclassified[subject.name]
        planned = self.pairs[subject.name].pair_ids.astype(str).tolist()
        return [*planned, *(self.unstarted_id(subject, index) for index in missed)]


def prepare(request: RunRequest, out: Place | None, reporter: Reporter) -> Prepared:
    """The plan of a run and what it needs; everything that can be refused is refused here.

    `out`: the run directory, which may hold an earlier part of the same plan; another plan is
    refused with the differences.
    """
    earlier = (read_run_info(out) if out is not None else None) or RunInfo()
    loaded = load_subjects(request, reporter)
    with reporter.busy("planning"):
        subjects = keep_fingerprints(loaded, earlier.plan.get("models"))
        images = subjects[0].images
        request = _with_pairs(request, images)
        plan = _identity(request, subjects)
        known = _known(request, plan, subjects, out)
        order = seeded_order(images.ids, request.science.seed)
        if request.science.pairs is not None:
            order = _pairs_first(images, request.science.pairs, order)
    stored = sum(int(own.asked.sum()) for own in known.values())
    surveyed = _survey(request, subjects, order, known, reporter)
    if request.predictions and surveyed.asked > stored:
        write_predictions_file(request.predictions, plan, surveyed.rows(images.ids))
    for subject in subjects:
        check_accuracy(subject, surveyed.preflight(subject))
    with reporter.busy("looking at the models"):
        preflights = _preflights(subjects, surveyed, earlier)
    chosen = _choose(request, subjects, surveyed)
    whole = pairs_by_model(subjects, surveyed, chosen, plan)
    shard = _checked(request.machine.shard, whole.of_one_model.sources)
    return Prepared(
        request=request,
        plan=plan,
        subjects=subjects,
        survey=surveyed,
        preflight=preflights,
        pairs=whole if shard.whole else whole.of_shard(shard),
        misclassified={
            name: missed[shard.number - 1 :: shard.of] for name, missed in chosen.missed.items()
        },
        most_pairs=len(whole.of_one_model),
        pairs_hash=whole.digest,
        notes=[*_notes_of_subjects(subjects), *chosen.notes],
    )


def _notes_of_subjects(subjects: Sequence[Subject]) -> list[str]:
    """What was noted of models and images: of classes once, and again where they differ."""
    said: dict[Any, list[str]] = {}
    for images in (subject.images for subject in subjects):
        said.setdefault((tuple(images.class_map.items()), images.class_names), images.notes)
    own = [(*one.model.notes, *one.images.geometry_notes) for one in subjects]
    return list(dict.fromkeys(note for notes in (*own, *said.values()) for note in notes))


def _choose(request: RunRequest, subjects: Sequence[Subject], surveyed: Survey) -> Choice:
    """What was chosen, or given with `--pairs`."""
    given = request.science.pairs
    if given is None:
        return choose(request.science, subjects, surveyed)
    surveyed.check_pairs(subjects[0].images, given)
    index = {name: i for i, name in enumerate(subjects[0].images.ids)}
    source, target = np.array([[index[one] for one in pair] for pair in given]).T
    return Choice(source, target, {subject.name: [] for subject in subjects}, [])


def _checked(shard: Shard, sources: int) -> Shard:
    if shard.of > sources:
        raise UsageError(
            f"--shard {shard} was given and the plan has {sources} sources; expected at most as "
            f"many shards, as in --shard 1/{sources}"
        )
    return shard


def _with_pairs(request: RunRequest, images: ImageSet) -> RunRequest:
    if request.pairs_file is None:
        return request
    texts = read_pairs(request.pairs_file)
    ids = {text: images.ids[images.find(text)] for pair in texts for text in pair}
    pairs = tuple((ids[source], ids[target]) for source, target in texts)
    times = Counter(pairs)
    for (source, target), number in zip(pairs, range(2, len(pairs) + 2), strict=True):
        if source == target or times[source, target] > 1:
            raise UsageError(
                f"--pairs {request.pairs_file} line {number}: {source} → {target} is "
                f"{'a pair of an image with itself' if source == target else 'given twice'}; "
                "expected different images, each pair once"
            )
    return replace(request, science=replace(request.science, pairs=pairs))


def _identity(request: RunRequest, subjects: Sequence[Subject]) -> dict[str, Any]:
    """What makes this plan this plan; images count by content, wherever their folder lies."""
    images = subjects[0].images
    listed = zip(images.ids, *(subject.images.labels.tolist() for subject in subjects), strict=True)
    digest = hashlib.sha256(repr(sorted(listed)).encode()).hexdigest()[:16]
    return {
        "models": {subject.name: subject.fingerprint for subject in subjects},
        "images": {"content": digest},
        **request.science.identity(),
    }


def _known(
    request: RunRequest, plan: Mapping[str, Any], subjects: Sequence[Subject], out: Place | None
) -> dict[str, Predictions]:
    """What an earlier part of the same plan stored of the survey, or the file that is shared."""
    rows = known_predictions(plan, request.machine.shard, request.predictions, out)
    return {one.name: read_model_predictions(rows, one.name, one.images.ids) for one in subjects}


def _pairs_first(
    images: ImageSet, pairs: Sequence[tuple[str, str]], order: Sequence[int]
) -> list[int]:
    named = list(dict.fromkeys(images.find(name) for pair in pairs for name in pair))
    others = [index for index in order if index not in set(named)]
    return named + others[: max(0, LEAST_IMAGES - len(named))]


def _survey(
    request: RunRequest,
    subjects: Sequence[Subject],
    order: Sequence[int],
    known: Mapping[str, Predictions],
    reporter: Reporter,
) -> Survey:
    wanted = request.science.sources if request.science.pairs is None else len(order)
    with reporter.work(
        "looking at clean images", min(len(order), max(wanted, LEAST_IMAGES)), "images"
    ) as tick:
        return survey(subjects, order, wanted, known, tick)


def _preflights(
    subjects: Sequence[Subject], surveyed: Survey, earlier: RunInfo
) -> dict[str, Preflight]:
    """The preflight of each model; findings of an earlier part of the plan are taken over."""
    stored = {facts.name: facts.preflight.findings for facts in earlier.models}
    found: dict[str, Preflight] = {}
    for subject in subjects:
        findings = stored.get(subject.name)
        if findings is None:
            looked = preflight(subject, surveyed)
            findings = tuple(StoredFinding(**one.as_json()) for one in looked)
        check_differentiable(subject.name, findings)
        found[subject.name] = replace(surveyed.preflight(subject), findings=findings)
    return found


def most_evaluations(method: Method, pairs: PlannedPairs) -> Float64[np.ndarray, "pairs"]:
    """What each pair costs at most; a group's cost is shared equally."""
    if not method.grouped:
        return np.full(len(pairs), float(method.most_evaluations()))
    counts, company = np.unique(pairs.group_size, return_inverse=True)
    costs = np.array([method.most_evaluations(count) / count for count in counts.tolist()])
    return costs[company] if len(pairs) else np.zeros(0)


def measured_forwards(pairs: PlannedPairs) -> dict[str, int]:
    """At most how many forwards of a model measure what its pairs found, by what is measured.

    A source's own image is asked about with each of its hulls.
    """
    targets = np.unique(pairs.source, return_counts=True)[1]
    triangle = (TRIANGLE_STEPS + 1) * (TRIANGLE_STEPS + 2) // 2
    hulls = (targets * (targets - 1) // 2).sum()
    return {
        "segments": len(pairs) * (SEGMENT_POINTS + REFINED_POINTS),
        "triangles": int(hulls) * triangle,
        "simplices": int((targets >= SIMPLEX_FEWEST).sum()) * (SIMPLEX_SAMPLES + 1),
        "nulls": len(pairs) * SEGMENT_POINTS,
    }


def pairs_by_model(
    subjects: Sequence[Subject], surveyed: Survey, chosen: Choice, plan: Mapping[str, Any]
) -> PairsByModel:
    """The pairs of each model, a source's together where its targets are traversed together.

    `plan`: the identity of the plan, which says how.
    """
    by_name = {subject.name: subject for subject in subjects}

    def pairs_of(name: str) -> PlannedPairs:
        return plan_pairs(
            by_name[name].fingerprint,
            by_name[name].images.ids,
            chosen.source,
            chosen.target,
            surveyed.labels(by_name[name]),
            plan,
            METHODS[plan["method"]["name"]].grouped,
        )

    return PairsByModel(list(by_name), pairs_of)
