"""Tasks of work: some sources of a model with all their pairs, told by ids alone. No torch here.

A task holds whole sources, so whoever does it can measure their triangles, simplices and nulls.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from blindspots.schema import PlannedPair
from blindspots.store.writer import Store
from blindspots.study.pairs import HULLS, Groups, PlannedPairs, missing_pairs

MOST_PAIRS, TASKS_PER_WORKER = 48, 12
FEWEST: Mapping[str, int] = {**HULLS, "nulls": 1}


@dataclass(frozen=True)
class Task:
    """What one worker does of a model.

    `pairs`: all of its sources', each source's together. `missing`: the ids of those to traverse;
    `started`: of those that were traversed before. `lacking`: by table, the sources without rows.
    """

    model: str
    number: int
    pairs: Sequence[PlannedPair]
    missing: frozenset[str]
    started: frozenset[str]
    lacking: Mapping[str, frozenset[str]]

    @property
    def size(self) -> int:
        """How much is to be done: pairs to traverse, and rows to measure of sources."""
        return len(self.missing) + sum(map(len, self.lacking.values()))


@dataclass(frozen=True)
class TaskPlan:
    """What is to be done of a model, in columns; tasks are made when they are asked for.

    `model`: its name; `dropped`: found images were removed on purpose; `measured`: the tables to
    fill besides its pairs, each with the fewest found images that a source needs.
    """

    model: str
    planned: PlannedPairs
    store: Store
    dropped: bool
    measured: Mapping[str, int] = field(default_factory=lambda: FEWEST)

    @cached_property
    def groups(self) -> Groups:
        """All pairs of the model, each source's together."""
        return self.planned.by_source()

    @cached_property
    def missing(self) -> np.ndarray:
        """Which of the pairs of `groups` are to be traversed, as a mask."""
        pairs = self.groups.pairs
        return missing_pairs(self.store, self.model, pairs, self.dropped, self.measured)

    @cached_property
    def unfinished(self) -> np.ndarray:
        """Which of the sources of `groups` something is to be done of, as a mask."""
        if not len(self.planned):
            return np.zeros(0, bool)
        missing = np.logical_or.reduceat(self.missing, self.groups.starts)
        return np.logical_or.reduce([missing, *self._lacking.values()])

    def tasks(self, workers: int, first: int = 0) -> Iterator[Task]:
        """All that is to be done, in order; `first`: the first task's number.

        So large that there are a dozen for each worker, and 48 pairs at most, where a source has
        no more.
        """
        wanted = int(self.missing.sum()) // (workers * TASKS_PER_WORKER)
        return self._cut(min(MOST_PAIRS, max(1, wanted)), first)

    def again(self, task: Task) -> Task | None:
        """What is still to be done of a task whose worker died; None where nothing is."""
        ids = pa.array({pair.source_id for pair in task.pairs})
        own = self.planned.select(self.planned.from_sources(ids))
        plan = TaskPlan(self.model, own, self.store, self.dropped, self.measured)
        return next(plan._cut(len(own), task.number), None)

    @cached_property
    def _started(self) -> np.ndarray:
        return self.groups.pairs.within(self.store.started_pairs(self.model)) & ~self.missing

    @cached_property
    def _lacking(self) -> dict[str, np.ndarray]:
        """By table, which sources have no rows though their pairs may allow some, as masks."""
        first = self.groups.pairs.select(self.groups.starts)
        able = np.add.reduceat(self._started | self.missing, self.groups.starts)
        stored = {
            name: self.store.stored(name, self.model, ["source_id"]) for name in self.measured
        }
        return {
            name: (able >= fewest) & ~first.from_sources(stored[name]["source_id"])
            for name, fewest in self.measured.items()
        }

    def _cut(self, size: int, number: int) -> Iterator[Task]:
        chosen, counts = [], (self.groups.ends - self.groups.starts).tolist()
        for source in np.flatnonzero(self.unfinished).tolist():
            chosen.append(source)
            if sum(counts[one] for one in chosen) >= size:
                yield self._task(chosen, number)
                chosen, number = [], number + 1
        if chosen:
            yield self._task(chosen, number)

    def _task(self, sources: Sequence[int], number: int) -> Task:
        groups, images = self.groups, self.planned.images
        rows = np.concatenate([np.arange(groups.starts[i], groups.ends[i]) for i in sources])
        pairs = list(groups.pairs.select(rows))
        names = {i: images[int(groups.pairs.source[groups.starts[i]])] for i in sources}
        return Task(
            model=self.model,
            number=number,
            pairs=pairs,
            missing=_ids(pairs, self.missing[rows]),
            started=_ids(pairs, self._started[rows]),
            lacking={
                table: frozenset(name for i, name in names.items() if mask[i])
                for table, mask in self._lacking.items()
            },
        )


def _ids(pairs: Sequence[PlannedPair], mask: np.ndarray) -> frozenset[str]:
    return frozenset(pair.pair_id for pair, own in zip(pairs, mask.tolist(), strict=True) if own)
