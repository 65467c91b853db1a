"""The prediction pass: what each model says of the clean images, streamed, before any work.

It stops as soon as enough sources are correctly classified by every model, and refuses models whose
results would be worthless: probabilities for logits, NaN, a fifth of the images at most.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Float64, Int, Int64
from torch import Tensor

from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.images import ImageSet
from blindspots.models.classifier import looks_like_probabilities
from blindspots.schema import PREDICTIONS
from blindspots.settings import LEAST_ACCURACY, LEAST_IMAGES
from blindspots.store.reader import of_model
from blindspots.store.run_info import Preflight

NOTHING = -1

# As many logits are not all between 0 and 1 by chance.
_ENOUGH = 30


class Prediction(NamedTuple):
    """An answer: the class named, its confidence, and that of the image's own label.

    Of a model without classes −1, and 1 for both; 0 for both where an answer is not finite.
    """

    predicted: int
    confidence: float
    p_label: float


UNKNOWN, EMBEDDED = Prediction(NOTHING, 0.0, 0.0), Prediction(NOTHING, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model said of a listing's images, one entry per image, as `Prediction`.

    `asked`: whether it was asked about the image.
    """

    asked: Bool[np.ndarray, "images"]
    predicted: Int64[np.ndarray, "images"]
    confidence: Float64[np.ndarray, "images"]
    p_label: Float64[np.ndarray, "images"]

    @classmethod
    def none(cls, images: int) -> "Predictions":
        numbers = (np.zeros(images) for _ in range(2))
        return cls(np.zeros(images, bool), np.full(images, NOTHING), *numbers)

    @property
    def finite(self) -> Bool[np.ndarray, "images"]:
        return self.confidence > 0

    def note(self, index: int, said: Prediction) -> None:
        self.asked[index] = True
        self.predicted[index], self.confidence[index], self.p_label[index] = said

    def of(self, index: int) -> Prediction:
        numbers = float(self.confidence[index]), float(self.p_label[index])
        return Prediction(int(self.predicted[index]), *numbers)


def read_model_predictions(rows: pa.Table, model: str, ids: Sequence[str]) -> Predictions:
    """The stored answers of a model about the images with these ids; of twice-told ones the last.

    `rows`: as `schema.PREDICTIONS`; those with a number that no survey stores do not count.
    """
    own = of_model(rows, model).combine_chunks()
    options = pc.SetLookupOptions(value_set=pa.array(ids, pa.string()))
    found = pc.call_function("index_in", [own["image_id"]], options)
    told = {name: own[name].to_numpy() for name in ("predicted", "confidence", "p_label")}
    places = found.fill_null(-1).to_numpy()
    whole = (places >= 0) & np.logical_and.reduce([np.isfinite(one) for one in told.values()])
    answers = Predictions.none(len(ids))
    answers.asked[places[whole]] = True
    for name, values in told.items():
        getattr(answers, name)[places[whole]] = values[whole]
    return answers


def as_rows(answers: Mapping[str, Predictions], ids: Sequence[str]) -> pa.Table:
    """The answers of each model about the images with these ids, as `schema.PREDICTIONS`."""
    names = pa.array(ids, pa.string())
    tables = [PREDICTIONS.empty_table()]
    for model, own in answers.items():
        places = np.flatnonzero(own.asked)
        columns = [
            pa.repeat(model, len(places)),
            names.take(pa.array(places)),
            *(pa.array(one[places]) for one in (own.predicted, own.confidence, own.p_label)),
        ]
        tables.append(pa.table(columns, schema=PREDICTIONS))
    return pa.concat_tables(tables)


class SurveyBatch(NamedTuple):
    """What a model said of the images seen, one entry each.

    `labelled`: whether its class was given; `label`: the class to keep; `right`: whether the model
    gives it what a source must have; `wanted`: whether an image of its class can be a source.
    """

    labelled: Bool[np.ndarray, "seen"]
    predicted: Int[np.ndarray, "seen"]
    label: Int[np.ndarray, "seen"]
    confidence: Float[np.ndarray, "seen"]
    right: Bool[np.ndarray, "seen"]
    wanted: Bool[np.ndarray, "seen"]


