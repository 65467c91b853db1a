"""The pairs in flight: what each was, what it has cost, and the batch of their tensors."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from blindspots.methods.method import ENDINGS, LEVELS, RUNNING, Problem, State
from blindspots.schema import FORWARD, Ending

UNLABELLED = -1


@dataclass(frozen=True)
class Pair:
    """A source, a target and the label to keep (−1: what the model itself says of the source).

    Images are float32 `(3, height, width)` in [0, 1]; `id` keys the random draws. `group`: pairs
    of one source with the same group are traversed together by methods that do so.
    """

    id: str
    source: Float[Tensor, "channel height width"]
    target: Float[Tensor, "channel height width"]
    label: int = UNLABELLED
    group: str = ""


@dataclass(frozen=True)
class TraversalResult:
    """What became of a pair.

    `found` (on the CPU) is the source itself where the traversal could not start (see `ending`).
    `path` holds 8-bit snapshots `(snapshots, 3, height, width)` taken after the steps in
    `path_step`, the last of them `found`; for straight paths that is per cent of the way.
    `p_path_min` is the lowest score of an accepted image. `evaluations` counts a forward with
    gradient as 1 and a forward as ½, `check_evaluations` likewise the look at the segment before
    the end; `seconds` is the pair's share of its batches.
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
    check_evaluations: float = 0.0


def generator(seed: int, pair_id: str) -> torch.Generator:
    """The CPU generator of a pair's random draws: the same in any batch and in any order."""
    digest = hashlib.sha256(f"{seed}:{pair_id}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def pair_hash(source: Tensor, target: Tensor, label: int) -> str:
    """The id of a pair that has none: 16 hex digits over both images and the label."""
    digest = hashlib.sha256(str(label).encode())
    for image in (source, target):
        digest.update(image.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def group_id(group: Sequence[Pair]) -> str:
    return "+".join(pair.id for pair in group)


class RowEnding(NamedTuple):
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
        if self._problem is None or self._state is None:
            raise LookupError("no pair is in flight")
        return self._problem, self._state

    def add(self, slots: Sequence[Slot], problem: Problem, state: State) -> None:
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

    def part(self, rows: Tensor) -> tuple[Problem, State]:
        problem, state = self.tensors
        return problem.select(rows), state.select(rows)

    def replace(self, rows: Tensor, part: State) -> None:
        _, state = self.tensors
        self._state = state.put(rows, part)
        if self._lowest is not None:
            self._lowest = torch.minimum(self._lowest, self._state.score)

    def add_time(self, seconds: float) -> None:
        for slot in self.slots:
            slot.seconds += seconds / len(self.slots)

    def pop_finished(self) -> list[TraversalResult]:
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
    return (images * LEVELS).round().clamp(0, LEVELS).to(torch.uint8)


def from_8bit(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """0…255 as float32 in [0, 1], on every device the same numbers (see `as_stored`)."""
    levels = images.float()
    return levels / levels.new_full((), LEVELS)
