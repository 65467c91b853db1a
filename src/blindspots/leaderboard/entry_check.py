"""Checks each claim of an entry by forwards of the model itself.

That a model is blind is proved by its witnesses. That it sees is proved by nothing, so pairs that
the entry's own hash draws can be attacked anew, and a claim that is beaten is refused.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from blindspots.api.traverse import traverse
from blindspots.diagnosis import admit, diagnose, wrong_names
from blindspots.engine.batch import to_8bit
from blindspots.errors import UsageError
from blindspots.leaderboard.entry import BoardEntry, EntryFiles
from blindspots.leaderboard.file_check import EntryCheck, check_files
from blindspots.leaderboard.judge import (
    Candidates,
    Judge,
    ProtocolImages,
    Witness,
    as_image,
    judging,
)
from blindspots.leaderboard.numbers import (
    LEVELS,
    MARGIN_SLACK,
    SLACK,
    has_level,
    is_inside,
    reaches,
)
from blindspots.leaderboard.protocol import Protocol
from blindspots.leaderboard.submission import images_of, protocol_method
from blindspots.leaderboard.witnesses import (
    COLUMNS,
    ENDS,
    Contents,
    Judgement,
    by_pair,
    read_png,
    read_zip,
)
from blindspots.progress import Reporter
from blindspots.settings import Trust
from blindspots.study.reload import check_stored_spec

# What forwards on another machine may differ by; every other column must be equal.
_NEAR: Mapping[str, float] = {
    **dict.fromkeys(("p_source", "lowest"), SLACK),
    **dict.fromkeys(("margin", "lowest_margin"), MARGIN_SLACK),
    **dict.fromkeys(("apart", "rmse"), 2e-7),
}
# A point of the line may fall to the other side.
_STEPS = 1.001
NEEDED = ("gradient", "determinism", "eval mode")


def check_entry(
    path: Path,
    *,
    model: str | None,
    images: str | None,
    protocol: str | None = None,
    classes: Path | None = None,
    sample: int | None = None,
    reattack: int = 0,
    device: str = "auto",
    batch: int | None = None,
    trust: Trust,
    reporter: Reporter,
) -> EntryCheck:
    """Load the model anew and hold every claim of the entry against it.

    `sample`: ask about so many witnesses alone, drawn by the entry's hash; None: about all.
    `reattack`: attack so many pairs anew. Refused where the entry, its zip or an image cannot be
    used, or the model is another one.
    """

    for what, given, least in (("--sample", sample, 1), ("--reattack", reattack, 0)):
        if given is not None and given < least:
            raise UsageError(f"{what} {given} was given; expected at least {least}")
    result, rules, content = check_files(path, protocol)
    files = EntryFiles(path)
    if not files.witnesses.is_file():
        raise UsageError(
            f"{files.witnesses} is missing, so no witness can be asked about; expected the archive "
            f"with SHA-256 {result.entry.witnesses_sha256[:16]}; or type --files-only"
        )
    if result.problems:
        return result
    spec = model or result.entry.spec
    check_stored_spec(spec, trust, typed=[model] if model else [])
    judged, held = admit(spec, images_of(rules, images), classes, device, trust)
    if not judged.has_fingerprint(result.entry.fingerprint):
        result.problems.append(
            f"fingerprint is {result.entry.fingerprint}, and {spec} has {judged.fingerprint()}"
        )
        return result
    wrong = set(wrong_names(diagnose(judged, held, batch=batch))) & set(NEEDED)
    result.problems += [f"doctor: {name} is wrong" for name in sorted(wrong)]
    seen = ProtocolImages.find(rules, held)
    judge = Judge(judging(judged, batch), rules, seen.pixels, seen.label)
    if result.problems:
        return result
    result.problems += _recomputed(result, judge, content, sample, reporter)
    result.problems += _shown_ends(read_zip(files.shown, rules), judge)
    if reattack and not result.problems:
        result.problems += _attacked(result, judge, content, reattack)
    return result


def _recomputed(
    result: EntryCheck, judge: Judge, content: Contents, sample: int | None, reporter: Reporter
) -> Iterator[str]:
    """Every line against forwards of the model; `sample`: so many of them."""
    pairs = by_pair(content.lines)
    drawn = sorted(pairs)
    if sample is not None:
        drawn = sorted(_random(result.entry).sample(drawn, min(sample, len(drawn))))
    faults: list[str] = []
    candidates = (_candidates(pairs[pair], content, judge, faults) for pair in drawn)
    with reporter.work(f"{result.entry.name}: verifying", len(drawn), "pairs") as tick:
        for pair, again in zip(drawn, judge.judge(candidates), strict=True):
            own = [line for line in pairs[pair] if line.witness] or pairs[pair][:1]
            result.witnesses += sum(bool(line.witness) for line in own)
            if len(again) == len(own):
                for told, line in zip(own, again, strict=True):
                    yield from _differences(told, line, judge.protocol)
            elif not faults:
                yield f"pair {pair}: its source is not named by the model"
            tick(1)
    yield from faults


def _random(entry: BoardEntry) -> random.Random:
    return random.Random(entry.sha256)


def _candidates(
    lines: Sequence[Judgement], content: Contents, judge: Judge, faults: list[str]
) -> Candidates:

    found, size = [], judge.evaluator.model.size
    for line in lines:
        if not line.witness:
            continue
        try:
            found.append(
                Witness(read_png(content.pictures[line.file], size), line.witness, line.by)
            )
        except ValueError as error:
            faults.append(f"pair {line.pair}: its witness cannot be used ({error})")
    return Candidates(lines[0].pair, lines[0].evaluations, found)


def _differences(told: Judgement, again: Judgement, protocol: Protocol) -> Iterator[str]:
    near = {**_NEAR, **dict.fromkeys(("line", "line_margin"), _STEPS / (protocol.points - 1))}
    for name in COLUMNS:
        one, other = getattr(told, name), getattr(again, name)
        noise = near.get(name)
        same = one == other if noise is None or None in (one, other) else abs(one - other) <= noise
        if not same:
            yield f"pair {told.pair}: {name} is {one}, and the model gives {other}"
    if told.witness and not any(is_inside(again, lv, protocol.delta, SLACK) for lv in LEVELS):
        yield f"pair {told.pair}: the segment of its witness leaves the level set"


def _shown_ends(shown: Contents, judge: Judge) -> Iterator[str]:
    size = judge.evaluator.model.size
    for name, data in shown.pictures.items():
        number, _, end = name.removesuffix(".png").partition("-")
        try:
            pixels = read_png(data, size)
        except ValueError as error:
            yield f"{name} cannot be shown ({error})"
            continue
        place = ENDS.index(end) // 2
        if (
            end != "found"
            and (pixels != judge.pixels(judge.protocol.pairs[int(number)][place])).any()
        ):
            yield f"{name} is not what the model sees of that image"


def _attacked(result: EntryCheck, judge: Judge, content: Contents, count: int) -> Iterator[str]:
    """Whether the pinned method reaches farther on drawn pairs than is claimed of them."""

    rules, pairs = judge.protocol, by_pair(content.lines)
    able = [pair for pair, own in pairs.items() if has_level(own[0], "delta", rules.delta)]
    drawn = sorted(_random(result.entry).sample(able, min(count, len(able))))
    if not drawn:
        return
    ends = [rules.pairs[pair] for pair in drawn]
    found = traverse(
        judge.evaluator.model,
        torch.stack([as_image(judge.pixels(source)) for source, _ in ends]),
        torch.stack([as_image(judge.pixels(target)) for _, target in ends]),
        [judge.label(source) for source, _ in ends],
        method=protocol_method(rules),
        seed=int(result.entry.sha256[:8], 16),
        ids=[f"{result.entry.sha256}:{pair}" for pair in drawn],
        batch=judge.evaluator.chunk,
        progress=False,
    ).found
    pictures = to_8bit(found).permute(0, 2, 3, 1).numpy()
    asked = [
        Candidates(p, 0.0, [Witness(x, "0" * 64, "")]) for p, x in zip(drawn, pictures, strict=True)
    ]
    again = reaches([line for own in judge.judge(asked) for line in own], rules, "delta")
    told = reaches([line for pair in drawn for line in pairs[pair]], rules, "delta")
    result.attacked = len(drawn)
    gain = (sum(again) - sum(told)) / len(drawn)
    level = result.entry.numbers.delta
    mean, _, high = level.reach
    # The interval is that of the mean of all pairs; that of fewer is wider.
    allowed = ((high or 0.0) - (mean or 0.0)) * math.sqrt(level.pairs / len(drawn))
    if gain > allowed:
        yield (
            f"{len(drawn)} pairs attacked anew reach {sum(again) / len(drawn):.3f}, claimed of "
            f"them is {sum(told) / len(drawn):.3f}: the interval allows {allowed:.3f} more"
        )
