"""A case of the explorer as a run directory, which `table`, `report` and `verify` read."""

import datetime
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from blindspots.engine.batch import to_8bit
from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.explorer.image_catalog import pixels_of
from blindspots.explorer.model_thread import Event
from blindspots.explorer.result_cache import CachedResult
from blindspots.measure.hulls import Corners
from blindspots.measure.measurer import Measurer, course
from blindspots.measure.metrics import find_lpips
from blindspots.methods import describe_method
from blindspots.models.classifier import class_name
from blindspots.schema import SIMPLEX_FEWEST
from blindspots.settings import ScienceSettings, plan_hash
from blindspots.store.paths import inside
from blindspots.store.run_info import ImagesFacts, Preflight, RunInfo, installed_versions
from blindspots.store.writer import Row, Store
from blindspots.study.pairs import pair_id
from blindspots.study.run import utc_now
from blindspots.study.subjects import model_facts

MOST_RESULTS = 32
SEED = 0


def check_case(found: Sequence[CachedResult]) -> None:
    """Refuse results that are no one run: none, of several methods, of a pair twice."""
    if not found:
        raise UsageError(
            "nothing was found yet, so there is nothing to save; start a traversal first"
        )
    if len({one.method for one in found}) > 1:
        raise UsageError(
            "these results were found with different settings; a run directory has one method, so "
            "save them one after the other"
        )
    if len({(one.model, one.source, one.target) for one in found}) < len(found):
        raise UsageError("a pair is among these results twice; save each once")


def hull_rows(subject: Subject, found: Sequence[CachedResult]) -> Iterator[Event]:
    """The measured rows of triangles and simplices, each as an event with its table."""
    measurer = Measurer(subject.model, subject.evaluator, found[0].method.delta)
    for source, ones in _by_source(found).items():
        twos = list(combinations(ones, 2))
        for (first, second), columns in zip(
            twos, measurer.triangles(map(_corners, twos)), strict=True
        ):
            targets = {"target_1": first.target, "target_2": second.target}
            yield _event("triangles", {**_key(subject, source), **targets, **columns})
        if len(ones) >= SIMPLEX_FEWEST:
            (columns,) = measurer.simplices([(source, _corners(ones))], SEED)
            yield _event("simplices", {**_key(subject, source), "k": len(ones), **columns})


@dataclass(frozen=True)
class SavedCase:
    """What is to be saved: results of one method, and the measured rows of their hulls."""

    subjects: Mapping[str, Subject]
    found: Sequence[CachedResult]
    hulls: Sequence[Event]
    spec: str

    def write(self, out: Path) -> Path:
        """Write a new directory below `out`; its path."""
        path = _new_directory(out, self.found[0])
        store, plan = Store(path), self._plan()
        lpips, note = find_lpips(None)
        rows = [self._row(plan, one, lpips) for one in self.found]
        store.write_info(self._info(plan, [note] if note else []))
        for row, one in zip(rows, self.found, strict=True):
            self._save_pictures(store, row, one)
        store.append("pairs", rows)
        for table in ("triangles", "simplices"):
            store.append(table, [event["row"] for event in self.hulls if event["table"] == table])
        store.compact()
        return path

    def _models(self) -> list[Subject]:
        return [self.subjects[name] for name in dict.fromkeys(one.model for one in self.found)]

    def _plan(self) -> dict[str, Any]:
        pairs = tuple(dict.fromkeys((one.source, one.target) for one in self.found))
        science = ScienceSettings(
            method=describe_method(self.found[0].method), seed=SEED, pairs=pairs
        )
        digest = hashlib.sha256(repr(sorted({name for pair in pairs for name in pair})).encode())
        return {
            "models": {subject.name: subject.fingerprint for subject in self._models()},
            "images": {"content": digest.hexdigest()[:16]},
            **science.identity(),
        }

    def _row(self, plan: Mapping[str, Any], one: CachedResult, lpips: Any) -> Row:
        subject, outcome = self.subjects[one.model], one.outcome
        row = {
            "model": one.model,
            "pair_id": pair_id(subject.fingerprint, one.source, one.target, plan, one.company),
            "source_id": one.source,
            "target_id": one.target,
            "source_class": outcome.label,
            "target_class": one.aim[0],
            "source_name": class_name(subject.model, outcome.label),
            "target_name": one.aim[1],
            **course(outcome),
            **one.columns,
        }
        if lpips is not None:
            image, target, source = outcome.found, outcome.pair.target, outcome.pair.source
            row["lpips"] = float(lpips(image[None], target[None]))
            row["source_lpips"] = float(lpips(image[None], source[None]))
        return row

    def _save_pictures(self, store: Store, row: Row, one: CachedResult) -> None:
        suffix, outcome = self.subjects[one.model].image_suffix, one.outcome
        store.save_image(one.source + suffix, pixels_of(outcome.pair.source))
        store.save_image(one.target + suffix, pixels_of(outcome.pair.target))
        store.save_found(row["pair_id"], outcome.found.numpy(), to_8bit(outcome.found).numpy())
        if outcome.path is not None:
            store.save_path(row["pair_id"], outcome.path)

    def _info(self, plan: dict[str, Any], notes: Sequence[str]) -> RunInfo:
        now, models = utc_now(), self._models()
        used = {name for one in self.found for name in (one.source, one.target)}
        return RunInfo(
            plan_hash=plan_hash(plan),
            plan=plan,
            pairs=Counter(one.model for one in self.found),
            models=[model_facts(one, self._preflight(one)) for one in models],
            images=ImagesFacts(spec=self.spec, count=len(used)),
            straight=self.found[0].method.straight,
            keep="path",
            device=str(models[0].model.device),
            layout={one.name: one.model.layout for one in models},
            compiled={one.name: False for one in models},
            versions=installed_versions(),
            notes=["saved from the explorer", *notes],
            command="blindspots explore",
            started=now,
            finished=now,
            seconds=sum(one.outcome.seconds for one in self.found),
        )

    def _preflight(self, subject: Subject) -> Preflight:
        mine = {one.source: one for one in self.found if one.model == subject.name}.values()
        confidence = sum(one.outcome.p_source for one in mine) / len(mine)
        return Preflight(images=len(mine), labelled=False, mean_confidence=confidence)


def _new_directory(out: Path, one: CachedResult) -> Path:
    """A directory that is not there yet; ids are safe as file names."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 100):
        more = "" if number == 1 else f"-{number}"
        path = out / inside(out, f"{one.source}-to-{one.target}-{stamp}{more}").name
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise UsageError("a hundred cases were saved in this second; wait for the next one")


def _by_source(found: Sequence[CachedResult]) -> dict[str, list[CachedResult]]:
    groups: dict[str, list[CachedResult]] = defaultdict(list)
    for one in found:
        groups[one.source].append(one)
    return groups


def _corners(found: Sequence[CachedResult]) -> Corners:
    source = found[0].outcome
    return Corners((source.pair.source, *(one.outcome.found for one in found)), source.label)


def _key(subject: Subject, source: str) -> Row:
    return {"model": subject.name, "source_id": source}


def _event(table: str, row: Row) -> Event:
    return {"kind": "row", "table": table, "row": row}
