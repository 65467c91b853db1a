"""Where and how a model computes: device, batch, layout, arithmetic, memory of the process.

Layers of a model round an image alike, however many images are asked about together.
"""

import ctypes
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from blindspots.errors import UsageError, first_line
from blindspots.models.classifier import Classifier

PIXELS_AT_ONCE = {"cpu": 32 * 64 * 64, "cuda": 128 * 224 * 224, "mps": 16 * 224 * 224}
SMALLEST_BATCH, LARGEST_BATCH = 8, 512
COMPILE_SECONDS, COMPILE_SAVES = 60.0, 0.1
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
LARGEST_INT = 2**31 - 1
MEMORY = Path("/proc/meminfo")
LINEAR_ROWS = 16
# ATen's `use_mkldnn`: a single image of at most so many values gets another kernel than several,
# and 1 x 1 filters another one from so many images on, where there is one thread.
FEW_VALUES, MANY_IMAGES = 20480, 16
# oneDNN cuts the gradient for so few channels within an image where threads share images unevenly.
FEW_CHANNELS, IMAGES_A_THREAD = 4, 16

Forward = Callable[[Tensor], Tensor]


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


def may_pay_to_compile(evaluations: float, seconds_each: float) -> bool:
    """Whether so many evaluations, of so many seconds as they are, are worth a try at compiling.

    Measured on two cores with resnet50: 35 s for the first graph and 28 s for a second one, when
    the batch shrinks at the end. Asked is that `COMPILE_SAVES` of the work brings twice that back.
    """
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


def steady_layers(module: nn.Module) -> list[tuple[nn.Module, Forward]]:
    """Each linear layer and 2-D convolution of torch in that module, with a steady forward for it.

    On a CPU kernels are chosen by the number of rows: an image alone is summed in another order
    than among many, and a traversal, which feeds every answer back, makes a hundredth of 1e-7. A
    steady forward multiplies the rows of a linear layer 16 at a time, always; convolves a small
    image that is alone beside an empty one; and gives 1 x 1 filters fewer than 16 images at a time
    where there is one thread. Layers with a forward of their own are left as they are.
    """
    steady: dict[Callable, Callable] = {
        nn.Linear.forward: _multiplied,
        nn.Conv2d.forward: _convolved,
    }
    known = [layer for layer in module.modules() if type(layer).forward in steady]
    layers = [layer for layer in known if not _is_patched(layer)]
    return [(layer, partial(steady[type(layer).forward], layer)) for layer in layers]


def _is_patched(layer: nn.Module) -> bool:
    """Whether somebody gave this one layer another forward; another thread may be steady now."""
    own = vars(layer).get("forward")
    return own is not None and getattr(own, "func", None) not in (_multiplied, _convolved)


@contextmanager
def steadily(layers: Sequence[tuple[nn.Module, Forward]]) -> Iterator[None]:
    """Inside, those layers use their steady forward; afterwards their own again."""
    # Past nn.Module's own attribute setting, which costs as much as a small layer.
    for layer, forward in layers:
        layer.__dict__["forward"] = forward
    try:
        yield
    finally:
        for layer, _ in layers:
            layer.__dict__.pop("forward", None)


def _multiplied(linear: nn.Linear, input: Tensor) -> Tensor:
    forward = partial(nn.Linear.forward, linear)
    if input.ndim != 2:
        return forward(input)
    parts = [_among(LINEAR_ROWS, forward, part) for part in input.split(LINEAR_ROWS)]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _convolved(convolution: nn.Conv2d, input: Tensor) -> Tensor:
    forward, threads = partial(nn.Conv2d.forward, convolution), torch.get_num_threads()
    if input.ndim != 4:
        return forward(input)
    if threads == 1 and convolution.kernel_size == (1, 1) and len(input) >= MANY_IMAGES:
        parts = input.chunk(-(-len(input) // (MANY_IMAGES - 1)))
        return torch.cat([_convolved(convolution, part) for part in parts])
    return _among(_company(input, threads), forward, input)


def _company(images: Tensor, threads: int) -> int:
    """How many images to convolve so that these are rounded as among many."""
    count = len(images)
    least = 2 if images.numel() <= FEW_VALUES else 1
    if images.shape[1] <= FEW_CHANNELS and count < threads * IMAGES_A_THREAD:
        return max(least, -(-count // threads) * threads)
    return max(least, count)


def _among(count: int, forward: Forward, rows: Tensor) -> Tensor:
    missing = count - len(rows)
    if missing <= 0:
        return forward(rows)
    padded = functional.pad(rows, (0, 0) * (rows.ndim - 1) + (0, missing))
    return forward(padded)[: len(rows)]


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
