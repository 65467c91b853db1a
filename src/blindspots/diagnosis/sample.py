"""What the checks look at: clean images, their labels, and what the model says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from math import comb
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from blindspots.engine.device import find_device, lay_out
from blindspots.engine.evaluator import Evaluator
from blindspots.images import ImageSet, load_images
from blindspots.images.listing import seeded_order
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_unchecked
from blindspots.scores.score import margin
from blindspots.settings import LEAST_IMAGES, NO_TRUST, Trust

UNKNOWN = -1
SIGNIFICANT = 0.005
SIGNS = 20_000


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Clean images with the model's logits, all on the CPU, and the evaluator to ask further.

    `labels`: -1 where unknown. `class_names`: by class index; None: unknown.
    """

    evaluator: Evaluator
    images: Float[Tensor, "image 3 height width"]
    labels: Int64[Tensor, "image"]
    logits: Float[Tensor, "image classes"]
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def finite(self) -> Bool[Tensor, "image"]:
        return self.logits.isfinite().all(dim=1)

    @property
    def predicted(self) -> Int64[Tensor, "image"]:
        return self.logits.argmax(dim=1)

    @property
    def right(self) -> Bool[Tensor, "image"]:
        return self.predicted == self.labels

    @property
    def own(self) -> Int64[Tensor, "image"]:
        return torch.where(self.labels >= 0, self.labels, self.predicted)

    @property
    def margins(self) -> Float[Tensor, "image"]:
        return margin(self.logits, self.predicted)

    def only(self, chosen: Tensor) -> "Evidence":
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            logits=self.logits[chosen],
        )

    def first(self, most: int) -> "Evidence":
        return self.only(torch.arange(min(most, len(self))))


def gather(
    evaluator: Evaluator, images: ImageSet, tick: Callable[[int], None] = lambda _: None
) -> Evidence:
    """The first images of the seeded order, as many as a run looks at, and the model's answers."""
    order = seeded_order(images.ids, 0)[:LEAST_IMAGES]
    pixels, logits = [], []
    step = evaluator.chunk or len(order)
    for start in range(0, len(order), step):
        pixels.append(images.take(order[start : start + step]))
        logits.append(evaluator.logits(pixels[-1]).cpu())
        tick(len(pixels[-1]))
    return Evidence(
        evaluator=evaluator,
        images=torch.cat(pixels),
        labels=images.labels[order],
        logits=torch.cat(logits),
        class_names=images.class_names,
    )


def sign_test(gains: int, losses: int) -> float:
    """How likely so many gains, or more, are among gains and losses if both are equally likely."""
    total = gains + losses
    return sum(comb(total, k) for k in range(gains, total + 1)) / 2**total


def signed_rank_test(gains: Float64[Tensor, "image"]) -> float:
    """How likely gains are at least as large if each is as likely a loss: Wilcoxon's signed ranks.

    By 20,000 random signs, the same ones always, so at least 1/20,001.
    """
    ranks = gains.abs().argsort().argsort() + 1.0
    ranks[gains == 0] = 0
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (SIGNS, len(gains)), generator=generator) * 2.0 - 1
    reached = (signs @ ranks >= ranks @ gains.sign().float()).sum()
    return (1 + int(reached)) / (1 + SIGNS)


def above_chance(right: Bool[Tensor, "image"], labels: Int64[Tensor, "image"]) -> bool:
    """Whether so many are right as no model reaches that always says the most frequent label.

    Twice its share, or half the way from there to all, whichever is less.
    """
    share = float(labels.unique(return_counts=True)[1].max()) / len(labels)
    return float(right.double().mean()) >= min(2 * share, (1 + share) / 2)


def gains_enough(
    after: Bool[Tensor, "image"], before: Bool[Tensor, "image"], labels: Int64[Tensor, "image"]
) -> bool:
    """Whether `after` is right so much more often than `before` that chance is no explanation."""
    return gain_by_chance(after, before) < SIGNIFICANT and above_chance(after, labels)


def gain_by_chance(after: Bool[Tensor, "image"], before: Bool[Tensor, "image"]) -> float:
    """How likely chance alone makes `after` so much more often right than `before`."""
    return sign_test(int((after & ~before).sum()), int((before & ~after).sum()))


class Level(StrEnum):
    """How bad a finding is: `wrong` would make results wrong, `note` is worth knowing."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One answer of the doctor.

    `name`: the check. `found`, `why`, `remedy`: what was found, why it matters, what to type (empty
    where nothing is to be done). `values`: the figures behind `found`.
    """

    name: str
    level: Level
    found: str
    why: str
    remedy: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "level": self.level.value, "values": dict(self.values)}


def findings_of(name: str, why: str) -> Callable[..., Finding]:
    """What makes the findings of one check, from level, found, remedy and values."""

    def made(
        level: Level, found: str, remedy: str = "", values: Mapping[str, Any] | None = None
    ) -> Finding:
        return Finding(
            name=name, level=level, found=found, why=why, remedy=remedy, values=values or {}
        )

    return made


def wrong_names(findings: Sequence[Finding]) -> list[str]:
    """The checks whose findings would make results wrong, in order, each once."""
    return list(dict.fromkeys(one.name for one in findings if one.level is Level.WRONG))


@dataclass
class _Seen:
    """How a model sees images and what it calls them, whatever it answers."""

    name: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None
    class_folders: tuple[str, ...] | None
    embeds: bool
    num_classes: int


def admit(
    spec: str,
    images: str,
    classes: Path | None,
    device: str = "auto",
    trust: Trust = NO_TRUST,
) -> tuple[Classifier, ImageSet]:
    """The model of a spec on its device, and the images of another as it sees them.

    Refused where either cannot be read, or the module takes no image of its size.
    """
    model = lay_out(load_unchecked(spec, trust).to(find_device(device)))
    seen = _Seen(
        model.name,
        model.preprocessing,
        model.class_names,
        model.class_folders,
        model.embeds,
        model.count_outputs(),
    )
    return model, load_images(images, seen, classes=classes)
