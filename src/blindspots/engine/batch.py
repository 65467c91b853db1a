"""The pairs in flight: what each was, what it has cost, and the batch of their tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from blindspots.engine.pair import Pair, TraversalResult
from blindspots.methods.method import ENDINGS, RUNNING, Problem, State
from blindspots.schema import Ending

FORWARD = 0.5


class RowEnding(NamedTuple):
    """How a row of the flight ended."""

    steps: int
    ending: Ending


@dataclass
class Slot:
    """The bookkeeping of a pair, or of a group of them; its tensors are a row of the flight's.

    `points`: images evaluated in a turn; `turns`: turns since it boarded. Snapshots stay on the
    device until the slot is free.
    """

    pairs: Sequence[Pair]
    label: int
    p_source: float
    points: int
    seconds: float
    turns: int = 0
    looked: int = 0
    frames: list[UInt8[Tensor, "targets channel height width"]] = field(default_factory=list)
    scores: list[Float[Tensor, "targets"]] = field(default_factory=list)
    path_step: list[int] = field(default_factory=list)

    def snapshot(self, images: Tensor, step: int, score: Tensor) -> None:
        """Keep 8-bit copies of what was found after `step` steps."""
        if step not in self.path_step:
            self.frames.append(to_8bit(images).reshape(-1, *images.shape[-3:]))
            self.scores.append(score.reshape(-1).clone())
            self.path_step.append(step)

    def drop_after(self, step: int) -> None:
        """Forget snapshots of turns that came after the end."""
        kept = sum(taken < step for taken in self.path_step)
        for entries in (self.frames, self.scores, self.path_step):
            del entries[kept:]

    def unstarted(self, ending: Ending) -> list[TraversalResult]:
        """The outcomes of pairs that could not start: found is the source."""
        ends = [(pair.source, self.p_source, None) for pair in self.pairs]
        return self._outcomes(ends, ending, steps=0, evaluations=FORWARD)

    def landed(
        self, found: Tensor, score: Tensor, lowest: Tensor, ended: RowEnding
    ) -> list[TraversalResult]:
        """The outcomes of pairs that were traversed."""
        images = found.detach().reshape(-1, *found.shape[-3:]).cpu()
        numbers = zip(score.reshape(-1).tolist(), lowest.reshape(-1).tolist(), strict=True)
        ends = [(image.clone(), *two) for image, two in zip(images, numbers, strict=True)]
        spent = FORWARD + self.points * (ended.steps + 1)
        return self._outcomes(ends, ended.ending, steps=ended.steps, evaluations=spent)

    def _outcomes(
        self, ends: Sequence[tuple], ending: Ending, *, steps: int, evaluations: float
    ) -> list[TraversalResult]:
        share = len(self.pairs)
        return [
            TraversalResult(
                pair=pair,
                label=self.label,
                found=found.detach().cpu(),
                p_source=self.p_source,
                p_found=p_found,
                ending=ending,
                steps=steps,
                evaluations=evaluations / share,
                seconds=self.seconds / share,
                p_path_min=lowest,
                check_evaluations=FORWARD * self.looked / share,
                **self._path(i),
            )
            for i, (pair, (found, p_found, lowest)) in enumerate(zip(self.pairs, ends, strict=True))
        ]

    def _path(self, target: int) -> dict[str, Any]:
        return {
            "path": torch.stack([f[target] for f in self.frames]).cpu().numpy()
            if self.frames
            else None,
            "path_step": list(self.path_step),
            "path_confidence": [float(score[target]) for score in self.scores],
        }


@dataclass
class ActiveBatch:
    """The occupied slots; `interval`: steps between two snapshots, None for no snapshots."""

    interval: int | None
    slots: list[Slot] = field(default_factory=list)
    _problem: Problem | None = None
    _state: State | None = None
    _lowest: Tensor | None = None

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def tensors(self) -> tuple[Problem, State]:
        """The batch in flight."""
        if self._problem is None or self._state is None:
            raise LookupError("no pair is in flight")
        return self._problem, self._state

    def add(self, slots: Sequence[Slot], problem: Problem, state: State) -> None:
        """Take on further pairs."""
        lowest = torch.full_like(state.score, torch.inf)
        if self.slots and self._lowest is not None:
            before, state_before = self.tensors
            problem, state = before.join(problem), state_before.join(state)
            lowest = torch.cat((self._lowest, lowest))
        self.slots.extend(slots)
        self._problem, self._state, self._lowest = problem, state, lowest

    def record(self, state: State) -> None:
        """Take over the state after a turn; nothing here waits for the device."""
        if self._lowest is None:
            raise LookupError("no pair is in flight")
        self._state = state
        self._lowest = torch.minimum(self._lowest, state.score)
        for row, slot in enumerate(self.slots):
            if self.interval and slot.turns % self.interval == 0:
                slot.snapshot(state.found[row], slot.turns, state.score[row])
            slot.turns += 1

    def replace(self, rows: Tensor, part: State) -> None:
        """Take over the states of some rows."""
        _, state = self.tensors
        self._state = state.put(rows, part)

    def add_time(self, seconds: float) -> None:
        """Book time that all slots shared."""
        for slot in self.slots:
            slot.seconds += seconds / len(self.slots)

    def pop_finished(self) -> list[TraversalResult]:
        """Let the ended pairs go."""
        problem, state = self.tensors
        over = state.ending != RUNNING
        if self._lowest is None or not over.any():
            return []
        outcomes = [out for i in over.nonzero().flatten().tolist() for out in self._outcomes(i)]
        self.slots = [s for s, ended in zip(self.slots, over.tolist(), strict=True) if not ended]
        self._problem, self._state = problem.select(~over), state.select(~over)
        self._lowest = self._lowest[~over]
        return outcomes

    def _outcomes(self, row: int) -> list[TraversalResult]:
        (_, state), slot, lowest = self.tensors, self.slots[row], self._lowest
        ended = RowEnding(int(state.steps[row]), ENDINGS[int(state.ending[row])])
        if self.interval:
            slot.drop_after(ended.steps)
            slot.snapshot(state.found[row], ended.steps, state.score[row])
        lowest = state.score[row] if lowest is None else lowest[row]
        return slot.landed(state.found[row], state.score[row], lowest, ended)


def to_8bit(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Images in [0, 1] rounded (never truncated) to 0…255."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def from_8bit(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """0…255 as float32 in [0, 1]."""
    return images.float() / 255
