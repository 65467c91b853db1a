"""`blindspots run` and `blindspots demo`: the main job."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from blindspots.cli.options import (
    MACHINE,
    OUTPUT,
    REPEATED,
    SWITCH,
    WHAT,
    BackendFlags,
    MachineFlags,
    MethodFlags,
    ModelFlags,
    Output,
    RunPlace,
    model_names,
    model_specs,
    say_notes,
    terminal_width,
    warn_of_images,
)
from blindspots.cli.startup import check_typed, start, typed_command
from blindspots.errors import UsageError
from blindspots.store.paths import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from blindspots.progress import Reporter
    from blindspots.scores import Score
    from blindspots.store.run_info import Preflight
    from blindspots.study.backends.backend import Backend
    from blindspots.study.prepare import Prepared
    from blindspots.study.subjects import RunRequest

DEMO_MODELS = ("shapes-resnet", "shapes-resnet-at", "shapes-vit", "shapes-vit-at")
# Of this seed the first six sources are of six classes.
DEMO_IMAGES = "sample:shapes?split=test&n=50&seed=18"
DEMO_SOURCES, DEMO_TARGETS = 6, 3
# At the method's own most steps one pair in thirty stays far from its target.
DEMO_STEPS, PHOTO_STEPS = 72, 48
PHOTO_MODEL, PHOTO_IMAGES = "zoo:efficientnet-lite0", "sample:photos"
PHOTO_SOURCES, PHOTO_TARGETS = 3, 2
DEFAULT_OUTPUT, DEFAULT_MODEL = Output(), ModelFlags()
DEFAULT_METHOD, DEFAULT_MACHINE = MethodFlags(), MachineFlags()
DEFAULT_BACKEND = BackendFlags()
IN_WHAT, IN_OUTPUT, IN_MACHINE = (Parameter(group=one) for one in (WHAT, OUTPUT, MACHINE))


def run(
    *,
    model: Annotated[tuple[str, ...], REPEATED, IN_WHAT],
    images: Annotated[str, IN_WHAT],
    out: Annotated[RunPlace, IN_WHAT],
    model_flags: ModelFlags = DEFAULT_MODEL,
    method: MethodFlags = DEFAULT_METHOD,
    sources: Annotated[int, IN_WHAT] = 20,
    targets_per_source: Annotated[int, IN_WHAT] = 2,
    pairs: Annotated[Path | None, IN_WHAT] = None,
    seed: Annotated[int, IN_WHAT] = 0,
    name: Annotated[tuple[str, ...], REPEATED, IN_OUTPUT] = (),
    keep: Annotated[Literal["none", "found", "path"] | None, IN_OUTPUT] = None,
    machine: MachineFlags = DEFAULT_MACHINE,
    lpips_weights: Annotated[Path | None, IN_OUTPUT] = None,
    shard: Annotated[str | None, IN_MACHINE] = None,
    predictions: Annotated[RunPlace | None, IN_MACHINE] = None,
    backend: BackendFlags = DEFAULT_BACKEND,
    dry_run: Annotated[bool, SWITCH, IN_OUTPUT] = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Traverse pairs of images for one or more models; tables, figures and a report.

    Parameters
    ----------
    model
        Model spec, such as zoo:shapes-resnet or timm:resnet50.a1_in1k; may be repeated.
    images
        Image spec, such as folder:photos or parquet:test.parquet.
    out
        Run directory.
    sources
        How many correctly classified sources to take.
    targets_per_source
        How many targets each source gets.
    pairs
        CSV file with the columns source, target (ids or file names) instead of choosing.
    seed
        Seed of every random choice.
    name
        What a model is called, as in --name 'zoo:shapes-resnet=ResNet'; may be repeated.
    keep
        What stays on disk: path below 1,000 pairs per model, else found.
    lpips_weights
        AlexNet weights for LPIPS, or download; without them the column is empty.
    shard
        Work on a share of the sources alone, as 3/64; blindspots merge joins them.
    predictions
        File of what the models say of the clean images: read where it is there, else written.
    dry_run
        Print the plan and its cost, and write nothing.
    """
    from blindspots.reporting.model_names import refuse_unknown
    from blindspots.settings import WHOLE, ScienceSettings, parse_shard

    specs, called = model_specs(model, model_flags), model_names(name, *model[:1])
    refuse_unknown(called, (*model, *specs), out)
    check_typed(specs, images, classes=model_flags.classes, pairs=pairs, weights=lpips_weights)
    reporter = start(output)
    from blindspots.study.subjects import RunRequest

    traversal, score = method.build()
    science = _science(traversal, score, seed, machine, sources, targets_per_source)
    part = WHOLE if shard is None else parse_shard(shard)
    request = RunRequest(
        models=specs,
        titles={s: called.get(m) or called.get(s) for m, s in zip(model, specs, strict=True)},
        images=images,
        science=ScienceSettings(**science),
        machine=machine.settings(keep=keep, lpips_weights=lpips_weights, shard=part),
        classes=model_flags.classes,
        pairs_file=pairs,
        trust=model_flags.trust(),
        predictions=predictions,
    )
    doer = backend.build(machine.device)
    _do(request, traversal, out, output, doer, reporter, dry_run=dry_run)


