"""Checks against the labels: clean accuracy, and whether the classes stand in the right order."""

from collections.abc import Sequence

from jaxtyping import Int64
from torch import Tensor

from blindspots.doctor.finding import Finding, Level, findings_of
from blindspots.doctor.label_permutations import Order, find_order, suspected_exchange
from blindspots.settings import LEAST_ACCURACY

Classes = Int64[Tensor, "image"]
Names = Sequence[str] | None
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

_class_order = findings_of("class order", _WHY_ORDER)


def check_accuracy(
    right: int, labelled: int, images: int, confidence: float, blame: Sequence[str] = ()
) -> list[Finding]:
    """How many labelled images are named correctly, and the mean confidence over all `images`.

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
    found = f"clean accuracy {right / labelled:.1%} ({right} of {labelled} images), {said}"
    if right >= LEAST_ACCURACY * labelled:
        return [_accuracy(Level.OK, found, _WHY_ACCURACY, "", values)]
    remedy = (
        f"mend what is wrong below first: {', '.join(blame)}"
        if blame
        else "look at weights=FILE, size= and --classes: nothing below explains it"
    )
    return [_accuracy(Level.WRONG, found, _WHY_ACCURACY, remedy, values)]


def check_class_order(
    predicted: Classes, labels: Classes, classes: int, names: Names
) -> tuple[list[Finding], Order | None]:
    """Whether predictions agree with the labels in another order, and that order.

    Unknown labels are left out; no finding where all are. A note where the accuracy leaves room for
    another order and there are too few images per class to tell.
    """
    known = labels >= 0
    predicted, labels = predicted[known], labels[known]
    if not len(labels):
        return [], None
    order = find_order(predicted, labels, classes, names)
    if order is not None:
        return [_other_order(order, predicted, labels, names)], order
    return [_order_as_given(predicted, labels, names)], None


def _order_as_given(predicted: Classes, labels: Classes, names: Names) -> Finding:
    """No other order was found; what kept one from being found, if anything did."""
    each = len(labels) / len(labels.unique())
    accuracy = float((predicted == labels).double().mean())
    values = {"images": len(labels), "images_a_class": each, "agreement": accuracy}
    exchange = suspected_exchange(predicted, labels)
    if exchange is not None:
        found = f"{_places(exchange, labels, names)}, but too few images say so to be sure"
        return _class_order(Level.NOTE, found, "--images with more images of these", values)
    if accuracy < ROOM and each < 2:
        found = f"too few images to tell: {each:.1f} a class"
        remedy = "--images with two images per class or more"
        return _class_order(Level.NOTE, found, remedy, values)
    return _class_order(Level.OK, "no other order fits better", "", values)


def _other_order(order: Order, predicted: Classes, labels: Classes, names: Names) -> Finding:
    before = float((predicted == labels).double().mean())
    found = (
        f"not yours: {order.said}, {order.agreement:.0%} of the images are named correctly, in "
        f"your order {before:.0%}; {_places(order, labels, names)}"
    )
    remedy = (
        "--classes FILE with a name a line in the order of the model's outputs; or reorder them "
        "in your module (logits[:, 1:] drops a background class in front)"
    )
    moved = {str(label): output for label, output in _moved(order, labels)}
    values = {"order": order.said, "agreement": order.agreement, "output_of_label": moved}
    return _class_order(Level.WRONG, found, remedy, values)


def _places(order: Order, labels: Classes, names: Names) -> str:
    shown = [
        f"output {output} is {names[label] if names else f'class {label}'}"
        for label, output in _moved(order, labels)[:SHOWN]
    ]
    return ", ".join(shown)


def _moved(order: Order, labels: Classes) -> list[tuple[int, int]]:
    """Label and output of the classes that the images show and that stand elsewhere."""
    places = [(label, order.output.get(label, label)) for label in labels.unique().tolist()]
    return [(label, output) for label, output in places if output != label]


def _accuracy(level: Level, found: str, why: str, remedy: str, values: dict) -> Finding:
    return Finding(name="accuracy", level=level, found=found, why=why, remedy=remedy, values=values)
