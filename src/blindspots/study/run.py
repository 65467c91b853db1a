"""The main job: pairs → engine → rows and images, resumable at any moment."""

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from blindspots.engine.evaluator import Subject
from blindspots.errors import WorkFailed
from blindspots.measure.measurer import Row, class_name, known_class, nothing_done
from blindspots.measure.metrics import find_lpips
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.schema import Ending
from blindspots.settings import Keep, plan_hash
from blindspots.store.atomic import storage_failure
from blindspots.store.lock import hold
from blindspots.store.paths import Place
from blindspots.store.run_info import (
    ImagesFacts,
    RunInfo,
    installed_versions,
    read_run_info,
    row_sum,
)
from blindspots.store.writer import Store
from blindspots.study.backends.backend import Backend, RunJob, Serial
from blindspots.study.pairs import check_pairs
from blindspots.study.prepare import Prepared
from blindspots.study.subjects import model_facts


@dataclass(frozen=True)
class Experiment:
    prepared: Prepared
    method: Method
    out: Place
    command: str = ""
    reporter: Reporter = field(default_factory=Reporter)
    backend: Backend = field(default_factory=Serial)

    def execute(self) -> Place:
        """Do what is not done yet and leave a finished run directory; its path.

        What is finished survives any end: `WorkFailed` where the disk is full or memory ran out,
        `KeyboardInterrupt` passed on. The same call then goes on from there.
        """
        try:
            with hold(self.out):
                self._work(time.perf_counter())
        except OSError as error:
            raise WorkFailed(
                f"{storage_failure(error)}; finished pairs are kept in {self.out}; "
                "make space or mend that, then the same command resumes"
            ) from error
        return self.out

    def _work(self, began: float) -> None:
        lpips, note = find_lpips(self.prepared.request.machine.lpips_weights)
        store, info = self._opened([note] if note else [])
        self._append_misclassified(store)
        self.backend.run(
            RunJob(
                prepared=self.prepared,
                method=self.method,
                store=store,
                reporter=self.reporter,
                keep=self.keep,
                dropped=info.found_dropped,
                archives=self.archives,
                lpips=lpips,
            )
        )
        with self.reporter.busy("joining rows"):
            tables = store.compact()
        seconds = (info.seconds or 0.0) + time.perf_counter() - began
        store.write_info(replace(info, finished=utc_now(), seconds=seconds, tables=tables))

    def _append_misclassified(self, store: Store) -> None:
        for subject in self.prepared.subjects:
            present = set(store.stored("pairs", subject.name, ["pair_id"])["pair_id"].to_pylist())
            rows = misclassified(self.prepared, subject)
            store.append("pairs", [row for row in rows if row["pair_id"] not in present])

    def _opened(self, notes: Sequence[str]) -> tuple[Store, RunInfo]:
        """The store, with what is damaged in it set aside, and what its `run.json` says now."""
        stored = read_run_info(self.out) or RunInfo()
        check_pairs(self.out, stored, self.prepared.pairs_hash)
        store, info = Store(self.out), self._info(stored, notes)
        store.sweep()
        for what in store.set_aside_damaged(stored.tables):
            self.reporter.warn(what)
        store.write_info(info)
        store.write_predictions(self.prepared.survey.rows(self.prepared.subjects[0].images.ids))
        return store, info

    def _info(self, stored: RunInfo, notes: Sequence[str]) -> RunInfo:
        prepared, subjects = self.prepared, self.prepared.subjects
        images = subjects[0].images
        said = {spec: title for spec, title in prepared.request.titles.items() if title}
        titles = {facts.spec: facts.title for facts in stored.models} | said
        return RunInfo(
            plan_hash=plan_hash(prepared.plan),
            plan=prepared.plan,
            shard=None if prepared.shard.whole else prepared.shard,
            pairs=dict.fromkeys(prepared.pairs, len(prepared.pairs.of_one_model)),
            pairs_hash=prepared.pairs_hash,
            row_sums={one.name: row_sum(prepared.row_ids(one)) for one in subjects},
            models=[
                model_facts(one, prepared.preflight[one.name], titles.get(one.spec))
                for one in subjects
            ],
            images=ImagesFacts(
                spec=prepared.request.images,
                count=len(images),
                skipped=images.skipped,
                converted=images.converted,
            ),
            straight=self.method.straight,
            keep=self.keep,
            found_dropped=stored.found_dropped or "none" in (self.keep, stored.keep),
            backend=self.backend.name,
            device=str(subjects[0].model.device),
            layout={one.name: one.model.layout for one in subjects},
            compiled={one.name: one.evaluator.compiled for one in subjects},
            versions=installed_versions(),
            notes=[*prepared.notes, *notes],
            command=self.command,
            started=stored.started or utc_now(),
            seconds=stored.seconds or 0.0,
            contrast=stored.contrast,
        )

    @cached_property
    def keep(self) -> Keep:
        """What of the found images and paths stays on the disk."""
        return self.prepared.request.machine.kept(self.prepared.most_pairs)

    @property
    def archives(self) -> bool:
        return self.prepared.request.machine.archives(self.prepared.most_pairs)


def utc_now() -> str:
    """The time as `run.json` holds it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def misclassified(prepared: Prepared, subject: Subject) -> list[Row]:
    """The rows of the sources that a model misclassifies: no target was drawn for them."""
    return [_misclassified(prepared, subject, i) for i in prepared.misclassified[subject.name]]


def _misclassified(prepared: Prepared, subject: Subject, index: int) -> Row:
    label, image_id = prepared.survey.label(subject, index), subject.images.ids[index]
    return {
        "model": subject.name,
        "pair_id": prepared.unstarted_id(subject, index),
        "source_id": image_id,
        "source_class": known_class(label),
        "source_name": class_name(subject, label, image_id),
        "p_source": prepared.survey.answer(subject, index).p_label,
        **nothing_done(Ending.SOURCE_MISCLASSIFIED),
    }
