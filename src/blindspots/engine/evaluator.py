"""Asks a frozen model for scores and gradients; halves its batch when memory runs out."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from blindspots.engine.device import (
    COMPILE_SAVES,
    arithmetic,
    batch_size,
    may_pay_to_compile,
    steadily,
    steady_layers,
)
from blindspots.errors import (
    BlindspotsError,
    ModelFailed,
    WorkFailed,
    first_line,
    is_out_of_memory,
)
from blindspots.images import ImageSet
from blindspots.methods.method import Evaluation
from blindspots.models.classifier import Classifier, answer_fault
from blindspots.scores import Confidence, Differentiated, Kept, Score
from blindspots.settings import Precision, check_choice

Images = Float[Tensor, "batch channel height width"]
LEAST_EVALUATIONS, WARM_UP = 1000, 2


@contextmanager
def asking(model: Classifier, what: str, images: Tensor) -> Iterator[None]:
    """Tell what the model raises inside as its failure, and any want of memory as such."""
    try:
        yield
    except (BlindspotsError, torch.OutOfMemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    # A user's module may raise anything, and end the process too.
    except BaseException as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise torch.OutOfMemoryError(first_line(error)) from error
        said = f"{type(error).__name__} ({first_line(error)})"
        about = " ".join(filter(None, (what, f"about {len(images)} images")))
        raise ModelFailed(
            f"{model.name} raised {said} when it was asked {about}; "
            "finished pairs are kept; mend the model, then the same command resumes"
        ) from error


def check_answer(
    model: Classifier, answer: object, images: Tensor, outputs: int | None = None
) -> None:
    """Raise where a model answers otherwise than it did when it was loaded, or with `outputs`."""
    fault, expected = answer_fault(answer, len(images)), outputs or model.known_outputs
    if fault is None and expected and isinstance(answer, Tensor) and answer.shape[1] != expected:
        fault = f"returns {answer.shape[1]} outputs instead of {expected}"
    if fault:
        raise ModelFailed(
            f"{model.name} {fault}, which it did not at first; finished pairs are kept; "
            "mend the model, then the same command resumes"
        )


@dataclass
class Evaluator:
    """A model's answers about images: logits (or embeddings), scores, and scores with gradients.

    `chunk`: the most images in one forward; None: as many as are asked about. It is halved, once
    and for all with one warning, when the device runs out of memory; at 1 that is an error.
    `precision`: arithmetic of the model; bf16 and tf32 are for traversals alone, what is measured
    asks `exact`. `compiled`: whether evaluations go through `torch.compile`; forwards alone never
    do, a second graph costs more than it saves. Without, and on a CPU, torch's layers round an
    image alike whatever is asked with it (`device.steady_layers`). Logits, scores, values and
    gradients are float32 and contiguous always. `give_way` is called before every forward, so that
    long work can let short questions pass, or be ended by what it raises.
    """

    model: Classifier
    score: Score = field(default_factory=Confidence)
    chunk: int | None = None
    precision: str = "fp32"
    compiled: bool = False
    give_way: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        check_choice("--precision", self.precision, get_args(Precision))

    @cached_property
    def exact(self) -> "Evaluator":
        """The same model's answers in fp32: this evaluator itself where it is that already."""
        return self if self.precision == "fp32" else replace(self, precision="fp32")

    def compile_where_it_pays(self, evaluations: int, choice: str = "auto") -> None:
        """Compile where `choice` says so; `auto`: where that many evaluations take less time then.

        On a CPU `auto` never does. What is compiled there sums up in another order for another
        batch, so a pair's numbers would hang on a clock; and where resnet50 gains a tenth
        (docs/benchmark-engine.md), runs of mobilenetv2_100 took more than twice as long.
        """
        self.compiled = choice == "on" or (choice == "auto" and self._pays_to_compile(evaluations))

    def _pays_to_compile(self, evaluations: int) -> bool:
        if self.model.device.type == "cpu" or evaluations < LEAST_EVALUATIONS:
            return False
        plain = self._seconds_each()
        if not may_pay_to_compile(evaluations, plain):
            return False
        self.compiled = True
        return self._seconds_each() < (1 - COMPILE_SAVES) * plain and self.compiled

    def logits(self, images: Images) -> Float[Tensor, "batch outputs"]:
        return torch.cat(self._in_chunks(self._logits, images))

    def kept(self, sources: Images, labels: Int[Tensor, "batch"]) -> Kept:
        """What of the sources the score compares with; without asking where labels will do."""
        labels = labels.to(self.model.device)
        return self.score.keep(self.logits(sources), labels) if self.score.embeds else labels

    def scores(self, images: Images, kept: Kept) -> Float[Tensor, "batch"]:
        return self.score(self.logits(images), kept)

    def evaluate(self, images: Images, kept: Kept, what: Differentiated = "height") -> Evaluation:

        def differentiated(images: Tensor, kept: Tensor) -> Evaluation:
            return self._differentiated(images, kept, what)

        return join(self._in_chunks(differentiated, images, kept))

    def _seconds_each(self) -> float:
        """What an evaluation takes now; the first ones, which set buffers up, are not counted."""
        count = batch_size(self.model.size, self.model.device)
        grey = torch.full((count, 3, *self.model.size), 0.5, device=self.model.device)
        with self.model.frozen():
            kept = self.kept(grey, torch.zeros(count, dtype=torch.long))
            for _ in range(WARM_UP):
                self.evaluate(grey, kept).score.tolist()
            began = time.perf_counter()
            self.evaluate(grey, kept).score.tolist()
        return (time.perf_counter() - began) / count

    def _logits(self, images: Tensor) -> Tensor:
        self.give_way()
        device = self.model.device
        with torch.inference_mode(), arithmetic(self.precision, device):
            return self._plain_answer(images.to(device))

    def _differentiated(self, images: Tensor, kept: Tensor, what: Differentiated) -> Evaluation:
        self.give_way()
        images = images.detach().requires_grad_(True)
        with torch.enable_grad(), arithmetic(self.precision, self.model.device):
            answer = (self._compiled_answer if self.compiled else self._plain_answer)(images)
            value = self.score.value(what, answer, kept)
            with self._asked("for its gradient", images):
                (gradient,) = torch.autograd.grad(value.sum(), images)
        answer, value = answer.detach(), value.detach()
        slope = self.score.slope(what, value)
        return Evaluation(self.score(answer, kept), value, slope, gradient.contiguous())

    def _compiled_answer(self, images: Tensor) -> Tensor:
        from torch._dynamo.exc import TorchDynamoException  # loads the compiler: seconds

        try:
            return self._answer(self._compiled_model, images)
        except TorchDynamoException as error:
            self._give_up_compiling(error)
        return self._plain_answer(images)

    def _plain_answer(self, images: Tensor) -> Tensor:
        with self._asked("", images), steadily(self._steady_layers):
            return self._answer(self.model, images)

    def _asked(self, what: str, images: Tensor) -> AbstractContextManager[None]:
        return asking(self.model, what, images)

    def _answer(self, model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """float32 answers; bf16 covers the model alone, never a score or an objective."""
        bf16 = self.precision == "bf16"
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=bf16):
            answer = model(images)
        check_answer(self.model, answer, images)
        return answer.float()

    @cached_property
    def _steady_layers(self) -> list[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
        return steady_layers(self.model) if self.model.device.type == "cpu" else []

    @cached_property
    def _compiled_model(self) -> Callable[[Tensor], Tensor]:
        return torch.compile(self.model)

    def _give_up_compiling(self, error: Exception) -> None:
        self.compiled = False
        reason = first_line(error.__cause__ or error)
        warnings.warn(
            f"{self.model.name} cannot be compiled here ({reason}); going on without",
            stacklevel=4,
        )

    def _in_chunks(self, ask: Callable, *batch: Tensor) -> list:
        total = len(batch[0])
        while True:
            size = self.chunk or total
            try:
                return [ask(*parts) for parts in zip(*(b.split(size) for b in batch), strict=True)]
            except torch.OutOfMemoryError as error:
                self._halve(min(size, total), error)

    def _halve(self, size: int, error: Exception) -> None:
        if size <= 1:
            raise WorkFailed(
                "the device ran out of memory with a single image; finished pairs are kept; "
                "use a smaller model or --device cpu, then the same command resumes"
            ) from error
        self.chunk = size // 2
        torch.cuda.empty_cache()
        warnings.warn(
            f"out of memory with {size} images at once; going on with {self.chunk}", stacklevel=4
        )


def join(parts: list[Evaluation]) -> Evaluation:
    first, *others = parts
    for part in others:
        first = first.join(part)
    return first


@dataclass(frozen=True)
class Subject:
    spec: str
    model: Classifier
    images: ImageSet
    evaluator: Evaluator
    fingerprint: str
    image_suffix: str = ""
    batch: int = 8

    @property
    def name(self) -> str:
        return self.model.name

    @cached_property
    def given(self) -> list[int]:
        """The label of each image, as plain numbers: they are asked for by the million."""
        return self.images.labels.tolist()
