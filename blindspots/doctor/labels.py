"""Checks against the labels: clean accuracy, and whether the classes stand in the right order."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from blindspots.doctor.finding import Finding, Level
from blindspots.doctor.orders import Order, find_order
from blindspots.survey import LEAST_ACCURACY

SHOWN = 2
ROOM = 0.5

_WHY_ACCURACY = (
    "a traversal keeps the class of its source, so a model that misnames clean images has no "
    "sources, or the wrong ones"
)
_WHY_ORDER = (
    "labels and outputs must mean the same classes, or every source counts as misclassified and "
    "every name in the tables is wrong"
)
_UNLABELLED = (
    "without labels there is no accuracy, so the order of the classes, the normalisation and the "
    "order of the channels were not checked"
)


def check_accuracy(
    right: int, labelled: int, images: int, confidence: float, blame: Sequence[str] = ()
) -> list[Finding]:
    """How many labelled images are named rightly, and the mean confidence over all `images`.

    Wrong below a fifth, where a run refuses to start. `blame`: checks that found something wrong.
    """
    values = {
        "images": images,
        "labelled": labelled,
        "accuracy": right / labelled if labelled else None,
        "mean_confidence": confidence,
    }
    said = f"mean confidence {confidence:.3f}"
    if not labelled:
        found = f"{said} on {images} images without labels"
        remedy = "--images folder:DIR with a folder a class, or --classes FILE"
        return [_accuracy(Level.NOTE, found, _UNLABELLED, remedy, values)]
    found = f"{right} of {labelled} images are named rightly ({right / labelled:.1%}), {said}"
    if right >= LEAST_ACCURACY * labelled:
        return [_accuracy(Level.OK, found, _WHY_ACCURACY, "", values)]
    remedy = (
        f"mend what is wrong below first: {', '.join(blame)}"
        if blame
        else "look at weights=FILE, size= and --classes: nothing below explains it"
    )
    return [_accuracy(Level.WRONG, found, _WHY_ACCURACY, remedy, values)]


def check_class_order(
    predicted: Int64[Tensor, "image"],
    labels: Int64[Tensor, "image"],
    classes: int,
    names: Sequence[str] | None,
) -> tuple[list[Finding], Order | None]:
    """Whether predictions agree with the labels in another order, and that order.

    Unknown labels are left out; no finding where all are. A note where the accuracy leaves room for
    another order and there are too few images a class to tell.
    """
    known = labels >= 0
    predicted, labels = predicted[known], labels[known]
    if not len(labels):
        return [], None
    order = find_order(predicted, labels, classes, names)
    if order is not None:
        return [_other_order(order, predicted, labels, names)], order
    each = len(labels) / len(labels.unique())
    accuracy = float((predicted == labels).double().mean())
    values = {"images": len(labels), "images_a_class": each, "agreement": accuracy}
    if accuracy < ROOM and each < 2:
        found = f"too few images to tell: {each:.1f} a class"
        remedy = "--images with two images a class or more"
        return [_class_order(Level.NOTE, found, remedy, values)], None
    return [_class_order(Level.OK, "no other order fits better", "", values)], None


def _other_order(order: Order, predicted: Tensor, labels: Tensor, names) -> Finding:
    before = float((predicted == labels).double().mean())
    found = (
        f"the outputs stand in another order: {order.said}; in that order {order.agreement:.0%} "
        f"of the images are named rightly, in yours {before:.0%}; {_examples(order, labels, names)}"
    )
    remedy = (
        "--classes FILE with the names in the order of the model's outputs; or reorder the outputs "
        "in your module, as in logits[:, 1:] to drop a background class in front"
    )
    moved = {str(a): b for a, b in order.output.items() if a != b and a in labels}
    values = {"order": order.said, "agreement": order.agreement, "output_of_label": moved}
    return _class_order(Level.WRONG, found, remedy, values)


def _examples(order: Order, labels: Int64[Tensor, "image"], names: Sequence[str] | None) -> str:
    seen = torch.unique(labels).tolist()
    moved = [
        (label, order.output[label]) for label in seen if order.output.get(label, label) != label
    ]
    shown = [
        f"output {output} is {names[label] if names else f'class {label}'}"
        for label, output in moved[:SHOWN]
    ]
    return ", ".join(shown)


def _accuracy(level: Level, found: str, why: str, remedy: str, values: dict) -> Finding:
    return Finding(name="accuracy", level=level, found=found, why=why, remedy=remedy, values=values)


def _class_order(level: Level, found: str, remedy: str, values: dict) -> Finding:
    return Finding(
        name="class order", level=level, found=found, why=_WHY_ORDER, remedy=remedy, values=values
    )
