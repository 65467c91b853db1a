"""Checks an entry by its own files and its protocol alone: no model, no torch."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blindspots.errors import WorkFailed
from blindspots.leaderboard.entry import BoardEntry, EntryFiles, public_name, read_entry
from blindspots.leaderboard.numbers import LEVELS, count_numbers, is_inside
from blindspots.leaderboard.protocol import DIGITS, Protocol, find_protocol
from blindspots.leaderboard.witnesses import (
    COLUMNS,
    ENDS,
    TWO,
    Contents,
    Judgement,
    by_pair,
    read_zip,
)

NUMBERS = 1e-6
MOST_TOLD = 20


@dataclass
class EntryCheck:
    """What was compared, and every disagreement, a sentence each."""

    entry: BoardEntry
    lines: int = 0
    witnesses: int = 0
    attacked: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "entry": self.entry.name,
            "protocol": self.entry.protocol,
            "lines": self.lines,
            "witnesses": self.witnesses,
            "attacked": self.attacked,
            "problems": self.problems,
        }

    def text(self) -> str:
        """One line per disagreement, and what was looked at."""
        told = [f"DIFFERENT: {one}" for one in self.problems[:MOST_TOLD]]
        if len(self.problems) > MOST_TOLD:
            told.append(f"and {len(self.problems) - MOST_TOLD} more")
        asked = f", {self.witnesses} witnesses asked about" if self.witnesses else ""
        attacked = f", {self.attacked} pairs attacked anew" if self.attacked else ""
        verdict = "differs" if self.problems else "agrees"
        return "\n".join(
            [*told, f"{self.entry.name}: {self.lines} lines{asked}{attacked}: {verdict}"]
        )

    def raise_if_different(self) -> None:
        if self.problems:
            raise WorkFailed(
                f"{self.entry.name} is not what it claims in {len(self.problems)} "
                f"{'place' if len(self.problems) == 1 else 'places'}: {self.problems[0]}"
            )


def check_files(path: Path, given: str | None = None) -> tuple[EntryCheck, Protocol, Contents]:
    """Compare an entry with its own files and its protocol; no model, no torch.

    Where the witnesses lie elsewhere, the lines are read from those that are shown.
    """
    entry, files = read_entry(path), EntryFiles(path)
    protocol = find_protocol(given or entry.protocol)
    result = EntryCheck(entry)
    full = files.witnesses.is_file()
    content = read_zip(files.witnesses if full else files.shown, protocol)
    shown = read_zip(files.shown, protocol)
    result.lines = len(content.lines)
    result.problems += _facts(entry, protocol)
    result.problems += _hashes(entry, files, content, shown, full)
    result.problems += _places(content.lines, protocol)
    if not result.problems:
        result.problems += _sums(entry, content.lines, protocol)
    if full:
        result.problems += _pngs(content)
    result.problems += _shown(shown)
    return result, protocol, content


def _facts(entry: BoardEntry, protocol: Protocol) -> Iterator[str]:
    for name, told, own in (
        ("protocol", entry.protocol, protocol.name),
        ("protocol_version", entry.protocol_version, protocol.version),
        ("protocol_sha256", entry.protocol_sha256, protocol.sha256),
        ("model", entry.model, public_name(entry.spec)),
        ("sha256", entry.sha256, entry.sealed().sha256),
    ):
        if told != own:
            yield f"{name} is {told}, expected {own}"


def _hashes(
    entry: BoardEntry, files: EntryFiles, content: Contents, shown: Contents, full: bool
) -> Iterator[str]:
    facts: list[tuple[str, object, object]] = [
        ("shown_sha256", entry.shown_sha256, _digest(files.shown))
    ]
    if full:
        size = files.witnesses.stat().st_size
        facts.append(("witnesses_sha256", entry.witnesses_sha256, _digest(files.witnesses)))
        facts.append(("witnesses_bytes", entry.witnesses_bytes, size))
    facts.append(("manifest_sha256", entry.manifest_sha256, content.manifest_sha256))
    facts.append(("manifest_sha256", entry.manifest_sha256, shown.manifest_sha256))
    for name, told, own in facts:
        if told != own:
            yield f"{name} is {told}, and that of the file is {own}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _places(lines: Sequence[Judgement], protocol: Protocol) -> Iterator[str]:
    """Every pair once, or twice with two witnesses, in order, of the protocol's own pictures."""
    pairs = by_pair(lines)
    if [line.pair for line in lines] != sorted(line.pair for line in lines):
        yield "the lines are not in the order of the pairs"
    if list(pairs) != list(range(len(protocol.pairs))):
        lost = sorted(set(range(len(protocol.pairs))) - pairs.keys())
        odd = sorted(pairs.keys() - set(range(len(protocol.pairs))))
        yield f"the pairs are not those of the protocol (missing {lost[:3]}, unknown {odd[:3]})"
        return
    for pair, own in pairs.items():
        ends = tuple(protocol.pictures[one].sha256[:DIGITS] for one in protocol.pairs[pair])
        if any((line.source, line.target) != ends for line in own):
            yield f"pair {pair}: its images are not those of the protocol"
        if len(own) > TWO or (len(own) == TWO and len({line.witness for line in own} - {""}) < TWO):
            yield f"pair {pair}: {len(own)} lines, expected one per witness, at most {TWO}"
        if len({_shared(line) for line in own}) > 1:
            yield f"pair {pair}: its lines say different things of the pair itself"
        yield from (f"pair {pair}: {fault}" for line in own for fault in _odd(line, protocol))


