"""Checks of what the model is fed: mean, std and range, the order of the channels, 8 bits."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from blindspots.diagnosis.sample import (
    SIGNIFICANT,
    Evidence,
    Finding,
    Level,
    above_chance,
    findings_of,
    gain_by_chance,
    sign_test,
    signed_rank_test,
)
from blindspots.engine.evaluator import Evaluator, check_answer
from blindspots.models.classifier import Classifier
from blindspots.scores.score import confidence, margin

MOST_TRIED = 40
# Nats of log-likelihood that an image gains at least, on average, and temperatures tried for it.
PERHAPS = 0.05
LEAST_GAIN, TEMPERATURES = 0.02, torch.logspace(-1, 1, 31, dtype=torch.float64).tolist()
BGR_SIGNIFICANT, NAMED_TOO = 1e-4, 0.05
MUCH_MOVED, MANY_CHANGED = 0.02, 0.05
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

_WHY_NORMALISATION = (
    "mean and std are applied once, to images in [0, 1]; a model that normalises inside as well, "
    "or wants another range, sees other images than it was trained on"
)
_WHY_CHANNELS = "images here are RGB; a model trained on BGR sees red as blue"
_WHY_8BIT = (
    "found images are saved in 8 bits too, and those of star and fan have no more; where rounding "
    "moves the confidence, a saved image of another method may not hold what the exact one does"
)

Channels = tuple[float, ...]


@dataclass(frozen=True)
class Normaliser:
    """Another way to feed the model: what it is called, its mean and std, for RGB or for BGR."""

    said: str
    mean: Channels
    std: Channels
    bgr: bool = False

    @property
    def typed(self) -> str:
        return f"mean={_typed(self.mean)}&std={_typed(self.std)}"


_normalisation = findings_of("normalisation", _WHY_NORMALISATION)
_channels = findings_of("channel order", _WHY_CHANNELS)


class _Flipped(nn.Module):
    """The module, given its input's channels in the opposite order."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images.flip(1))


def given_normaliser(model: Classifier) -> Normaliser:
    mean, std = model.mean.flatten().tolist(), model.std.flatten().tolist()
    return Normaliser("as given", tuple(mean), tuple(std))


def candidates(given: Normaliser) -> list[Normaliser]:
    """What else is often meant: none, twice, half, other ranges, well-known means and stds."""
    mean, std = given.mean, given.std
    grey_levels = 255.0 if max(mean) > 1 else 1.0
    others = [
        Normaliser("no normalisation, images in [0, 1]", (0.0,) * 3, (1.0,) * 3),
        Normaliser("images in [−1, 1]", (0.5,) * 3, (0.5,) * 3),
        Normaliser("images in [0, 255]", (0.0,) * 3, (1 / 255,) * 3),
        Normaliser("ImageNet's mean and std", *IMAGENET),
        Normaliser("ImageNet's mean, in [0, 255]", IMAGENET[0], (1 / 255,) * 3),
        Normaliser("CLIP's mean and std", *CLIP),
        _twice(given),
        Normaliser("half your std", mean, tuple(s / 2 for s in std)),
        Normaliser("twice your std", mean, tuple(s * 2 for s in std)),
        Normaliser(
            "yours divided by 255",
            tuple(m / grey_levels for m in mean),
            tuple(s / 255 for s in std),
        ),
    ]
    others = [one for one in others if (one.mean, one.std) != (mean, std)]
    return [replace(one, bgr=given.bgr) for one in others]


def check_feeding(evidence: Evidence) -> tuple[list[Finding], Evidence]:
    """Normalisation and order of the channels; the evidence as the better of all has it.

    Either can look like the other's fault, so where both seem wrong the better explanation stands
    and the other is looked at again on top of it.
    """
    given = given_normaliser(evidence.evaluator.model)
    normalisation, better, renormalised = check_normalisation(evidence, given)
    if better is given:
        channels, flipped = check_channels(evidence, given)
        return [*normalisation, *channels], flipped
    channels, flipped = check_channels(evidence, given)
    if flipped is not evidence and success(flipped) >= success(renormalised):
        bgr = replace(given, bgr=True)
        normalisation, _, both = check_normalisation(flipped, bgr)
        return [*normalisation, *channels], both
    channels, both = check_channels(renormalised, better)
    return [*normalisation, *channels], both


