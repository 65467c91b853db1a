"""`run`: the main job from a script or a notebook, also on models and images without a spec."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from blindspots.api.arguments import as_method, as_model, check_score
from blindspots.api.open_run import OpenRun, open_run
from blindspots.engine.device import keep_freed_memory
from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.images.sources import local_folders
from blindspots.images.sources.in_memory import MEMORY
from blindspots.measure.metrics import find_lpips
from blindspots.methods import describe_method
from blindspots.methods.method import Method
from blindspots.models.classifier import Classifier
from blindspots.progress import Reporter
from blindspots.reporting.selection import striking_case
from blindspots.scores import Score, describe_score
from blindspots.settings import (
    WHOLE,
    BackendName,
    MachineSettings,
    ScienceSettings,
    Trust,
    parse_shard,
)
from blindspots.store.lock import refuse_held
from blindspots.store.paths import Place, check_writable, find_place
from blindspots.store.reader import Run
from blindspots.store.writer import check_own
from blindspots.study.backends.backend import Backend, choose_backend
from blindspots.study.contrast import add_contrast
from blindspots.study.prepare import Prepared, prepare
from blindspots.study.run import Experiment
from blindspots.study.subjects import RunRequest
from blindspots.study.transfer import judge_each_other


def run(
    *,
    model: Any,
    images: Any,
    out: str | Place,
    method: Method | str | None = None,
    score: Score | None = None,
    sources: int = 20,
    targets_per_source: int = 2,
    pairs: str | Path | None = None,
    seed: int = 0,
    keep: Literal["none", "found", "path"] | None = None,
    device: str = "auto",
    batch: int | None = None,
    precision: Literal["fp32", "tf32", "bf16"] = "fp32",
    classes: str | Path | None = None,
    lpips_weights: str | Path | None = None,
    shard: str | None = None,
    predictions: str | Place | None = None,
    backend: BackendName = "auto",
    workers: int | None = None,
    trust_file: bool = False,
    trust_remote_code: bool = False,
    report: bool = True,
    progress: bool | None = None,
) -> OpenRun:
    """A finished run directory: pairs traversed for one or more models, measured, and reported.

    With the same `out` and arguments it goes on where it was stopped.

    `model`: a spec such as "zoo:shapes-resnet", a `Classifier`, a `torch.nn.Module` that takes [0,
    1] (a warning says so), or a list of them. `images`: a spec, an `ImageSet`, or what
    `load_images` takes: PIL images, a data set, a tensor, (tensor, classes). What has no spec is
    called memory:… in run.json; such a run goes on in a process that has the same model and images,
    and its models are used as they are, where they are.

    `method`, `score`: as in `traverse`. `sources`: how many correctly classified sources;
    `targets_per_source`: how many targets each; `pairs`: a CSV file of source and target instead.
    `keep`: what stays on the disk; None: "path" below 1,000 pairs per model, else "found".
    `device`: auto, cpu, cuda …, for models by spec. `batch`: images at once; None: by the device.
    `shard`: a share of the sources alone, as "3/64"; `blindspots merge` joins them. `predictions`:
    a file of what the models say of the clean images, read where it is there, else written.
    `backend`, `workers`: who does the work, as the command's flags; what is in memory stays in this
    process.
    `report`: whether tables, figures and report.html are made. `progress`: whether bars are drawn
    on standard error; None: on a terminal and in a notebook.

    Raises `UsageError` before anything is written, and `WorkFailed` where the disk is full or
    memory ran out: what is finished is kept.
    """
    held = check_score(score)
    chosen = as_method(method, held)
    own, specs = _models(model, images)
    given, called = _images(images, classes)
    place = find_place(out)
    science = ScienceSettings(
        method=describe_method(chosen),
        score=describe_score(held),
        seed=seed,
        precision=precision,
        sources=sources,
        targets_per_source=targets_per_source,
    )
    weights = None if lpips_weights is None else Path(lpips_weights)
    part = WHOLE if shard is None else parse_shard(shard)
    request = RunRequest(
        models=specs,
        images=called,
        science=science,
        machine=MachineSettings(
            device=device, batch=batch, keep=keep, lpips_weights=weights, shard=part
        ),
        classes=None if classes is None else Path(classes),
        pairs_file=None if pairs is None else Path(pairs),
        trust=Trust(file=trust_file, remote_code=trust_remote_code),
        predictions=None if predictions is None else find_place(predictions),
        own_models=own,
        own_images=given,
    )
    doer = choose_backend(device, backend, workers)
    if (own or given) and doer.name != "serial":
        raise UsageError(
            f"backend={doer.name!r} was given with a model or images that are in this process "
            "alone; expected specs for other processes; type backend='serial'"
        )
    execute(request, chosen, place, _reporter(progress), doer, _warn)
    opened = open_run(place)
    if report and part.whole:
        opened.report()
    return opened


def execute(
    request: RunRequest,
    method: Method,
    out: Place,
    reporter: Reporter,
    backend: Backend,
    announce: Callable[[Prepared], None],
    command: str = "blindspots.run",
) -> Prepared:
    """Check everything, prepare, `announce` the plan, and do all that is not done yet; the plan.

    Raises `UsageError` before anything is written, `WorkFailed` where the work cannot go on.
    """
    keep_freed_memory()
    find_lpips(request.machine.lpips_weights)
    backend.check()
    check_out(request.images, out)
    refuse_held(out)
    prepared = prepare(request, out, reporter)
    announce(prepared)
    Experiment(prepared, method, out, command, reporter, backend).execute()
    if prepared.shard.whole:
        with reporter.busy("looking at a small change"):
            add_contrast(out, prepared.subjects, striking_case(Run(out)))
        judge_each_other(out, prepared.subjects, reporter)
    return prepared


def check_out(images: str, out: Place) -> None:
    """Refuse a directory that can hold no run, and to write where the images are looked for.

    There the run's own pictures would be found among them.
    """
    check_writable(out)
    check_own(out)
    for folder in local_folders(images):
        if isinstance(out, Path) and out.resolve().is_relative_to(folder):
            raise UsageError(
                f"--out {out} lies in the folder of the images, so that the run's own pictures "
                "would be taken for images; expected a directory elsewhere, as "
                f"--out {folder.parent / 'run'}"
            )


def _models(given: Any, images: Any) -> tuple[dict[str, Classifier], list[str]]:
    """The models without a spec, by what they are called instead, and all specs in order."""
    own: dict[str, Classifier] = {}
    specs: list[str] = []
    for one in given if isinstance(given, list | tuple) else [given]:
        if isinstance(one, str):
            specs.append(one)
            continue
        # A copy shares the weights; a run may call a model by another name.
        classifier = copy.copy(as_model(one, _size(one, images), depth=4))
        classifier.name = classifier.name.removeprefix(f"{MEMORY}:")
        spec = f"{MEMORY}:{classifier.name}"
        spec = spec if spec not in own else f"{spec}-{len(own) + 1}"
        own[spec] = classifier
        specs.append(spec)
    if not specs:
        raise UsageError("no model was given; expected one or more; type model='zoo:shapes-resnet'")
    return own, specs


def _size(model: Any, images: Any) -> tuple[int, int]:
    first = images[0] if isinstance(images, tuple) and images else images
    if isinstance(model, Classifier):
        return model.size
    if isinstance(first, Tensor | np.ndarray) and first.ndim == 4:
        return int(first.shape[2]), int(first.shape[3])
    raise UsageError(
        f"a {type(model).__name__} was given as the model, with images that do not say its size; "
        "expected a spec or a blindspots.Classifier; type blindspots.Classifier(module, size=224)"
    )


def _images(given: Any, classes: str | Path | None) -> tuple[ImageSet | None, str]:
    if isinstance(given, str):
        return None, given
    held = given if isinstance(given, ImageSet) else load_images(given, classes=classes)
    return held, held.spec


def _reporter(progress: bool | None) -> Reporter:
    shown = Reporter().watched if progress is None else progress
    return Reporter(quiet=not shown)


def _warn(prepared: Prepared) -> None:
    """What is assumed of the models, and what would make the results wrong, as warnings."""
    for subject in prepared.subjects:
        if subject.model.assumed:
            warnings.warn(subject.model.assumed, stacklevel=4)
    for name, facts in prepared.preflight.items():
        for finding in facts.findings or ():
            if finding.level == "wrong":
                warnings.warn(f"{name}: {finding.found}; {finding.remedy}", stacklevel=4)
