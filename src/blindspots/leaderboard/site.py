"""Builds the pages of a folder of entries: static files that open from disk. No torch here.

    ENTRIES/PROTOCOL/NAME.json …     →  OUT/index.html, OUT/PROTOCOL.html, OUT/PROTOCOL/NAME.html
    ENTRIES/robust-accuracy.json         with pictures beside, PROTOCOL.csv and entries.json

Numbers are taken as the entries have them: `blindspots leaderboard verify` is what checks them.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from blindspots.errors import UsageError
from blindspots.leaderboard.board_text import (
    COLUMNS,
    csv_of,
    level_rows,
    ranking,
    robust_text,
    scatter_of,
    spread_of,
)
from blindspots.leaderboard.entry import Entry, EntryFiles, public_name, read_entry
from blindspots.leaderboard.numbers import LEVELS, best_witness, reaches
from blindspots.leaderboard.protocol import SUFFIX, Protocol, find_protocol
from blindspots.leaderboard.witnesses import ENDS, Contents, by_pair, read_png, read_zip
from blindspots.reporting.page.inline import (
    bundle,
    environment,
    json_block,
    page_reader,
    script_hash,
)
from blindspots.specs import parse_json, read_text
from blindspots.store.atomic import write_bytes, write_text
from blindspots.store.run_info import plain

# From half of the way on a picture is nearer to the target, and named like it.
ARRIVED = 0.5
ROBUST, ALL = "robust-accuracy.json", "entries.json"
_FOLDERS = (files("blindspots.leaderboard"),)
_STYLES = ("base", "report", "views", "board")


@dataclass(frozen=True)
class Listed:
    """An entry with what its pages show; `robust`: (robust accuracy, under what), where known."""

    entry: Entry
    protocol: Protocol
    content: Contents
    files: EntryFiles
    robust: tuple[float, str] | None

    @property
    def track(self) -> str:
        return self.protocol.track(self.entry.method)

    @property
    def page(self) -> str:
        return f"{self.protocol.name}/{self.files.path.stem}.html"

    @property
    def ranked(self) -> bool:
        """Whether it has a rank: of a pinned track, or joined, and naming enough sources."""
        covered = (self.entry.numbers.coverage[0] or 0) >= self.protocol.ranked_from
        return covered and (self.track != "open" or self.entry.method.get("name") == "merged")

    @cached_property
    def reaches(self) -> list[float]:
        return reaches(self.content.lines, self.protocol, "delta")

    def trios(self) -> list[dict[str, Any]]:
        """The pairs that are shown, farthest first, with the places of their pictures."""
        numbers = {int(name.partition("-")[0]) for name in self.content.pictures}
        own = by_pair(self.content.lines)
        best = [best_witness(own[number], "delta", self.protocol.delta) for number in numbers]
        shown = sorted(filter(None, best), key=lambda one: -one.reach)
        return [
            {
                "name": self.entry.name,
                "source": _class(self.protocol, one.pair, 0),
                "target": _class(self.protocol, one.pair, 1),
                "reach": f"{one.reach:.3f}",
                "rmse": f"{one.rmse:.4f}",
                "p": f"{one.p_source:.3f}",
                "lowest": f"{one.lowest:.3f}",
                "by": one.by,
                "arrived": one.reach >= ARRIVED,
                "files": {end: f"{self.page[:-5]}/{one.pair:05d}-{end}.png" for end in ENDS},
            }
            for one in shown
        ]


@dataclass(frozen=True)
class Built:
    """What was built: the first page, the counts of pages and entries, and what changed."""

    index: Path
    protocols: int
    entries: int
    changes: Sequence[Mapping[str, str]]

    def as_json(self) -> dict[str, Any]:
        return {
            "index": str(self.index),
            "protocols": self.protocols,
            "entries": self.entries,
            "changes": list(self.changes),
        }

    def text(self) -> str:
        lines = [
            f"{one['protocol']} {one['name']}: {one['number']} {one['before']} → {one['now']}"
            for one in self.changes
        ]
        return "\n".join([*lines, f"{self.entries} entries: {self.index}"])


def build_site(entries: Path, out: Path) -> Built:
    """Build all pages into `out`, and say what changed since they were built there before.

    Refused, before anything is written, where an entry or its pictures cannot be read.
    """
    listed = list(_listed(entries))
    if not listed:
        raise UsageError(
            f"{entries} holds no entry; expected a folder per protocol with entries in it, as "
            "blindspots leaderboard submit --entry ENTRIES/PROTOCOL/NAME.json makes them"
        )
    boards = [
        (protocol, sorted(own, key=_order))
        for protocol, own in (
            (group[0].protocol, group)
            for group in (list(g) for _, g in groupby(listed, lambda one: one.protocol.name))
        )
    ]
    data = [_as_json(one) for one in listed]
    changes = _changes(out / ALL, data)
    pages = _Pages([protocol for protocol, _ in boards], entries)
    written = {
        "index.html": pages.front(boards, changes),
        ALL: json.dumps(data, indent=1, ensure_ascii=False) + "\n",
    }
    for protocol, rows in boards:
        written[f"{protocol.name}.html"] = pages.table(protocol, rows)
        written[f"{protocol.name}.csv"] = csv_of(ranking(rows))
        written |= {one.page: pages.model(one) for one in rows}
    for name, text in written.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(out / name, text)
    for one in listed:
        folder = out / one.page[: -len(".html")]
        folder.mkdir(exist_ok=True)
        for name, picture in one.content.pictures.items():
            write_bytes(folder / name, picture)
    return Built(out / "index.html", len(boards), len(listed), changes)


def _listed(folder: Path) -> Iterator[Listed]:
    robust = _robust(folder / ROBUST)
    for own in sorted(one for one in folder.glob("*") if one.is_dir()):
        protocol = _protocol(own)
        for path in sorted(own.glob(f"*{SUFFIX}")):
            entry, known = read_entry(path), EntryFiles(path)
            content = read_zip(known.shown, protocol)
            _check(path, entry, protocol, content, known)
            yield Listed(entry, protocol, content, known, _known(robust, entry, protocol))


def _protocol(folder: Path) -> Protocol:
    """The protocol of a folder's name: that in a file beside it, or the one of the package."""
    own = folder.with_suffix(f"{folder.suffix}{SUFFIX}")
    return find_protocol(str(own) if own.is_file() else folder.name)


