"""In which order the model's outputs stand, read from what it says of labelled images.

Two kinds of evidence. An order that can be named beforehand (one off, sorted as text, alphabetical)
needs no more than a few images. Any other order is read from the images themselves, so it needs two
images per class at least: a class is taken to be the output that its images agree on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from blindspots.doctor.sample import gains_enough

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
        """The outputs of labels; -1 stays."""
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
