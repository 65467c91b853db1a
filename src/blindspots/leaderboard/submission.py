"""The run of a model under a protocol, and the entry that is made of it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blindspots.api.run_study import execute
from blindspots.engine.device import find_device
from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.leaderboard.entry import (
    FORMAT,
    BoardEntry,
    check_name,
    check_paper,
    public_name,
    write_files,
)
from blindspots.leaderboard.judge import (
    Candidates,
    Judge,
    ProtocolImages,
    Witness,
    find_pictures,
    judging,
)
from blindspots.leaderboard.numbers import LEVELS, count_numbers, is_inside, telling
from blindspots.leaderboard.protocol import Protocol, find_protocol, known_protocols
from blindspots.leaderboard.witnesses import (
    ENDS,
    Judgement,
    encode,
)
from blindspots.methods import describe_method, make_method
from blindspots.methods.method import Method
from blindspots.progress import Reporter
from blindspots.scores import Confidence, describe_score
from blindspots.settings import MachineSettings, ScienceSettings, Trust
from blindspots.store.paths import Place
from blindspots.store.reader import Pixels, Row, Run
from blindspots.store.run_info import ModelFacts, installed_versions
from blindspots.study.backends.backend import Backend
from blindspots.study.prepare import Prepared
from blindspots.study.reload import label_of, load_again
from blindspots.study.subjects import RunRequest

KEPT = ("blindspots", "torch", "pillow")


def protocol_method(
    protocol: Protocol, name: str | None = None, settings: Mapping[str, str] | None = None
) -> Method:
    """The method of a track with its pinned settings, changed by those that are given."""
    chosen = name or next(iter(protocol.methods))
    pinned = {key: str(value) for key, value in protocol.methods.get(chosen, {}).items()}
    return make_method(chosen, pinned | dict(settings or {}), delta=protocol.delta)


def images_of(protocol: Protocol, given: str | None) -> str:
    if given or protocol.images:
        return given or protocol.images
    raise UsageError(
        f"{protocol.name} needs its images; expected where they lie here ({protocol.obtain}); "
        "type --images SPEC, as in --images folder:val"
    )


def run_protocol(
    protocol: Protocol,
    model: str,
    out: Place,
    *,
    images: str | None,
    method: Method,
    machine: MachineSettings,
    backend: Backend,
    classes: Path | None,
    trust: Trust,
    reporter: Reporter,
    announce: Callable[[Prepared], None],
    seed: int | None = None,
    command: str = "",
) -> Prepared:
    spec = images_of(protocol, images)
    listed = load_images(spec, classes=classes, reporter=reporter)
    ids = _ids(protocol, listed)
    science = ScienceSettings(
        method=describe_method(method),
        score=describe_score(Confidence()),
        seed=protocol.seed if seed is None else seed,
        pairs=tuple((ids[source], ids[target]) for source, target in protocol.pairs),
    )
    request = RunRequest(
        models=[model], images=spec, science=science, machine=machine, classes=classes, trust=trust
    )

    def checked(prepared: Prepared) -> None:
        # Without a class to keep, a model would be asked for what it says itself.
        ProtocolImages.find(protocol, prepared.subjects[0].images)
        announce(prepared)

    return execute(request, method, out, reporter, backend, checked, command)


def _ids(protocol: Protocol, images: ImageSet) -> dict[int, str]:
    places = find_pictures(protocol, images)
    return {number: images.ids[place] for number, place in places.items()}


@dataclass(frozen=True)
class RunPairs:
    """A finished run of one model as the pairs of a protocol: pictures, labels, found images."""

    run: Run
    facts: ModelFacts
    rows: Sequence[Row]
    names: Mapping[int, str]

    @classmethod
    def find(cls, run: Run, given: str | None) -> "tuple[Protocol, RunPairs]":
        """With the protocol whose pairs they are; refused where none has just these."""
        if not run.finished or len(run.models) != 1:
            raise UsageError(
                f"{run.path} is not a finished run of one model; expected what blindspots "
                "leaderboard run wrote; type its command again, it resumes"
            )
        rows = run.pair_rows()
        have = {(_digits(row["source_id"]), _digits(row["target_id"] or "")): row for row in rows}
        for name in [given] if given else known_protocols():
            protocol = find_protocol(name)
            wanted = _wanted(protocol)
            if all(pair in have for pair in wanted):
                own = [have[pair] for pair in wanted]
                names = {
                    picture: row[f"{end}_id"]
                    for pair, row in zip(protocol.pairs, own, strict=True)
                    for end, picture in zip(("source", "target"), pair, strict=True)
                }
                return protocol, cls(run, run.models[0], own, names)
        raise UsageError(
            f"{run.path} does not hold the pairs of {given or 'any protocol known here'}; expected "
            "what blindspots leaderboard run wrote; name its protocol with --protocol FILE.json"
        )

    def pixels(self, picture: int) -> Pixels:
        found = self.run.image(self.names[picture], self.facts.name)
        if found is None:
            raise UsageError(
                f"{self.run.path} lacks the image {self.names[picture]}; type its command again"
            )
        return found

    def labels(self, protocol: Protocol) -> dict[int, int]:
        both = zip(protocol.pairs, self.rows, strict=True)
        return {source: label_of(row) for (source, _), row in both}

    def candidates(self, by: str, taken: dict[str, bytes]) -> Iterator[Candidates]:
        """What was found of every pair; the PNGs go to `taken`, by their SHA-256."""
        for number, row in enumerate(self.rows):
            pixels = self.run.found(row["pair_id"])
            found = []
            if pixels is not None:
                data = encode(pixels)
                found = [Witness(pixels, hashlib.sha256(data).hexdigest(), by)]
                taken[found[0].sha256] = data
            spent = (row["evaluations"] or 0.0) + (row["check_evaluations"] or 0.0)
            yield Candidates(number, round(spent, 2), found)


def submit(
    path: str | Place,
    name: str,
    out: Path,
    *,
    paper: str = "",
    protocol: str | None = None,
    device: str = "auto",
    batch: int | None = None,
    trust: Trust,
    reporter: Reporter,
) -> BoardEntry:
    """Make the entry of a run, and its two zips beside it.

    Every found image is judged anew, in 8 bits, on the protocol's points; those whose segment is
    inside at one of the two levels become witnesses. Refused below the least accuracy.
    """
    check_name(name, out)
    check_paper(paper)
    run = Run(path)
    rules, pairs = RunPairs.find(run, protocol)
    model = load_again(pairs.facts, trust, typed=[pairs.facts.spec]).to(find_device(device))
    labels, taken, lines = pairs.labels(rules), dict[str, bytes](), list[Judgement]()
    judge = Judge(judging(model, batch), rules, pairs.pixels, labels.__getitem__)
    check_accuracy(rules, judge)
    with reporter.work(f"{model.name}: judging", len(rules.pairs), "pairs") as tick:
        for own in judge.judge(pairs.candidates(name, taken)):
            lines += [_kept(line, rules) for line in own]
            tick(1)
    info = run.info
    claim = BoardEntry(
        format=FORMAT,
        name=name,
        model=public_name(pairs.facts.spec),
        spec=pairs.facts.spec,
        fingerprint=model.fingerprint(),
        paper=paper,
        protocol=rules.name,
        protocol_version=rules.version,
        protocol_sha256=rules.sha256,
        method=info.method,
        seed=info.plan.get("seed", 0),
        evaluations=round(sum(line.evaluations for line in lines), 2),
        numbers=count_numbers(lines, rules),
        versions={key: installed_versions()[key] for key in KEPT},
        **_NO_FILES,
    )
    kept = {line.file: taken[line.witness] for line in lines if line.witness}
    return write_files(out, claim, lines, kept, _trios(lines, rules, pairs.pixels, kept))


_NO_FILES: dict[str, Any] = {
    "manifest_sha256": "",
    "witnesses_sha256": "",
    "witnesses_bytes": 0,
    "shown_sha256": "",
}


def check_accuracy(protocol: Protocol, judge: Judge) -> None:
    """Refuse a model that names too few of the sources: what it holds says nothing then."""
    named = [answer.named for answer in judge.answers(protocol.sources)]
    share = sum(named) / len(named)
    if share < protocol.least_accuracy:
        raise UsageError(
            f"{judge.evaluator.model.name} names {share:.1%} of the sources of {protocol.name} "
            f"correctly; expected at least {protocol.least_accuracy:.0%}; look at it with "
            "blindspots doctor"
        )


def _kept(line: Judgement, protocol: Protocol) -> Judgement:
    """The line, without a witness that leaves at both levels or went nowhere."""
    if line.reach > 0 and any(is_inside(line, level, protocol.delta) for level in LEVELS):
        return line
    return replace(line, witness="", lowest=None, lowest_margin=None, rmse=None, by="")


def _trios(
    lines: Sequence[Judgement],
    protocol: Protocol,
    pixels: Callable[[int], Pixels],
    kept: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Source, witness and target of the most telling pairs, by the names of their files."""
    trios = {}
    for line in telling(lines, protocol):
        source, target = protocol.pairs[line.pair]
        files = (encode(pixels(source)), kept[line.file], encode(pixels(target)))
        trios |= {f"{line.pair:05d}-{end}.png": data for end, data in zip(ENDS, files, strict=True)}
    return trios


def _digits(image_id: str) -> str:
    return image_id.rpartition("-")[2][:8]


def _wanted(protocol: Protocol) -> list[tuple[str, str]]:
    digits = [one.sha256[:8] for one in protocol.pictures]
    return [(digits[source], digits[target]) for source, target in protocol.pairs]
