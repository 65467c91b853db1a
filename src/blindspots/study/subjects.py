"""Loads the models of a run, each with the images as it sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from blindspots.diagnosis.gradient_checks import check_attached
from blindspots.diagnosis.input_checks import MOST_TRIED, check_normalisation, given_normaliser
from blindspots.diagnosis.label_checks import check_class_order
from blindspots.diagnosis.output_checks import check_saturation, check_steadiness
from blindspots.diagnosis.sample import Evidence, Finding, Level, wrong_names
from blindspots.engine.device import batch_size, check_precision, find_device, lay_out
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_trusted, name_apart
from blindspots.models.schemes import SCHEMES, UNPUBLISHED
from blindspots.progress import Reporter
from blindspots.scores import Confidence, make_score
from blindspots.settings import NO_TRUST, MachineSettings, ScienceSettings, Trust
from blindspots.store.paths import Place
from blindspots.store.run_info import ModelFacts, Preflight, StoredFinding
from blindspots.study.survey import Survey


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a run is asked for, before anything is loaded.

    `models`, `images`: specs. `classes`: a file of class names or labels, for the images and
    every model. `pairs_file`: a CSV file of source and target, instead of choosing. `trust`: which
    code of the models may be run. `predictions`: a file of what the models say of the clean images,
    read where it is there, else written. `titles`: what people call models, by spec. `own_models`:
    models that are there already, by the spec under which `models` lists them, taken as they are;
    `own_images`: images that are there already, instead of `images`, which then only says what they
    are called.
    """

    models: Sequence[str]
    images: str
    science: ScienceSettings
    machine: MachineSettings = field(default_factory=MachineSettings)
    classes: Path | None = None
    pairs_file: Path | None = None
    trust: Trust = NO_TRUST
    predictions: Place | None = None
    titles: Mapping[str, str | None] = field(default_factory=dict)
    own_models: Mapping[str, Classifier] = field(default_factory=dict)
    own_images: ImageSet | None = None


@dataclass(frozen=True)
class ModelRef:
    """What a model is in a run, beside its spec: it can be loaded again by that, anywhere."""

    spec: str
    name: str
    fingerprint: str
    image_suffix: str


def model_facts(subject: Subject, preflight: Preflight, title: str | None = None) -> ModelFacts:
    """What is stored of a model in `run.json`."""
    model = subject.model
    return ModelFacts(
        spec=subject.spec,
        name=subject.name,
        title=title,
        fingerprint=subject.fingerprint,
        num_classes=model.num_classes,
        size=tuple(model.size),
        training_epsilon=model.training_epsilon,
        image_suffix=subject.image_suffix,
        preflight=preflight,
    )


def load_subjects(request: RunRequest, reporter: Reporter) -> list[Subject]:
    """Every model with its images; models that see images alike share their saved copies."""
    listing = request.own_images
    geometries: dict[Any, str] = {}
    subjects: list[Subject] = []
    for spec in request.models:
        with reporter.busy(f"loading {spec}"):
            model = _load_model(request, spec)
        if listing is None:
            listing = images = load_images(
                request.images, model, classes=request.classes, reporter=reporter
            )
        else:
            images = listing.for_model(model)
        suffix = geometries.setdefault(
            model.preprocessing, f"-{len(geometries)}" * bool(geometries)
        )
        subjects.append(_subject(request, spec, model, images, suffix))
    name_apart([(subject.spec, subject.model) for subject in subjects])
    return subjects


def load_again(request: RunRequest, role: ModelRef, images: ImageSet) -> Subject:
    """A model of a run that was planned elsewhere; refused where its spec loads another one here.

    `images`: those of the run, whose files must be where they were then.
    """
    model = _load_model(request, role.spec)
    subject = _subject(request, role.spec, model, images.for_model(model), role.image_suffix)
    if not model.has_fingerprint(role.fingerprint):
        raise UsageError(
            f"{role.spec} is another model on this machine (fingerprint {subject.fingerprint}, "
            f"the run's has {role.fingerprint}); expected the same weights on all machines"
        )
    model.name = role.name
    return replace(subject, fingerprint=role.fingerprint)


