"""What `benchmarks.engine` measures on: models with images, and the authors' loop beside them."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import blindspots as bs
from benchmarks.subjects import ASSETS, IMAGENET_SAMPLE, MOBILENETV2
from blindspots.engine.batch import Pair
from blindspots.engine.device import lay_out

RANDOM = ("resnet50", "deit_small_patch16_224")


@dataclass(frozen=True)
class Effort:
    """How much is measured: repetitions, images at once, iterations, pairs for every slot."""

    repeats: int = 3
    batch: int = 8
    steps: int = 16
    rounds: int = 4


QUICK = Effort(repeats=1, batch=2, steps=4, rounds=2)


@dataclass(frozen=True)
class Case:
    """A model in the layout that is best for it, and in the default one, with some images."""

    name: str
    best: bs.Classifier
    plain: bs.Classifier
    images: Tensor
    delta: float

    def reference(self, steps: int) -> bs.Reference:
        """The authors' method without its jitter."""
        return bs.Reference(max_steps=steps, delta=self.delta, jitter=0.0)

    def pairs(self, count: int) -> list[Pair]:
        """Every image towards its neighbour, over and over."""
        images, turned = self.images.cpu(), self.images.roll(1, dims=0).cpu()
        places = [i % len(images) for i in range(count)]
        return [Pair(f"pair-{n}", images[i], turned[i]) for n, i in enumerate(places)]


def cases(effort: Effort, device: torch.device) -> dict[str, Callable[[], Case]]:
    """What makes each model with its images; one is in memory at a time."""
    makers = {name: lambda name=name: _random_case(name, effort, device) for name in RANDOM}
    if ASSETS.is_dir():
        return {"mobilenetv2": lambda: _real_case(effort, device), **makers}
    print(f"{ASSETS} is not here, so MobileNetV2 is left out")
    return makers


def _real_case(effort: Effort, device: torch.device) -> Case:
    model = bs.load_model(MOBILENETV2)
    listed = bs.load_images(IMAGENET_SAMPLE, model)
    images = listed.take(list(range(max(3, effort.batch))))
    return _case("mobilenetv2_100", model, images.to(device), 0.2)


def _random_case(name: str, effort: Effort, device: torch.device) -> Case:
    torch.manual_seed(0)
    model = bs.Classifier(timm.create_model(name), size=224, name=name)
    images = torch.rand(max(3, effort.batch), 3, 224, 224, device=device)
    return _case(name, model, images, 1e-5)


def _case(name: str, model: bs.Classifier, images: Tensor, delta: float) -> Case:
    best, plain = (
        m.to(images.device).eval().requires_grad_(False) for m in (deepcopy(model), model)
    )
    return Case(name, lay_out(best), plain, images, delta)


def authors_loop(model: nn.Module, x_s: Tensor, x_t: Tensor, method: bs.Reference) -> Tensor:
    """Found images of a plain loop that costs what the authors' does: two forwards, a gradient."""
    with torch.no_grad():
        label = model(x_s).argmax(dim=1)
        p_source = _confidence(model, x_s, label)
    x, correction, bound = x_s, torch.zeros_like(x_s), method.epsilon
    for _ in range(method.max_steps):
        at = x.detach().requires_grad_(True)
        loss = F.cross_entropy(model(at), label, reduction="sum")
        (g,) = torch.autograd.grad(loss, at)
        with torch.no_grad():
            along = _dot(g, x_t - x) / _dot(g, g)
            correction = (correction + bound / 2 * g).clamp(-bound, bound)
            new = x + method.step_size * (x_t - x - along * g) - correction
            new = new.clamp(0, 1)
            inside = p_source - _confidence(model, new, label) < method.delta
            x = torch.where(inside.view(-1, 1, 1, 1), new, x)
    return x


def _confidence(model: nn.Module, images: Tensor, label: Tensor) -> Tensor:
    return model(images).softmax(dim=1).gather(1, label[:, None]).squeeze(1)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(dim=1).view(-1, 1, 1, 1)