def _check(
    path: Path, entry: Entry, protocol: Protocol, content: Contents, known: EntryFiles
) -> None:
    shown = hashlib.sha256(known.shown.read_bytes()).hexdigest()
    held = (entry.protocol_sha256, entry.shown_sha256, entry.manifest_sha256, entry.sha256)
    own = (protocol.sha256, shown, content.manifest_sha256, entry.sealed().sha256)
    pairs = {line.pair for line in content.lines}
    try:
        for picture in content.pictures.values():
            read_png(picture)
        whole = {int(name.partition("-")[0]) for name in content.pictures} <= pairs
        sound = held == own and pairs == set(range(len(protocol.pairs))) and whole
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(
            f"{path} disagrees with its own files; expected an entry as it was submitted; type "
            f"blindspots leaderboard verify {path} --files-only"
        )


def _robust(file: Path) -> list[Mapping[str, Any]]:
    if not file.is_file():
        return []
    rows = parse_json(read_text(file, str(file)), str(file))
    wanted = {"data": str, "model": str, "accuracy": float, "under": str}
    for row in rows if isinstance(rows, list) else [rows]:
        fits = isinstance(row, dict) and wanted.keys() == row.keys()
        if not fits or not all(isinstance(row.get(key), kind) for key, kind in wanted.items()):
            raise UsageError(
                f"{file} has a row that is none; expected data, model, accuracy (0 to 1) and under"
            )
    return rows


def _known(
    rows: Sequence[Mapping[str, Any]], entry: Entry, protocol: Protocol
) -> tuple[float, str] | None:
    """By fingerprint, or by name where the weights are those that the name stands for."""
    named = "" if "weights=" in entry.spec else public_name(entry.spec)
    own = (row for row in rows if row["data"] == protocol.data)
    found = next((row for row in own if row["model"] in (entry.fingerprint, named)), None)
    return None if found is None else (found["accuracy"], found["under"])


def _order(one: Listed) -> tuple[bool, float, str]:
    reach = one.entry.numbers.delta.reach[0]
    return not one.ranked, 2.0 if reach is None else reach, one.entry.name


def _class(protocol: Protocol, pair: int, end: int) -> str:
    """The class of a source (0) or target (1): the file's name says more than a folder's number."""
    picture = protocol.pictures[protocol.pairs[pair][end]]
    if not re.fullmatch(r"n\d{8}", picture.label):
        return picture.label
    stem = Path(picture.name).stem.removeprefix(picture.label).strip("_")
    return stem.replace("_", " ") or picture.label


def _as_json(one: Listed) -> dict[str, Any]:
    known = one.robust
    robust = None if known is None else {"accuracy": known[0], "under": known[1]}
    return {**plain(one.entry), "track": one.track, "ranked": one.ranked, "robust": robust}


