"""What twenty lines of plain torch reach: the attacks that the methods must beat.

    (a) `lagrangian`, several points: Adam on the squared distance to the target, with a multiplier
        for each of a few points of the segment; what is returned is the nearest iterate that held
    (b) `lagrangian`, one point: the same for the end alone
    (c) `decoupled`: DDN (Rony et al., CVPR 2019), and `fast`: FMN (Pintor et al., NeurIPS 2021),
        from the target, where "adversarial" means inside with the clearance

All work on a batch and ask the network itself. `Task.clearance` is the most logits above the floor
that an image needs (see `clearance_needed`). What is returned is as safe as what the methods find:
an iterate is kept only if `Task.looked` points of its segment, from the end on, and the end rounded
to 8 bits are inside, which is told at no cost; where segments are held, it is rounded first, as
`star` rounds. So is `Task.start`, an image that is inside with its segment, for pairs of which no
iterate is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.judge import confidence
from blindspots.methods.method import as_stored, clearance_needed

STIFFER = 1.1
COARSE = 20  # of the points of a segment, those that are looked at first: most fail there


class Iterate(NamedTuple):
    """An image on the way, and how far it is from its target."""

    far: float
    image: Tensor


@dataclass(frozen=True)
class Task:
    """Where to start, where to go, and how high the margin must stay."""

    network: nn.Module
    source: Tensor
    target: Tensor
    label: Tensor
    floor: Tensor
    clearance: float
    lowest: Tensor
    start: Tensor
    looked: int

    def margins(self, images: Tensor) -> Tensor:
        """Logit of the confidence, as often as there are images per pair."""
        logits = self.network(images)
        label = self.label.repeat_interleave(len(images) // len(self.label))[:, None]
        others = logits.scatter(1, label, -torch.inf).logsumexp(dim=1)
        return logits.gather(1, label)[:, 0] - others

    def least(self, image: Tensor, gradient: Tensor) -> Tensor:
        """What the methods ask of an end: what rounding it to 8 bits can take (at no cost here)."""
        return self.floor + clearance_needed(self.clearance, self.own, image, gradient)

    def safe(self, images: Tensor, hoped: Tensor) -> Tensor:
        """Which of the hoped for are inside, at every point looked at and rounded to 8 bits."""
        told = hoped.clone()
        for i in hoped.nonzero()[:, 0].tolist():
            told[i] = self._safe(i, images[i])
        return told

    def nearest_safe(self, i: int, tried: Sequence[Iterate]) -> Tensor:
        """The nearest to a pair's target of those that are safe; `start` where none is nearer."""
        most = float(_long(self.start[i : i + 1] - self.target[i]))
        hoped = sorted((one for one in tried if one.far < most), key=attrgetter("far"))
        return next((one.image for one in hoped if self._safe(i, one.image)), self.start[i])

    def _safe(self, i: int, image: Tensor) -> bool:
        t = torch.linspace(1, 0, self.looked).view(-1, 1, 1, 1)
        line = self.source[i] + t * (image - self.source[i])
        return all(
            self._inside(i, asked) for asked in (as_stored(image[None]), line[::COARSE], line)
        )

    def kept(self, images: Tensor) -> Tensor:
        """What is kept of iterates: 8-bit images where whole segments are held."""
        return as_stored(images) if self.looked > 1 else images

    def _inside(self, i: int, images: Tensor) -> bool:
        # The module's own forward: what is told at no cost passes no hook, so is not counted.
        p = confidence(self.network.forward, images, self.label[i].expand(len(images)))
        return bool((p >= self.lowest[i]).all())

    @cached_property
    def own(self) -> Tensor:
        with torch.no_grad():
            return self.margins(self.source) - self.floor


