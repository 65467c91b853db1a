"""One model's share of a run's work: pairs to rows and files, hulls to rows. Knows no backend."""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice
from typing import Any, TypeVar

import torch

from blindspots.engine.batch import Pair, TraversalResult, to_8bit
from blindspots.engine.evaluator import Subject
from blindspots.engine.scheduler import Engine
from blindspots.measure.measurer import Ends, Measurer, RowMaker, Traversed
from blindspots.measure.metrics import Lpips
from blindspots.methods.method import Method
from blindspots.progress import Ticker
from blindspots.schema import FORWARD, Ending, PlannedPair
from blindspots.settings import SNAPSHOTS, Keep
from blindspots.store.writer import Store

Given = TypeVar("Given")
Made = TypeVar("Made")

MOST_THREADS, HELD_BYTES = 8, 2**28
Loaded = TypeVar("Loaded")
Costly = tuple[PlannedPair, float]
Ended = tuple[PlannedPair, Ending]


@dataclass(frozen=True)
class Work:
    """What has to be known to traverse and measure pairs of one model.

    `seed`: of the run. `keep`: what of the found images and paths stays on the disk.
    """

    subject: Subject
    method: Method
    store: Store
    seed: int
    keep: Keep
    lpips: Lpips | None = None
    # The latest found images, so that their hulls are measured without reading them again.
    _held: dict[str, torch.Tensor] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def rows(self) -> RowMaker:
        measurer = Measurer(
            self.subject.model, self.subject.evaluator, self.method.delta, self.lpips
        )
        return RowMaker(self.subject, measurer, self.seed)

    def traverse(self, pairs: Iterable[Costly], tick: Ticker) -> Iterator[list[Ended]]:
        """Traverse pairs and store them; those that were stored with their endings, as they end.

        Each pair comes with the evaluations it costs at most, of which `tick` hears all in the end.
        Images are decoded in threads ahead of the model. A pair with an image that cannot be read
        gets its row and nothing else.
        """
        in_flight, lost = dict[str, Costly](), list[Costly]()
        for ended in self._engine(tick).run(self._load_pairs(pairs, in_flight, lost)):
            yield self._unreadable(lost, tick)
            finished = [(*in_flight.pop(outcome.pair.id), outcome) for outcome in ended]
            self._save([(planned, outcome) for planned, _, outcome in finished])
            tick(sum(cost - outcome.evaluations + FORWARD for _, cost, outcome in finished))
            yield [(planned, outcome.ending) for planned, _, outcome in finished]
        yield self._unreadable(lost, tick)

    def measure(self, table: str, sources: Iterable[Sequence[PlannedPair]]) -> Iterator[None]:
        """Append a table's rows about the found images of sources, a source at once."""
        for rows in self._measured(table, sources):
            self.store.append(table, rows)
            yield

    def save_images(self, image_ids: Iterable[str]) -> None:
        """Save sources and targets as the model sees them, where they are not there yet."""
        images = self.subject.images
        for image_id in image_ids:
            name, index = image_id + self.subject.image_suffix, images.find(image_id)
            if not self.store.has_image(name) and images.take_readable([index])[0]:
                self.store.save_image(name, images.uint8(index))

    def _measured(
        self, table: str, sources: Iterable[Sequence[PlannedPair]]
    ) -> Iterator[list[dict[str, Any]]]:
        if table == "nulls":
            return self.rows.nulls(map(self._ends, sources))
        return getattr(self.rows, table)(map(self._traversed, sources))

    def _engine(self, tick: Ticker) -> Engine:
        return Engine(
            self.subject.evaluator,
            self.method,
            slots=self.subject.batch,
            snapshots=SNAPSHOTS if self.keep == "path" else 0,
            seed=self.seed,
            tick=tick,
        )

    def _load_pairs(
        self, pairs: Iterable[Costly], in_flight: dict[str, Costly], lost: list[Costly]
    ) -> Iterator[Pair]:
        """The pairs with their images; what is known of them goes to `in_flight`, or to `lost`."""
        # As many again as may be in flight, and as many more: a pair may take several slots.
        depth = max(2, 2 * self.subject.batch // self.method.points(1))
        threads = min(MOST_THREADS, os.cpu_count() or 1)
        loaded = ahead(lambda one: self._pair(one[0]), pairs, depth, threads)
        for group in self._together(loaded):
            # What is traversed together is not traversed without one of them.
            if any(pair is None for _, pair in group):
                lost += [one for one, _ in group]
                continue
            for one, pair in group:
                in_flight[one[0].pair_id] = one
                yield pair  # type: ignore[misc]

    def _together(
        self, loaded: Iterable[tuple[Costly, Pair | None]]
    ) -> Iterator[list[tuple[Costly, Pair | None]]]:
        if not self.method.grouped:
            return ([one] for one in loaded)
        return (list(own) for _, own in groupby(loaded, lambda one: one[0][0].source_id))

    def _pair(self, planned: PlannedPair) -> Pair | None:
        """A pair with its images; None where one cannot be read."""
        images = self.subject.images
        ends = [images.find(planned.source_id), images.find(planned.target_id)]
        readable, decoded = images.take_readable(ends)
        if len(readable) < len(ends):
            return None
        source, target = decoded
        return Pair(planned.pair_id, source, target, planned.label, planned.source_id)

    def _unreadable(self, lost: list[Costly], tick: Ticker) -> list[Ended]:
        """Store the pairs whose images cannot be read, and forget them."""
        pairs = [planned for planned, _ in lost]
        if pairs:
            self.store.append("pairs", [self.rows.unreadable(pair) for pair in pairs])
        tick(sum(cost for _, cost in lost))
        lost.clear()
        return [(pair, Ending.UNREADABLE) for pair in pairs]

    def _save(self, ended: Sequence[tuple[PlannedPair, TraversalResult]]) -> None:
        """Save what belongs to the rows first: a row that is there has its files."""
        rows = self.rows.pairs(ended)
        for planned, outcome in ended:
            self._save_image(planned.source_id, outcome.pair.source)
            self._save_image(planned.target_id, outcome.pair.target)
            if outcome.ending.started:
                self.store.save_found(
                    planned.pair_id, outcome.found.numpy(), to_8bit(outcome.found).numpy()
                )
                self._hold(planned.pair_id, outcome.found)
            if outcome.ending.started and outcome.path is not None:
                self.store.save_path(planned.pair_id, outcome.path)
        self.store.append("pairs", rows)

    def _save_image(self, image_id: str, image: torch.Tensor) -> None:
        name = image_id + self.subject.image_suffix
        if not self.store.has_image(name):
            self.store.save_image(name, to_8bit(image).permute(1, 2, 0).numpy())

    def _traversed(self, found: Sequence[PlannedPair]) -> Traversed:
        images = self.subject.images
        (source,) = images.take([images.find(found[0].source_id)])
        return Traversed(source, [(pair, self._found(pair.pair_id)) for pair in found])

    def _hold(self, pair_id: str, found: torch.Tensor) -> None:
        self._held[pair_id] = found.clone()  # it may be a part of a whole batch
        while len(self._held) * found.nbytes > HELD_BYTES:
            del self._held[next(iter(self._held))]

    def _found(self, pair_id: str) -> torch.Tensor:
        held = self._held.get(pair_id)
        return torch.from_numpy(self.store.load_found(pair_id)) if held is None else held

    def _ends(self, found: Sequence[PlannedPair]) -> list[Ends]:
        images = self.subject.images
        ids = [(pair.source_id, pair.target_id) for pair in found]
        taken = [images.take([images.find(one) for one in both]) for both in ids]
        return [Ends(pair, (ends[0], ends[1])) for pair, ends in zip(found, taken, strict=True)]


def by_source(pairs: Iterable[PlannedPair]) -> list[list[PlannedPair]]:
    groups: dict[str, list[PlannedPair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.source_id].append(pair)
    return list(groups.values())


def ahead(
    make: Callable[[Given], Made], given: Iterable[Given], depth: int, threads: int
) -> Iterator[tuple[Given, Made]]:
    """Each of what is given with what is made of it, in order, up to `depth` made ahead.

    What is given is taken by the caller's own thread. What `make` raises is raised in its turn.
    """
    queue, waiting = iter(given), deque[tuple[Given, Future[Made]]]()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        try:
            while True:
                wanted = islice(queue, max(1, depth) - len(waiting))
                waiting.extend((one, pool.submit(make, one)) for one in wanted)
                if not waiting:
                    return
                one, made = waiting.popleft()
                yield one, made.result()
        finally:
            for _, made in waiting:
                made.cancel()
