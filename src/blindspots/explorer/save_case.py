"""A case of the explorer as a run directory, which `table`, `report` and `verify` read."""

import datetime
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from blindspots.engine.batch import to_8bit
from blindspots.engine.evaluator import Subject
from blindspots.errors import UsageError
from blindspots.explorer.image_catalog import ImageCatalog, pixels_of
from blindspots.explorer.model_thread import Event
from blindspots.explorer.result_cache import CachedResult
from blindspots.measure.measurer import Ends, Measurer, RowMaker, Traversed
from blindspots.measure.metrics import find_lpips
from blindspots.methods import describe_method
from blindspots.reporting.selection import striking_case
from blindspots.schema import PREDICTIONS, SIMPLEX_FEWEST, PlannedPair
from blindspots.settings import ScienceSettings, plan_hash
from blindspots.store.paths import inside
from blindspots.store.reader import Run
from blindspots.store.run_info import (
    ImagesFacts,
    Preflight,
    RunInfo,
    installed_versions,
    row_sum,
)
from blindspots.store.writer import Row, Store
from blindspots.study.contrast import contrast_steps
from blindspots.study.pairs import pair_id
from blindspots.study.run import utc_now
from blindspots.study.subjects import model_facts
from blindspots.study.survey import answer

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


@dataclass(frozen=True)
class SavedCase:
    """What is to be saved: results of one method, of these images."""

    subjects: Mapping[str, Subject]
    found: Sequence[CachedResult]
    images: ImageCatalog

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(one.model for one in self.found))

    def rows(self, subject: Subject) -> Iterator[Event]:
        """What a run measures of the same pairs, and what the model says of their images."""
        lpips, _ = find_lpips(None)
        measurer = Measurer(subject.model, subject.evaluator, self.found[0].method.delta, lpips)
        maker, plan = RowMaker(subject, measurer, SEED), self._plan()
        ended = [
            (self._planned(subject, one, plan), one.outcome)
            for one in self.found
            if one.model == subject.name
        ]
        yield from _events("predictions", self._predictions(subject))
        yield from _events("pairs", maker.pairs(ended))
        groups = defaultdict(list)
        for pair, outcome in ended:
            groups[pair.source_id].append((pair, outcome))
        hulls = [
            Traversed(own[0][1].pair.source, [(pair, outcome.found) for pair, outcome in own])
            for own in groups.values()
        ]
        for rows in maker.triangles(hulls):
            yield from _events("triangles", rows)
        for rows in maker.simplices(one for one in hulls if len(one.found) >= SIMPLEX_FEWEST):
            yield from _events("simplices", rows)
        for rows in maker.nulls(
            [Ends(pair, (outcome.pair.source, outcome.pair.target)) for pair, outcome in own]
            for own in groups.values()
        ):
            yield from _events("nulls", rows)

    def write(self, out: Path, events: Sequence[Event]) -> Path:
        path = _new_directory(out, self.found[0])
        store, rows = Store(path), defaultdict(list)
        for event in events:
            rows[event["table"]].append(event["row"])
        for row, one in zip(rows["pairs"], self.found, strict=True):
            self._save_pictures(store, row, one)
        said = rows.pop("predictions")
        store.write_predictions(pa.Table.from_pylist(said, schema=PREDICTIONS))
        for table, own in rows.items():
            store.append(table, own)
        tables, (_, note) = store.compact(), find_lpips(None)
        info, ids = self._info(said, [note] if note else []), defaultdict(list)
        for row in rows["pairs"]:
            ids[row["model"]].append(row["pair_id"])
        sums = {name: row_sum(own) for name, own in ids.items()}
        store.write_info(replace(info, row_sums=sums, tables=tables))
        return path

    def contrast(self, subject: Subject, path: Path) -> Iterator[None]:
        """Add the contrast of the written case's headline pair, if that is this model's."""
        return contrast_steps(path, [subject], striking_case(Run(path)))

    def _predictions(self, subject: Subject) -> Iterator[Row]:
        own = (one for one in self.found if one.model == subject.name)
        images = {
            image: pixels
            for one, pair in ((one, one.outcome.pair) for one in own)
            for image, pixels in ((one.source, pair.source), (one.target, pair.target))
        }
        stacked = torch.stack(list(images.values())).to(subject.model.device)
        said = subject.evaluator.exact.logits(stacked).softmax(dim=1).cpu()
        for image, row in zip(images, said, strict=True):
            prediction = answer(row, self.images.given(image, subject.name))
            yield {"model": subject.name, "image_id": image, **prediction._asdict()}

    def _planned(self, subject: Subject, one: CachedResult, plan: Mapping[str, Any]) -> PlannedPair:
        name = pair_id(subject.fingerprint, one.source, one.target, plan, one.company)
        given = self.images.given(one.target, subject.name)
        target = given if given >= 0 else one.aim[0]
        return PlannedPair(name, one.source, one.target, one.outcome.label, target)

    def _plan(self) -> dict[str, Any]:
        pairs = tuple(dict.fromkeys((one.source, one.target) for one in self.found))
        science = ScienceSettings(
            method=describe_method(self.found[0].method), seed=SEED, pairs=pairs
        )
        digest = hashlib.sha256(repr(sorted({name for pair in pairs for name in pair})).encode())
        return {
            "models": {name: self.subjects[name].fingerprint for name in self.models},
            "images": {"content": digest.hexdigest()[:16]},
            **science.identity(),
        }

    def _save_pictures(self, store: Store, row: Row, one: CachedResult) -> None:
        suffix, outcome = self.subjects[one.model].image_suffix, one.outcome
        store.save_image(one.source + suffix, pixels_of(outcome.pair.source))
        store.save_image(one.target + suffix, pixels_of(outcome.pair.target))
        store.save_found(row["pair_id"], outcome.found.numpy(), to_8bit(outcome.found).numpy())
        if outcome.path is not None:
            store.save_path(row["pair_id"], outcome.path)

    def _info(self, said: Sequence[Row], notes: Sequence[str]) -> RunInfo:
        now, models, plan = utc_now(), [self.subjects[name] for name in self.models], self._plan()
        used = {name for one in self.found for name in (one.source, one.target)}
        return RunInfo(
            plan_hash=plan_hash(plan),
            plan=plan,
            pairs=Counter(one.model for one in self.found),
            models=[model_facts(one, self._preflight(one, said)) for one in models],
            images=ImagesFacts(spec=self.images.spec, count=len(used)),
            straight=self.found[0].method.straight,
            keep="path",
            backend="serial",
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

    def _preflight(self, subject: Subject, said: Sequence[Row]) -> Preflight:
        own = [row for row in said if row["model"] == subject.name]
        given = [self.images.given(row["image_id"], subject.name) for row in own]
        right = [row["predicted"] == label for row, label in zip(own, given, strict=True)]
        return Preflight(
            images=len(own),
            labelled=min(given) >= 0,
            accuracy=sum(right) / len(own) if min(given) >= 0 else None,
            mean_confidence=sum(row["confidence"] for row in own) / len(own),
        )


def _new_directory(out: Path, one: CachedResult) -> Path:
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


def _events(table: str, rows: Iterable[Row]) -> Iterator[Event]:
    return ({"kind": "row", "table": table, "row": row} for row in rows)