def check_normalisation(
    evidence: Evidence, given: Normaliser
) -> tuple[list[Finding], Normaliser, Evidence]:
    """Whether another normaliser makes the labels likelier; the better one, and its evidence.

    `given`: the normaliser that `evidence` was asked with. Every candidate is tried on a part of
    the images, the best of them on all. What is compared, image by image, is the log-likelihood of
    the label, each side at the temperature that is best for it: surer is not better. That many
    candidates were tried counts (Bonferroni).
    """
    part, others = evidence.first(MOST_TRIED), candidates(given)
    if not torch.allclose(asked(part, given).logits, part.logits, rtol=1e-3, atol=1e-3):
        found = "not checked: the model answers differently when it is asked again"
        return [_normalisation(Level.OK, found, "", {})], given, evidence
    best = max(others, key=lambda one: likelihood(asked(part, one)))
    tried = asked(evidence, best)
    before, after = (float(one.right.double().mean()) for one in (evidence, tried))
    gain = surprise(evidence) - surprise(tried)
    chance = min(1.0, len(others) * signed_rank_test(gain))
    values = {
        "accuracy": before,
        "best_accuracy": after,
        "likelihood_gain": float(gain.mean()),
        "chance": chance,
        "mean": best.mean,
        "std": best.std,
    }
    numbers = (
        f"{after:.0%} of the images are named correctly, {before:.0%} as given; the label is "
        f"likelier for {float((gain > 0).double().mean()):.0%} of them (by chance: {chance:.1g})"
    )
    better = float(gain.mean()) > LEAST_GAIN and after >= before
    better = better and above_chance(tried.right, evidence.labels)
    remedy = f"{best.typed} in the spec (or --mean and --std)"
    if better and chance < SIGNIFICANT:
        found = f"{best.said} is better: {numbers}"
        return [_normalisation(Level.WRONG, found, remedy, values)], best, tried
    if better and chance < PERHAPS:
        found = f"{best.said} is perhaps better, try it on more images: {numbers}"
        return [_normalisation(Level.NOTE, found, remedy, values)], given, evidence
    found = (
        f"{_stated(given)}none of {len(others)} others is surely better "
        f"(the likeliest, {best.said}: {numbers})"
    )
    return [_normalisation(Level.OK, found, "", values)], given, evidence


def _stated(given: Normaliser) -> str:
    """Says aloud what is assumed where neither mean nor std was given."""
    assumed = given.mean == (0.0,) * 3 and given.std == (1.0,) * 3
    return "images in [0, 1] as they are (mean 0, std 1); " if assumed else ""


def check_channels(evidence: Evidence, normaliser: Normaliser) -> tuple[list[Finding], Evidence]:
    """Whether the model is surer of the labels in BGR; the evidence in the better order.

    `normaliser`: the one that `evidence` was asked with, in RGB. The images' margins are compared
    one by one, which says more than the accuracy. A model that does not care for colours shows no
    difference, and none matters.
    """
    flipped = asked(evidence, replace(normaliser, bgr=True))
    rgb, bgr = (margin(one.logits, one.labels) for one in (evidence, flipped))
    gains, losses = int((bgr > rgb).sum()), int((bgr < rgb).sum())
    before, after = (float(one.right.double().mean()) for one in (evidence, flipped))
    values = {"accuracy_rgb": before, "accuracy_bgr": after, "surer_in_bgr": gains}
    chance = sign_test(gains, losses)
    named_too = chance < SIGNIFICANT and gain_by_chance(flipped.right, evidence.right) < NAMED_TOO
    better = after >= before and (chance < BGR_SIGNIFICANT or named_too)
    if not better or not above_chance(flipped.right, flipped.labels):
        found = f"RGB: {gains} of {len(evidence)} images have a larger margin in BGR"
        return [_channels(Level.OK, found, "", values)], evidence
    found = (
        f"BGR: {gains} of {len(evidence)} images have a larger margin with blue and red exchanged; "
        f"{after:.0%} are then named correctly, {before:.0%} in RGB"
    )
    remedy = "in your module: def forward(self, images): return self.model(images.flip(1))"
    return [_channels(Level.WRONG, found, remedy, values)], flipped