@dataclass
class Survey:
    """Which class each model, by name, gives an image, and how surely.

    `seen`: the indices of the images asked about, in order, but for those that do not decode.
    """

    answers: Mapping[str, Predictions]
    seen: list[int] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return sum(int(own.asked.sum()) for own in self.answers.values())

    def answer(self, subject: Subject, index: int) -> Prediction:
        return self.answers[subject.name].of(index)

    def label(self, subject: Subject, index: int) -> int:
        """The class to keep: the image's label, or what the model says where it has none."""
        given = subject.given[index]
        return given if given >= 0 else self.answer(subject, index).predicted

    def labels(self, subject: Subject) -> Int[np.ndarray, "images"]:
        """The `label` of every image at once; −1 where it has none and nothing was asked."""
        given = subject.images.labels.numpy()
        return np.where(given < 0, self.answers[subject.name].predicted, given)

    def check_pairs(self, images: ImageSet, pairs: Sequence[tuple[str, str]]) -> None:
        named = {image_id for pair in pairs for image_id in pair}
        for index, reason in images.damaged.items():
            if images.ids[index] in named:
                raise UsageError(
                    f"--pairs names {images.names[index]}, which cannot be used: {reason}; "
                    "leave it out"
                )

    def columns(self, subject: Subject, images: Sequence[int] | None = None) -> SurveyBatch:
        """What the model said of the images seen, in their order, or of some of them."""
        places = np.array(self.seen if images is None else images, np.int64)
        own, score = self.answers[subject.name], subject.evaluator.score
        given, predicted = subject.images.labels.numpy()[places], own.predicted[places]
        label = np.where(given >= 0, given, predicted)
        right = _each(lambda two: score.accepts(*two), np.stack([predicted, label], axis=1))
        wanted = _each(lambda one: score.wants(*one), label[:, None])
        right &= own.finite[places]
        return SurveyBatch(given >= 0, predicted, label, own.confidence[places], right, wanted)

    def rows(self, ids: Sequence[str]) -> pa.Table:
        """The answers as `schema.PREDICTIONS`; `ids`: those of all images."""
        return as_rows(self.answers, ids)

    def preflight(self, subject: Subject) -> Preflight:
        """The clean accuracy (None without labels) and mean confidence over the images seen."""
        seen, classes = self.columns(subject), not subject.model.embeds
        labelled = seen.labelled & classes
        right = seen.predicted == seen.label
        confidence = float(seen.confidence.sum()) / max(1, len(right))
        return Preflight(
            images=len(self.seen),
            labelled=bool(labelled.any()),
            accuracy=float(right[labelled].mean()) if labelled.any() else None,
            mean_confidence=confidence if classes else None,
        )


def survey(
    subjects: Sequence[Subject],
    order: Sequence[int],
    wanted: int,
    known: Mapping[str, Predictions],
    tick: Callable[[int], None] = lambda _: None,
) -> Survey:
    """Ask every model about images in `order` until `wanted` are right by all, 100 at least.

    `known`: answers of an earlier pass, by model, not asked again. `tick` hears how many images
    were done.
    """
    images = len(subjects[0].images.ids)
    result = Survey({s.name: known.get(s.name) or Predictions.none(images) for s in subjects})
    found, queue = 0, iter(order)
    while found < wanted or len(result.seen) < LEAST_IMAGES:
        chunk = list(islice(queue, max(subject.batch for subject in subjects)))
        if not chunk:
            break
        for subject in subjects:
            _ask(subject, chunk, result.answers[subject.name])
        # Those that are damaged were not asked about.
        asked = [own.asked[chunk] for own in result.answers.values()]
        readable = np.array(chunk)[np.logical_and.reduce(asked)].tolist()
        right = [result.columns(subject, readable).right for subject in subjects]
        found += int(np.logical_and.reduce(right).sum())
        result.seen += readable
        tick(len(chunk))
    return result


