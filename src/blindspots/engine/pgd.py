"""Projected gradient descent in the l-infinity ball (Madry et al., ICLR 2018, arXiv 1706.06083).

    x_0 = s, or s + U(-epsilon, epsilon)
    x_{k+1} = clamp(x_k + step_size sign(± grad CE(f(x_k), y)), s - epsilon, s + epsilon), in [0, 1]

| symbol | meaning | name |
|---|---|---|
| s | the image to perturb | `images` |
| y | targeted: the class to reach (sign -); untargeted: the class to leave (sign +) | `classes` |

This is the contrast to a blind spot: how little must change before the prediction does.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.engine.evaluator import asking, check_answer
from blindspots.models.classifier import Classifier

Images = Float[Tensor, "batch 3 height width"]
Classes = Int[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Sign-gradient steps inside the l-infinity ball around each image.

    `epsilon`: the ball's radius and `step_size`: the length of a step, both in pixel units of
    [0, 1]. `steps`: how many. `targeted`: go towards the given classes; else away from them.
    """

    epsilon: float = 8 / 255
    step_size: float = 2 / 255
    steps: int = 50
    targeted: bool = True

    def __call__(
        self,
        model: Classifier,
        images: Images,
        classes: Classes,
        generator: torch.Generator | None = None,
    ) -> Images:
        """The perturbed images in [0, 1]; `generator` (CPU): a random start, None: at the image."""
        (last,) = deque(self.walk(model, images, classes, generator), maxlen=1)
        return last

    def walk(
        self,
        model: Classifier,
        images: Images,
        classes: Classes,
        generator: torch.Generator | None = None,
    ) -> Iterator[Images]:
        """The same images where they start and after every step, so that they can be watched."""
        low, high = (images - self.epsilon).clamp(min=0), (images + self.epsilon).clamp(max=1)
        found = images if generator is None else self._start(images, generator).clamp(low, high)
        uphill = -1 if self.targeted else 1
        with model.frozen():
            yield found
            for _ in range(self.steps):
                direction = uphill * _gradient(model, found, classes).sign()
                found = (found + self.step_size * direction).clamp(low, high)
                yield found

    def _start(self, images: Images, generator: torch.Generator) -> Images:
        noise = torch.rand(images.shape, generator=generator).to(images)
        return images + self.epsilon * (2 * noise - 1)


def accuracy_under_pgd(
    model: Classifier,
    images: Images,
    labels: Classes,
    *,
    method: PGD | None = None,
    restarts: int = 3,
    seed: int = 0,
) -> float:
    """The share of images that are classified correctly, clean and after every restart.

    `method`: untargeted settings; None: 20 steps of 2/255 at epsilon 8/255. `restarts`: random
    starts an image, drawn from `seed`. An image that has fallen is not attacked again.
    """
    attack = method or PGD(steps=20, targeted=False)
    generator = torch.Generator().manual_seed(seed)
    standing = _right(model, images, labels)
    for _ in range(restarts):
        left = standing.nonzero().flatten()
        for part in left.split(100):
            found = attack(model, images[part], labels[part], generator)
            standing[part] = _right(model, found, labels[part])
    return standing.float().mean().item()


def _gradient(model: Classifier, images: Images, classes: Classes) -> Images:
    images = images.detach().requires_grad_(True)
    with torch.enable_grad(), asking(model, "for its gradient", images):
        answer = model(images)
        check_answer(model, answer, images)
        loss = F.cross_entropy(answer, classes, reduction="sum")
        return torch.autograd.grad(loss, images)[0]


def _right(model: Classifier, images: Images, labels: Classes) -> Bool[Tensor, " batch"]:
    with model.frozen(), torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(100)]) == labels
