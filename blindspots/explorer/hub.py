"""All that the explorer holds: models at work, images, what was found, who is looking."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from blindspots.errors import Refused
from blindspots.explorer.cores import Cores
from blindspots.explorer.gallery import Gallery, run_images
from blindspots.explorer.outbox import Event, Job, Outbox
from blindspots.explorer.refusals import Busy, Missing
from blindspots.explorer.shelf import Shelf
from blindspots.explorer.stored import Stored
from blindspots.explorer.worker import Worker
from blindspots.images import ImageSet, load_images
from blindspots.machine import find_device, lay_out
from blindspots.models.classifier import Classifier
from blindspots.models.sources import load_trusted, name_apart
from blindspots.oracle import Oracle
from blindspots.places import Place
from blindspots.run_reader import Run
from blindspots.score_words import score_of
from blindspots.scores import Confidence
from blindspots.settings import NO_TRUST, Trust
from blindspots.survey import Subject

MOST_JOBS = 24
SCORE = Confidence.name

Answer = TypeVar("Answer")
Turns = Iterator[Event | None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
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


class Hub:
    """One a server. Its methods are for the event loop; each model works on its own thread."""

    def __init__(
        self,
        subjects: Mapping[str, Subject],
        workers: Mapping[str, Worker],
        out: Path,
        run: Run | None = None,
    ) -> None:
        self.subjects, self.workers, self.out = subjects, workers, out
        self.gallery, self.shelf = Gallery(subjects), Shelf()
        self.stored = None if run is None else Stored(run, subjects, self.gallery)
        self._jobs: dict[str, Job] = {}

    def start(self) -> None:
        """Let the models begin to work."""
        for worker in self.workers.values():
            worker.start()

    def close(self) -> None:
        """End all work and the threads."""
        for worker in self.workers.values():
            worker.close()

    def subject(self, name: str) -> Subject:
        """A model by its name; refused where it is not loaded."""
        if name not in self.subjects:
            raise Missing(f"no model of that name is loaded; there are {', '.join(self.subjects)}")
        return self.subjects[name]

    async def ask(self, model: str, question: Callable[[Oracle, Subject], Answer]) -> Answer:
        """A model's answer to a short question, before any long work goes on."""
        subject = self.subject(model)
        return await asyncio.wrap_future(
            self.workers[model].ask(lambda oracle: question(oracle, subject))
        )

    def begin(self, parts: Sequence[tuple[str, Callable[[], Turns]]]) -> Job:
        """Long work of one or more models for one tab; all of it is taken, or none."""
        if len(self._jobs) >= MOST_JOBS:
            raise Busy(f"{len(self._jobs)} tabs are at work already; close one, or wait.")
        workers = [self.workers[model] for model, _ in parts]
        for worker in workers:
            worker.check_room()
        outbox = Outbox()
        tasks = [
            worker.take(turns(), outbox) for worker, (_, turns) in zip(workers, parts, strict=True)
        ]
        job = Job(outbox, tasks, [worker.look_again for worker in workers])
        self._jobs[job.id] = job
        return job

    def job(self, name: str) -> Job:
        """Long work by its id; refused where it has ended."""
        if name not in self._jobs:
            raise Missing("this work has ended already; start it again")
        return self._jobs[name]

    def end(self, job: Job) -> None:
        """Free what a tab asked for, whether it is done or its tab is gone."""
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
            raise Refused(wrong[0])
        return events


def load(wanted: Wanted) -> Hub:
    """The hub of what is wanted; refused where something cannot be loaded."""
    run = None if wanted.run is None else _opened(wanted.run)
    specs = list(wanted.models) or ([facts.spec for facts in run.models] if run else [])
    device = find_device(wanted.device)
    models = [(spec, lay_out(load_trusted(spec, wanted.trust).to(device))) for spec in specs]
    name_apart(models)
    for _, model in models:
        Confidence().check_model(model.name, model.embeds, model.num_classes)
    cores = Cores()
    workers = {model.name: Worker(model, cores=cores) for _, model in models}
    subjects: dict[str, Subject] = {}
    for spec, model in models:
        images = _images(wanted, run, model, subjects)
        oracle = workers[model.name].oracle
        subject = Subject(spec, model, images, oracle, model.fingerprint(), batch=oracle.chunk or 1)
        subjects[model.name] = replace(subject, image_suffix=_suffix(subject, subjects))
    return Hub(subjects, workers, wanted.out, run)


def _opened(path: Place) -> Run:
    """The run; refused where it held another score, because the page shows confidences."""
    run = Run(path)
    score = score_of(run)
    if score != SCORE:
        raise Refused(
            f"--run {path} holds the score {score}; the explorer shows runs that hold the "
            f"{SCORE}; type blindspots report {path} to look at it"
        )
    return run


def _images(
    wanted: Wanted, run: Run | None, model: Classifier, subjects: Mapping[str, Subject]
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