def _each(
    judge: Callable[[tuple[int, ...]], bool], rows: Int[np.ndarray, "seen columns"]
) -> Bool[np.ndarray, "seen"]:
    different, inverse = np.unique(rows, axis=0, return_inverse=True)
    return np.array([judge(tuple(row)) for row in different.tolist()], bool)[inverse.ravel()]


def check_accuracy(subject: Subject, preflight: Preflight) -> None:
    """Refuse a model that names fewer than a fifth of the labelled images correctly."""
    accuracy = preflight.accuracy
    if accuracy is not None and accuracy < LEAST_ACCURACY:
        raise UsageError(
            f"{subject.name} names {accuracy:.1%} of {preflight.images} clean images correctly; "
            f"expected at least {LEAST_ACCURACY:.0%}: is the normalisation right (--mean, --std: "
            "they are applied once, to images in [0, 1]), the class order (--classes), the size? "
            "`blindspots doctor` with the same model and images says which"
        )


def _ask(subject: Subject, chunk: Sequence[int], known: Predictions) -> None:
    """Note the answers about images that are not known yet; none about those that are damaged."""
    new = [i for i in chunk if not known.asked[i]]
    if not new:
        return
    readable, images = subject.images.take_readable(new)
    if not readable:
        return
    with subject.model.frozen():
        logits = subject.evaluator.exact.logits(images)
    _check_finite(subject, logits)
    for i, said in zip(readable, _said(subject, readable, logits), strict=True):
        known.note(i, said)


def _said(
    subject: Subject, images: Sequence[int], logits: Float[Tensor, "batch outputs"]
) -> Iterator[Prediction]:
    if subject.model.embeds:
        for finite in logits.isfinite().all(dim=1).tolist():
            yield EMBEDDED if finite else UNKNOWN
        return
    labels = [subject.given[i] for i in images]
    _check_logits(subject, logits)
    _check_labels(subject, labels, logits.shape[1])
    for row, label in zip(logits.softmax(dim=1).cpu(), labels, strict=True):
        yield answer(row, label)


def answer(probabilities: Float[Tensor, "classes"], label: int) -> Prediction:
    """What a model says of an image with that label; −1: it has none."""
    if not probabilities.isfinite().all():
        return UNKNOWN
    predicted = int(probabilities.argmax())
    own = label if label >= 0 else predicted
    return Prediction(predicted, float(probabilities[predicted]), float(probabilities[own]))


def _check_finite(subject: Subject, logits: Float[Tensor, "batch outputs"]) -> None:
    if logits.isfinite().all(dim=1).double().mean() < 0.5:
        raise UsageError(
            f"{subject.name} returns NaN or infinity for clean images; expected finite numbers: "
            "check its weights and --mean, --std"
        )


def _check_logits(subject: Subject, logits: Float[Tensor, "batch classes"]) -> None:
    if looks_like_probabilities(logits):
        raise UsageError(
            f"{subject.name} returns probabilities (each row sums to 1); expected logits: leave "
            "out the last softmax, or return its logarithm"
        )
    if logits.numel() >= _ENOUGH and 0 <= logits.min() < logits.max() <= 1:
        raise UsageError(
            f"all that {subject.name} returns for clean images lies between 0 and 1, as after a "
            "sigmoid, so their softmax is no confidence; expected logits: leave out the last "
            "sigmoid, or return torch.logit of what it gives; multiply cosines by their scale"
        )


def _check_labels(subject: Subject, labels: Sequence[int], classes: int) -> None:
    largest = max(labels)
    if largest >= classes:
        raise UsageError(
            f"the images have a label {largest} and {subject.name} only {classes} classes; "
            "expected labels below that: give the model's own classes with --classes FILE"
        )
