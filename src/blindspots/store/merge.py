"""Joins the run directories of shards that were worked on apart. Files alone: no torch here."""

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from blindspots.errors import UsageError
from blindspots.schema import PAIRS, TABLES, Ending
from blindspots.settings import Shard, differences
from blindspots.store.archives import PICTURES
from blindspots.store.atomic import PARTIAL, write_bytes
from blindspots.store.lock import hold, refuse_held
from blindspots.store.parquet import damage, distinct, file_digest, row_files
from blindspots.store.paths import Place, check_writable, children
from blindspots.store.prediction_rows import PREDICTIONS_FILE
from blindspots.store.reader import Run
from blindspots.store.run_info import AGAIN, INFO_FILE, RunInfo, ShardFacts, read_run_info, row_sum
from blindspots.store.writer import Store, check_own

T = TypeVar("T")
_SHOWN = 6
_KEPT = ("none", "found", "path")
_OF_A_RUN = {one.name for one in fields(ShardFacts)} - {"number", "of", "more"}


@dataclass(frozen=True)
class ShardRun:
    path: Place

    @cached_property
    def info(self) -> RunInfo:
        """What its `run.json` says; refused where it is no run."""
        return Run(self.path).info

    @cached_property
    def shard(self) -> Shard:
        """Which share of the plan it is; refused where it is none."""
        stored = self.info.shard
        if stored is None or stored.whole:
            raise UsageError(
                f"{self.path} is a whole run and no shard; expected directories of "
                "blindspots run --shard"
            )
        if self.info.plan_hash is None or not self.info.pairs:
            raise UsageError(
                f"{self.path / INFO_FILE} does not say which pairs of which plan it holds; {AGAIN}"
            )
        return stored

    @cached_property
    def pairs(self) -> Mapping[str, int]:
        rows = distinct(row_files(self.path, "pairs"), PAIRS, ["model", "pair_id", "target_id"])
        models = rows.filter(rows["target_id"].is_valid())["model"]
        return {entry["values"]: entry["counts"] for entry in models.value_counts().to_pylist()}

    def lacks(self) -> Iterator[str]:
        name, planned = f"shard {self.shard} in {self.path}", self.info.pairs
        short = {model: planned[model] - self.pairs.get(model, 0) for model in planned}
        for model, count in short.items():
            if count:
                yield f"{name} lacks {count} of {planned[model]} pairs of {model}"
        if not self.info.finished and not any(short.values()):
            yield f"{name} is not finished"

    def damaged(self) -> Iterator[str]:
        digests = self.info.tables
        for table in TABLES:
            for file in row_files(self.path, table):
                if reason := damage(file, digests.get(file.name)):
                    yield f"{file} is damaged ({reason})"


def merge_shards(
    paths: Sequence[Place], out: Place, command: str = "", allow_missing: bool = False
) -> list[str]:
    """Write the run directory that shards make together; what is missing in it.

    Images are linked where the file system can, else copied. Refused where the plans or the pairs
    differ, a shard is given twice, a file is damaged, or something is missing that is not allowed
    to be.
    """
    parts = sorted(map(ShardRun, paths), key=lambda part: part.shard.number)
    _check_equal(parts)
    missing = _missing(parts)
    if missing and not allow_missing:
        raise UsageError(
            f"{_some(missing)}; expected every shard, finished; resume those with the commands "
            "they were started with, or give --allow-missing for what there is"
        )
    _check_out(parts, out)
    with hold(out):
        store = Store(out)
        store.sweep()
        # First, because a kill behind the tables would leave what looks like no run.
        begun = _info(parts, missing, finished=False)
        store.write_info(replace(begun, command=command, tables={}))
        for folder in PICTURES:
            for part in parts:
                _link_all(part.path / folder, out / folder)
        _link(parts[0].path / PREDICTIONS_FILE, out / PREDICTIONS_FILE)
        replaced = _replaced(store, parts)
        for note in replaced:
            warnings.warn(note, stacklevel=2)
        tables = store.compact([part.path for part in parts])
        info = _info(parts, [*replaced, *missing], finished=not missing)
        store.write_info(replace(info, command=command, tables=tables))
    return missing


def _replaced(store: Store, parts: Sequence[ShardRun]) -> list[str]:
    """What the shards hold anew of an earlier merge, as a note; none where nothing changed."""
    columns = ["model", "pair_id", "ending", "seconds"]
    before = _courses(row_files(store.path, "pairs"), columns)
    now = _courses([f for part in parts for f in row_files(part.path, "pairs")], columns)
    changed = [key for key in before.keys() & now.keys() if before[key] != now[key]]
    kept = sum(now[key][0] == Ending.UNREADABLE for key in changed)
    notes = []
    if count := len(changed) - kept:
        notes.append(f"{count} pairs of an earlier merge were replaced by what their shards hold")
    if kept:
        notes.append(
            f"{kept} pairs of an earlier merge were kept, because their shards could not read them"
        )
    return notes


def _courses(files: Sequence[Place], columns: Sequence[str]) -> dict[Any, Any]:
    """How each pair of these files ended and how long it took, by model and id."""
    rows = distinct(files, PAIRS, columns).to_pydict()
    model, pair, ending, seconds = (rows[name] for name in columns)
    return dict(zip(zip(model, pair, strict=True), zip(ending, seconds, strict=True), strict=True))