def _changes(file: Path, now: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Entries that came, went, or changed a number, against what was built there before."""
    if not file.is_file():
        return []
    try:
        before = {_key(one): one for one in json.loads(file.read_text("utf-8"))}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    after = {_key(one): one for one in now}
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = (_numbers(side.get(key)) for side in (before, after))
        for number in dict.fromkeys([*old, *new]):
            if old.get(number) != new.get(number):
                told = {"before": old.get(number, "–"), "now": new.get(number, "–")}
                changes.append({"protocol": key[0], "name": key[1], "number": number, **told})
    return changes


def _key(one: Mapping[str, Any]) -> tuple[str, str]:
    return str(one["protocol"]), str(one["name"])


def _numbers(one: Mapping[str, Any] | None) -> dict[str, str]:
    if one is None:
        return {}
    own = {
        f"{number}, {level}": one["numbers"][level][number][0]
        for level in LEVELS
        for number in ("reach", "blind")
    }
    return {name: f"{value:.3f}" for name, value in own.items() if value is not None}


@dataclass(frozen=True)
class _Pages:
    """The pages, which share their frame."""

    protocols: Sequence[Protocol]
    folder: Path

    def front(self, boards: Sequence[Any], changes: Sequence[Any]) -> str:
        shown = [
            {
                "protocol": protocol,
                "rows": ranking(rows),
                "hero": max((t for one in rows for t in one.trios()), key=_telling, default=None),
            }
            for protocol, rows in boards
        ]
        for one in shown[1:]:
            one["hero"] = None  # one picture is enough
        first = boards[0][0]
        return self._fill(
            "board-front.html",
            boards=shown,
            changes=changes,
            points=first.points,
            delta=first.delta,
        )

    def table(self, protocol: Protocol, rows: Sequence[Listed]) -> str:
        ranked = ranking(rows)
        data = {"kind": protocol.name, "title": protocol.title, "csv": csv_of(ranked)}
        return self._fill(
            "board-table.html",
            here=protocol.name,
            data=[data],
            protocol=protocol,
            rows=ranked,
            columns=COLUMNS,
            scatter=scatter_of(rows),
            facts=_facts(protocol),
        )

    def model(self, one: Listed) -> str:
        (row,) = ranking([one])
        folder = Path() if self.folder.is_absolute() else self.folder
        place = (folder / one.protocol.name / one.files.path.name).as_posix()
        return self._fill(
            "board-model.html",
            here=one.protocol.name,
            up="../",
            protocol=one.protocol,
            entry=one.entry,
            row=row,
            trios=one.trios(),
            numbers=level_rows(one.entry.numbers),
            spread=spread_of(one.reaches),
            archived=one.files.witnesses.is_file(),
            command=_command(one, place),
            facts=_entry_facts(one),
        )

    def _fill(
        self, name: str, *, here: str = "", up: str = "", data: Sequence[Any] = (), **context: Any
    ) -> str:
        read = page_reader(_FOLDERS)
        script = bundle("board", lambda module: read(f"{module}.js"))
        return (
            environment(read)
            .get_template(name)
            .render(
                style=Markup("".join(read(f"{style}.css") for style in _STYLES)),
                script=Markup(script),
                script_hash=script_hash(script),
                block=json_block({"tables": list(data)}),
                protocols=self.protocols,
                here=here,
                up=up,
                **context,
            )
        )


def _telling(trio: Mapping[str, Any]) -> float:
    return float(trio["reach"])


def _command(one: Listed, place: str) -> str:
    images = "" if one.protocol.images else " \\\n  --images SPEC"
    return f"blindspots leaderboard verify {place} \\\n  --model '{one.entry.spec}'{images}"


def _facts(protocol: Protocol) -> list[tuple[str, str]]:
    methods = "; ".join(
        f"{name} with {', '.join(f'{key} {value:g}' for key, value in own.items())}"
        for name, own in protocol.methods.items()
    )
    return [
        ("name, version", f"{protocol.name}, {protocol.version}"),
        ("images", protocol.obtain),
        ("pairs", f"{len(protocol.pairs)} of {len(protocol.sources)} sources, by content"),
        ("drawn by", protocol.drawn),
        ("pinned methods", methods),
        ("points per segment", str(protocol.points)),
        ("looks like its target", f"RMSE at most {protocol.blind_rmse:g}"),
        ("SHA-256", protocol.sha256),
    ]


def _entry_facts(one: Listed) -> list[tuple[str, str]]:
    entry, numbers = one.entry, one.entry.numbers
    method = ", ".join(f"{key} {value}" for key, value in entry.method.items())
    return [
        ("model", entry.spec),
        ("paper", entry.paper or "–"),
        ("fingerprint", entry.fingerprint),
        ("robust accuracy", robust_text(one.robust)),
        ("sources named correctly", f"{numbers.named} of {numbers.sources}"),
        ("track", one.track),
        ("method, as told", method),
        ("evaluations, as told", f"{entry.evaluations:,.0f}"),
        ("versions, as told", ", ".join(f"{k} {v}" for k, v in entry.versions.items())),
        ("witnesses", f"{numbers.witnesses}, {entry.witnesses_bytes / 1e6:.1f} MB"),
        ("their SHA-256", entry.witnesses_sha256),
    ]
