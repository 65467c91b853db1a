"""A model of a run, with its images and the evaluator that asks it."""

from dataclasses import dataclass
from functools import cached_property

from blindspots.engine.evaluator import Evaluator
from blindspots.images import ImageSet
from blindspots.models.classifier import Classifier


@dataclass(frozen=True)
class Subject:
    """A model of a run, with the images as it sees them."""

    spec: str
    model: Classifier
    images: ImageSet
    evaluator: Evaluator
    fingerprint: str
    image_suffix: str = ""
    batch: int = 8

    @property
    def name(self) -> str:
        """The model's name in every table."""
        return self.model.name

    @cached_property
    def given(self) -> list[int]:
        """The label of each image, as plain numbers: they are asked for by the million."""
        return self.images.labels.tolist()
