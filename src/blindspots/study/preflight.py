"""The cheap part of the examination, which every run does before it starts."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from blindspots.doctor.determinism import check_steadiness
from blindspots.doctor.finding import Finding, Level
from blindspots.doctor.gradient_checks import check_attached
from blindspots.doctor.label_checks import check_class_order
from blindspots.doctor.output_checks import check_saturation
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.subject import Subject
from blindspots.errors import UsageError
from blindspots.scores import Confidence
from blindspots.store.run_info import StoredFinding
from blindspots.study.survey import Survey


def preflight(subject: Subject, surveyed: Survey) -> list[Finding]:
    """Order of the classes, saturation, steadiness and gradient of a model of a run.

    The first two are read from answers that the run has anyway; the others look at the image the
    model is surest of and the one it is least sure of, which costs 4.5 evaluations.
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
    order, _ = check_class_order(
        predicted,
        subject.images.labels[seen],
        subject.model.num_classes,
        subject.images.class_names,
    )
    extremes = [int(confidence.argmin()), int(confidence.argmax())]
    images = subject.images.take([seen[i] for i in extremes])
    with subject.model.frozen():
        steady = check_steadiness(evaluator, images, alone=1)
        gradient = check_attached(evaluator, images, predicted[extremes])
    return [*order, *check_saturation(1 - confidence), *steady, *gradient]


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
