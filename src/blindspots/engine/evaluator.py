"""Asks a frozen model for scores and gradients; halves its batch when memory runs out."""

import ctypes
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from blindspots.engine.steady_rows import steadily, steady_layers
from blindspots.errors import (
    BlindspotsError,
    ModelFailed,
    UsageError,
    WorkFailed,
    first_line,
    is_out_of_memory,
)
from blindspots.images import ImageSet
from blindspots.methods.method import Evaluation
from blindspots.models.classifier import Classifier, answer_fault
from blindspots.scores import Confidence, Differentiated, Kept, Score
from blindspots.settings import Precision, check_choice

PIXELS_AT_ONCE = {"cpu": 32 * 64 * 64, "cuda": 128 * 224 * 224, "mps": 16 * 224 * 224}
SMALLEST_BATCH, LARGEST_BATCH = 8, 512
COMPILE_SECONDS, COMPILE_SAVES = 60.0, 0.1
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
LARGEST_INT = 2**31 - 1
MEMORY = Path("/proc/meminfo")


def find_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto`: CUDA where there is one, else MPS, else the CPU.

    Refused where torch does not know the name or cannot use the device.
    """
    if name == "auto":
        usable = (("cuda", torch.cuda.is_available), ("mps", torch.mps.is_available))
        return torch.device(next((kind for kind, there in usable if there()), "cpu"))
    try:
        device = torch.device(name)
        torch.empty(1, device=device).tolist()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"--device {name} cannot be used here ({first_line(error).partition('. ')[0]}); "
            "expected auto, cpu, or a CUDA device of this machine; use --device auto"
        ) from error
    return device


def batch_size(size: tuple[int, int], device: torch.device) -> int:
    """Images at once for a model of that input size: enough to fill the device, measured on a CPU.

    On two CPU cores throughput is flat from 8 images of 224 px or 32 of 64 px on.
    """
    pixels = PIXELS_AT_ONCE.get(device.type, PIXELS_AT_ONCE["cpu"])
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, pixels // (size[0] * size[1])))


def lay_out(model: Classifier, layout: str = "auto") -> Classifier:
    """The same model, computing in that memory layout; `auto`: the one that is faster for its kind.

    `auto` is channels_last on a CPU or CUDA device for a model that convolves more than once, also
    in the stem of a transformer, and contiguous for all others: most transformers have the one
    convolution that cuts their patches. Measured, forward and gradient an image, contiguous and
    channels_last, on two CPU cores: mobilenetv2_100 54 to 65 and 27 to 32 ms, resnet50 98 and 86
    ms; processor time of one core: the zoo's ResNet 1.37 and 1.26 ms, its ViT, which has such a
    stem, 2.8 and 2.4 ms, deit_small_patch16_224 349 and 336 ms, which is noise. CUDA was not
    measured; there it is what torch advises.

    Where a module cannot compute in channels_last, `auto` stays contiguous; asked for, it is
    refused.
    """
    if layout != "auto":
        return model.lay_out(layout)
    if not _convolves(model) or model.device.type not in ("cpu", "cuda"):
        return model.lay_out("contiguous")
    try:
        return model.lay_out("channels_last")
    except UsageError:
        return model


def _convolves(model: nn.Module) -> bool:
    convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    return len(convolutions) > 1


def pays_to_compile(evaluations: float, seconds_each: float, choice: str = "auto") -> bool:
    """Whether to compile for that many evaluations of that many seconds; on and off decide alone.

    Measured on two cores with resnet50: 35 s for the first graph and 28 s for a second one, when
    the batch shrinks at the end, to bring an evaluation from 86 to 77 ms, a tenth. `auto` wants
    twice the cost back: 20 minutes of work for one model.
    """
    if choice != "auto":
        return choice == "on"
    return evaluations * seconds_each * COMPILE_SAVES > 2 * COMPILE_SECONDS


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse TF32 where there is none: it is an arithmetic of CUDA devices alone."""
    if precision == "tf32" and device.type != "cuda":
        raise UsageError(
            f"--precision tf32 was given for the device {device}, which does not have it; expected "
            "fp32 or bf16 there, or a CUDA device; type --precision fp32"
        )


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Inside, float32 products on a CUDA device are TF32 for `tf32` alone, else really float32.

    torch lets convolutions use TF32 unless told otherwise, so fp32 has to be asked for too. The
    two switches are torch's own and global; both are restored.
    """
    if device.type != "cuda":
        yield
        return
    before = bool(torch.backends.cuda.matmul.allow_tf32), bool(torch.backends.cudnn.allow_tf32)
    try:
        _allow_tf32(precision == "tf32", precision == "tf32")
        yield
    finally:
        _allow_tf32(*before)


def _allow_tf32(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions  # type: ignore[attr-defined]


def keep_freed_memory() -> bool:
    """Let this process reuse large freed blocks instead of handing them back; whether it does.

    glibc maps every large tensor afresh and unmaps it when it is freed, so each forward takes a
    page fault for every 4 KiB it writes. With no such maps and no trimming of the heap, the pages
    stay: mobilenetv2_100, batch 16, forward and gradient an image, took 10,239 faults and 30 ms of
    the kernel before, 539 and 2 ms after (3,378 and 11 ms, none and 0.1 ms in channels_last); the
    peak of memory grew from 2,326 to 2,372 MiB.

    It holds for the whole process, so only the command line calls it, never an import. Nothing
    happens without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    set_option = ctypes.CDLL(None).mallopt
    return bool(set_option(M_MMAP_MAX, 0) and set_option(M_TRIM_THRESHOLD, LARGEST_INT))


def free_memory() -> int | None:
    """The bytes that Linux can still give without swapping; None where no Linux says so."""
    try:
        facts = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines() if ":" in line)
        return 1024 * int(facts["MemAvailable"].split()[0])
    except (OSError, KeyError):
        return None


Images = Float[Tensor, "batch channel height width"]
LEAST_EVALUATIONS, TIMED_IMAGES = 1000, 2


@dataclass
class Evaluator:
    """A model's answers about images: logits (or embeddings), scores, and scores with gradients.

    `chunk`: the most images in one forward; None: as many as are asked about. It is halved, once
    and for all with one warning, when the device runs out of memory; at 1 that is an error.
    `precision`: arithmetic of the model; bf16 and tf32 are for traversals alone, what is measured
    asks `exact`. `compiled`: whether evaluations go through `torch.compile`; forwards alone never
    do, a second graph costs more than it saves. Without, and on a CPU, torch's layers round an
    image alike whatever is asked with it (`steady_rows`). Logits, scores, values and gradients are
    float32 and contiguous always. `give_way` is called before every forward, so that long work can
    let short questions pass, or be ended by what it raises.
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
        """Compile where `choice` says so; `auto`: where that many evaluations take long enough."""
        timed = choice == "auto" and evaluations >= LEAST_EVALUATIONS
        self.compiled = pays_to_compile(evaluations, self._seconds_each() if timed else 0, choice)

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
        """What an evaluation takes now; the first one, which sets buffers up, is not counted."""
        grey = torch.full((TIMED_IMAGES, 3, *self.model.size), 0.5, device=self.model.device)
        with self.model.frozen():
            kept = self.kept(grey, torch.zeros(TIMED_IMAGES, dtype=torch.long))
            self.evaluate(grey, kept).score.tolist()
            began = time.perf_counter()
            self.evaluate(grey, kept).score.tolist()
        return (time.perf_counter() - began) / TIMED_IMAGES

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

    @contextmanager
    def _asked(self, what: str, images: Tensor) -> Iterator[None]:
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
            asked = " ".join(filter(None, (what, f"about {len(images)} images")))
            raise ModelFailed(
                f"{self.model.name} raised {said} when it was asked {asked}; "
                "finished pairs are kept; mend the model, then the same command resumes"
            ) from error

    def _answer(self, model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """float32 answers; bf16 covers the model alone, never a score or an objective."""
        bf16 = self.precision == "bf16"
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=bf16):
            answer = model(images)
        if fault := answer_fault(answer, len(images)):
            raise ModelFailed(
                f"{self.model.name} {fault}, which it did not at first; finished pairs are kept; "
                "mend the model, then the same command resumes"
            )
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
