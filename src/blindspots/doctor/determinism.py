"""Checks that an answer depends on the image alone: not on chance, not on the images beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from blindspots.doctor.finding import Finding, Level
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import first_line

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
    """The largest difference of logits, as a share of their range."""
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
