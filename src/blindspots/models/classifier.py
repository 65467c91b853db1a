"""The one wrapper that owns normalisation, input size and class names of a model."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from blindspots.errors import UsageError, first_line, plain_text
from blindspots.images.preprocessing import Preprocessing
from blindspots.settings import check_choice

_EXTRA_STATE = "_extra_state"


def check_logits(name: str, output: object, batch: int) -> Float[Tensor, "batch classes"]:
    """The output unchanged; refused where it is no `(batch, classes)` tensor of finite logits.

    `name`: what to call the model in the refusal. `batch`: how many images went in. Probabilities
    are refused because everything here is computed from logits.
    """
    fault = _fault(output, batch, least=2) or _scale_fault(cast(Tensor, output))
    if fault:
        hint = _single_logit(output, batch)
        raise UsageError(f"{name} {fault}; it must return logits of shape (batch, classes){hint}")
    return cast(Tensor, output)


def check_embeddings(name: str, output: object, batch: int) -> Float[Tensor, "batch features"]:
    """The output unchanged; refused where it is no `(batch, features)` tensor of finite numbers."""
    fault = _fault(output, batch, least=1)
    if fault:
        raise UsageError(f"{name} {fault}; it must return embeddings of shape (batch, features)")
    return cast(Tensor, output)


def check_shape(name: str, output: object, batch: int) -> Float[Tensor, "batch outputs"]:
    """The output unchanged, whatever its values; refused where its shape is not that."""
    fault = answer_fault(output, batch, least=1)
    if fault:
        raise UsageError(f"{name} {fault}; it must return a tensor of shape (batch, outputs)")
    return cast(Tensor, output)


def looks_like_probabilities(output: Float[Tensor, "batch classes"]) -> bool:
    """Whether every row is non-negative and sums to 1, which logits do not by chance."""
    sums = output.float().sum(1)
    return bool((output >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-3))


def _single_logit(output: object, batch: int) -> str:
    """What to return instead of one logit per image, whose sigmoid is a confidence."""
    if not isinstance(output, Tensor) or output.shape not in ((batch,), (batch, 1)):
        return ""
    two = "torch.cat([0 * z, z], 1)" if output.dim() == 2 else "torch.stack([0 * z, z], 1)"
    return f"; of one logit z for yes return {two}, the classes no and yes"


def _fault(output: object, batch: int, least: int) -> str | None:
    fault = answer_fault(output, batch, least)
    finite = fault or bool(cast(Tensor, output).isfinite().all())
    return fault or (None if finite else "returns NaN or infinity for a grey image")


def answer_fault(output: object, batch: int, least: int = 1) -> str | None:
    """Why an answer is no tensor of real numbers `(batch, outputs)`; None where it is one."""
    if not isinstance(output, Tensor):
        inside = ", whose .logits are wanted" if hasattr(output, "logits") else ""
        return f"returns a {type(output).__name__}, not a tensor{inside}"
    if output.dim() != 2 or output.shape[0] != batch or output.shape[1] < least:
        return f"returns a tensor of shape {tuple(output.shape)} for {batch} images"
    if not output.is_floating_point():
        return f"returns numbers of the type {output.dtype}, which are no real ones"
    return None


def _scale_fault(output: Tensor) -> str | None:
    if looks_like_probabilities(output):
        return "returns probabilities (each row sums to 1); take its softmax away"
    return None


_USUAL_SIDES = (224, 32, 28, 64, 96, 128, 160, 192, 240, 256, 288, 299, 320, 384, 448, 512)
_MISSING = re.compile(r"missing \d+ required positional arguments?: (.+)")
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Classifier(nn.Module):
    """A model that maps images in [0, 1] to logits, with its normalisation inside.

    `module`: any `torch.nn.Module` that takes normalised images `(batch, 3, height, width)` and
    returns logits `(batch, classes)`. `embeds`: the module has no classes and returns embeddings
    `(batch, features)` instead; then `class_names` must be None. `size`: side in pixels, or
    (height, width). `mean`, `std`: a number per channel, applied as (x - mean) / std; None: the
    module takes [0, 1] as it is, which `notes` and every run say aloud. `class_names`: one a logit;
    None: unknown. `class_folders`: what folders of images of each class are called, such as
    ImageNet's wnids; None: as the class. `preprocessing`: how decoded files reach `size`; None:
    scaled to cover it, then cropped.
    `training_epsilon`: the l-infinity radius it was adversarially trained for, in [0, 1]; None:
    unknown or not at all. `notes`: sentences for the user on how it was loaded.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        size: int | tuple[int, int],
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
        class_folders: Sequence[str] | None = None,
        name: str = "model",
        preprocessing: Preprocessing | None = None,
        training_epsilon: float | None = None,
        embeds: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if embeds and class_names is not None:
            raise UsageError(
                f"{name} returns embeddings and {len(class_names)} class names were given; a model "
                "without classes has no names; leave the class names away"
            )
        self.module = module
        self.size = (size, size) if isinstance(size, int) else size
        self.register_buffer("mean", _channels(mean, 0.0), persistent=False)
        self.register_buffer("std", _channels(std, 1.0), persistent=False)
        self.class_names = None if class_names is None else tuple(class_names)
        self.class_folders = None if class_folders is None else tuple(class_folders)
        self.name = plain_text(name)
        self.preprocessing = preprocessing or Preprocessing(size=self.size)
        self.training_epsilon = training_epsilon
        self.embeds = embeds
        self.unsaid = tuple(key for key, one in (("mean", mean), ("std", std)) if one is None)
        self._told = tuple(notes)
        self.layout = "contiguous"

    mean: Tensor
    std: Tensor

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user on how it was loaded, and what is assumed of it."""
        return (*self._told, *filter(None, [self.assumed]))

    @property
    def assumed(self) -> str:
        """What stands in for a mean and a std that nobody said; empty where both were said."""
        if not self.unsaid:
            return ""
        return (
            f"{self.name} says no {' and no '.join(self.unsaid)}: images in [0, 1] are shown to it "
            "with mean 0 and std 1 where none is said; if it was trained otherwise, say "
            f"{' and '.join(f'{key}=' for key in self.unsaid)}, in its spec or to Classifier"
        )

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes"]:
        """The logits of images in [0, 1]; of a model that embeds, their embeddings."""
        return self._answer(images)

    def _answer(self, images: Tensor) -> Any:
        normalised = (images - self.mean) / self.std
        return self.module(normalised.contiguous(memory_format=FORMATS[self.layout]))

    def lay_out(self, layout: str) -> "Classifier":
        """The same model, computing in that memory layout from now on: same results, other speed.

        Images go in, and gradients come out, in any layout. Refused, and nothing changed, where
        the module cannot compute in it (a `view` of what is not contiguous).
        """
        check_choice("--layout", layout, tuple(FORMATS))
        before = self.layout
        self._set_layout(layout)
        try:
            self._answer_to_grey(1)
        except UsageError as error:
            self._set_layout(before)
            raise UsageError(
                f"--layout {layout} was given and {self.name} cannot compute in it "
                f"({first_line(error.__cause__ or error)}); expected a layout that its module "
                "takes; type --layout contiguous"
            ) from error
        return self

    def _set_layout(self, layout: str) -> None:
        self.module.to(memory_format=FORMATS[layout])  # type: ignore[call-overload]
        self.layout = layout

    @property
    def num_classes(self) -> int:
        """The number of logits, asked once with two grey images; 0 for a model that embeds.

        Refused where the module cannot take an image of `size`, or returns anything but finite
        logits `(batch, classes)`.
        """
        return 0 if self.embeds else self._width

    @property
    def features(self) -> int:
        """The width of the embedding, asked once with two grey images; 0 for one with classes.

        Refused where the module cannot take an image of `size`, or returns anything but finite
        embeddings `(batch, features)`.
        """
        return self._width if self.embeds else 0

    @cached_property
    def _width(self) -> int:
        check = check_embeddings if self.embeds else check_logits
        return check(self.name, self._two_answers, batch=2).shape[1]

    def count_outputs(self) -> int:
        """The width of what it returns, also where that is not finite, or no logits."""
        return check_shape(self.name, self._two_answers, batch=2).shape[1]

    @property
    def known_outputs(self) -> int | None:
        """The same; None where nobody has asked the model yet."""
        return self.count_outputs() if "_two_answers" in vars(self) else None

    @cached_property
    def _two_answers(self) -> object:
        return self._answer_to_grey(2)

    def _answer_to_grey(self, batch: int) -> object:
        grey = torch.full((batch, 3, *self.size), 0.5, device=self.device)
        try:
            with self.frozen(), torch.no_grad():
                return self._answer(grey)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            height, width = self.size
            why = "it ends Python" if isinstance(error, SystemExit) else first_line(error)
            raise UsageError(
                f"{self.name} cannot take an image of {height} × {width} pixels ({why}); "
                f"{self._remedy(error)}"
            ) from error

    def _remedy(self, error: BaseException) -> str:
        """What to change, found out by trying where the error alone does not tell."""
        others = {w.dtype for w in self.module.state_dict().values() if w.is_floating_point()}
        if others - {torch.float32}:
            return "its weights are not float32; return net.float() from the factory"
        if isinstance(error, TypeError) and (missing := _MISSING.search(str(error))):
            return (
                f"expected a module of the images alone; return one whose forward(self, x) is "
                f"net(x, ...), with what it takes for {missing[1]}"
            )
        if self._takes(1, *self.size):
            return (
                "it takes one channel; return a module whose forward(self, x) is "
                "net(x.mean(1, True))"
            )
        if self._takes(4, *self.size):
            return (
                "it takes four channels; return a module whose forward(self, x) is "
                "net(torch.cat([x, torch.ones_like(x[:, :1])], 1))"
            )
        sides = (side for side in _USUAL_SIDES if self._takes(3, side, side))
        if side := next(sides, None):
            return f"say a size that it takes, as in size={side}"
        return (
            "expected a module that maps images (batch, 3, height, width) to logits; try "
            f"net(torch.rand(2, 3, {self.size[0]}, {self.size[1]})) in Python"
        )

    def _takes(self, channels: int, height: int, width: int) -> bool:
        images = torch.full((2, channels, height, width), 0.5, device=self.device)
        try:
            with self.frozen(), torch.no_grad():
                self.module(images)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return False
        return True

    @property
    def device(self) -> torch.device:
        """Where the model's normalisation, and so its input, lives."""
        return self.mean.device

    @contextmanager
    def frozen(self) -> Iterator["Classifier"]:
        """The model in eval mode with constant parameters, both restored afterwards."""
        modes = [(part, part.training) for part in self.modules()]
        learning = [(weight, weight.requires_grad) for weight in self.parameters()]
        try:
            self.eval()
            self.requires_grad_(False)
            yield self
        finally:
            for part, mode in modes:
                part.training = mode
            for weight, required in learning:
                weight.requires_grad_(required)

    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 over weights, buffers, normalisation and input geometry."""
        digest = hashlib.sha256(repr(self.preprocessing).encode())
        for key, value in self._identity.items():
            digest.update(repr((key, tuple(value.shape), str(value.dtype))).encode())
            digest.update(_content(value))
        return digest.hexdigest()[:16]

    def has_fingerprint(self, stored: str) -> bool:
        """Whether it is the model of that fingerprint, which an earlier version may have stored."""
        return stored in (self.fingerprint(), self._former_fingerprint())

    def _former_fingerprint(self) -> str:
        # It holds the module's repr, which another version of torch may write in another way.
        digest = hashlib.sha256(repr((self.preprocessing, str(self.module))).encode())
        for key, value in self._identity.items():
            if not key.endswith(_EXTRA_STATE):
                digest.update(key.encode() + _content(value))
        return digest.hexdigest()[:16]

    @property
    def _identity(self) -> dict[str, Tensor]:
        entries = {**self.module.state_dict(), "mean": self.mean, "std": self.std}
        return {key: entries[key] for key in sorted(entries) if isinstance(entries[key], Tensor)}


def _content(value: Tensor) -> bytes:
    return value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()


def _channels(values: Sequence[float] | None, default: float) -> Float[Tensor, "1 3 1 1"]:
    numbers = [default] * 3 if values is None else list(values)
    return torch.tensor(numbers, dtype=torch.float32).view(1, -1, 1, 1)


def class_name(model: Classifier, label: int) -> str:
    return model.class_names[label] if model.class_names else f"class {label}"