def _shared(line: Judgement) -> tuple[Any, ...]:
    return tuple(getattr(line, name) for name in COLUMNS[: COLUMNS.index("witness")])


def _odd(line: Judgement, protocol: Protocol) -> Iterator[str]:
    """What no forwards are needed for."""
    own = (line.witness, line.lowest, line.lowest_margin, line.rmse, line.by)
    held = [one is not None and one != "" for one in own]
    if any(held) != all(held):
        yield "a part of its witness is missing"
    elif all(held) and not any(is_inside(line, level, protocol.delta) for level in LEVELS):
        yield "its witness is inside at neither level"
    elif all(held) and not line.reach > 0:
        yield "its witness is not nearer to the target than the source"
    if not (0 <= line.p_source <= 1 and 0 <= line.line <= 1 and 0 <= line.line_margin <= 1):
        yield "a share of it is not in [0, 1]"
    if line.evaluations < 0 or line.apart <= 0:
        yield "its cost or its distance is negative, or 0"


def _sums(entry: BoardEntry, lines: Sequence[Judgement], protocol: Protocol) -> Iterator[str]:
    own, told = asdict(count_numbers(lines, protocol)), asdict(entry.numbers)
    for name, value in _flat(own).items():
        other = _flat(told)[name]
        if (value is None) != (other is None) or abs((value or 0) - (other or 0)) > NUMBERS:
            yield f"numbers.{name} is {other}, and its lines give {value}"
    spent = sum(own[0].evaluations for own in by_pair(lines).values())
    if abs(entry.evaluations - spent) > 0.01:
        yield f"evaluations is {entry.evaluations}, and its lines give {spent}"
    if not told["coverage"][0] >= protocol.least_accuracy:
        yield f"it names {told['coverage'][0]:.1%} of the sources, less than is admitted"


def _flat(value: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, one in value.items():
        if isinstance(one, Mapping):
            flat |= _flat(one, f"{name}{key}.")
        elif isinstance(one, list | tuple):
            flat |= {f"{name}{key}[{place}]": each for place, each in enumerate(one)}
        else:
            flat[f"{name}{key}"] = one
    return flat


def _pngs(content: Contents) -> Iterator[str]:
    wanted = {line.file: line for line in content.lines if line.witness}
    for name in sorted(content.pictures.keys() ^ wanted.keys()):
        yield f"{name} is {'missing' if name in wanted else 'the witness of no line'}"
    for name, line in wanted.items():
        data = content.pictures.get(name)
        if data is not None and hashlib.sha256(data).hexdigest() != line.witness:
            yield f"{name} has another SHA-256 than its line"


def _shown(shown: Contents) -> Iterator[str]:
    """Whole trios, whose witnesses are those of the lines."""
    witnesses = {line.pair: set() for line in shown.lines}
    for line in shown.lines:
        witnesses[line.pair].add(line.witness)
    pairs = {name.partition("-")[0] for name in shown.pictures}
    if {f"{pair}-{end}.png" for pair in pairs for end in ENDS} != set(shown.pictures):
        yield "a picture of those that are shown is missing"
        return
    for pair in pairs:
        found = hashlib.sha256(shown.pictures[f"{pair}-found.png"]).hexdigest()
        if found not in witnesses.get(int(pair), ()):
            yield f"pair {int(pair)}: what is shown of it is not its witness"