def demo(
    *,
    out: RunPlace = Path("demo"),
    sources: int | None = None,
    photos: Annotated[bool, SWITCH] = False,
    images: str | None = None,
    machine: MachineFlags = DEFAULT_MACHINE,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Run the main job on the four embedded models and images, without a network.

    Parameters
    ----------
    out
        Run directory.
    sources
        How many sources, 6 unless given; each gets three targets. Of photos 3, with two each.
    photos
        Photographs and a real ImageNet classifier instead, which the extra photos brings.
    images
        Image spec of your own photographs, beside --photos.
    """
    from blindspots.settings import ScienceSettings

    if images is not None and not photos:
        raise UsageError(f"--images {images} goes with --photos alone; type --photos too")
    models = [PHOTO_MODEL] if photos else [f"zoo:{name}" for name in DEMO_MODELS]
    shown = (images or PHOTO_IMAGES) if photos else DEMO_IMAGES
    check_typed(models, shown)
    reporter = start(output)
    from blindspots.methods import make_method
    from blindspots.scores import Confidence
    from blindspots.study.subjects import RunRequest

    steps = PHOTO_STEPS if photos else DEMO_STEPS
    method, score = make_method(settings={"max_steps": str(steps)}), Confidence()
    count, targets = (PHOTO_SOURCES, PHOTO_TARGETS) if photos else (DEMO_SOURCES, DEMO_TARGETS)
    request = RunRequest(
        models=models,
        images=shown,
        science=ScienceSettings(**_science(method, score, 0, machine, sources or count, targets)),
        machine=machine.settings(),
    )
    _do(request, method, out, output, DEFAULT_BACKEND.build(machine.device), reporter)


def _science(
    method: Any, score: "Score", seed: int, machine: MachineFlags, sources: int, targets: int
) -> dict[str, Any]:
    from blindspots.methods import describe_method
    from blindspots.scores import describe_score

    return {
        "method": describe_method(method),
        "score": describe_score(score),
        "seed": seed,
        "precision": machine.precision,
        "sources": sources,
        "targets_per_source": targets,
    }


def _do(
    request: "RunRequest",
    method: Any,
    out: Place,
    output: Output,
    backend: "Backend",
    reporter: "Reporter",
    *,
    dry_run: bool = False,
) -> None:
    from blindspots.api.run_study import check_out, execute
    from blindspots.study.prepare import prepare

    announce = announce_plan(reporter)
    if dry_run:
        check_out(request.images, out)
        prepared = prepare(request, out, reporter)
        announce(prepared)
        _print_plan(prepared, method, output)
        return
    command = typed_command()
    prepared = execute(request, method, out, reporter, backend, announce, command)
    if prepared.shard.whole:
        show(out, output, reporter)
    else:
        _show_shard(out, prepared, output)


def announce_plan(reporter: "Reporter") -> "Callable[[Prepared], None]":
    return partial(_say_plan, reporter=reporter)


def _say_plan(prepared: "Prepared", reporter: "Reporter") -> None:
    warn_of_images(prepared.subjects[0].images, reporter, "run.json")
    say_notes(prepared.notes, reporter)
    for subject in prepared.subjects:
        found = prepared.preflight[subject.name]
        reporter.say(describe_preflight(subject.name, found))
        for finding in found.findings or ():
            if finding.level == "wrong":
                reporter.warn(f"{subject.name}: {finding.found}; {finding.remedy}")


def describe_preflight(name: str, preflight: "Preflight") -> str:
    """One line: clean accuracy (where there are labels) and mean confidence."""
    if preflight.mean_confidence is None:
        return f"{name}: an embedding, without classes; {preflight.images} images looked at"
    confidence = f"mean confidence {preflight.mean_confidence:.3f}"
    if preflight.accuracy is None:
        return f"{name}: {confidence} on {preflight.images} unlabelled images"
    return (
        f"{name}: clean accuracy {preflight.accuracy:.1%}, {confidence} "
        f"on {preflight.images} images"
    )


def _print_plan(prepared: "Prepared", method: Any, output: Output) -> None:
    from blindspots.study.prepare import measured_forwards, most_evaluations

    planned = prepared.pairs.of_one_model
    pairs = dict.fromkeys(prepared.pairs, len(planned))
    forwards = {what: n * len(pairs) for what, n in measured_forwards(planned).items()}
    cost = int(most_evaluations(method, planned).sum() * len(pairs))
    lines = [
        f"{name}: {count} pairs of {planned.sources} sources "
        f"({len(prepared.misclassified[name])} misclassified on the way)"
        for name, count in pairs.items()
    ]
    lines += [
        f"method: {method}",
        f"cost: at most {cost:,} evaluations, and forwards (half an evaluation each) of what is "
        f"measured: {', '.join(f'{count:,} for {what}' for what, count in forwards.items())}",
    ]
    output.show(
        lambda: {
            "plan": prepared.plan,
            "cost": {"pairs": pairs, "evaluations": cost, "forwards": forwards},
        },
        lambda: "\n".join(lines),
    )


def _show_shard(out: Place, prepared: "Prepared", output: Output) -> None:
    more = f" is shard {prepared.shard}; blindspots merge joins the shards of a plan"
    output.show(
        lambda: {"run": str(out), "shard": str(prepared.shard)},
        lambda: f"{out}{'' if output.quiet else more}",
    )


def show(out: Place, output: Output, reporter: "Reporter") -> None:
    """Tables, figures and report of a finished run; what was found is printed, then what next."""
    with reporter.work("drawing tables, figures and report", 1, "run") as tick:
        from blindspots.reporting.publish import publish

        published = publish(out, terminal_width())
        tick(1)
    output.show(published.as_json, lambda: published.report if output.quiet else published.text)
