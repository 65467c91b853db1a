"""Builds the pages of a folder of entries: static files that open from disk. No torch here.

    ENTRIES/PROTOCOL/NAME.json …     →  OUT/index.html, OUT/PROTOCOL.html, OUT/PROTOCOL/NAME.html
    ENTRIES/robust-accuracy.json         with pictures beside, PROTOCOL.csv and entries.json

Numbers are taken as the entries have them: `blindspots leaderboard verify` is what checks them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment
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
from blindspots.leaderboard.listed import Listed, read_folder
from blindspots.leaderboard.numbers import LEVELS
from blindspots.leaderboard.protocol import Protocol
from blindspots.reporting.page.inline import (
    bundle,
    environment,
    json_block,
    page_reader,
    script_hash,
)
from blindspots.store.atomic import write_text
from blindspots.store.paths import check_made_here
from blindspots.store.run_info import plain

ALL = "entries.json"
_FOLDERS = (files("blindspots.leaderboard"),)
_STYLES = ("base", "report", "views", "board")


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
    listed = list(read_folder(entries))
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
    # Beside other files a site may be built, in the place of another's pages it may not.
    if (out / "index.html").exists():
        check_made_here(out, [ALL, *(file.name for file in out.iterdir())], '"protocol": ')
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
            # Not synced one by one: there are thousands, and the next build writes them again.
            (folder / name).write_bytes(picture)
    return Built(out / "index.html", len(boards), len(listed), changes)


def _order(one: Listed) -> tuple[bool, float, str]:
    reach = one.entry.numbers.delta.reach[0]
    return not one.ranked, 2.0 if reach is None else reach, one.entry.name


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
        templates, shared = _frame()
        return templates.get_template(name).render(
            **shared,
            block=json_block({"tables": list(data)}),
            protocols=self.protocols,
            here=here,
            up=up,
            **context,
        )


@cache
def _frame() -> tuple[Environment, dict[str, Any]]:
    """The templates, and the style and script that all pages share."""
    read = page_reader(_FOLDERS)
    script = bundle("board", lambda module: read(f"{module}.js"))
    style = "".join(read(f"{name}.css") for name in _STYLES)
    shared = {"style": Markup(style), "script": Markup(script), "script_hash": script_hash(script)}
    return environment(read), shared


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
