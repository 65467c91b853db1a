"""Checks of what the model returns: finite numbers, logits, confidences that are not all 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from blindspots.diagnosis.sample import Evidence, Finding, Level, findings_of
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import first_line
from blindspots.models.classifier import looks_like_probabilities

SATURATED = 1e-6
MANY_SATURATED = 0.5
PLAIN_IMAGES = {"black": 0.0, "grey": 0.5, "white": 1.0}

_WHY_FINITE = "a pair whose model returns NaN or infinity on the way ends as failed"
_WHY_LOGITS = (
    "confidence is the softmax of what the model returns: of probabilities it would be a second "
    "softmax, which squeezes every confidence towards chance"
)
_WHY_SATURATION = (
    "near a confidence of 1 the float32 gradient of the cross-entropy loses its direction; that of "
    "the margin does not"
)

_finite = findings_of("finite", _WHY_FINITE)
_logits = findings_of("logits", _WHY_LOGITS)
_saturation = findings_of("saturation", _WHY_SATURATION)


def check_finite(evidence: Evidence) -> list[Finding]:
    """Whether the logits of the clean images, and of plain black, grey and white ones, are finite.

    Wrong where a clean image has others; a note where only a plain image has.
    """
    broken = int((~evidence.finite).sum())
    plain = _broken_plain_images(evidence)
    values = {"images": len(evidence), "not_finite": broken, "plain_not_finite": plain}
    if broken:
        found = f"NaN or infinity among the logits of {broken} of {len(evidence)} clean images"
        remedy = (
            "look at the weights file, at mean and std (a std near 0?), and in your module for a "
            "division by 0 or the logarithm of 0"
        )
        return [_finite(Level.WRONG, found, remedy, values)]
    if plain:
        found = f"NaN or infinity for a plain {' or '.join(plain)} image"
        remedy = "add a small number where your module divides by an image's own spread"
        return [_finite(Level.NOTE, found, remedy, values)]
    found = "every logit is finite, also of plain black, grey and white images"
    return [_finite(Level.OK, found, "", values)]


def check_logits(evidence: Evidence) -> list[Finding]:
    """Whether the model returns logits: neither probabilities nor values that hardly differ.

    Log-probabilities are as good as logits.
    """
    logits = evidence.logits
    if looks_like_probabilities(logits):
        found = "it returns probabilities: each row is at least 0 and sums to 1"
        return [_logits(Level.WRONG, found, "take the last softmax out of the module")]
    if logits.min() >= 0 and logits.max() <= 1:
        found = "all it returns lies between 0 and 1, as after a sigmoid"
        return [_logits(Level.WRONG, found, "take the last sigmoid or softmax out of the module")]
    if _hardly_sure(evidence):
        low, high = float(logits.min()), float(logits.max())
        found = f"it is right but never sure: what it returns lies from {low:.2g} to {high:.2g}"
        remedy = "multiply by the model's logit scale (100 for CLIP), or leave out the temperature"
        return [_logits(Level.WRONG, found, remedy)]
    if _log_probabilities(logits):
        return [_logits(Level.OK, "it returns log-probabilities, as good as logits", "")]
    return [_logits(Level.OK, "it returns logits", "")]


def check_saturation(doubt: Float[Tensor, "image"]) -> list[Finding]:
    """How many images are so confident that 1 − p is below 1e-6; `doubt`: 1 − p of each."""
    share = float((doubt < SATURATED).double().mean())
    values = {"share": share, "below": SATURATED}
    found = f"{share:.0%} of {len(doubt)} images have 1 − p below {SATURATED:.0e}"
    if share < MANY_SATURATED:
        return [_saturation(Level.OK, found, "", values)]
    remedy = "--method star (the default) or adaptive; both differentiate the margin"
    return [_saturation(Level.NOTE, found, remedy, values)]


def _broken_plain_images(evidence: Evidence) -> list[str]:
    shape = evidence.images.shape[1:]
    plain = torch.stack([torch.full(shape, value) for value in PLAIN_IMAGES.values()])
    finite = evidence.evaluator.logits(plain).isfinite().all(dim=1).tolist()
    return [name for name, fine in zip(PLAIN_IMAGES, finite, strict=True) if not fine]


def _hardly_sure(evidence: Evidence) -> bool:
    """Right about most images, with confidences hardly above chance."""
    confidence = float(evidence.logits.softmax(dim=1).amax(dim=1).mean())
    accuracy = float(evidence.right.double().mean())
    return accuracy > 0.5 and confidence < min(0.25, 3 / evidence.logits.shape[1])


def _log_probabilities(logits: Float[Tensor, "image classes"]) -> bool:
    sums = logits.double().logsumexp(dim=1)
    return torch.allclose(sums, torch.zeros_like(sums), atol=1e-3)


SAME, ALIKE = 1e-4, 1e-3
SHOWN = 3

_WHY_DETERMINISM = (
    "a step is accepted by one look at the confidence; if a second look says something else, "
    "nothing that is stored can be verified"
)
_WHY_EVAL = (
    "images are traversed in batches with others; in train mode an image's confidence depends on "
    "its neighbours, so the result depends on the batch size"
)

Images = Float[Tensor, "image 3 height width"]


def check_steadiness(evaluator: Evaluator, images: Images, alone: int) -> list[Finding]:
    """Determinism and eval mode: the same images twice, then the first `alone` by themselves.

    Differences count against the range of the logits: 1e-4 between two equal batches, 1e-3 between
    batches of other sizes, which floats alone do not reach.
    """
    # A lone image is kept company by its mirror image.
    images = torch.cat([images, images.flip(-1)]) if len(images) == 1 else images
    together = Evaluator(evaluator.model, chunk=None)
    before = _buffers(evaluator.model)
    with _train_mode_layers(evaluator.model) as layers:
        first, second = together.logits(images).cpu(), together.logits(images).cpu()
        random = _difference(first, second)
        try:
            singly = torch.cat([together.logits(one[None]).cpu() for one in images[:alone]])
        except (RuntimeError, ValueError) as error:
            return [*_determinism(random, layers), _needs_company(error)]
    company = _difference(first[:alone], singly)
    changed = _changed(before, _buffers(evaluator.model))
    return [*_determinism(random, layers), *_eval_mode(company, random, layers, changed)]


def _determinism(random: float, layers: list[str]) -> list[Finding]:
    values = {"difference": random, "tolerance": SAME}
    if random <= SAME:
        found = "the same batch twice gets the same answer"
        return [_finding("determinism", Level.OK, found, _WHY_DETERMINISM, "", values)]
    found = f"the same batch twice gets other logits, by up to {random:.1%} of their range"
    remedy = (
        "leave dropout and noise out: nn.Dropout follows eval mode, F.dropout needs "
        f"training=self.training{_which(layers)}"
    )
    return [_finding("determinism", Level.WRONG, found, _WHY_DETERMINISM, remedy, values)]


def _eval_mode(
    company: float, random: float, layers: list[str], changed: list[str]
) -> list[Finding]:
    values = {"difference": company, "tolerance": ALIKE, "train_mode": layers, "changed": changed}
    told = random <= SAME
    if told and company > ALIKE:
        found = (
            f"alone an image gets other logits than beside others, by up to {company:.1%} of "
            "their range"
        )
    elif changed:
        found = (
            f"looking at images changes the model: {_some(changed)} {_are(changed)} not as before"
        )
    else:
        found = "alone or beside others, an image gets the same answer"
        if not told:
            found = "no layer learns; alone or beside others was not told apart from chance"
        return [_finding("eval mode", Level.OK, found, _WHY_EVAL, "", values)]
    remedy = f"no train() in forward, and batch norms with running statistics{_which(layers)}"
    return [_finding("eval mode", Level.WRONG, found, _WHY_EVAL, remedy, values)]


def _needs_company(error: Exception) -> Finding:
    found = f"it cannot look at an image alone: {first_line(error)}"
    remedy = "no train() in forward, and batch norms with running statistics"
    return _finding("eval mode", Level.WRONG, found, _WHY_EVAL, remedy, {})


def _difference(one: Tensor, other: Tensor) -> float:
    spread = float(one.max() - one.min())
    return float((one - other).abs().max()) / max(spread, 1e-12)


@contextmanager
def _train_mode_layers(model: nn.Module) -> Iterator[list[str]]:
    """The names of batch norms and dropouts that run in train mode inside the block."""
    seen: list[str] = []

    def look(name: str):
        def hook(layer: nn.Module, _inputs: object) -> None:
            if layer.training and name not in seen:
                seen.append(name)

        return hook

    layers = [(name, part) for name, part in model.named_modules() if _minds_the_mode(part)]
    hooks = [part.register_forward_pre_hook(look(name)) for name, part in layers]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _minds_the_mode(part: nn.Module) -> bool:
    kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    return isinstance(part, kinds) or "drop" in type(part).__name__.lower()


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_buffers()}


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    return [name for name, value in before.items() if not torch.equal(value, after[name])]


def _which(layers: list[str]) -> str:
    return f" (in train mode: {_some(layers)})" if layers else ""


def _some(names: list[str]) -> str:
    short = [name.removeprefix("module.") for name in names]
    more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
    return ", ".join(short[:SHOWN]) + more


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _finding(name: str, level: Level, found: str, why: str, remedy: str, values: dict) -> Finding:
    return Finding(name=name, level=level, found=found, why=why, remedy=remedy, values=values)
