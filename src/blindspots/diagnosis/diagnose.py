"""All checks in their order, and what each of them needs of those before."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from blindspots.diagnosis.gradient_checks import (
    check_attached,
    check_speed,
    check_true,
    hard_and_easy,
)
from blindspots.diagnosis.input_checks import check_8bit, check_feeding
from blindspots.diagnosis.label_checks import Order, check_accuracy, check_class_order
from blindspots.diagnosis.output_checks import (
    check_finite,
    check_logits,
    check_saturation,
    check_steadiness,
)
from blindspots.diagnosis.sample import Evidence, Finding, gather, wrong_names
from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.images import ImageSet
from blindspots.models.classifier import Classifier

TOGETHER = 8


def diagnose(
    model: Classifier,
    images: ImageSet,
    *,
    batch: int | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Every finding about a model on clean images, accuracy first.

    `batch`: images at once; None: what fills the device. `tick` hears how many images were looked
    at. What one fault makes meaningless is not checked: nothing but finite logits where there are
    none, no differences where answers are random.
    """
    evaluator = Evaluator(model, chunk=batch or batch_size(model.size, model.device))
    with model.frozen():
        whole = gather(evaluator, images, tick)
        finite = check_finite(whole)
        if not whole.finite.any():
            return finite
        evidence = whole.only(whole.finite)
        if model.embeds:
            return [*finite, *_of_embeddings(evidence)]
        findings = [*_meaning(evidence), *finite, *_answers(evidence)]
    return [*_accuracy(whole, findings), *findings]


def _meaning(evidence: Evidence) -> list[Finding]:
    """Against the labels: the order of the classes and, with that order, what the model is fed."""
    labelled = evidence.only(evidence.labels >= 0)
    if not len(labelled):
        return []
    ordering, order = _class_order(labelled)
    feeding, better = check_feeding(_relabelled(labelled, order))
    if order is None and wrong_names(feeding):
        # Wrongly fed, a model says nothing about its classes.
        ordering, _ = _class_order(better)
    return [*ordering, *feeding]


def _class_order(evidence: Evidence) -> tuple[list[Finding], Order | None]:
    classes = evidence.logits.shape[1]
    return check_class_order(evidence.predicted, evidence.labels, classes, evidence.class_names)


def _relabelled(evidence: Evidence, order: Order | None) -> Evidence:
    return evidence if order is None else replace(evidence, labels=order.applied(evidence.labels))


def _of_embeddings(evidence: Evidence) -> list[Finding]:
    """What can be asked where there are no classes: of a feature as of a logit."""
    evaluator, some = evidence.evaluator, evidence.first(TOGETHER)
    steady = check_steadiness(evaluator, some.images, alone=TOGETHER)
    gradient = check_attached(evaluator, some.images, some.predicted)
    speed = [] if wrong_names(gradient) else check_speed(evaluator, evidence.images)
    return [*steady, *gradient, *speed]


def _answers(evidence: Evidence) -> list[Finding]:
    """Without labels: what is returned, whether it is steady, its gradient, rounding and cost."""
    evaluator = evidence.evaluator
    logits = check_logits(evidence)
    steady = check_steadiness(evaluator, evidence.first(TOGETHER).images, alone=TOGETHER)
    images, labels = hard_and_easy(evidence)
    gradient = check_attached(evaluator, images, labels)
    findings = [*logits, *steady, *gradient]
    if not wrong_names(findings):
        findings += check_true(evaluator, images, labels)
    if not wrong_names(steady):
        findings += check_8bit(evidence)
    findings += check_saturation(torch.sigmoid(-evidence.margins))
    if not wrong_names(gradient):
        findings += check_speed(evaluator, evidence.images)
    return findings


def _accuracy(evidence: Evidence, findings: Sequence[Finding]) -> list[Finding]:
    """Over all images; one whose logits are not finite is not named correctly."""
    labelled = int((evidence.labels >= 0).sum())
    right = int((evidence.right & (evidence.labels >= 0) & evidence.finite).sum())
    answered = evidence.logits[evidence.finite]
    confidence = float(answered.softmax(dim=1).amax(dim=1).mean())
    return check_accuracy(right, labelled, len(evidence), confidence, wrong_names(findings))
