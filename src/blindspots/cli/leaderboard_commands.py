"""`blindspots leaderboard …`: protocols, entries with their witnesses, and the pages of them."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from blindspots.cli.options import (
    BackendFlags,
    MachineFlags,
    ModelFlags,
    Output,
    RunPlace,
    RunTrustFlags,
    check_file,
    key_values,
    model_specs,
)
from blindspots.cli.startup import typed_command

DEFAULT_OUTPUT, DEFAULT_MODEL, DEFAULT_TRUST = Output(), ModelFlags(), RunTrustFlags()
DEFAULT_MACHINE, DEFAULT_BACKEND = MachineFlags(), BackendFlags()
Repeated = Parameter(negative=(), consume_multiple=False)
Flag = Parameter(negative=())


def protocols(*, output: Output = DEFAULT_OUTPUT) -> None:
    """List the protocols that come with the package."""
    from blindspots.leaderboard.protocol import find_protocol, known_protocols

    found = [find_protocol(name) for name in known_protocols()]
    rows = [
        {
            "name": one.name,
            "version": one.version,
            "title": one.title,
            "sources": len(one.sources),
            "pairs": len(one.pairs),
            "images": one.images,
            "obtain": one.obtain,
        }
        for one in found
    ]
    output.show(
        lambda: rows,
        lambda: "\n".join(
            f"{row['name']:<20} {row['sources']} sources, {row['pairs']} pairs; {row['obtain']}"
            for row in rows
        ),
    )


def draw(
    name: str,
    /,
    *,
    images: str,
    out: Path,
    classes: Path | None = None,
    sources: int = 200,
    targets_per_source: int = 5,
    seed: int = 0,
    title: str = "",
    data: str = "",
    obtain: str = "",
    anywhere: Annotated[bool, Flag] = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Draw the pairs of a protocol from labelled images and write its file.

    Parameters
    ----------
    name
        Name of the protocol, such as cifar10-v1.
    images
        Image spec, with labels.
    out
        File to write.
    classes
        Class names: a plain list, or [[folder, name], ...].
    sources
        How many sources.
    targets_per_source
        How many targets each source gets.
    seed
        Seed of the draw.
    title
        What its pages are headed.
    data
        Name of the data set in tables of robust accuracy, such as cifar10.
    obtain
        How to get the images, as half a sentence.
    anywhere
        The image spec finds the images on every machine.
    """
    from blindspots.leaderboard.draw import draw_protocol
    from blindspots.leaderboard.protocol import read_protocol, write_json
    from blindspots.progress import Reporter
    from blindspots.store.atomic import write_text

    check_file("--out", out, "cifar10-v1.json")
    protocol = draw_protocol(
        name,
        images,
        classes=classes,
        sources=sources,
        targets_per_source=targets_per_source,
        seed=seed,
        title=title,
        data=data,
        obtain=obtain,
        anywhere=anywhere,
        drawn=_drawn_by(name, sources, targets_per_source, seed),
        reporter=Reporter(output.quiet),
    )
    text = write_json(protocol)
    read_protocol(text, str(out))
    write_text(out, text)
    output.show(
        lambda: {"protocol": str(out), "pairs": len(protocol.pairs), "sha256": protocol.sha256},
        lambda: f"{out}: {len(protocol.sources)} sources, {len(protocol.pairs)} pairs",
    )


def _drawn_by(name: str, sources: int, targets: int, seed: int) -> str:
    return (
        f"blindspots leaderboard draw {name} --images SPEC --sources {sources} "
        f"--targets-per-source {targets} --seed {seed} --out {name}.json"
    )


