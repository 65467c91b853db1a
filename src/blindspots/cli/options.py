"""Options that several commands share, and how they become settings."""

import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from blindspots.errors import UsageError, visible
from blindspots.settings import (
    BackendName,
    CompileChoice,
    LayoutChoice,
    MachineSettings,
    Precision,
    Trust,
    check_batch,
)
from blindspots.specs import Spec
from blindspots.store.paths import Place, check_reachable, find_place

if TYPE_CHECKING:
    from blindspots.images import ImageSet
    from blindspots.methods.method import Method
    from blindspots.progress import Reporter
    from blindspots.scores import Score
    from blindspots.study.backends.backend import Backend


# The headings under which --help lists options; what stands under none comes first.
WHAT, MODEL, METHOD, OUTPUT, MACHINE, TRUST = (
    Group(name, sort_key=order)
    for order, name in enumerate(("What", "Model", "Method", "Output", "Machine", "Trust"), start=1)
)

REPEATED = Parameter(negative=(), consume_multiple=False, show_default=False)
SWITCH = Parameter(negative=(), show_default=False)
_TRUSTED = Parameter(negative=(), show_default=False, group=TRUST)

RunPlace = Annotated[
    Place,
    Parameter(converter=lambda _, tokens: find_place(tokens[0].value), n_tokens=1, metavar="PATH"),
]


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command speaks.

    Parameters
    ----------
    json
        Print the result as JSON.
    quiet
        Print no progress and no notes.
    """

    json: Annotated[bool, SWITCH] = False
    quiet: Annotated[bool, SWITCH] = False

    def show(self, data: Callable[[], Any], text: Callable[[], object]) -> None:
        """Print a result: its data as JSON where that is asked for, else its text."""
        print(json.dumps(data(), indent=2) if self.json else visible(str(text())), flush=True)


@Parameter(name="*", group=TRUST)
@dataclass(frozen=True, kw_only=True)
class TrustFlags:
    """Which code that comes with a model may be run; never written into a spec or a run.

    Parameters
    ----------
    trust_file
        Read exported: programs, which are unpickled; that can run code from them.
    trust_remote_code
        Run the Python files that come with hf: models.
    """

    trust_file: Annotated[bool, _TRUSTED] = False
    trust_remote_code: Annotated[bool, _TRUSTED] = False

    def trust(self) -> Trust:
        return Trust(file=self.trust_file, remote_code=self.trust_remote_code)


@Parameter(name="*", group=TRUST)
@dataclass(frozen=True, kw_only=True)
class RunTrustFlags(TrustFlags):
    """Which code may be run when the models of a run directory are loaded again.

    Parameters
    ----------
    trust_file
        Read exported: programs, which are unpickled; that can run code from them.
    trust_remote_code
        Run the Python files that come with hf: models.
    trust_run_code
        Run the Python code that file: and python: models of the run name.
    """

    trust_run_code: Annotated[bool, _TRUSTED] = False

    def trust(self) -> Trust:
        return replace(super().trust(), run_code=self.trust_run_code)


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelFlags(TrustFlags):
    """What may be given beside a single --model instead of inside its spec; and trust, for all.

    Parameters
    ----------
    weights
        Weights file (safetensors, or .pth read with weights_only).
    mean
        Channel means the model expects, as 0.5,0.5,0.5.
    std
        Channel standard deviations the model expects.
    size
        Input size in pixels.
    classes
        Class names of model and images: a plain list, or [[folder, name], ...].
    model_arg
        A further argument of the architecture, as key=value; may be repeated.
    trust_file
        Read exported: programs, which are unpickled; that can run code from them.
    trust_remote_code
        Run the Python files that come with hf: models.
    """

    weights: Path | None = None
    mean: str | None = None
    std: str | None = None
    size: int | None = None
    classes: Path | None = None
    model_arg: Annotated[tuple[str, ...], REPEATED] = ()


@Parameter(name="*", group=METHOD)
@dataclass(frozen=True, kw_only=True)
class MethodFlags:
    """Which traversal, and its settings.

    Parameters
    ----------
    method
        star (holds whole segments), fan (whole simplices), adaptive, reference or paper.
    delta
        Allowed drop below the source's score, in the score's unit; 0.2 of confidence unless given.
    set
        A setting of the method, as name=value; may be repeated.
    score
        What is held: confidence, group:1,2,3 (summed probability of classes), margin (in logits),
        or embedding (similarity to the source's, for models without classes).
    """

    method: str = "star"
    delta: float | None = None
    set: Annotated[tuple[str, ...], REPEATED] = ()
    score: str = "confidence"

    def build(self) -> "tuple[Method, Score]":
        from blindspots.methods import make_method
        from blindspots.scores import parse_score

        score, settings = parse_score(self.score), key_values("--set", self.set, "max_steps=400")
        if self.delta is not None:
            settings["delta"] = str(self.delta)
        if "delta" in settings:
            score.check_delta(make_number(settings["delta"]))
        return make_method(self.method, settings, delta=score.default_delta), score


@Parameter(name="*", group=MACHINE)
@dataclass(frozen=True, kw_only=True)
class MachineFlags:
    """Where and how the work is done.

    Parameters
    ----------
    device
        auto, cpu, cuda, cuda:1 ...; run takes several, as cuda:0,cuda:1.
    batch_size
        Pairs in flight at once, or auto.
    layout
        How images lie in memory inside the model; auto: what is faster for its kind.
    compile
        Whether the traversal's forward and gradient are compiled; auto: on a GPU, where it pays.
    precision
        Arithmetic of the model while it is traversed; what is stored is measured in fp32. Unlike
        the others, it is part of the plan.
    """

    device: str = "auto"
    batch_size: str = "auto"
    layout: LayoutChoice = "auto"
    compile: CompileChoice = "auto"
    precision: Precision = "fp32"

    def batch(self) -> int | None:
        return None if self.batch_size == "auto" else check_batch(self.batch_size)

    def settings(self, **kept: Any) -> MachineSettings:
        return MachineSettings(
            device=self.device.partition(",")[0],
            batch=self.batch(),
            layout=self.layout,
            compile=self.compile,
            **kept,
        )


def model_specs(models: Sequence[str], flags: ModelFlags) -> list[str]:
    from blindspots.models.schemes import parse_model_spec

    options = {
        "weights": flags.weights,
        "mean": flags.mean,
        "std": flags.std,
        "size": flags.size,
        "classes": flags.classes,
        **key_values("--model-arg", flags.model_arg),
    }
    given = {key: str(value) for key, value in options.items() if value is not None}
    if len(models) != 1 and given.keys() - {"classes"}:
        raise UsageError(
            f"--{min(given).replace('_', '-')} was given beside {len(models)} models; it goes with "
            "exactly one --model; write it into each spec, as in --model 'NAME?mean=0.5,0.5,0.5'"
        )
    if len(models) != 1 or not given:
        return list(models)
    spec = parse_model_spec(models[0])
    if spec.scheme == "zoo":
        given.pop("classes", None)
    twice = sorted(given.keys() & spec.options.keys())
    if twice:
        raise UsageError(
            f"{twice[0]} was given in the spec {models[0]!r} and as a flag; give it once"
        )
    return [str(Spec(spec.scheme, spec.name, {**spec.options, **given}))]


def key_values(option: str, texts: Sequence[str], example: str = "pad_type=same") -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or key in pairs:
            raise UsageError(
                f"{option} {text} was given; expected name=value, each name once, "
                f"as in {option} {example}"
            )
        pairs[key] = value
    return pairs


def model_names(given: Sequence[str], example: str = "zoo:shapes-resnet") -> dict[str, str]:
    """`SPEC=title` of each --name, split at the last sign; refused where one has no title.

    `example`: a model that the refusal may name.
    """
    parts = {spec: title for spec, _, title in (text.rpartition("=") for text in given)}
    if not all((*parts, *parts.values())):
        raise UsageError(
            f"--name {' '.join(given)} was given; expected a model and what it is called, as in "
            f"--name '{example}=ResNet'"
        )
    return parts


def make_number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{text} was given where a number is expected, as in 0.2") from error


def terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def check_file(option: str, file: Place, example: str) -> None:
    if not isinstance(file, Path):
        check_reachable(file)
        return
    nearest = next(parent for parent in (file, *file.parents) if parent.exists())
    if nearest != file and not nearest.is_dir():
        why = f"{nearest} is a file"
    elif file.is_dir():
        why = "it is a directory"
    elif not os.access(nearest if nearest.is_dir() else nearest.parent, os.W_OK):
        why = f"{nearest} is read-only"
    else:
        return
    raise UsageError(
        f"{option} {file} cannot be written: {why}; name a file, as in {option} {example}"
    )


@Parameter(name="*", group=MACHINE)
@dataclass(frozen=True, kw_only=True)
class BackendFlags:
    """Where the work is done, and by how many.

    Parameters
    ----------
    backend
        serial: this process; processes: several on this machine; ray: actors, here or on a cluster.
        auto: processes where --device names several devices, else serial.
    workers
        How many processes or actors; unless given, one per device or GPU, or one for two cores.
    gpus_per_worker
        GPUs of each Ray actor; may be a fraction, or 0.
    address
        A running Ray cluster, as auto or HOST:PORT; without it Ray is started here.
    """

    backend: BackendName = "auto"
    workers: int | None = None
    gpus_per_worker: float | None = None
    address: str | None = None

    def build(self, device: str) -> "Backend":
        from blindspots.study.backends.backend import choose_backend

        return choose_backend(device, **asdict(self))


MOST_WARNINGS, MOST_ALIKE = 40, 5


def warn_of_images(images: "ImageSet", reporter: "Reporter", place: str) -> None:
    """A line for what was left out or converted; `place`: which names each, where there is more."""
    for what, entries in (("skipped", images.skipped), ("converted", images.converted)):
        lines = list(_by_reason(what, entries, place))
        for line in lines[:MOST_WARNINGS]:
            reporter.warn(line)
        if len(lines) > MOST_WARNINGS:
            reporter.warn(f"{len(lines) - MOST_WARNINGS} more such lines; {place} has all of them")


def say_notes(notes: Sequence[str], reporter: "Reporter") -> None:
    for note in notes:
        reporter.say(f"note: {note}")


def _by_reason(what: str, entries: Sequence[Mapping[str, str]], place: str) -> Iterator[str]:
    """A line per image; one line for many of the same reason, which names the first of them."""
    names: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        names[entry["reason"]].append(entry["name"])
    for reason, alike in names.items():
        if len(alike) > MOST_ALIKE:
            shown = ", ".join(alike[:MOST_ALIKE])
            yield f"{what} {len(alike):,} images: {reason} ({shown}, ...; {place} names each)"
        else:
            yield from (f"{what} {name}: {reason}" for name in alike)
