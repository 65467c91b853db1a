"""What every traversal is: frozen settings with `init` and `step`; the engine has the loop.

A step is told what the model says at the last proposal and answers with the next one, so the
forward that verifies a step is the one whose gradient the next step uses.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blindspots.errors import UsageError
from blindspots.schema import Ending
from blindspots.scores.score import Differentiated

Part = TypeVar("Part", bound="Batched")
RUNNING = -1
ENDINGS = tuple(Ending)


def code(ending: Ending) -> int:
    """The number that stands for an ending in a state's tensor."""
    return ENDINGS.index(ending)


class Batched:
    """A dataclass of tensors whose first axis is the batch of pairs."""

    def select(self: Part, index: Int[Tensor, "kept"] | Bool[Tensor, "batch"]) -> Part:
        """The entries at `index`, in its order."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})  # type: ignore[arg-type]

    def put(self: Part, rows: Int[Tensor, "some"], part: Part) -> Part:
        """These entries, with those at `rows` replaced by the part's."""
        changed = {f.name: getattr(self, f.name).clone() for f in fields(self)}  # type: ignore[arg-type]
        for name, tensor in changed.items():
            tensor[rows] = getattr(part, name)
        return type(self)(**changed)

    def join(self: Part, other: Part) -> Part:
        """These entries, then the other's."""
        names = [f.name for f in fields(self)]  # type: ignore[arg-type]
        return type(self)(**{n: torch.cat((getattr(self, n), getattr(other, n))) for n in names})


@dataclass(frozen=True)
class Problem(Batched):
    """What stays fixed for a batch of pairs; of groups, for methods that take a source's targets.

    `target` has an axis for the targets of a source where the method is `grouped`. `kept`: what of
    the source the score compares with, its label or its embedding. `p_source`: its score, and
    `height`, the height of that (see `scores`); `floor`: the height at p_source − delta.
    """

    source: Float[Tensor, "batch channel height width"]
    target: Float[Tensor, "batch *targets channel height width"]
    kept: Int[Tensor, "batch"] | Float[Tensor, "batch features"]
    p_source: Float[Tensor, "batch"]
    height: Float[Tensor, "batch"]
    floor: Float[Tensor, "batch"]

    def counts(self, start: int) -> Int[Tensor, "batch"]:
        """A whole number per pair."""
        return torch.full_like(self.p_source, start, dtype=torch.long)


@dataclass(frozen=True)
class Evaluation(Batched):
    """What the model says at the proposals: the score held, and the objective with its gradient.

    The objective is what the method `differentiates`; `slope`, the loss's derivative with respect
    to it. `points`: an axis for methods that propose several images of a pair at once.
    """

    score: Float[Tensor, "batch *points"]
    objective: Float[Tensor, "batch *points"]
    slope: Float[Tensor, "batch *points"]
    gradient: Float[Tensor, "batch *points channel height width"]


@dataclass(frozen=True)
class State(Batched):
    """Where the traversals are.

    `proposal`: the image to evaluate next, or several; `found`: the last accepted one (one a
    target, where the method is `grouped` or holds hulls) and its `score`; `steps`: steps done, −1
    before the start itself was evaluated; `ending`: RUNNING or a code.
    """

    proposal: Float[Tensor, "batch *points channel height width"]
    found: Float[Tensor, "batch *targets channel height width"]
    score: Float[Tensor, "batch *targets"]
    steps: Int[Tensor, "batch"]
    ending: Int[Tensor, "batch"]


class Method(ABC):
    """A traversal algorithm: frozen settings, `init` and `step`.

    `differentiates`: the height of the score, or its loss (see `scores`). `grouped`: it works on
    all targets of a source together. `straight`: its path is the segment
    source → found, not the images it tried. `sweep`: the points t of that segment at which what
    it would return is looked at before it ends, in one forward each; None: no such look.
    """

    name: ClassVar[str]
    differentiates: ClassVar[Differentiated]
    grouped: ClassVar[bool] = False
    straight: ClassVar[bool] = False
    max_steps: int
    delta: float

    def at_source(self, problem: Problem) -> dict[str, Tensor]:
        """The common state's fields of pairs that start at their sources, by name."""
        count = problem.counts(RUNNING)
        return {
            "proposal": problem.source,
            "found": problem.source,
            "score": problem.p_source,
            "steps": count,
            "ending": count,
        }

    def points(self, targets: int = 1) -> int:
        """Images evaluated in a step, for a source with that many targets."""
        del targets
        return 1

    def most_evaluations(self, targets: int = 1) -> int:
        """The evaluations of a source with that many targets, if no pair ends early."""
        return (self.max_steps + 1) * self.points(targets)

    def sweep(self) -> Float[Tensor, "look"] | None:
        """Where to look at segments before their pairs end; None: nowhere."""
        return None

    def swept(self, problem: Problem, state: State, score: Float[Tensor, "batch look"]) -> State:
        """The state after the look at the segments of pairs that were about to end."""
        del problem, score
        return state

    @abstractmethod
    def init(self, problem: Problem, generators: Sequence[torch.Generator]) -> State:
        """The states before anything was evaluated; `proposal` is where each pair starts.

        `generators`: one CPU generator per pair, the only source of random draws.
        """

    @abstractmethod
    def step(self, problem: Problem, state: State, evaluation: Evaluation) -> State:
        """Accept or refuse the evaluated proposal, then make the next one."""


def check_settings(method: Method, *, positive: tuple[str, ...]) -> None:
    """Refuse settings that cannot work: any of `positive` not above 0, or no step at all."""
    for name in (*positive, "delta"):
        if not getattr(method, name) > 0:
            raise UsageError(
                f"{name}={getattr(method, name)} was given to {method.name}; "
                f"it must be above 0, as in --set {name}={_default(method, name)}"
            )
    if method.max_steps < 1:
        raise UsageError(
            f"max_steps={method.max_steps} was given to {method.name}; it must be at least 1, "
            f"as in --set max_steps={_default(method, 'max_steps')}"
        )


def started(steps: Tensor) -> Bool[Tensor, "batch"]:
    """Whether the start itself has been evaluated."""
    return steps >= 0


def _default(method: Method, name: str) -> object:
    return next(f.default for f in fields(method) if f.name == name)  # type: ignore[arg-type]
