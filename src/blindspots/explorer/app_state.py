"""All that the explorer holds: models at work, images, what was found, who is looking."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from blindspots.engine.device import find_device, lay_out
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.errors import UsageError
from blindspots.explorer.image_catalog import ImageCatalog, Missing, run_images
from blindspots.explorer.model_thread import (
    Busy,
    Event,
    EventQueue,
    ModelThread,
    TabJob,
    ThreadBudget,
)
from blindspots.explorer.result_cache import ResultCache, Stored
from blindspots.explorer.upload_decoder import MOST_BYTES, MOST_PIXELS
from blindspots.images import ImageSet, load_images
from blindspots.images.shapes import CLASS_NAMES as DRAWINGS
from blindspots.methods import DEFAULT_METHOD, METHODS
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_trusted, name_apart
from blindspots.reporting.figures.style import colour_ramp
from blindspots.reporting.model_names import titles_of
from blindspots.reporting.score_labels import score_of
from blindspots.reporting.tables.table import glossary
from blindspots.schema import Ending
from blindspots.scores import Confidence
from blindspots.settings import NO_TRUST, Trust
from blindspots.store.paths import Place
from blindspots.store.reader import Run
from blindspots.store.run_info import Preflight
from blindspots.study.reload import check_stored_spec
from blindspots.study.subjects import model_facts

MOST_JOBS = 24
SCORE = Confidence.name

Answer = TypeVar("Answer")
Turns = Iterator[Event | None]
SETTINGS = ("delta", "clearance", "max_steps")


@dataclass(frozen=True, kw_only=True)
class ExplorerConfig:
    """What to explore: specs of models and images, or a run; where cases are saved.

    `models`: empty: those of the run. `images`: not looked at where a run is given. `classes`: a
    file of class names, as for every command.
    """

    models: Sequence[str]
    images: str
    out: Path
    run: Place | None = None
    classes: Path | None = None
    device: str = "auto"
    trust: Trust = NO_TRUST


class AppState:
    """One a server. Its methods are for the event loop; each model works on its own thread."""

    def __init__(
        self,
        subjects: Mapping[str, Subject],
        workers: Mapping[str, ModelThread],
        out: Path,
        run: Run | None = None,
    ) -> None:
        self.subjects, self.workers, self.out = subjects, workers, out
        self.gallery, self.shelf = ImageCatalog(subjects), ResultCache()
        self.stored = None if run is None else Stored(run, subjects, self.gallery)
        self._jobs: dict[str, TabJob] = {}

    def start(self) -> None:
        for worker in self.workers.values():
            worker.start()

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
        self.gallery.uploads.close()

    def subject(self, name: str) -> Subject:
        if name not in self.subjects:
            raise Missing(f"no model of that name is loaded; there are {', '.join(self.subjects)}")
        return self.subjects[name]

    async def ask(self, model: str, question: Callable[[Evaluator, Subject], Answer]) -> Answer:
        """A model's answer to a short question, before any long work goes on."""
        subject = self.subject(model)
        return await asyncio.wrap_future(
            self.workers[model].ask(lambda evaluator: question(evaluator, subject))
        )

    def begin(self, parts: Sequence[tuple[str, Callable[[], Turns]]]) -> TabJob:
        if len(self._jobs) >= MOST_JOBS:
            raise Busy(f"{len(self._jobs)} tabs are at work already; close one, or wait.")
        workers = [self.workers[model] for model, _ in parts]
        for worker in workers:
            worker.check_room()
        outbox = EventQueue()
        tasks = [
            worker.take(turns(), outbox) for worker, (_, turns) in zip(workers, parts, strict=True)
        ]
        job = TabJob(outbox, tasks, [worker.look_again for worker in workers])
        self._jobs[job.id] = job
        return job

    def job(self, name: str) -> TabJob:
        if name not in self._jobs:
            raise Missing("this work has ended already; start it again")
        return self._jobs[name]

    def end(self, job: TabJob) -> None:
        job.cancel()
        self._jobs.pop(job.id, None)

    async def collect(self, parts: Sequence[tuple[str, Callable[[], Turns]]]) -> list[Event]:
        """All events of long work that is not watched; what went wrong is raised."""
        if not parts:
            return []
        job = self.begin(parts)
        try:
            events = [event async for event in job.outbox.events()]
        finally:
            self.end(job)
        wrong = [event["error"] for event in events if event["kind"] == "error"]
        if wrong:
            raise UsageError(wrong[0])
        return events


