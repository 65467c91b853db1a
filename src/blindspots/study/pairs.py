"""The pairs of a plan, and which of them an earlier part of the run left to do. No torch.

In columns, a model's at a time: 250,000 are 8 MB. Resuming is set subtraction: planned ids minus
present ones.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blindspots.errors import UsageError
from blindspots.schema import PREDICTIONS, SIMPLEX_FEWEST, PlannedPair
from blindspots.settings import WHOLE, Shard, differences, plan_hash
from blindspots.store.paths import Place
from blindspots.store.prediction_rows import read_predictions, read_predictions_file
from blindspots.store.run_info import RunInfo, read_run_info
from blindspots.store.writer import Store, started

ID_DIGITS = 16

INDEX = np.int32


@dataclass(frozen=True, eq=False)
class PlannedPairs(Sequence[PlannedPair]):
    """The pairs of one model in order; one is made when it is asked for.

    `images`: the ids of all images; `source`, `target`: indices into them; `label`: the class to
    keep; `target_label`: the target's; `pair_ids`: 16 bytes each. All arrays have one entry per
    pair, the others of 4 bytes.
    """

    images: Sequence[str]
    source: np.ndarray
    target: np.ndarray
    label: np.ndarray
    target_label: np.ndarray
    pair_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    @overload
    def __getitem__(self, index: int) -> PlannedPair: ...

    @overload
    def __getitem__(self, index: slice) -> "PlannedPairs": ...

    def __getitem__(self, index: int | slice) -> "PlannedPair | PlannedPairs":
        if isinstance(index, slice):
            return self.select(index)
        source, target = (self.images[int(one[index])] for one in (self.source, self.target))
        labels = int(self.label[index]), int(self.target_label[index])
        return PlannedPair(self.pair_ids[index].decode(), source, target, *labels)

    def __iter__(self) -> Iterator[PlannedPair]:
        return (self[i] for i in range(len(self)))

    def select(self, chosen: np.ndarray | slice) -> "PlannedPairs":
        """The pairs at these indices, or where this mask holds, in the order kept."""
        columns = (self.source, self.target, self.label, self.target_label, self.pair_ids)
        return PlannedPairs(self.images, *(column[chosen] for column in columns))

    def of_shard(self, shard: Shard) -> "PlannedPairs":
        return self if shard.whole else self.select(shard.takes(self.place))

    def within(self, pair_ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Whether each pair's id is among these, as a mask."""
        own = pa.array(self.pair_ids, pa.binary(ID_DIGITS)).cast(pa.binary()).cast(pa.string())
        return _is_in(own, pair_ids)

    def from_sources(self, image_ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Whether the id of each pair's source is among these, as a mask."""
        used, inverse = np.unique(self.source, return_inverse=True)
        own = pa.array([self.images[i] for i in used.tolist()], pa.string())
        return _is_in(own, image_ids)[inverse]

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the ids, in order."""
        return hashlib.sha256(self.pair_ids.tobytes()).digest()

    @cached_property
    def place(self) -> np.ndarray:
        """The place of each pair's source among the sources, in the order they come, from 0."""
        _, first, inverse = np.unique(self.source, return_index=True, return_inverse=True)
        place = np.empty(len(first), INDEX)
        place[np.argsort(first)] = np.arange(len(first))
        return place[inverse]

    @property
    def sources(self) -> int:
        return int(self.place.max(initial=-1)) + 1

    @property
    def group_size(self) -> np.ndarray:
        return np.bincount(self.place, minlength=1)[self.place] if len(self) else self.place

    def by_source(self) -> "Groups":
        ends = np.cumsum(np.bincount(self.place, minlength=self.sources))
        starts = np.concatenate([[0], ends])[:-1].astype(np.int64)
        return Groups(self.select(np.argsort(self.place, kind="stable")), starts, ends)


@dataclass(frozen=True, eq=False)
class Groups(Sequence[Sequence[PlannedPair]]):
    """The pairs of sources, each source's together; made when they are asked for.

    `starts`, `ends`: where in `pairs` each source begins and ends.
    """

    pairs: PlannedPairs
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> PlannedPairs: ...

    @overload
    def __getitem__(self, index: slice) -> "Groups": ...

    def __getitem__(self, index: int | slice) -> "PlannedPairs | Groups":
        if isinstance(index, slice):
            return Groups(self.pairs, self.starts[index], self.ends[index])
        return self.pairs[int(self.starts[index]) : int(self.ends[index])]

    def lacking(self, fewest: int, done: pa.Array | pa.ChunkedArray) -> "Groups":
        """The sources with `fewest` pairs or more whose ids are not among `done`."""
        first = self.pairs.select(self.starts)
        chosen = (self.ends - self.starts >= fewest) & ~first.from_sources(done)
        return Groups(self.pairs, self.starts[chosen], self.ends[chosen])


@dataclass(eq=False)
class PairsByModel(Mapping[str, PlannedPairs]):
    """The pairs of each model, named anew when they are asked for; only the last ones are kept.

    So twenty models take the memory of one. `models`: their names; `plan`: the pairs of one. All
    have the same sources and targets in the same order; ids and labels are a model's own.
    """

    models: Sequence[str]
    plan: Callable[[str], PlannedPairs]
    _last: tuple[str, PlannedPairs] | None = None

    def __getitem__(self, model: str) -> PlannedPairs:
        if model not in self.models:
            raise KeyError(model)
        if self._last is None or self._last[0] != model:
            self._last = None
            self._last = (model, self.plan(model))
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    @property
    def of_one_model(self) -> PlannedPairs:
        """The pairs of the model at hand, where only sources and targets matter."""
        return self._last[1] if self._last else self[self.models[0]]

    def of_shard(self, shard: Shard) -> "PairsByModel":
        return PairsByModel(self.models, lambda model: self.plan(model).of_shard(shard))

    @property
    def digest(self) -> str:
        """16 hex digits over the ids of all pairs of all models, in order."""
        digest = hashlib.sha256()
        for model, pairs in self.items():
            digest.update(model.encode() + pairs.digest)
        return digest.hexdigest()[:ID_DIGITS]


def _is_in(values: pa.Array, among: pa.Array | pa.ChunkedArray) -> np.ndarray:
    options = pc.SetLookupOptions(value_set=among)
    return pc.call_function("is_in", [values], options).to_numpy(zero_copy_only=False)


def plan_pairs(
    fingerprint: str,
    images: Sequence[str],
    source: np.ndarray,
    target: np.ndarray,
    labels: np.ndarray,
    science: Mapping[str, Any],
    grouped: bool = False,
) -> PlannedPairs:
    """The planned pairs of these sources and targets, indices into `images`.

    `labels`: the class of each image. `grouped`: the targets of a source are traversed together,
    so they come together and are part of the ids.
    """
    place = PlannedPairs(images, source, target, source, target, source).place
    if grouped:
        order = np.argsort(place, kind="stable")
        source, target, place = source[order], target[order], place[order]
    company = _companies(images, target, place) if grouped else itertools.repeat(b"")
    named = _pair_ids(_texts(IdText(fingerprint, science), images, source, target, company))
    source, target, label, target_label = (
        column.astype(INDEX, copy=False)
        for column in (source, target, labels[source], labels[target])
    )
    return PlannedPairs(images, source, target, label, target_label, named)


@dataclass(frozen=True)
class IdText:
    """Writes what is hashed to a pair's id; nothing else knows how it reads.

    It is the JSON of the model's fingerprint, both images and the science settings of a pair, and
    of `company`: the ids of all targets that are traversed together with this one, in order.
    """

    fingerprint: str
    science: Mapping[str, Any]

    def write(self, source: bytes, target: bytes, company: bytes = b"") -> bytes:
        """The text, of parts as `quoted` writes them: a million pairs share a few thousand."""
        begin, end = self._around
        more = b", " + company if company else b""
        return b"".join((begin, source, b", ", target, end, more, b"]"))

    @staticmethod
    def quoted(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, default=str).encode()

    @cached_property
    def _around(self) -> tuple[bytes, bytes]:
        keyed = self.quoted(keyed_science(self.science))
        return b"[" + self.quoted(self.fingerprint) + b", ", b", " + keyed


def _texts(
    text: IdText,
    images: Sequence[str],
    source: np.ndarray,
    target: np.ndarray,
    company: Iterable[bytes],
) -> Iterator[bytes]:
    quoted = [text.quoted(image) for image in images]
    for s, t, others in zip(source.tolist(), target.tolist(), company, strict=False):
        yield text.write(quoted[s], quoted[t], others)


def _companies(images: Sequence[str], target: np.ndarray, place: np.ndarray) -> Iterator[bytes]:
    """All targets of each pair's source; pairs whose sources come together."""
    starts = np.flatnonzero(np.diff(place, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(place)], strict=True):
        together = IdText.quoted(sorted(images[int(t)] for t in target[start:end]))
        yield from itertools.repeat(together, end - start)


def _pair_ids(texts: Iterable[bytes]) -> np.ndarray:
    half = ID_DIGITS // 2
    digests = b"".join(hashlib.sha256(text).digest()[:half] for text in texts)
    return np.frombuffer(digests.hex().encode(), f"S{ID_DIGITS}")


def pair_id(
    fingerprint: str,
    source_id: str,
    target_id: str | None,
    science: Mapping[str, Any],
    company: Sequence[str] = (),
) -> str:
    """16 hex digits of a single pair, or of a source without a target, as `IdText` writes it."""
    text = IdText(fingerprint, science)
    together = text.quoted(list(company)) if company else b""
    written = text.write(text.quoted(source_id), text.quoted(target_id), together)
    return _pair_ids([written])[0].decode()


def keyed_science(science: Mapping[str, Any]) -> dict[str, Any]:
    return {name: science[name] for name in ("method", "score", "seed", "precision")}


HULLS = {"triangles": 2, "simplices": SIMPLEX_FEWEST}


def known_predictions(
    plan: Mapping[str, Any], shard: Shard, shared: Place | None, out: Place | None
) -> pa.Table:
    """What is known of the clean images: from the file that is `shared`, and what `out` holds.

    Refused where `out` holds another plan, or another shard of this one.
    """
    rows = read_predictions_file(shared, plan) if shared is not None else PREDICTIONS.empty_table()
    info = read_run_info(out) if out is not None else None
    if info is None or out is None:
        return rows
    if info.plan_hash != plan_hash(plan):
        raise UsageError(_another_plan(out, differences(info.plan, plan)))
    stored = info.shard or WHOLE
    if stored != shard:
        raise UsageError(
            f"{out} holds {_named(stored)} and {_named(shard)} was asked for; name another --out, "
            f"or resume with {'no --shard' if stored.whole else f'--shard {stored}'}"
        )
    return pa.concat_tables([rows.cast(PREDICTIONS), read_predictions(out)])


def check_pairs(out: Place, info: RunInfo, pairs_hash: str) -> None:
    """Refuse a run directory whose earlier part worked on other pairs, though the plan is equal."""
    if info.pairs_hash not in (None, pairs_hash):
        raise UsageError(
            f"{out} holds other pairs of the same plan, because its predictions.parquet is lost "
            "and the models now name other images correctly; name another --out"
        )


def missing_pairs(
    store: Store,
    model: str,
    planned: PlannedPairs,
    dropped: bool,
    measured: Container[str] = frozenset(HULLS),
) -> np.ndarray:
    """Which of a model's pairs are to be traversed, as a mask.

    Those without a row, and those that were traversed and whose found image is not there, as in a
    copy that was made while the run went on. `dropped`: found images were removed on purpose, so
    only those count with which something is still to be measured, of the tables `measured`.
    """
    rows = store.stored("pairs", model, ["pair_id", "ending"])
    missing = ~planned.within(rows["pair_id"])
    begun = np.flatnonzero(planned.within(started(rows)))
    traversed = planned.select(begun)
    lost = ~traversed.within(store.found_ids())
    if dropped and lost.any():
        lost &= _unmeasured(store, model, traversed, measured)
    missing[begun[lost]] = True
    return missing


def _unmeasured(
    store: Store, model: str, traversed: PlannedPairs, measured: Container[str]
) -> np.ndarray:
    """Whether something is still to be measured of the sources of these pairs, as a mask."""
    unmeasured = np.zeros(len(traversed), bool)
    for table in filter(measured.__contains__, HULLS):
        done = store.stored(table, model, ["source_id"])["source_id"]
        unmeasured |= (traversed.group_size >= HULLS[table]) & ~traversed.from_sources(done)
    return unmeasured


def _another_plan(out: Place, differing: list[str]) -> str:
    more = f" (and {len(differing) - 6} more)" if len(differing) > 6 else ""
    return (
        f"{out} holds another plan: {'; '.join(differing[:6])}{more}; "
        "name another --out, or give the settings it was made with"
    )


def _named(shard: Shard) -> str:
    return "the whole plan" if shard.whole else f"shard {shard} of this plan"
