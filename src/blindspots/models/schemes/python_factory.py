"""`python:` and `file:`: a module made by the user's function, with weights of their own."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from blindspots.errors import BlindspotsError, UsageError, first_line
from blindspots.images.classes import ClassTable
from blindspots.models.classifier import Classifier
from blindspots.models.schemes import function_of, python_file
from blindspots.models.spec_options import SourceInfo, assemble, misspelt, model_options, short_name
from blindspots.models.weights import Fitted, load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names


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
    fitted = Fitted()
    if options.weights is not None:
        fitted = load_weights(module, options.weights, short_name(spec), entry=options.entry)
    if isinstance(made, Classifier):
        return assemble(spec, options, module, _known(made), fitted)
    if options.size is None:
        raise UsageError(
            f"{spec} does not say its input size; add size=224, or what it was built for"
        )
    return assemble(spec, options, module, SourceInfo(size=options.size), fitted)


def _known(made: Classifier) -> SourceInfo:
    names = made.class_names
    return SourceInfo(
        size=made.size,
        mean=None if "mean" in made.unsaid else made.mean.flatten().tolist(),
        std=None if "std" in made.unsaid else made.std.flatten().tolist(),
        preprocessing=made.preprocessing,
        table=ClassTable(names, made.class_folders) if names else None,
        embeds=made.embeds,
        training_epsilon=made.training_epsilon,
    )


def factory_in_module(spec: Spec) -> Callable[..., Any]:
    """The function that `python:PACKAGE.MODULE:FACTORY` names; the working directory is searched.

    Refused where the module cannot be imported or has no such function.
    """
    module_name, factory = function_of(spec, "python:package.module:factory")
    with _importable(Path.cwd()):
        try:
            return _callable(importlib.import_module(module_name), factory, spec)
        except (BlindspotsError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise UsageError(_import_failed(spec, error)) from error


def factory_in_file(spec: Spec) -> Callable[..., Any]:
    """The function that `file:FILE.py:FACTORY` names; modules beside the file can be imported.

    Refused where there is no such file, where it fails, and where it has no such function.
    """
    path, factory = python_file(spec)
    with _importable(path.parent):
        try:
            return _callable(_run(path), factory, spec)
        except (BlindspotsError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise UsageError(_import_failed(spec, error)) from error


def made_by(
    factory: Callable[..., Any], spec: Spec, arguments: Mapping[str, Any], hint: str = ""
) -> nn.Module:
    """What the factory returns for the spec's further keys; refused unless a torch module.

    `hint`: what to say besides where it fails.
    """
    said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    try:
        made = factory(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(
            f"{spec.name.rpartition(':')[2]}({said}) failed: {type(error).__name__}: "
            f"{first_line(error)}{'; ' * bool(hint)}{hint}"
        ) from error
    if not isinstance(made, nn.Module):
        raise UsageError(
            f"{spec.scheme}:{spec.name} returned an object of type {type(made).__name__}; "
            "the factory must return a torch.nn.Module that maps images to logits"
        )
    return made


def _callable(module: ModuleType, name: str, spec: Spec) -> Callable[..., Any]:
    """The function of that name, or of a class, as in `Class.from_name`."""
    found: Any = module
    for part in name.split("."):
        holder, found = found, getattr(found, part, None)
        if found is None:
            own = [k for k, v in vars(holder).items() if k[0] != "_" and _is_called(v)]
            hint = nearest_names(part, own) or _offer(own)
            raise UsageError(f"{spec} has no function {name!r}; {hint}")
    if not callable(found) or isinstance(found, nn.Module):
        raise UsageError(f"{spec} names {name!r}, which is no function but {type(found).__name__}")
    return found


def _is_called(value: object) -> bool:
    return callable(value) or isinstance(value, classmethod | staticmethod)


def _offer(names: list[str]) -> str:
    return f"it has {', '.join(names[:5])}" if names else "it has none at all"


def _run(path: Path) -> ModuleType:
    name = f"blindspots_model_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    description = importlib.util.spec_from_file_location(name, path)
    if description is None or description.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(description)
    # Dataclasses and pickles look their own module up by name.
    sys.modules[name] = module
    description.loader.exec_module(module)
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


def _import_failed(spec: Spec, error: BaseException) -> str:
    return (
        f"{spec.scheme}:{spec.name} cannot be imported: {type(error).__name__}: {first_line(error)}"
    )
