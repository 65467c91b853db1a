"""The door of every public function: what a user hands over becomes what the package works on.

Accepted beside the documented types: a plain `torch.nn.Module` for a model, NumPy arrays, lists of
images and other float widths for images, one image `(3, height, width)` for a batch of one, and a
name for a method. All else is refused with one sentence: given, expected, what to type.
"""

import warnings
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from blindspots.engine.batch import UNLABELLED
from blindspots.errors import UsageError
from blindspots.methods import DEFAULT_METHOD, METHODS, make_method
from blindspots.methods.method import Method
from blindspots.models.classifier import Classifier
from blindspots.scores import Confidence, Score
from blindspots.specs import nearest_names

RANGE_TOLERANCE = 1e-4
CHANNELS = 3

Images = Float[Tensor, "_batch _channel _height _width"]
# What is accepted for images, and for the classes that are held.
ImagesLike = Tensor | np.ndarray | Sequence[Tensor | np.ndarray]
LabelsLike = Tensor | np.ndarray | Sequence[int] | int


def as_model(given: Any, size: tuple[int, ...], depth: int = 3) -> Classifier:
    """The model as a `Classifier`; a plain module is wrapped, for images of `size`, with a warning.

    The warning says that it is shown images in [0, 1] as they are. `depth`: how many calls above
    this one the user's own line is, which the warning names.
    """
    if isinstance(given, Classifier):
        return given
    if not isinstance(given, nn.Module):
        raise UsageError(
            f"{_kind(given)} was given as the model; expected a blindspots.Classifier or a "
            "torch.nn.Module; type blindspots.load_model('zoo:shapes-resnet') for a model by name"
        )
    warnings.warn(
        f"{type(given).__name__} was given without a normalisation: it is shown images in [0, 1] "
        f"as they are (mean 0, std 1), {size[0]} × {size[1]} pixels; if it was trained otherwise, "
        "type blindspots.Classifier(module, size=…, mean=…, std=…)",
        stacklevel=depth,
    )
    weights = next(chain(given.parameters(), given.buffers()), torch.zeros(0))
    known: Any = {"size": (size[0], size[1]), "mean": (0.0,) * CHANNELS, "std": (1.0,) * CHANNELS}
    return Classifier(given, name=type(given).__name__, **known).to(weights.device)


def as_models(given: Any, size: Sequence[int] | None, specs: bool = True) -> list[Any]:
    """A model, a spec or a list of them as a list; plain modules are wrapped, for images of `size`.

    Refused: what is no model, and a spec where `specs` is False.
    """
    listed = list(given) if isinstance(given, list | tuple) else [given]
    height, width = size or (0, 0)
    return [
        one if specs and isinstance(one, str) else as_model(one, (height, width), depth=4)
        for one in listed
    ]


def as_images(what: str, given: Any) -> Images:
    """The images as float32 `(batch, 3, height, width)` on the CPU, in [0, 1].

    A tensor or array of any float width, or a list of them; `(3, height, width)` is one image.
    Refused: another type, integers, another number of axes or channels, values outside [0, 1].
    """
    images = _as_tensor(what, given).detach()
    if not images.is_floating_point():
        raise UsageError(
            f"{what} hold {_dtype(images)}; expected floats in [0, 1]; type {what} / 255 for 8-bit "
            "images"
        )
    images = images[None] if images.dim() == 3 else images
    _check_axes(what, images)
    _check_range(what, images)
    return images.to("cpu", torch.float32)


def as_image(what: str, given: Any) -> Float[Tensor, "channel height width"]:
    """One image as float32 `(3, height, width)`; a batch axis of one is taken away."""
    images = as_images(what, given)
    if len(images) != 1:
        raise UsageError(
            f"{len(images)} images were given as {what}; expected one, (3, height, width); type "
            f"{what}[0] for the first of them"
        )
    return images[0]


def as_same_count(first: Images, second: Images) -> tuple[Images, Images]:
    """Both with as many images: a single one goes with each of the others."""
    count = max(len(first), len(second))
    one, two = (x.expand(count, *x.shape[1:]) if len(x) == 1 else x for x in (first, second))
    return one, two


def as_labels(given: Any, count: int) -> list[int]:
    """A class per pair: a list, array or tensor of whole numbers, one number for all, or None.

    None: −1 each, the class that the model says.
    """
    if given is None:
        return [UNLABELLED] * count
    labels = _whole_numbers(given)
    numbers = labels.tolist() if labels.ndim else [int(labels)] * count
    if len(numbers) != count:
        raise UsageError(
            f"{len(numbers)} labels were given for {count} pairs; expected one per pair"
        )
    return numbers


