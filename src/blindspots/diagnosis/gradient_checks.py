"""Checks of the gradient with respect to the image: attached, finite, not zero, and true."""

import time

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from blindspots.diagnosis.sample import Evidence, Finding, Level
from blindspots.engine.device import free_memory
from blindspots.engine.evaluator import Evaluator, asking
from blindspots.errors import ModelFailed, first_line
from blindspots.methods.method import Evaluation
from blindspots.models.classifier import Classifier
from blindspots.scores.score import margin

EACH = 4
SHRINK, LARGEST_STEP = 0.98, 0.01
SHARE_OF_RANGE = 2e-3
TRUE_FROM, TRUE_TO = 0.8, 1.25
NOISE = 50

_WHY = (
    "a traversal walks where the gradient with respect to the image says the score stays; without "
    "a true gradient it walks out of the level set, or not at all"
)
_ATTACH = (
    "leave detach(), .data, .item(), numpy() and no_grad() out of the forward; what cannot be "
    "differentiated needs a differentiable stand-in"
)

Images = Float[Tensor, "image 3 height width"]
Classes = Int64[Tensor, "image"]


def hard_and_easy(evidence: Evidence) -> tuple[Images, Classes]:
    """The images the model is surest of, those it is least sure of, and mixtures of the two."""
    order = evidence.margins.argsort()
    low, high = order[:EACH], order.flip(0)[:EACH]
    unsure, sure = evidence.images[low], evidence.images[high]
    images = torch.cat([unsure, sure, (unsure + sure) / 2])
    return images, evidence.predicted[torch.cat([low, high, high])]


def check_attached(evaluator: Evaluator, images: Images, labels: Classes) -> list[Finding]:
    """Whether there is a gradient at every image, finite and not zero.

    Wrong where the model cannot be differentiated, where a gradient is not finite, and where half
    of them are zero; a note where fewer are.
    """
    try:
        said = _differentiate(evaluator, images, labels)
    except ModelFailed as error:
        if not isinstance(error.__cause__, RuntimeError):
            raise
        return [_finding(Level.WRONG, _detached(error), _ATTACH, {"attached": False})]
    flat = said.gradient.flatten(1)
    finite, zero = flat.isfinite().all(dim=1), (flat == 0).all(dim=1)
    values = {
        "attached": True,
        "images": len(flat),
        "not_finite": int((~finite).sum()),
        "zero": int(zero.sum()),
    }
    if not finite.all():
        found = f"NaN or infinity in the gradient at {values['not_finite']} of {len(flat)} images"
        remedy = (
            "look for a root, a division or a logarithm at 0 in your module; add a small number"
        )
        return [_finding(Level.WRONG, found, remedy, values)]
    if zero.any():
        level = Level.WRONG if 2 * values["zero"] >= len(flat) else Level.NOTE
        found = f"the gradient is 0 at {values['zero']} of {len(flat)} images"
        remedy = "leave rounding, argmax, thresholds and a saturated softmax out of the forward"
        return [_finding(level, found, remedy, values)]
    found = f"attached, finite and not 0 at {len(flat)} images, sure and unsure ones"
    return [_finding(Level.OK, found, "", values)]


def check_true(evaluator: Evaluator, images: Images, labels: Classes) -> list[Finding]:
    """Whether the margin changes along the gradient as much as the gradient says.

    Central differences, so small that the model is all but linear between them; the middle of all
    images counts whose gradient is not 0, which is a finding of its own. No finding where there are
    none, and where the differences drown in float32's rounding, because the logits of an image
    hardly differ.
    """
    # Away from 0 and 1, where a module that clamps its input has a kink.
    inside = (0.5 + SHRINK * (images - 0.5)).to(evaluator.model.device)
    gradient = _differentiate(evaluator, inside, labels).gradient
    steep = gradient.flatten(1).any(dim=1)
    if not steep.any():
        return []
    places = labels.to(inside.device)[steep]
    ratio = _change_along(evaluator, inside[steep], places, gradient[steep])
    if ratio is None:
        return []
    values = {"ratio": ratio, "images": int(steep.sum())}
    found = f"along its gradient the margin changes {ratio:.2f} times as much as that says"
    if TRUE_FROM <= ratio <= TRUE_TO:
        return [_finding(Level.OK, found, "", values, "finite differences")]
    return [_finding(Level.WRONG, found, _ATTACH, values, "finite differences")]


def _change_along(
    evaluator: Evaluator, images: Images, labels: Classes, gradient: Images
) -> float | None:
    """The change of the margin along the gradient, as a share of what that says; None: rounding."""
    norm = gradient.flatten(1).norm(dim=1)
    direction = gradient / norm.view(-1, 1, 1, 1)
    logits = evaluator.logits(images)
    step = SHARE_OF_RANGE * (logits.amax(dim=1) - logits.amin(dim=1)) / norm
    step = torch.minimum(step, LARGEST_STEP / direction.flatten(1).abs().amax(dim=1))
    up, down = (
        margin(evaluator.logits(images + sign * step.view(-1, 1, 1, 1) * direction), labels)
        for sign in (1, -1)
    )
    expected, noise = 2 * step * norm, NOISE * torch.finfo(up.dtype).eps * logits.abs().amax(dim=1)
    if expected.median() < noise.median():
        return None
    return float(((up - down) / expected).median())


def _differentiate(evaluator: Evaluator, images: Images, labels: Classes) -> Evaluation:
    device = evaluator.model.device
    return evaluator.evaluate(images.to(device), labels.to(device))


def _detached(error: Exception) -> str:
    reason = first_line(error.__cause__ or error)
    unused = "does not require grad" in reason or "not have been used" in reason
    return f"there is none: {'the output is cut off from the image' if unused else reason}"


def _finding(
    level: Level, found: str, remedy: str, values: dict, name: str = "gradient"
) -> Finding:
    return Finding(name=name, level=level, found=found, why=_WHY, remedy=remedy, values=values)


MOST_AT_ONCE, LONGEST_SECONDS = 4096, 5.0
MIB = 2**20

_WHY_SPEED = (
    "a traversal of star costs hundreds of evaluations per pair, each a forward and a gradient"
)


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
        Finding(
            name="speed", level=Level.OK, found=found, why=_WHY_SPEED, remedy=remedy, values=values
        )
    ]


def _evaluate(model: Classifier, images: Tensor) -> float:
    """The seconds that one forward and gradient takes."""
    began = time.perf_counter()
    images = images.detach().requires_grad_(True)
    with asking(model, "for its gradient", images):
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
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with asking(model, "", few), hooks:
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
