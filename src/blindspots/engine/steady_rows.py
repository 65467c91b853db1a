"""Layers of a model that round an image alike, however many images are asked about together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

LINEAR_ROWS = 16
# ATen's `use_mkldnn`: a single image of at most so many values gets another kernel than several,
# and 1 x 1 filters another one from so many images on, where there is one thread.
FEW_VALUES, MANY_IMAGES = 20480, 16
# oneDNN cuts the gradient for so few channels within an image where threads share images unevenly.
FEW_CHANNELS, IMAGES_A_THREAD = 4, 16

Forward = Callable[[Tensor], Tensor]


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
