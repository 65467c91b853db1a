"""`transfer` and `diagnose`: what other models say of a run, and whether a model is fit for one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blindspots.api.open_run import open_run
from blindspots.api.run_table import RunTable
from blindspots.doctor import Finding, admit
from blindspots.doctor import diagnose as find_faults
from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_model
from blindspots.progress import Reporter
from blindspots.reporting.publish import publish_transfer
from blindspots.settings import Trust
from blindspots.store.paths import check_writable
from blindspots.study.transfer import judge_run


def transfer(
    run: Any,
    models: str | Sequence[str] = (),
    *,
    device: str = "auto",
    batch: int | None = None,
    trust_file: bool = False,
    trust_remote_code: bool = False,
    trust_run_code: bool = False,
    progress: bool = False,
) -> RunTable:
    """Whether other models believe a run's found images too: the table, a column per judge.

    `run`: a directory or an open run; its own models judge each other. `models`: specs of further
    judges. `device`: auto, cpu, cuda …; `batch`: images at once, None: by the device.
    `trust_run_code`: run the code that file: and python: models of the run name. Writes
    `transfer.parquet`, its table and its figure into the directory.

    Raises `UsageError` where found images were not kept, a model of the run is no longer the same,
    a judge lacks the sources' classes, or a model is given that is no spec.
    """
    opened = open_run(run)
    specs = [models] if isinstance(models, str) else list(models)
    for spec in specs:
        if not isinstance(spec, str):
            raise UsageError(
                f"a {type(spec).__name__} was given as a judge; expected specs; type "
                "models=['zoo:shapes-vit']"
            )
    check_writable(opened.path)
    trust = Trust(file=trust_file, remote_code=trust_remote_code, run_code=trust_run_code)
    judge_run(opened.path, specs, device, batch, Reporter(quiet=not progress), trust)
    return RunTable(publish_transfer(opened.path))


def diagnose(
    model: Any,
    images: Any = "sample:shapes",
    *,
    classes: str | Path | None = None,
    device: str = "auto",
    batch: int | None = None,
) -> list[Finding]:
    """Every finding about a model on clean images, as `blindspots doctor` prints them.

    `model`: a spec or a `Classifier`. `images`: a spec, an `ImageSet` or what `load_images` takes,
    with classes where possible. `device`: for a model by spec. A finding has a `level` (ok, note,
    wrong), a `name`, what was `found`, `why` it matters and a `remedy` to type.

    Raises `UsageError` where either cannot be read, or the model takes no image of its size.
    """
    table = None if classes is None else Path(classes)
    if isinstance(model, str) and isinstance(images, str):
        return find_faults(*admit(model, images, table, device), batch=batch)
    judged = load_model(model) if isinstance(model, str) else _classifier(model)
    held = images.for_model(judged) if isinstance(images, ImageSet) else None
    return find_faults(judged, held or load_images(images, judged, classes=table), batch=batch)


def _classifier(model: Any) -> Classifier:
    if not isinstance(model, Classifier):
        raise UsageError(
            f"a {type(model).__name__} was given as the model; expected a spec or a "
            "blindspots.Classifier; type blindspots.Classifier(module, size=224)"
        )
    return model