def as_label(given: Any) -> int:
    """One class: a whole number, or a tensor or array that holds one."""
    labels = np.zeros(0) if given is None else _whole_numbers(given)
    if labels.size != 1:
        raise UsageError(
            f"label={given} was given; expected the one class that is held, as in label=3"
        )
    return int(labels.item())


def _whole_numbers(given: Any) -> np.ndarray:
    labels = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if labels.dtype.kind not in "iu" or labels.ndim > 1:
        raise UsageError(
            f"{_kind(given)} was given as labels; expected one whole number per pair, as in "
            "labels=[3, 7], or None for what the model says"
        )
    return labels


def check_classes(labels: Sequence[int], model: Classifier, least: int = 0) -> None:
    """Refuse a label that is no class of the model; `least` −1: that stands for what it says."""
    wrong = [label for label in labels if not least <= label < model.num_classes]
    if wrong and not model.embeds:
        raise UsageError(
            f"the label {wrong[0]} was given and {model.name} has {model.num_classes} classes; "
            f"expected a number from {least} to {model.num_classes - 1}; type int(model(image)"
            ".argmax()) for the class that the model says"
        )


def as_score(given: Any, model: Classifier) -> Score:
    """The score that is held, which must suit the model; None: the confidence."""
    score = check_score(given)
    score.check_model(model.name, model.embeds, model.num_classes)
    return score


def check_score(given: Any) -> Score:
    """The score that is held, of whichever model; None: the confidence."""
    score = Confidence() if given is None else given
    if not isinstance(score, Score):
        raise UsageError(
            f"{_kind(given)} was given as the score; expected one such as blindspots.Confidence() "
            "or blindspots.Margin(); type score=None for the confidence"
        )
    return score


def as_method(given: Any, score: Score) -> Method:
    """The method; a name stands for it with its usual settings and the score's usual delta."""
    if given is None or isinstance(given, str):
        name = DEFAULT_METHOD if given is None else given
        if name not in METHODS:
            hint = nearest_names(name, METHODS) or f"type method={DEFAULT_METHOD!r}"
            raise UsageError(
                f"method={name!r} is unknown; expected one of {', '.join(sorted(METHODS))}; {hint}"
            )
        method = make_method(name, delta=score.default_delta)
    elif isinstance(given, Method):
        method = given
    else:
        raise UsageError(
            f"{_kind(given)} was given as the method; expected a name or a method with its "
            "settings; type method='star' or method=blindspots.Star()"
        )
    score.check_delta(method.delta)
    return method


def check_sizes(model: Classifier, **images: Images) -> None:
    """Refuse images of another size than the model's, or of different numbers."""
    shapes = {name: tuple(given.shape) for name, given in images.items()}
    if len(set(shapes.values())) > 1 or any(s[2:] != model.size for s in shapes.values()):
        told = " and ".join(f"{name} of shape {shape}" for name, shape in shapes.items())
        height, width = model.size
        every = {1: "they", 2: "both"}.get(len(shapes), "all")
        raise UsageError(
            f"{told} were given; {every} must be (pairs, 3, {height}, {width}) for this model; "
            "resize them, or give as many of the one as of the other (a single one goes with all)"
        )


def _as_tensor(what: str, given: Any) -> Tensor:
    if isinstance(given, Tensor):
        return given
    try:
        if isinstance(given, np.ndarray):
            return torch.from_numpy(np.ascontiguousarray(given))
        if isinstance(given, list | tuple) and given:
            return torch.stack([_as_tensor(what, one) for one in given])
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"{what} cannot be joined to one batch ({str(error).splitlines()[0]}); expected images "
            "of one shape and of floats; type torch.stack([…])"
        ) from error
    raise UsageError(
        f"{_kind(given)} was given as {what}; expected a float tensor or array "
        "(batch, 3, height, width) in [0, 1]; type blindspots.load_images('folder:photos', model)"
        ".images for files"
    )


def _check_axes(what: str, images: Tensor) -> None:
    shape = tuple(images.shape)
    if images.dim() == 4 and shape[1] == CHANNELS and images.numel():
        return
    last = images.dim() == 4 and shape[3] == CHANNELS
    hint = f"type {what}.permute(0, 3, 1, 2) for channels that come last" if last else ""
    raise UsageError(
        f"{what} of shape {shape} were given; expected (batch, 3, height, width) or one image "
        f"(3, height, width); {hint or f'look at {what}.shape'}"
    )


def _check_range(what: str, images: Tensor) -> None:
    low, high = float(images.min()), float(images.max())
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise UsageError(
            f"{what} hold values from {low:g} to {high:g}; expected images in [0, 1] "
            "(divide 8-bit images by 255; the model normalises by itself)"
        )


def _kind(given: Any) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return f"{given!r}" if isinstance(given, str | int | float) else f"a {type(given).__name__}"


def _dtype(images: Tensor) -> str:
    return str(images.dtype).removeprefix("torch.")