def run(
    *,
    protocol: str,
    model: str,
    out: RunPlace,
    images: str | None = None,
    model_flags: ModelFlags = DEFAULT_MODEL,
    method: str | None = None,
    set: Annotated[tuple[str, ...], Repeated] = (),
    seed: int | None = None,
    machine: MachineFlags = DEFAULT_MACHINE,
    backend: BackendFlags = DEFAULT_BACKEND,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Traverse the pairs of a protocol for a model; with the same --out it resumes.

    Parameters
    ----------
    protocol
        Name of a protocol, or the file of one.
    model
        Model spec.
    out
        Run directory.
    images
        Image spec; unless given, the protocol's own.
    method
        Method, with the settings that the protocol pins; unless given, its first track's.
    set
        Another setting of the method, as name=value; may be repeated.
    seed
        Seed of the method's draws; unless given, the protocol's.
    """
    from blindspots.cli.run_command import announce_plan
    from blindspots.leaderboard.protocol import find_protocol
    from blindspots.leaderboard.submission import protocol_method, run_protocol
    from blindspots.progress import Reporter

    rules, reporter = find_protocol(protocol), Reporter(output.quiet)
    (spec,) = model_specs((model,), model_flags)
    run_protocol(
        rules,
        spec,
        out,
        images=images,
        method=protocol_method(rules, method, key_values("--set", set, "max_steps=64")),
        machine=machine.settings(keep="found", hulls=False),
        backend=backend.build(machine.device),
        classes=model_flags.classes,
        trust=model_flags.trust(),
        reporter=reporter,
        announce=announce_plan(reporter),
        seed=seed,
        command=typed_command(),
    )
    output.show(
        lambda: {"run": str(out), "protocol": rules.name},
        lambda: f"{out}: next, blindspots leaderboard submit {out} --name NAME --entry NAME.json",
    )


def submit(
    run: RunPlace,
    /,
    *,
    name: str,
    entry: Path,
    paper: str = "",
    protocol: str | None = None,
    device: str = "auto",
    batch_size: str = "auto",
    trust: RunTrustFlags = DEFAULT_TRUST,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Make an entry of a finished run: its claims, and the witnesses that prove them.

    Parameters
    ----------
    run
        Run directory of blindspots leaderboard run.
    name
        What the model is called on the pages.
    entry
        File to write, called after the name; its zips are written beside it.
    paper
        Web address of the model's paper.
    protocol
        File of the protocol, where it does not come with the package.
    device
        auto, cpu, cuda, cuda:1 ...
    batch_size
        Images at once, or auto.
    """
    from blindspots.leaderboard.submission import submit as make_entry
    from blindspots.progress import Reporter
    from blindspots.store.run_info import plain

    check_file("--entry", entry, "resnet.json")
    made = make_entry(
        run,
        name,
        entry,
        paper=paper,
        protocol=protocol,
        device=device,
        batch=_batch(batch_size),
        trust=trust.trust(),
        reporter=Reporter(output.quiet),
    )
    output.show(lambda: plain(made), lambda: f"{_words(made.numbers)}\n{entry}")


def _batch(text: str) -> int | None:
    from blindspots.settings import check_batch

    return None if text == "auto" else check_batch(text)


def _words(numbers) -> str:
    lines = [f"{numbers.named} of {numbers.sources} sources are named correctly"]
    for level, what in ((numbers.delta, "within delta"), (numbers.margin, "at a margin of 0")):
        mean, low, high = level.reach
        known = "no pair" if mean is None else f"reach {mean:.3f}"
        span = "" if low is None else f" ({low:.3f} to {high:.3f})"
        lines.append(f"{what}: {known}{span}, {level.pairs} pairs")
    return "\n".join(lines)


def verify(
    entry: Path,
    /,
    *,
    model: str | None = None,
    images: str | None = None,
    protocol: str | None = None,
    sample: int | None = None,
    reattack: int = 0,
    files_only: Annotated[bool, Flag] = False,
    classes: Path | None = None,
    device: str = "auto",
    batch_size: str = "auto",
    trust: RunTrustFlags = DEFAULT_TRUST,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Hold every claim of an entry against the model itself, by forwards alone.

    Exit status 1 where one disagrees.

    Parameters
    ----------
    entry
        File of the entry; its witnesses lie beside it.
    model
        Model spec; unless given, the entry's own.
    images
        Image spec; unless given, the protocol's own.
    protocol
        File of the protocol, where it does not come with the package.
    sample
        Ask about so many pairs alone, drawn by the entry's hash.
    reattack
        Attack so many pairs anew, drawn by the entry's hash.
    files_only
        Compare the entry's files with each other and load no model.
    classes
        Class names of the images: a plain list, or [[folder, name], ...].
    device
        auto, cpu, cuda, cuda:1 ...
    batch_size
        Images at once, or auto.
    """
    from blindspots.leaderboard.file_check import check_files
    from blindspots.progress import Reporter

    if files_only:
        result, *_ = check_files(entry, protocol)
    else:
        from blindspots.leaderboard.entry_check import check_entry

        result = check_entry(
            entry,
            model=model,
            images=images,
            protocol=protocol,
            classes=classes,
            sample=sample,
            reattack=reattack,
            device=device,
            batch=_batch(batch_size),
            trust=trust.trust(),
            reporter=Reporter(output.quiet),
        )
    output.show(result.as_json, result.text)
    result.raise_if_different()


def merge(
    *entries: Path,
    name: str,
    entry: Path,
    protocol: str | None = None,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Join entries of one model: the best witness per pair counts.

    Parameters
    ----------
    entries
        Files of entries, two or more.
    name
        What the joined entry is called.
    entry
        File to write, called after the name.
    protocol
        File of the protocol, where it does not come with the package.
    """
    from blindspots.leaderboard.combine import combine
    from blindspots.store.run_info import plain

    check_file("--entry", entry, "resnet.json")
    made = combine(entries, name, entry, protocol)
    output.show(lambda: plain(made), lambda: f"{_words(made.numbers)}\n{entry}")


def build(
    entries: Path,
    /,
    *,
    out: Path,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Build the pages of a folder of entries: static files that open from disk.

    Parameters
    ----------
    entries
        Folder with a folder per protocol, and the entries in these.
    out
        Folder of the pages.
    """
    from blindspots.leaderboard.site import build_site

    built = build_site(entries, out)
    output.show(built.as_json, built.text)
