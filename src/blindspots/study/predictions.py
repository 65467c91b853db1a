"""What models say of clean images, a column a thing said: four arrays per model. No torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64, Int64

from blindspots.schema import PREDICTIONS

NOTHING = -1


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
        """The predictions of a model that was asked about none of so many images."""
        numbers = (np.zeros(images) for _ in range(2))
        return cls(np.zeros(images, bool), np.full(images, NOTHING), *numbers)

    @property
    def finite(self) -> Bool[np.ndarray, "images"]:
        """Whether the model returned finite numbers."""
        return self.confidence > 0

    def note(self, index: int, said: Prediction) -> None:
        """Write down what it said of an image."""
        self.asked[index] = True
        self.predicted[index], self.confidence[index], self.p_label[index] = said

    def of(self, index: int) -> Prediction:
        """What it said of an image."""
        numbers = float(self.confidence[index]), float(self.p_label[index])
        return Prediction(int(self.predicted[index]), *numbers)


def read_model_predictions(rows: pa.Table, model: str, ids: Sequence[str]) -> Predictions:
    """The stored answers of a model about the images with these ids; of twice-told ones the last.

    `rows`: as `schema.PREDICTIONS`.
    """
    own = rows.filter(pc.field("model") == model).combine_chunks()
    options = pc.SetLookupOptions(value_set=pa.array(ids, pa.string()))
    places = pc.call_function("index_in", [own["image_id"]], options)
    own, places = own.filter(places.is_valid()), places.drop_null().to_numpy()
    answers = Predictions.none(len(ids))
    answers.asked[places] = True
    for name in ("predicted", "confidence", "p_label"):
        getattr(answers, name)[places] = own[name].to_numpy()
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