def _check_equal(parts: Sequence[ShardRun]) -> None:
    first, *others = parts
    for part in others:
        if part.info.plan_hash != first.info.plan_hash:
            differing = differences(first.info.plan, part.info.plan)
            raise UsageError(
                f"{first.path} and {part.path} hold different plans: {_some(differing)}; "
                "expected shards of one plan"
            )
        if part.info.pairs_hash != first.info.pairs_hash:
            raise UsageError(
                f"{first.path} and {part.path} planned different pairs, because their models gave "
                "other answers about clean images, as on another device; run the shards again with "
                "one --predictions FILE for all"
            )
        if part.shard.of != first.shard.of:
            raise UsageError(
                f"{first.path} is shard {first.shard} and {part.path} is shard {part.shard}; "
                "expected shards of the same number of shards"
            )
    _check_single(parts)
    if damaged := [what for part in parts for what in part.damaged()]:
        raise UsageError(f"{_some(damaged)}; resume its shard, which does those rows again")


def _check_single(parts: Sequence[ShardRun]) -> None:
    times = Counter(part.shard.number for part in parts)
    for part in parts:
        if times[part.shard.number] > 1:
            same = ", ".join(str(p.path) for p in parts if p.shard == part.shard)
            raise UsageError(f"shard {part.shard} is given more than once: {same}; give it once")
    keys = ["model", "pair_id"]
    each = sum(len(distinct(row_files(p.path, "pairs"), PAIRS, keys)) for p in parts)
    files = [file for part in parts for file in row_files(part.path, "pairs")]
    if double := each - len(distinct(files, PAIRS, keys)):
        raise UsageError(
            f"{double} rows of pairs are in more than one shard; expected each once: were shards "
            "of different versions given?"
        )


def _check_out(parts: Sequence[ShardRun], out: Place) -> None:
    """Refuse a directory that holds something else than what was merged of this plan before."""
    check_writable(out)
    check_own(out)
    refuse_held(out)
    stored = read_run_info(out)
    if stored is None:
        return
    if stored.shards is None or stored.plan_hash != parts[0].info.plan_hash:
        raise UsageError(
            f"{out} holds another run; expected a new directory, or one that shards of this plan "
            "were merged into; name another --out"
        )


def _missing(parts: Sequence[ShardRun]) -> list[str]:
    of, given = parts[0].shard.of, {part.shard.number for part in parts}
    absent = [str(number) for number in range(1, of + 1) if number not in given]
    lacking = [what for part in parts for what in part.lacks()]
    if not absent:
        return lacking
    more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
    many = "shards" if len(absent) > 1 else "shard"
    return [f"{many} {', '.join(absent[:_SHOWN])}{more} of {of} not given", *lacking]


def _info(parts: Sequence[ShardRun], remarks: Sequence[str], finished: bool) -> RunInfo:
    infos = [part.info for part in parts]
    notes, sums = dict.fromkeys(note for info in infos for note in info.notes), _sums(infos)
    return replace(
        infos[0],
        shard=None,
        shards=[_shard_facts(part) for part in parts],
        pairs=dict(sum((Counter(info.pairs) for info in infos), Counter())),
        row_sums=sums,
        # What an earlier version's shard lacks, the whole lacks.
        straight=infos[0].straight if sums else None,
        keep=min(_known(info.keep for info in infos), key=_KEPT.index, default=None),
        found_dropped=any(info.found_dropped for info in infos),
        device=", ".join(dict.fromkeys(_known(info.device for info in infos))),
        notes=[*notes, *_versions(parts), *remarks],
        started=min(_known(info.started for info in infos), default=None),
        finished=max(_known(info.finished for info in infos)) if finished else None,
        seconds=sum(_known(info.seconds for info in infos)),
    )


def _shard_facts(part: ShardRun) -> ShardFacts:
    own = {name: getattr(part.info, name) for name in _OF_A_RUN}
    return ShardFacts(number=part.shard.number, of=part.shard.of, **own)


def _sums(infos: Sequence[RunInfo]) -> dict[str, str] | None:
    """The `row_sums` of the whole; None where a shard of an earlier version has none."""
    known = _known(info.row_sums for info in infos)
    if len(known) < len(infos):
        return None
    return {name: row_sum(own[name] for own in known if name in own) for name in known[0]}


def _known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def _versions(parts: Sequence[ShardRun]) -> Iterator[str]:
    for package in parts[0].info.versions:
        where: dict[str, list[str]] = defaultdict(list)
        for part in parts:
            where[str(part.info.versions.get(package))].append(str(part.shard.number))
        if len(where) > 1:
            each = "; ".join(f"{v} in {_some(numbers, ', ')}" for v, numbers in where.items())
            yield f"shards ran with different versions of {package}: {each}"


def _link_all(folder: Place, out: Place) -> None:
    for file in children(folder):
        if file.suffix != PARTIAL:
            _link(file, out / file.name)


def _link(file: Place, out: Place) -> None:
    """The same file under another name, or a copy where there can be no link."""
    if not file.exists() or (out.exists() and _same(file, out)):
        return
    try:
        if not out.exists() and isinstance(file, Path) and isinstance(out, Path):
            os.link(file, out)
            return
    except OSError:
        pass
    write_bytes(out, file.read_bytes())


def _same(file: Place, out: Place) -> bool:
    """Whether both hold the same; what a shard computed anew takes the place of what it was."""
    if isinstance(file, Path) and isinstance(out, Path) and file.samefile(out):
        return True
    return file_digest(file) == file_digest(out)


def _some(texts: Sequence[str], between: str = "; ") -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return between.join(texts[:_SHOWN]) + more