def keep_fingerprints(subjects: Sequence[Subject], stored: Any) -> list[Subject]:
    """The models with the fingerprints by which a plan knows them: pairs are named after these.

    `stored`: the plan's `models`, which an earlier version may have written.
    """
    known = stored if isinstance(stored, Mapping) else {}
    for one in subjects:
        # Names once held the folders of a file, and of models called alike the whole spec.
        for whole in (one.spec, one.spec.partition("?")[0]):
            if one.name not in known and whole in known:
                one.model.name = whole
    return [
        replace(one, fingerprint=known[one.name])
        if one.name in known and one.model.has_fingerprint(known[one.name])
        else one
        for one in subjects
    ]


def roles(subjects: Sequence[Subject]) -> list[ModelRef]:
    return [ModelRef(s.spec, s.name, s.fingerprint, s.image_suffix) for s in subjects]


def without_pairs(request: RunRequest) -> RunRequest:
    return replace(request, pairs_file=None, science=replace(request.science, pairs=None))


def _load_model(request: RunRequest, spec: str) -> Classifier:
    device, precision = find_device(request.machine.device), request.science.precision
    if spec in request.own_models:
        own = request.own_models[spec]
        check_precision(precision, own.device)
        return own
    check_precision(precision, device)
    return lay_out(load_trusted(spec, request.trust).to(device), request.machine.layout)


def _subject(
    request: RunRequest, spec: str, model: Classifier, images: ImageSet, suffix: str
) -> Subject:
    batch = request.machine.batch or batch_size(model.size, model.device)
    score = make_score(request.science.score)
    score.check_model(model.name, model.embeds, model.num_classes)
    evaluator = Evaluator(model, score, chunk=batch, precision=request.science.precision)
    return Subject(spec, model, images, evaluator, model.fingerprint(), suffix, batch)


def preflight(subject: Subject, surveyed: Survey) -> list[Finding]:
    """Order of the classes, normalisation, saturation, steadiness and gradient of a model of a run.

    The classes and the saturation are read from answers that the run has anyway. Other means and
    stds are tried where the model's own are published nowhere, on 40 images at most: 13 forwards of
    each. The rest looks at the image the model is surest of and the one it is least sure of, which
    costs 4.5 evaluations.
    """
    # A feature is asked about as a logit is, so the score held is of no account.
    evaluator = replace(subject.evaluator.exact, score=Confidence())
    answers = surveyed.answers[subject.name]
    seen = [i for i in surveyed.seen if answers.finite[i]]
    if subject.model.embeds:
        return _of_embedding(subject, evaluator, seen[:2])
    if not seen:
        return []
    predicted = torch.from_numpy(answers.predicted[seen])
    confidence = torch.from_numpy(answers.confidence[seen])
    labels = subject.images.labels[seen]
    order, _ = check_class_order(
        predicted,
        labels,
        subject.model.num_classes,
        subject.images.class_names,
    )
    extremes = [int(confidence.argmin()), int(confidence.argmax())]
    images = subject.images.take([seen[i] for i in extremes])
    with subject.model.frozen():
        steady = check_steadiness(evaluator, images, alone=1)
        gradient = check_attached(evaluator, images, predicted[extremes])
    asked = [i for i, label in zip(seen, labels.tolist(), strict=True) if label >= 0]
    fed = [] if wrong_names(order) else _normalisation(subject, evaluator, asked[:MOST_TRIED])
    return [*order, *fed, *check_saturation(1 - confidence), *steady, *gradient]


def _normalisation(subject: Subject, evaluator: Evaluator, some: Sequence[int]) -> list[Finding]:
    if not some or subject.spec.partition(":")[0] in SCHEMES.keys() - UNPUBLISHED:
        return []
    images = subject.images.take(some)
    with subject.model.frozen():
        logits = evaluator.logits(images).cpu()
    evidence = Evidence(
        evaluator=evaluator, images=images, labels=subject.images.labels[some], logits=logits
    )
    return check_normalisation(evidence, given_normaliser(subject.model))[0]


def _of_embedding(subject: Subject, evaluator: Evaluator, some: Sequence[int]) -> list[Finding]:
    if not some:
        return []
    images = subject.images.take(some)
    with subject.model.frozen():
        steady = check_steadiness(evaluator, images, alone=1)
        first = torch.zeros(len(images), dtype=torch.long)
        return [*steady, *check_attached(evaluator, images, first)]


def check_differentiable(name: str, findings: Sequence[StoredFinding]) -> None:
    """Refuse a model that has no gradient with respect to the image."""
    for one in findings:
        if one.level == Level.WRONG and one.values.get("attached") is False:
            raise UsageError(
                f"{name} has no gradient with respect to the image ({one.found}); expected a "
                f"module that can be differentiated: {one.remedy}"
            )
