"""Joins entries of one model on one protocol: the best witness per pair counts. No torch here.

So a row only moves towards the truth: whoever finds stronger witnesses joins them to an entry.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from blindspots.errors import UsageError
from blindspots.leaderboard.entry import BoardEntry, EntryFiles, check_name, write_files
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.numbers import (
    LEVELS,
    MOST_SHOWN,
    best_witness,
    count_numbers,
    telling,
)
from blindspots.leaderboard.protocol import Protocol
from blindspots.leaderboard.witnesses import ENDS, Judgement, by_pair, read_zip

OF_THE_PAIR = ("named", "p_source", "margin", "line", "line_margin")
ALIKE = ("protocol", "protocol_sha256", "fingerprint")


def combine(paths: Sequence[Path], name: str, out: Path, protocol: str | None = None) -> BoardEntry:
    """A new entry with the best witness of each pair at each level; each line says who found it.

    What a pair cost is the sum over the entries. Refused where they are of several models or
    protocols, or one disagrees with its own files; verify them first, and the result afterwards.
    """
    check_name(name, out)
    if len(paths) < 2:
        raise UsageError("one entry was given; expected two or more; type a second ENTRY")
    entries, contents, rules = [], [], None
    for path in paths:
        result, rules, content = check_files(path, protocol)
        result.raise_if_different()
        _check_witnesses(path)
        entries.append(result.entry)
        contents.append(content)
    _check_alike(paths, entries)
    assert rules is not None
    lines = list(_best([by_pair(one.lines) for one in contents], rules))
    pictures = {name: data for one in contents for name, data in one.pictures.items()}
    claim = replace(
        entries[0],
        name=name,
        method={"name": "merged", "of": ", ".join(one.name for one in entries)},
        evaluations=round(sum(own[0].evaluations for own in by_pair(lines).values()), 2),
        numbers=count_numbers(lines, rules),
    )
    kept = {line.file: pictures[line.file] for line in lines if line.witness}
    return write_files(out, claim, lines, kept, _trios(paths, lines, rules, kept))


def _check_witnesses(path: Path) -> None:
    if not EntryFiles(path).witnesses.is_file():
        raise UsageError(
            f"{EntryFiles(path).witnesses} is missing; expected the witnesses of every entry; get "
            "it first"
        )


def _check_alike(paths: Sequence[Path], entries: Sequence[BoardEntry]) -> None:
    for path, entry in zip(paths[1:], entries[1:], strict=True):
        for what in ALIKE:
            if getattr(entry, what) != getattr(entries[0], what):
                raise UsageError(
                    f"{path} has another {what} than {paths[0]}; expected entries of one model on "
                    "one protocol; join those alone"
                )


def _best(entries: Sequence[dict[int, list[Judgement]]], rules: Protocol) -> Iterator[Judgement]:
    for pair in range(len(rules.pairs)):
        spent = round(sum(own[pair][0].evaluations for own in entries), 2)
        every = [line for own in entries for line in own[pair]]
        # Facts of the pair itself may differ by float noise: those of the first entry are kept.
        facts = {name: getattr(every[0], name) for name in OF_THE_PAIR}
        known = [replace(line, **facts, evaluations=spent) for line in every]
        best = [best_witness(known, level, rules.delta) for level in LEVELS]
        chosen = {line.witness: line for line in best if line is not None}
        yield from chosen.values() or [_bare(known[0])]


def _bare(line: Judgement) -> Judgement:
    return replace(line, witness="", lowest=None, lowest_margin=None, rmse=None, by="")


def _trios(
    paths: Sequence[Path], lines: Sequence[Judgement], rules: Protocol, kept: dict[str, bytes]
) -> dict[str, bytes]:
    """Those of the most telling pairs whose sources and targets the entries show."""
    shown: dict[str, bytes] = {}
    for path in paths:
        shown |= read_zip(EntryFiles(path).shown, rules).pictures
    trios: dict[str, bytes] = {}
    for line in telling(lines, rules, len(lines)):
        names = [f"{line.pair:05d}-{end}.png" for end in ENDS]
        if len(trios) < len(ENDS) * MOST_SHOWN and all(name in shown for name in names):
            trios |= {name: shown[name] for name in names}
            trios[names[1]] = kept[line.file]
    return trios
