"""What the page needs to know before it can offer anything."""

from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
from matplotlib import colormaps

from blindspots.engine.evaluator import Subject
from blindspots.explorer.app_state import AppState
from blindspots.explorer.uploads import MOST_BYTES, MOST_PIXELS
from blindspots.methods import DEFAULT_METHOD, METHODS
from blindspots.reporting.figures.style import COLOUR_MAP
from blindspots.reporting.tables.column_texts import glossary
from blindspots.schema import Ending

COLOURS = 64
SETTINGS = ("delta", "clearance", "max_steps")


def facts(hub: AppState) -> dict[str, Any]:
    """Models, images, methods, limits, words and colours; the pairs of a run where one is shown."""
    return {
        "models": [_model(subject) for subject in hub.subjects.values()],
        "methods": {name: _method(name) for name in METHODS},
        "method": DEFAULT_METHOD,
        "gallery": hub.gallery.listing(),
        "run": None if hub.stored is None else _run(hub),
        "limits": {"bytes": MOST_BYTES, "pixels": MOST_PIXELS},
        "words": {column.key: column.definition for column in glossary()},
        "endings": {ending.value: ending.sentence for ending in Ending},
        "colours": colour_ramp(),
    }


def _model(subject: Subject) -> dict[str, Any]:
    epsilon = subject.model.training_epsilon
    return {"name": subject.name, "size": list(subject.model.size), "epsilon": epsilon}


def _method(name: str) -> dict[str, Any]:
    kind = METHODS[name]
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    summary = (kind.__doc__ or "").partition("\n")[0]
    return {
        "settings": {key: defaults[key] for key in SETTINGS if key in defaults},
        "straight": kind.straight,
        "grouped": kind.grouped,
        "summary": summary,
    }


def _run(hub: AppState) -> dict[str, Any]:
    assert hub.stored is not None
    plan = hub.stored.run.info.method
    return {
        "name": hub.stored.run.name,
        "method": plan.get("name"),
        "settings": {key: plan[key] for key in SETTINGS if key in plan},
        "pairs": hub.stored.listing(),
    }


@cache
def colour_ramp() -> list[str]:
    """The figures' colour map as hex colours from confidence 0 to 1."""
    ramp = (255 * colormaps[COLOUR_MAP](np.linspace(0, 1, COLOURS))).round().astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in ramp.tolist()]
