"""Checks against the labels: clean accuracy, and whether the classes stand in the right order.

Two kinds of evidence for an order. One that can be named beforehand (one off, sorted as text,
alphabetical) needs no more than a few images. Any other is read from the images themselves, so it
needs two images per class at least: a class is taken to be the output that its images agree on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from blindspots.diagnosis.sample import Finding, Level, findings_of, gains_enough
from blindspots.settings import LEAST_ACCURACY

Classes = Int64[Tensor, "image"]
LEAST_AGREEMENT, MUCH_BETTER = 0.5, 0.1


@dataclass(frozen=True)
class Order:
    """Which output belongs to a label: `output[label]`, the label itself where it is not named.

    `said`: the order in words. `agreement`: the share of the images that it makes right.
    """

    output: Mapping[int, int]
    said: str
    agreement: float

    def applied(self, labels: Classes) -> Classes:
        return torch.tensor([self.output.get(one, one) for one in labels.tolist()])


def find_order(
    predicted: Classes, labels: Classes, classes: int, names: Sequence[str] | None
) -> Order | None:
    """The order that explains the predictions far better than the one assumed; None: no such.

    `labels` are all known. `names`: the classes' names, by index.
    """
    known = [
        Order(output, said, _agreement(output, predicted, labels))
        for said, output in _known_orders(classes, names)
    ]
    named = [order for order in known if _explains(order, predicted, labels)]
    best = max(named, key=lambda order: order.agreement, default=None)
    read = _read_order(predicted, labels)
    if best is None or read is None:
        return best or read
    # What was read from the images fits them by making, so it must fit much better.
    return read if read.agreement > best.agreement + MUCH_BETTER else best


def _explains(order: Order, predicted: Classes, labels: Classes) -> bool:
    hits = order.applied(labels) == predicted
    return gains_enough(hits, predicted == labels, labels)


def _agreement(output: Mapping[int, int], predicted: Classes, labels: Classes) -> float:
    return float((Order(output, "", 0).applied(labels) == predicted).double().mean())


def _known_orders(
    classes: int, names: Sequence[str] | None
) -> Iterator[tuple[str, Mapping[int, int]]]:
    every = range(classes)
    yield "one output further", {i: (i + 1) % classes for i in every}
    yield "one output less", {i: (i - 1) % classes for i in every}
    for said, order in _sorted_orders(classes, names):
        yield said, dict(zip(order, every, strict=True))
        yield said, dict(zip(every, order, strict=True))


def _sorted_orders(
    classes: int, names: Sequence[str] | None
) -> Iterator[tuple[str, Sequence[int]]]:
    yield "with numbers sorted as text (0, 1, 10, …, 2)", sorted(range(classes), key=str)
    if names is not None and len(names) == classes:
        yield "sorted by name", sorted(range(classes), key=lambda i: names[i])


def _read_order(predicted: Classes, labels: Classes) -> Order | None:
    """The order in which the images of each class agree on an output that no other class has.

    It must make twice as many images right, or exchange some classes among themselves.
    """
    output = _one_to_one(predicted, labels)
    whole = Order(output, "as the images say", _agreement(output, predicted, labels))
    before = float((predicted == labels).double().mean())
    if whole.agreement >= max(LEAST_AGREEMENT, 2 * before) and _explains(whole, predicted, labels):
        return whole
    exchanged = suspected_exchange(predicted, labels)
    return exchanged if exchanged and _explains(exchanged, predicted, labels) else None


def suspected_exchange(predicted: Classes, labels: Classes) -> Order | None:
    """Classes that stand in each other's places, as far as the images say; None: no such.

    Two images of each must say so, which may still be chance.
    """
    output = _closed(_one_to_one(predicted, labels))
    said = "some classes are exchanged"
    return Order(output, said, _agreement(output, predicted, labels)) if output else None


def _one_to_one(predicted: Classes, labels: Classes) -> dict[int, int]:
    """An output for each label that two images or more agree on; the most agreed come first."""
    counts = Counter(zip(labels.tolist(), predicted.tolist(), strict=True))
    output: dict[int, int] = {}
    ranked = sorted(counts, key=lambda pair: (-counts[pair], pair[0] != pair[1]))
    for label, said in ranked:
        if counts[label, said] >= 2 and label not in output and said not in output.values():
            output[label] = said
    return output


def _closed(output: Mapping[int, int]) -> dict[int, int]:
    """The part of it that swaps classes among themselves: whole cycles, without fixed classes."""
    moved = {label: said for label, said in output.items() if label != said}
    while moved and set(moved) != set(moved.values()):
        both = set(moved) & set(moved.values())
        moved = {a: b for a, b in moved.items() if a in both and b in both}
    return moved


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