def lagrangian(task: Task, points: int, evaluations: int, rate: float, dual: float) -> Tensor:
    """The nearest iterate at which all points of the segment held; `start` where none did."""
    t = torch.arange(1, points + 1).view(1, -1, 1, 1, 1) / points
    x = task.target.clone().requires_grad_(True)
    multipliers, stiff = torch.zeros(len(x), points), torch.full((len(x), 1), dual)
    steps = evaluations // points
    adam = torch.optim.Adam([x], lr=rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps, eta_min=rate / 20)
    tried: list[list[Iterate]] = [[] for _ in x]
    for _ in range(steps):
        line = task.source[:, None] + t * (x - task.source)[:, None]
        margins = task.margins(line.flatten(0, 1)).view(-1, points)
        (slope,) = torch.autograd.grad(margins[:, -1].sum(), x, retain_graph=True)
        short = task.least(x.detach(), slope)[:, None] - margins
        image = task.kept(x.detach())
        far = _long(image - task.target)
        for i in (short <= 0).all(dim=1).nonzero()[:, 0].tolist():
            tried[i].append(Iterate(float(far[i]), image[i]))
        cost = (x - task.target).square().flatten(1).sum(dim=1)
        broken = multipliers * short + stiff / 2 * short.clamp(min=0).square()
        adam.zero_grad()
        (cost + broken.sum(dim=1)).sum().backward()
        adam.step()
        falling.step()
        x.data.clamp_(0, 1)
        multipliers = (multipliers + stiff * short.detach()).clamp(min=0)
        stiff = stiff * torch.where((short > 0).any(dim=1, keepdim=True), STIFFER, 1 / STIFFER)
    return torch.stack([task.nearest_safe(i, some) for i, some in enumerate(tried)])


def decoupled(task: Task, evaluations: int, first: float) -> Tensor:
    """DDN: up the unit gradient, then onto a sphere 5 % smaller where it held, else larger."""
    change, length = torch.zeros_like(task.target), torch.full((len(task.floor),), first)
    best, nearest = task.start.clone(), _long(task.start - task.target)
    for step in range(evaluations):
        image = (task.target + change).clamp(0, 1)
        margin, gradient = _ask(task, image)
        held = margin >= task.least(image, gradient)
        best, nearest = _nearer(task, image, held, best, nearest)
        stride = first * (0.01 + 0.99 * (1 + math.cos(math.pi * step / evaluations)) / 2)
        moved = image - task.target + stride * _unit(gradient)
        length = length * torch.where(held, 0.95, 1.05)
        change = length.view(-1, 1, 1, 1) * _unit(moved)
    return best


def fast(task: Task, evaluations: int, first: float) -> Tensor:
    """FMN, Euclidean: the radius from the linear model until it held, then 5 % down or up."""
    change, radius = torch.zeros_like(task.target), torch.full((len(task.floor),), torch.inf)
    best, nearest = task.start.clone(), _long(task.start - task.target)
    ever = torch.zeros(len(radius), dtype=torch.bool)
    for step in range(evaluations):
        wave = (1 + math.cos(math.pi * step / evaluations)) / 2
        share, stride = 0.001 + 0.049 * wave, first * (0.01 + 0.99 * wave)
        image = (task.target + change).clamp(0, 1)
        margin, gradient = _ask(task, image)
        need = task.least(image, gradient)
        held, ever = margin >= need, ever | (margin >= need)
        best, nearest = _nearer(task, image, held, best, nearest)
        far = _long(image - task.target)
        missing = (need - margin).abs() / _long(gradient).clamp(min=1e-12)
        outside = torch.where(ever, radius * (1 + share), far + missing)
        radius = torch.where(held, torch.minimum(radius, nearest) * (1 - share), outside)
        moved = image - task.target + stride * _unit(gradient)
        size = _long(moved).clamp(min=1e-12)
        change = moved * (radius / size).clamp(max=1).view(-1, 1, 1, 1)
    return best


def _ask(task: Task, image: Tensor) -> tuple[Tensor, Tensor]:
    image = image.detach().requires_grad_(True)
    margin = task.margins(image)
    (gradient,) = torch.autograd.grad(margin.sum(), image)
    return margin.detach(), gradient


def _nearer(
    task: Task, image: Tensor, held: Tensor, best: Tensor, nearest: Tensor
) -> tuple[Tensor, Tensor]:
    far = _long(image - task.target)
    taken = task.safe(image, held & (far < nearest))
    return torch.where(taken.view(-1, 1, 1, 1), image, best), torch.where(taken, far, nearest)


def _long(images: Tensor) -> Tensor:
    return images.flatten(1).norm(dim=1)


def _unit(images: Tensor) -> Tensor:
    return images / _long(images).clamp(min=1e-12).view(-1, 1, 1, 1)
