"""Checks of what the model returns: finite numbers, logits, confidences that are not all 1."""

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.doctor.finding import Finding, Level, findings_of
from blindspots.doctor.sample import Evidence
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
