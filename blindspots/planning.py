"""From specs to a plan: load models and images, survey them, choose sources, draw targets."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from blindspots.choosing import choose
from blindspots.doctor import check_differentiable, preflight
from blindspots.errors import Refused
from blindspots.images import ImageSet, load_images
from blindspots.machine import batch_size, check_precision, find_device, lay_out
from blindspots.methods import METHODS
from blindspots.methods.base import Method
from blindspots.models.sources import load_trusted, name_apart
from blindspots.oracle import Oracle
from blindspots.plan import PlannedPair, pair_id, read_pairs, seeded_order
from blindspots.progress import Reporter
from blindspots.scores import make_score
from blindspots.settings import NO_TRUST, Machine, Science, Trust, differences, plan_hash
from blindspots.store import read_info, read_predictions
from blindspots.survey import LEAST_IMAGES, Said, Subject, Survey, check_accuracy, survey

DRAWS_PER_SOURCE = "targets_per_source"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run is asked for, before anything is loaded.

    `models`, `images`: specs. `classes`: a file of class names or labels, for the images and
    every model. `pairs_file`: a CSV file of source and target, instead of choosing. `trust`: which
    code of the models may be run.
    """

    models: Sequence[str]
    images: str
    science: Science
    machine: Machine = field(default_factory=Machine)
    classes: Path | None = None
    pairs_file: Path | None = None
    trust: Trust = NO_TRUST


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan with all it needs: `pairs` and `misclassified` sources (image indices) a model.

    `preflight`: what was found out about each model before the work, as plain data.
    """

    request: Request
    plan: Mapping[str, Any]
    subjects: Sequence[Subject]
    survey: Survey
    preflight: Mapping[str, Mapping[str, Any]]
    pairs: Mapping[str, Sequence[PlannedPair]]
    misclassified: Mapping[str, Sequence[int]]
    notes: Sequence[str]

    def label_of(self, subject: Subject, image_id: str) -> int:
        """The class of an image for a model: its label, or what the model says of it."""
        return self.survey.label(subject, subject.images.find(image_id))

    def unstarted_id(self, subject: Subject, index: int) -> str:
        """The pair id of a source for which no target was drawn."""
        return pair_id(subject.fingerprint, subject.images.ids[index], None, self.plan)


def prepare(request: Request, out: Path | None, reporter: Reporter) -> Prepared:
    """The plan of a run and what it needs; everything that can be refused is refused here.

    `out`: the run directory, which may hold an earlier part of the same plan; another plan is
    refused with the differences.
    """
    subjects = _subjects(request, reporter)
    images = subjects[0].images
    request = _with_pairs(request, images)
    plan = _identity(request, subjects)
    known = _known(plan, out)
    chosen_pairs = request.science.pairs
    order = seeded_order(images.ids, request.science.seed)
    if chosen_pairs is not None:
        order = _pairs_first(images, chosen_pairs, order)
    surveyed = _survey(request, subjects, order, known, reporter)
    for subject in subjects:
        check_accuracy(subject, surveyed.preflight(subject))
    preflights = _preflights(subjects, surveyed, out)
    if chosen_pairs is not None:
        surveyed.check_pairs(images, chosen_pairs)
        chosen, notes = list(chosen_pairs), []
        missed: dict[str, list[int]] = {subject.name: [] for subject in subjects}
    else:
        chosen, missed, notes = choose(request.science, subjects, surveyed)
    return Prepared(
        request=request,
        plan=plan,
        subjects=subjects,
        survey=surveyed,
        preflight=preflights,
        pairs={s.name: _planned(s, surveyed, chosen, plan) for s in subjects},
        misclassified=missed,
        notes=[*images.notes, *notes],
    )


def _subjects(request: Request, reporter: Reporter) -> list[Subject]:
    """Every model with its images; models that see images alike share their saved copies."""
    device, precision = find_device(request.machine.device), request.science.precision
    check_precision(precision, device)
    listing: ImageSet | None = None
    geometries: dict[Any, str] = {}
    subjects: list[Subject] = []
    for spec in request.models:
        model = lay_out(load_trusted(spec, request.trust).to(device), request.machine.layout)
        if listing is None:
            listing = images = load_images(
                request.images, model, classes=request.classes, reporter=reporter
            )
        else:
            images = listing.for_model(model)
        suffix = geometries.setdefault(
            model.preprocessing, f"-{len(geometries)}" * bool(geometries)
        )
        batch = request.machine.batch or batch_size(model.size, device)
        score = make_score(request.science.score)
        score.check_model(model.name, model.embeds, model.num_classes)
        oracle = Oracle(model, score, chunk=batch, precision=precision)
        subjects.append(Subject(spec, model, images, oracle, model.fingerprint(), suffix, batch))
    name_apart([(subject.spec, subject.model) for subject in subjects])
    return subjects


def _with_pairs(request: Request, images: ImageSet) -> Request:
    if request.pairs_file is None:
        return request
    texts = read_pairs(request.pairs_file)
    pairs = tuple(tuple(images.ids[images.find(text)] for text in pair) for pair in texts)
    for (source, target), number in zip(pairs, range(2, len(pairs) + 2), strict=True):
        if source == target or pairs.count((source, target)) > 1:
            raise Refused(
                f"--pairs {request.pairs_file} line {number}: {source} → {target} is "
                f"{'a pair of an image with itself' if source == target else 'given twice'}; "
                "expected different images, each pair once"
            )
    return replace(request, science=replace(request.science, pairs=pairs))


def _identity(request: Request, subjects: Sequence[Subject]) -> dict[str, Any]:
    """What makes this plan this plan; images count by content, wherever their folder lies."""
    images = subjects[0].images
    listed = zip(images.ids, *(subject.images.labels.tolist() for subject in subjects), strict=True)
    digest = hashlib.sha256(repr(sorted(listed)).encode()).hexdigest()[:16]
    return {
        "models": {subject.name: subject.fingerprint for subject in subjects},
        "images": {"content": digest},
        **request.science.identity(),
    }


def _known(plan: Mapping[str, Any], out: Path | None) -> dict[tuple[str, str], Said]:
    """What an earlier part of the same plan stored of the survey; another plan is refused."""
    info = read_info(out) if out is not None else None
    if info is None or out is None:
        return {}
    if info.get("plan_hash") != plan_hash(plan):
        differing = differences(info.get("plan", {}), plan)
        raise Refused(
            f"{out} holds another plan: {'; '.join(differing[:6])}"
            f"{f' (and {len(differing) - 6} more)' if len(differing) > 6 else ''}; "
            "name another --out, or give the settings it was made with"
        )
    return {
        (row["model"], row["image_id"]): Said(row["predicted"], row["confidence"], row["p_label"])
        for row in read_predictions(out)
    }


def _pairs_first(
    images: ImageSet, pairs: Sequence[tuple[str, str]], order: Sequence[int]
) -> list[int]:
    """The images of the given pairs, then the others up to what a preflight looks at."""
    named = list(dict.fromkeys(images.find(name) for pair in pairs for name in pair))
    others = [index for index in order if index not in set(named)]
    return named + others[: max(0, LEAST_IMAGES - len(named))]


def _survey(
    request: Request,
    subjects: Sequence[Subject],
    order: Sequence[int],
    known: Mapping[tuple[str, str], Said],
    reporter: Reporter,
) -> Survey:
    wanted = request.science.sources if request.science.pairs is None else len(order)
    with reporter.work(
        "looking at clean images", min(len(order), max(wanted, LEAST_IMAGES)), "images"
    ) as tick:
        return survey(subjects, order, wanted, known, tick)


def _preflights(
    subjects: Sequence[Subject], surveyed: Survey, out: Path | None
) -> dict[str, dict[str, Any]]:
    """Of each model; the findings of an earlier part of the same plan are not looked for again."""
    info = (read_info(out) if out is not None else None) or {}
    stored = {facts["name"]: facts.get("preflight", {}) for facts in info.get("models", ())}
    found: dict[str, dict[str, Any]] = {}
    for subject in subjects:
        findings = stored.get(subject.name, {}).get("findings")
        if findings is None:
            findings = [one.as_json() for one in preflight(subject, surveyed)]
        check_differentiable(subject.name, findings)
        found[subject.name] = {**surveyed.preflight(subject), "findings": findings}
    return found


def most_evaluations(method: Method, pairs: Sequence[PlannedPair]) -> dict[str, float]:
    """What each pair costs at most, by its id; a group's cost is shared equally."""
    targets = Counter(pair.source_id for pair in pairs) if method.grouped else {}
    together = {pair.pair_id: targets.get(pair.source_id, 1) for pair in pairs}
    return {name: method.most_evaluations(count) / count for name, count in together.items()}


def _planned(
    subject: Subject,
    surveyed: Survey,
    chosen: Sequence[tuple[str, str]],
    plan: Mapping[str, Any],
) -> list[PlannedPair]:
    """The pairs, those of a source together where its targets are traversed together."""
    if not METHODS[plan["method"]["name"]].grouped:
        return [_plan_pair(subject, surveyed, pair, plan, ()) for pair in chosen]
    targets: dict[str, list[str]] = {}
    for source, target in chosen:
        targets.setdefault(source, []).append(target)
    return [
        _plan_pair(subject, surveyed, (source, target), plan, sorted(company))
        for source, company in targets.items()
        for target in company
    ]


def _plan_pair(
    subject: Subject,
    surveyed: Survey,
    pair: tuple[str, str],
    plan: Mapping[str, Any],
    company: Sequence[str],
) -> PlannedPair:
    label = surveyed.label(subject, subject.images.find(pair[0]))
    name = pair_id(subject.fingerprint, *pair, plan, company)
    return PlannedPair(name, *pair, label)
