"""What a run says of each of its models. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelFacts:
    """What `run.json` says of one model; what it does not say is None or empty.

    `size`: (height, width) in pixels. `training_epsilon`: the l-infinity radius in [0, 1] it was
    adversarially trained for. `image_suffix`: what its copies of sources and targets end with.
    """

    name: str
    spec: str = ""
    fingerprint: str = ""
    num_classes: int | None = None
    size: tuple[int, ...] | None = None
    training_epsilon: float | None = None
    image_suffix: str = ""
    preflight: Mapping[str, Any] = field(default_factory=dict)


def read_facts(entry: Mapping[str, Any]) -> ModelFacts:
    """A model's entry in `run.json`."""
    known = {key: entry[key] for key in ModelFacts.__dataclass_fields__ if entry.get(key)}
    known["name"] = entry.get("name") or entry.get("spec") or "model"
    return ModelFacts(**{**known, "size": tuple(entry.get("size") or ()) or None})
