"""Blindspots: find, measure and show what a vision model cannot see."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blindspots.api import image_distances as metrics
    from blindspots.api.between import segment, simplex, triangle
    from blindspots.api.blind_spot import BlindSpot
    from blindspots.api.compare_runs import RunComparison, compare, transfer
    from blindspots.api.examine import Diagnosis, doctor
    from blindspots.api.open_run import OpenRun, open_run
    from blindspots.api.run_study import run
    from blindspots.api.run_table import RunTable
    from blindspots.api.traversals import Traversal, Traversals
    from blindspots.api.traverse import traverse
    from blindspots.errors import BlindspotsError, Refused, UsageError, WorkFailed
    from blindspots.images import ImageSet, load_images
    from blindspots.methods.adaptive import Adaptive
    from blindspots.methods.fan import Fan
    from blindspots.methods.paper import Paper
    from blindspots.methods.reference import Reference
    from blindspots.methods.star import Star
    from blindspots.models.classifier import Classifier
    from blindspots.models.load import load_model
    from blindspots.reporting import figures as plots
    from blindspots.schema import Ending
    from blindspots.scores import Confidence, Embedding, Group, Margin
    from blindspots.store.reader import Run

    __version__: str

_HOMES = {
    "Adaptive": "methods.adaptive",
    "BlindSpot": "api.blind_spot",
    "BlindspotsError": "errors",
    "Classifier": "models.classifier",
    "Confidence": "scores",
    "Diagnosis": "api.examine",
    "Embedding": "scores",
    "Ending": "schema",
    "Fan": "methods.fan",
    "Group": "scores",
    "ImageSet": "images",
    "Margin": "scores",
    "OpenRun": "api.open_run",
    "Paper": "methods.paper",
    "Reference": "methods.reference",
    "Refused": "errors",
    "Run": "store.reader",
    "RunComparison": "api.compare_runs",
    "RunTable": "api.run_table",
    "Star": "methods.star",
    "Traversal": "api.traversals",
    "Traversals": "api.traversals",
    "UsageError": "errors",
    "WorkFailed": "errors",
    "compare": "api.compare_runs",
    "doctor": "api.examine",
    "load_images": "images",
    "load_model": "models.load",
    "open_run": "api.open_run",
    "run": "api.run_study",
    "segment": "api.between",
    "simplex": "api.between",
    "transfer": "api.compare_runs",
    "traverse": "api.traverse",
    "triangle": "api.between",
}
_MODULES = {"metrics": "api.image_distances", "plots": "reporting.figures"}

__all__ = [
    "Adaptive",
    "BlindSpot",
    "BlindspotsError",
    "Classifier",
    "Confidence",
    "Diagnosis",
    "Embedding",
    "Ending",
    "Fan",
    "Group",
    "ImageSet",
    "Margin",
    "OpenRun",
    "Paper",
    "Reference",
    "Refused",
    "Run",
    "RunComparison",
    "RunTable",
    "Star",
    "Traversal",
    "Traversals",
    "UsageError",
    "WorkFailed",
    "compare",
    "doctor",
    "load_images",
    "load_model",
    "metrics",
    "open_run",
    "plots",
    "run",
    "segment",
    "simplex",
    "transfer",
    "traverse",
    "triangle",
]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: torch loads only when it is needed."""
    if name == "__version__":
        return import_module("importlib.metadata").version("blindspots")
    home = _MODULES.get(name) or _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'blindspots' has no attribute {name!r}")
    with import_module("blindspots.errors").computing():
        module = import_module(f"blindspots.{home}")
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
