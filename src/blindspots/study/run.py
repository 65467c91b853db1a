"""The main job: pairs → engine → rows and images, resumable at any moment."""

import datetime
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

from blindspots.engine.subject import Subject
from blindspots.errors import WorkFailed
from blindspots.measure.metrics import find_lpips
from blindspots.measure.rows import Row, class_name, known_class, nothing_done
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.schema import Ending
from blindspots.settings import Keep, plan_hash
from blindspots.store.atomic import storage_failure
from blindspots.store.lock import hold
from blindspots.store.paths import Place
from blindspots.store.writer import Store, read_info
from blindspots.study.backends.backend import Backend, RunJob
from blindspots.study.backends.serial import Serial
from blindspots.study.prepare import Prepared
from blindspots.study.resume import check_pairs

FORMAT = 1
PACKAGES = ("blindspots", "torch", "torchvision", "timm", "numpy", "pillow")


@dataclass(frozen=True)
class Experiment:
    """A prepared run and where it is written."""

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
                dropped=info["found_dropped"],
                archives=self.archives,
                lpips=lpips,
            )
        )
        tables = store.compact()
        seconds = info["seconds"] + time.perf_counter() - began
        store.write_info({**info, "finished": _now(), "seconds": seconds, "tables": tables})

    def _append_misclassified(self, store: Store) -> None:
        """The rows of sources for which no target was drawn."""
        for subject in self.prepared.subjects:
            present = set(store.stored("pairs", subject.name, ["pair_id"])["pair_id"].to_pylist())
            rows = misclassified(self.prepared, subject)
            store.append("pairs", [row for row in rows if row["pair_id"] not in present])

    def _opened(self, notes: Sequence[str]) -> tuple[Store, dict[str, Any]]:
        """The store, with what is damaged in it set aside, and what its `run.json` says now."""
        stored = read_info(self.out) or {}
        check_pairs(self.out, stored, self.prepared.pairs_hash)
        store, info = Store(self.out), self._info(stored, notes)
        store.sweep()
        for what in store.set_aside_damaged(stored.get("tables") or {}):
            self.reporter.warn(what)
        store.write_info(info)
        store.write_predictions(self.prepared.survey.rows(self.prepared.subjects[0].images.ids))
        return store, info

    def _info(self, stored: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
        prepared, images = self.prepared, self.prepared.subjects[0].images
        dropped = stored.get("found_dropped") or "none" in (self.keep, stored.get("keep"))
        return {
            "format": FORMAT,
            "plan_hash": plan_hash(prepared.plan),
            "plan": prepared.plan,
            "shard": None if prepared.shard.whole else asdict(prepared.shard),
            "pairs": dict.fromkeys(prepared.pairs, len(prepared.pairs.of_one_model)),
            "pairs_hash": prepared.pairs_hash,
            "models": [_model_facts(prepared, subject) for subject in prepared.subjects],
            "images": {
                "spec": prepared.request.images,
                "count": len(images),
                "skipped": list(images.skipped),
                "converted": list(images.converted),
            },
            "straight": self.method.straight,
            "keep": self.keep,
            "found_dropped": bool(dropped),
            "backend": self.backend.name,
            "device": str(prepared.subjects[0].model.device),
            "layout": {s.name: s.model.layout for s in prepared.subjects},
            "compiled": {s.name: s.evaluator.compiled for s in prepared.subjects},
            "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
            "notes": [*prepared.notes, *notes],
            "command": self.command,
            "started": stored.get("started") or _now(),
            "finished": None,
            "seconds": stored.get("seconds") or 0.0,
            "tables": {},
        }

    @cached_property
    def keep(self) -> Keep:
        """What of the found images and paths stays on the disk."""
        return self.prepared.request.machine.kept(self.prepared.most_pairs)

    @property
    def archives(self) -> bool:
        """Whether images go into archives."""
        return self.prepared.request.machine.archives(self.prepared.most_pairs)


def _model_facts(prepared: Prepared, subject: Subject) -> dict[str, Any]:
    model = subject.model
    return {
        "spec": subject.spec,
        "name": subject.name,
        "fingerprint": subject.fingerprint,
        "num_classes": model.num_classes,
        "size": list(model.size),
        "training_epsilon": model.training_epsilon,
        "image_suffix": subject.image_suffix,
        "preflight": prepared.preflight[subject.name],
    }


def _now() -> str:
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
