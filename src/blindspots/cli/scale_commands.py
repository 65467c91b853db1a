"""`blindspots merge` and `blindspots estimate`: runs too large for one process."""

from typing import Annotated

from blindspots.cli.options import (
    REPEATED,
    SWITCH,
    MachineFlags,
    MethodFlags,
    ModelFlags,
    Output,
    RunPlace,
    model_specs,
)
from blindspots.cli.startup import check_typed, start, typed_command

DEFAULT_OUTPUT, DEFAULT_MODEL = Output(), ModelFlags()
DEFAULT_METHOD, DEFAULT_MACHINE = MethodFlags(), MachineFlags()


def merge(
    first: RunPlace,
    /,
    *others: RunPlace,
    out: RunPlace,
    allow_missing: Annotated[bool, SWITCH] = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Join the run directories of a plan's shards; tables, figures and a report.

    Parameters
    ----------
    first
        Run directory of a shard.
    others
        Those of the other shards.
    out
        Run directory of the whole.
    allow_missing
        Join what there is, also where shards or pairs are missing.
    """
    from blindspots.cli.run_command import show
    from blindspots.progress import Reporter
    from blindspots.store.merge import merge_shards

    reporter, paths = Reporter(output.quiet), [first, *others]
    command = typed_command()
    with reporter.work("joining shards", len(paths), "shards") as tick:
        missing = merge_shards(paths, out, command, allow_missing)
        tick(len(paths))
    for what in missing:
        reporter.warn(what)
    show(out, output, reporter)


def estimate(
    *,
    model: str,
    pairs: int,
    images: str = "sample:shapes",
    model_flags: ModelFlags = DEFAULT_MODEL,
    method: MethodFlags = DEFAULT_METHOD,
    sources: int | None = None,
    targets_per_source: int = 2,
    gpu: Annotated[tuple[str, ...], REPEATED] = (),
    machine: MachineFlags = DEFAULT_MACHINE,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """What a run of many pairs will take: times a few, extrapolates, says how surely.

    Parameters
    ----------
    model
        Model spec.
    pairs
        How many pairs are planned.
    images
        Image spec to take the few from; an ImageNet model wants images of its own classes.
    sources
        How many sources to time; two more than the targets of each, 4 at least, unless given.
    targets_per_source
        How many targets each source gets, as in the run that is planned.
    gpu
        A GPU, as NAME=RATE,SPEEDUP: dollars an hour, and how many times as fast as this machine;
        may be repeated.
    """
    specs = model_specs((model,), model_flags)
    check_typed(specs, images, classes=model_flags.classes)
    reporter = start(output)
    from blindspots.methods import describe_method
    from blindspots.scores import describe_score
    from blindspots.settings import ScienceSettings
    from blindspots.study.estimate import estimate as estimate_run
    from blindspots.study.estimate import parse_gpu_price
    from blindspots.study.subjects import RunRequest

    cards, (traversal, score) = [parse_gpu_price(text) for text in gpu], method.build()
    request = RunRequest(
        models=specs,
        images=images,
        science=ScienceSettings(
            method=describe_method(traversal),
            score=describe_score(score),
            precision=machine.precision,
            sources=sources or max(4, targets_per_source + 2),
            targets_per_source=targets_per_source,
        ),
        machine=machine.settings(),
        classes=model_flags.classes,
        trust=model_flags.trust(),
    )
    result = estimate_run(request, traversal, pairs, reporter)
    output.show(lambda: result.as_json(cards), lambda: result.text(cards))
