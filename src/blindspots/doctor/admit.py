"""Loads a model and its images also where a run would refuse what the model answers."""

from dataclasses import dataclass
from pathlib import Path

from blindspots.engine.device import find_device, lay_out
from blindspots.images import ImageSet, load_images
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_unchecked
from blindspots.settings import NO_TRUST, Trust


@dataclass
class _Seen:
    """How a model sees images and what it calls them, whatever it answers."""

    name: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None
    class_folders: tuple[str, ...] | None
    embeds: bool
    num_classes: int


def admit(
    spec: str,
    images: str,
    classes: Path | None,
    device: str = "auto",
    trust: Trust = NO_TRUST,
) -> tuple[Classifier, ImageSet]:
    """The model of a spec on its device, and the images of another as it sees them.

    Refused where either cannot be read, or the module takes no image of its size.
    """
    model = lay_out(load_unchecked(spec, trust).to(find_device(device)))
    seen = _Seen(
        model.name,
        model.preprocessing,
        model.class_names,
        model.class_folders,
        model.embeds,
        model.count_outputs(),
    )
    return model, load_images(images, seen, classes=classes)