def check_8bit(evidence: Evidence) -> list[Finding]:
    """How much confidences move when images between grey levels are rounded to 8 bits.

    Each image is moved by less than half a grey level everywhere, so rounding gives it back.
    """
    part = evidence.first(MOST_TRIED)
    generator = torch.Generator().manual_seed(0)
    noise = (torch.rand(part.images.shape, generator=generator) - 0.5) / 255
    moved = part.evaluator.logits((part.images + noise).clamp(0, 1)).cpu()
    rounded = part.evaluator.logits(part.images).cpu()
    change = (confidence(moved, part.own) - confidence(rounded, part.own)).abs()
    flips = int((moved.argmax(dim=1) != rounded.argmax(dim=1)).sum())
    values = {"mean_change": float(change.mean()), "largest_change": float(change.max())}
    found = (
        f"rounding moves the confidence by {values['mean_change']:.1g} on average, "
        f"{values['largest_change']:.1g} at most, and changes {flips} of {len(part)} predictions"
    )
    little = values["mean_change"] < MUCH_MOVED and flips <= MANY_CHANGED * len(part)
    level = Level.OK if little else Level.NOTE
    remedy = "" if little else "--keep found: its .safetensors is exact; compare p_found_8bit"
    return [
        Finding(
            name="8 bits",
            level=level,
            found=found,
            why=_WHY_8BIT,
            remedy=remedy,
            values={**values, "changed_predictions": flips, "images": len(part)},
        )
    ]


def success(evidence: Evidence) -> tuple[float, float]:
    """The accuracy, then how likely the labels are: to compare normalisers by."""
    return float(evidence.right.double().mean()), likelihood(evidence)


def likelihood(evidence: Evidence) -> float:
    return -float(cross_entropy(evidence.logits.nan_to_num(), evidence.labels))


def surprise(evidence: Evidence) -> Float[Tensor, "image"]:
    """−log of each label's probability, at the temperature that makes the labels likeliest."""
    logits, labels = evidence.logits.double().nan_to_num(), evidence.labels
    each = [cross_entropy(logits / t, labels, reduction="none") for t in TEMPERATURES]
    return min(each, key=lambda one: float(one.mean()))


def asked(evidence: Evidence, normaliser: Normaliser) -> Evidence:
    model = evidence.evaluator.model
    other = Classifier(
        _Flipped(model.module) if normaliser.bgr else model.module,
        size=model.size,
        mean=normaliser.mean,
        std=normaliser.std,
        name=model.name,
    ).to(model.device)
    other.layout = model.layout
    with other.frozen():
        logits = Evaluator(other, chunk=evidence.evaluator.chunk).logits(evidence.images).cpu()
    check_answer(model, logits, evidence.images, evidence.logits.shape[1])
    return replace(evidence, logits=logits)


def _twice(given: Normaliser) -> Normaliser:
    """((x − m)/s − m)/s = (x − m(1 + s))/s²."""
    mean = tuple(m * (1 + s) for m, s in zip(given.mean, given.std, strict=True))
    return Normaliser("yours applied twice", mean, tuple(s * s for s in given.std))


def _typed(values: Channels) -> str:
    numbers = [f"{value:.6g}" for value in values]
    return numbers[0] if len(set(numbers)) == 1 else ",".join(numbers)
