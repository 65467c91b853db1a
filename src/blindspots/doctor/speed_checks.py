"""What an evaluation costs on this machine, and how many fit at once."""

import time

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.doctor.finding import Finding, Level
from blindspots.engine.device import free_memory
from blindspots.engine.evaluator import Evaluator
from blindspots.models.classifier import Classifier
from blindspots.scores.objectives import margin

MOST_AT_ONCE, LONGEST_SECONDS = 4096, 5.0
MIB = 2**20

_WHY = "a traversal of star costs hundreds of evaluations per pair, each a forward and a gradient"


def check_speed(
    evaluator: Evaluator, images: Float[Tensor, "image 3 height width"]
) -> list[Finding]:
    """Milliseconds per evaluation at the evaluator's batch, and the memory it takes.

    On a CUDA device also the largest batch that fits, found by doubling; on a CPU about how many
    images would, by the memory of each and what is free.
    """
    model, batch = evaluator.model, evaluator.chunk or len(images)
    together = images[torch.arange(batch) % len(images)].to(model.device)
    # The first one sets buffers up, and halves the batch where it does not fit.
    evaluator.evaluate(together, torch.zeros(batch, dtype=torch.long, device=model.device))
    batch = min(batch, evaluator.chunk or batch)
    together = together[:batch]
    seconds = _evaluate(model, together) / batch
    values = {"ms_per_evaluation": 1000 * seconds, "batch": batch} | _memory(model, together)
    found = (
        f"{1000 * seconds:.1f} ms an evaluation with {batch} images at once, about "
        f"{values['mib']:,.0f} MiB ({values['mib_per_image']:.1f} an image)"
    )
    remedy = ""
    if model.device.type == "cuda":
        values["largest_batch"] = largest = largest_batch(model, together)
        found += f"; {largest} fit"
        remedy = f"--batch-size {largest}" if largest > batch else ""
    elif fit := _fit(model, values["mib_per_image"]):
        values["about_fit"] = fit
        found += f"; about {fit:,} images fit into the memory that is free"
    return [
        Finding(name="speed", level=Level.OK, found=found, why=_WHY, remedy=remedy, values=values)
    ]


def _evaluate(model: Classifier, images: Tensor) -> float:
    """The seconds that one forward and gradient takes."""
    began = time.perf_counter()
    images = images.detach().requires_grad_(True)
    logits = model(images).float()
    value = margin(logits, logits.argmax(dim=1)).sum()
    (gradient,) = torch.autograd.grad(value, images)
    float(gradient.flatten()[0])
    return time.perf_counter() - began


def _memory(model: Classifier, images: Tensor) -> dict[str, float]:
    """MiB for the weights and for what autograd keeps of each image between its two passes."""
    kept: dict[int, int] = {}
    own = {weight.untyped_storage().data_ptr() for weight in model.state_dict().values()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    few = images[:2].detach().requires_grad_(True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(few)
    del logits
    weights = sum(one.nbytes for one in model.state_dict().values()) / MIB
    each = sum(kept.values()) / len(few) / MIB
    return {"mib_per_image": each, "mib": weights + each * len(images)}


def _fit(model: Classifier, mib_per_image: float) -> int | None:
    """How many images would fit into a CPU's free memory; None where nobody says how much it is."""
    free = free_memory() if model.device.type == "cpu" else None
    return int(free / MIB / mib_per_image) if free and mib_per_image else None


def largest_batch(
    model: Classifier,
    images: Float[Tensor, "image 3 height width"],
    at_most: int = MOST_AT_ONCE,
) -> int:
    """The largest batch that fits, by doubling until it does not, or an evaluation takes long.

    `images`: a batch that fits.
    """
    fits = len(images)
    while 2 * fits <= at_most:
        try:
            seconds = _evaluate(model, images[torch.arange(2 * fits) % len(images)])
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        fits *= 2
        if seconds > LONGEST_SECONDS:
            break
    return fits
