"""From a spec to a `Classifier`: one small function a scheme, all named in one table.

| spec | what is loaded |
|---|---|
| `zoo:NAME` | a model that comes with this package |
| `timm:NAME[.TAG]` | timm's architecture, with published weights or those of `weights=FILE` |
| `python:PACKAGE.MODULE:FACTORY` | what a function of an importable module returns |
| `file:FILE.py:FACTORY` | what a function of a Python file returns |

The last two run the code they name: that is their purpose, so name only code that you trust.
Weights are read from safetensors, or as state dicts with `weights_only=True`; nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from blindspots.errors import Refused
from blindspots.images.classes import ClassTable, imagenet_table, read_class_table
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.factories import factory_in_file, factory_in_module, made_by
from blindspots.models.options import ModelOptions, model_options
from blindspots.models.pretrained import build_timm
from blindspots.models.weights import load_weights
from blindspots.specs import Spec, parse_spec

EXAMPLE = "timm:resnet50.a1_in1k"


def load_model(spec: str) -> Classifier:
    """The classifier that a spec names, on the CPU, named by the spec without its options.

    Options: `weights=FILE`, `mean=` and `std=` (a number, or one a channel, of images in [0, 1]),
    `size=` (a side, or height x width, in pixels), `classes=FILE` (see `read_class_table`); any
    other key goes to the function that builds the architecture. What is not said comes from the
    model's own configuration; a `python:` or `file:` model has none, so there `size` must be said,
    and mean 0 and std 1 stand in. Refused: whatever cannot be found, read or fitted, and a model
    that does not return finite logits (batch, classes), as many as its class file has names.
    """
    model = load_unchecked(spec)
    _ = model.num_classes
    return model


def load_unchecked(spec: str) -> Classifier:
    """As `load_model`, also where the model answers NaN or probabilities: for the doctor."""
    parsed = parse_spec(spec, SCHEMES, EXAMPLE)
    model = SCHEMES[parsed.scheme](parsed)
    _check_class_count(model)
    return model


def list_models() -> list[dict[str, str]]:
    """What `load_model` takes, a row each with the keys `spec`, `what`, `clean` and `pgd`.

    First the models of the zoo with the accuracies on their cards, clean and under PGD; then an
    example of every other scheme, without accuracies.
    """
    from blindspots.models.zoo import zoo_rows

    examples = [
        {"spec": spec, "what": what, "clean": "", "pgd": ""} for spec, what in _EXAMPLES.items()
    ]
    return [*zoo_rows(), *examples]


def _zoo(spec: Spec) -> Classifier:
    from blindspots.models.zoo import load_zoo

    if spec.options:
        raise Refused(f"a zoo model takes no options; type zoo:{spec.name}")
    model = load_zoo(spec.name)
    model.name = _short(spec)
    return model


def _timm(spec: Spec) -> Classifier:
    options = model_options(spec)
    module = build_timm(spec.name, options.architecture, published=options.weights is None)
    _fit(module, spec, options)
    config = _timm_config(module, options)
    table = _timm_classes(module, options)
    return Classifier(
        module,
        size=config["size"],
        mean=options.mean or config["mean"],
        std=options.std or config["std"],
        class_names=table.names if table else None,
        class_folders=table.folders if table else None,
        name=_short(spec),
        preprocessing=timm_preprocessing(config),
    )


def _python(spec: Spec) -> Classifier:
    return _own(spec, factory_in_module(spec))


def _file(spec: Spec) -> Classifier:
    return _own(spec, factory_in_file(spec))


SCHEMES: Mapping[str, Callable[[Spec], Classifier]] = {
    "zoo": _zoo,
    "timm": _timm,
    "python": _python,
    "file": _file,
}

_EXAMPLES = {
    "timm:resnet50.a1_in1k": "timm's architectures with published weights, fetched when online",
    "timm:resnet18?num_classes=10&weights=FILE.safetensors&classes=FILE": "the same with your own",
    "python:package.module:factory?size=224&weights=FILE": "what your function makes (runs it)",
    "file:model.py:factory?size=224&weights=FILE": "the same, from a Python file (runs it)",
}


def _own(spec: Spec, factory: Callable[..., Any]) -> Classifier:
    options = model_options(spec)
    made = made_by(factory, spec, options.architecture)
    module, known = (made.module, made) if isinstance(made, Classifier) else (made, None)
    _fit(module, spec, options)
    table = read_class_table(options.classes) if options.classes else None
    if known is None and options.size is None:
        raise Refused(f"{spec} does not say its input size; add size=224, or what it was built for")
    return _merged(module, known, table, options, _short(spec))


def _merged(
    module: nn.Module,
    known: Classifier | None,
    table: ClassTable | None,
    options: ModelOptions,
    name: str,
) -> Classifier:
    """A classifier with what the spec says, else what the factory's own classifier knows."""
    own_names = None if known is None else (known.class_names, known.class_folders)
    names, folders = (table.names, table.folders) if table else own_names or (None, None)
    keeps_geometry = known is not None and options.size is None
    return Classifier(
        module,
        size=options.size or (known.size if known else (0, 0)),
        mean=options.mean or (known.mean.flatten().tolist() if known else None),
        std=options.std or (known.std.flatten().tolist() if known else None),
        class_names=names,
        class_folders=folders,
        name=name,
        preprocessing=known.preprocessing if known and keeps_geometry else None,
        training_epsilon=known.training_epsilon if known else None,
    )


def _fit(module: nn.Module, spec: Spec, options: ModelOptions) -> None:
    if options.weights is not None:
        load_weights(module, options.weights, _short(spec))


def _short(spec: Spec) -> str:
    return f"{spec.scheme}:{spec.name}"


def _timm_config(module: nn.Module, options: ModelOptions) -> dict[str, Any]:
    """timm's data config, at the size that the spec or the architecture's `img_size` asks for."""
    from timm.data.config import resolve_model_data_config

    config = dict(resolve_model_data_config(module))
    built = options.architecture.get("img_size")
    size = (built, built) if isinstance(built, int) else built
    config["size"] = options.size or size or config["input_size"][-2:]
    return config


def timm_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """The geometry of timm's evaluation transform: the short side scaled to size / crop_pct."""
    height, width = config["size"]
    return Preprocessing(
        size=(height, width),
        resize=int(min(height, width) / config["crop_pct"]) if height == width else None,
        interpolation=config["interpolation"],
        squash=config["crop_mode"] == "squash",
    )


def _timm_classes(module: nn.Module, options: ModelOptions) -> ClassTable | None:
    if options.classes is not None:
        return read_class_table(options.classes)
    published = getattr(module, "num_classes", None) == 1000
    # Who says num_classes has trained it on classes of their own, be they a thousand.
    return imagenet_table() if published and "num_classes" not in options.architecture else None


def _check_class_count(model: Classifier) -> None:
    names, count = model.class_names, model.count_outputs()
    if names is not None and len(names) != count:
        raise Refused(
            f"the class table has {len(names)} names, but {model.name} returns "
            f"{count} classes; give --classes a file with one name a class"
        )
