"""`python:` and `file:`: a module made by the user's function, with weights of their own."""

from collections.abc import Callable
from typing import Any

from blindspots.errors import UsageError
from blindspots.images.classes import ClassTable
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.build import SourceInfo, assemble, short_name
from blindspots.models.classifier import Classifier
from blindspots.models.factories import factory_in_file, factory_in_module, made_by
from blindspots.models.spec_options import misspelt, model_options
from blindspots.models.weights import load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec


def load_from_module(spec: Spec, trust: Trust) -> Classifier:
    """What `python:PACKAGE.MODULE:FACTORY` makes. It runs that code, so naming it is the trust."""
    del trust
    return _load(spec, factory_in_module(spec))


def load_from_file(spec: Spec, trust: Trust) -> Classifier:
    """What `file:FILE.py:FACTORY` makes. It runs that code, so naming it is the trust."""
    del trust
    return _load(spec, factory_in_file(spec))


def _load(spec: Spec, factory: Callable[..., Any]) -> Classifier:
    options = model_options(spec)
    made = made_by(factory, spec, options.architecture, misspelt(options))
    module = made.module if isinstance(made, Classifier) else made
    if options.weights is not None:
        load_weights(module, options.weights, short_name(spec))
    if isinstance(made, Classifier):
        return assemble(spec, options, module, _known(made))
    if options.size is None:
        raise UsageError(
            f"{spec} does not say its input size; add size=224, or what it was built for"
        )
    return assemble(spec, options, module, SourceInfo(size=options.size))


def _known(made: Classifier) -> SourceInfo:
    names = made.class_names
    return SourceInfo(
        size=made.size,
        mean=made.mean.flatten().tolist(),
        std=made.std.flatten().tolist(),
        geometry=lambda size: made.preprocessing if size == made.size else Preprocessing(size=size),
        table=ClassTable(names, made.class_folders) if names else None,
        embeds=made.embeds,
        training_epsilon=made.training_epsilon,
    )