def load(wanted: ExplorerConfig) -> AppState:
    run = None if wanted.run is None else _opened(wanted.run)
    specs = list(wanted.models) or _stored_specs(run, wanted.trust)
    device = find_device(wanted.device)
    models = [(spec, lay_out(load_trusted(spec, wanted.trust).to(device))) for spec in specs]
    stored = {facts.spec: facts.name for facts in run.models} if run else {}
    for spec, model in models:
        model.name = stored.get(spec, model.name)
    name_apart(models)
    for _, model in models:
        Confidence().check_model(model.name, model.embeds, model.num_classes)
    cores = ThreadBudget()
    workers = {model.name: ModelThread(model, cores=cores) for _, model in models}
    subjects: dict[str, Subject] = {}
    for spec, model in models:
        images = _images(wanted, run, model, subjects)
        evaluator = workers[model.name].evaluator
        subject = Subject(
            spec, model, images, evaluator, model.fingerprint(), batch=evaluator.chunk or 1
        )
        subjects[model.name] = replace(subject, image_suffix=_suffix(subject, subjects))
    return AppState(subjects, workers, wanted.out, run)


def _stored_specs(run: Run | None, trust: Trust) -> list[str]:
    """The specs of the run's models; refused where one runs code that the user does not trust."""
    specs = [facts.spec for facts in run.models] if run else []
    for spec in specs:
        check_stored_spec(spec, trust)
    return specs


def _opened(path: Place) -> Run:
    """The run; refused where it held another score, because the page shows confidences."""
    run = Run(path)
    score = score_of(run)
    if score != SCORE:
        raise UsageError(
            f"--run {path} holds the score {score}; the explorer shows runs that hold the "
            f"{SCORE}; type blindspots report {path} to look at it"
        )
    return run


def _images(
    wanted: ExplorerConfig, run: Run | None, model: Classifier, subjects: Mapping[str, Subject]
) -> ImageSet:
    if run is not None:
        return run_images(run, model)
    for first in subjects.values():
        return first.images.for_model(model)
    return load_images(wanted.images, model, classes=wanted.classes)


def _suffix(subject: Subject, before: Mapping[str, Subject]) -> str:
    """What saved images of this geometry end with: models that see alike share theirs."""
    known = {other.model.preprocessing: other.image_suffix for other in before.values()}
    return known.get(subject.model.preprocessing, f"-{len(known)}" * bool(known))


def facts(hub: AppState) -> dict[str, Any]:
    stored = {one.name: one for one in hub.stored.run.models} if hub.stored else {}
    called = titles_of(
        stored.get(name) or model_facts(one, Preflight()) for name, one in hub.subjects.items()
    )
    return {
        "models": [_model(one, called[name]) for name, one in hub.subjects.items()],
        "methods": {name: _method(name) for name in METHODS},
        "method": DEFAULT_METHOD,
        "gallery": hub.gallery.listing(),
        "run": None if hub.stored is None else _run(hub),
        "limits": {"bytes": MOST_BYTES, "pixels": MOST_PIXELS},
        "words": {column.key: column.definition for column in glossary()},
        "endings": {ending.value: ending.sentence for ending in Ending},
        "colours": colour_ramp(),
    }


def _model(subject: Subject, title: str) -> dict[str, Any]:
    model = subject.model
    return {
        "name": subject.name,
        "title": title,
        "size": list(model.size),
        "epsilon": model.training_epsilon,
        "drawings": tuple(model.class_names or ()) == DRAWINGS,
    }


def _method(name: str) -> dict[str, Any]:
    kind = METHODS[name]
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    summary = (kind.__doc__ or "").partition("\n")[0]
    return {
        "settings": {key: defaults[key] for key in SETTINGS if key in defaults},
        "straight": kind.straight,
        "grouped": kind.grouped,
        "summary": summary,
    }


def _run(hub: AppState) -> dict[str, Any]:
    assert hub.stored is not None
    plan = hub.stored.run.info.method
    return {
        "name": hub.stored.run.name,
        "method": plan.get("name"),
        "settings": {key: plan[key] for key in SETTINGS if key in plan},
        "pairs": hub.stored.listing(),
        "case": hub.stored.case(),
    }
