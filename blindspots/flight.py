"""The pairs in flight: what each was, what it has cost, and the batch of their tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from blindspots.methods.base import ENDINGS, RUNNING, Problem, State
from blindspots.records import Ending

UNLABELLED = -1
FORWARD = 0.5


@dataclass(frozen=True)
class Pair:
    """A source, a target and the label to keep (−1: what the model itself says of the source).

    Images are float32 `(3, height, width)` in [0, 1]; `id` keys the random draws.
    """

    id: str
    source: Float[Tensor, "channel height width"]
    target: Float[Tensor, "channel height width"]
    label: int = UNLABELLED


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    `found` (on the CPU) is the source itself where the traversal could not start (see `ending`).
    `path` holds 8-bit snapshots `(snapshots, 3, height, width)` taken after the steps in
    `path_step`, the last of them `found`; `p_path_min` is the lowest score of an accepted image.
    `evaluations` counts a forward with gradient as 1 and a forward as ½; `seconds` is the pair's
    share of its batches.
    """

    pair: Pair
    label: int
    found: Float[Tensor, "channel height width"]
    p_source: float
    p_found: float
    ending: Ending
    steps: int
    evaluations: float
    seconds: float
    path: UInt8[np.ndarray, "snapshots channel height width"] | None
    path_step: list[int]
    path_confidence: list[float]
    p_path_min: float | None

    @property
    def turns(self) -> int:
        """The evaluations with a gradient."""
        return int(self.evaluations)


@dataclass
class Slot:
    """The bookkeeping of one pair; its tensors are a row of the flight's."""

    pair: Pair
    label: int
    p_source: float
    seconds: float
    evaluations: float = FORWARD
    p_path_min: float | None = None
    frames: list[np.ndarray] = field(default_factory=list)
    path_step: list[int] = field(default_factory=list)
    path_confidence: list[float] = field(default_factory=list)

    def turn(self, score: float, seconds: float) -> None:
        """Book one evaluation whose last accepted image scores `score`."""
        self.evaluations += 1
        self.seconds += seconds
        self.p_path_min = score if self.p_path_min is None else min(self.p_path_min, score)

    def snapshot(self, image: Tensor, step: int, score: float) -> None:
        """Keep an 8-bit copy of the image that was found after `step` steps."""
        if step in self.path_step:
            return
        self.frames.append(to_8bit(image).cpu().numpy())
        self.path_step.append(step)
        self.path_confidence.append(score)

    def unstarted(self, ending: Ending) -> Outcome:
        """The outcome of a pair that could not start: found is the source."""
        return self.outcome(self.pair.source, self.p_source, 0, ending)

    def outcome(self, found: Tensor, p_found: float, steps: int, ending: Ending) -> Outcome:
        """The outcome of the pair."""
        return Outcome(
            pair=self.pair,
            label=self.label,
            found=found.detach().cpu(),
            p_source=self.p_source,
            p_found=p_found,
            ending=ending,
            steps=steps,
            evaluations=self.evaluations,
            seconds=self.seconds,
            path=np.stack(self.frames) if self.frames else None,
            path_step=self.path_step,
            path_confidence=self.path_confidence,
            p_path_min=self.p_path_min,
        )


@dataclass
class Flight:
    """The occupied slots; `interval`: steps between two snapshots, None for no snapshots."""

    interval: int | None
    slots: list[Slot] = field(default_factory=list)
    _problem: Problem | None = None
    _state: State | None = None

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def tensors(self) -> tuple[Problem, State]:
        """The batch in flight."""
        if self._problem is None or self._state is None:
            raise LookupError("no pair is in flight")
        return self._problem, self._state

    def board(self, slots: Sequence[Slot], problem: Problem, state: State) -> None:
        """Take on further pairs."""
        if self.slots:
            before, state_before = self.tensors
            problem, state = before.join(problem), state_before.join(state)
        self.slots.extend(slots)
        self._problem, self._state = problem, state

    def record(self, state: State, seconds: float) -> None:
        """Take over the state after a turn that cost each slot `seconds`."""
        self._state = state
        scores, steps = state.score.tolist(), state.steps.tolist()
        for slot, image, score, step in zip(self.slots, state.found, scores, steps, strict=True):
            slot.turn(score, seconds)
            if self.interval and step % self.interval == 0:
                slot.snapshot(image, step, score)

    def land(self) -> list[Outcome]:
        """Let the ended pairs go."""
        problem, state = self.tensors
        over = state.ending != RUNNING
        if not over.any():
            return []
        outcomes = [self._outcome(state, i) for i in over.nonzero().flatten().tolist()]
        self.slots = [s for s, ended in zip(self.slots, over.tolist(), strict=True) if not ended]
        self._problem, self._state = problem.select(~over), state.select(~over)
        return outcomes

    def _outcome(self, state: State, row: int) -> Outcome:
        slot, score, step = self.slots[row], float(state.score[row]), int(state.steps[row])
        if self.interval:
            slot.snapshot(state.found[row], step, score)
        ending = ENDINGS[int(state.ending[row])]
        return slot.outcome(state.found[row].clone(), score, step, ending)


def to_8bit(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Images in [0, 1] rounded (never truncated) to 0…255."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def from_8bit(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """0…255 as float32 in [0, 1]."""
    return images.float() / 255
