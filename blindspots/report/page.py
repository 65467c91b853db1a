"""The page itself: the template filled in, scripts and styles inlined, one file written."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from blindspots.files import write_text
from blindspots.records import Ending
from blindspots.report.data import report_data, spoken, with_article
from blindspots.report.facts import run_facts
from blindspots.report.pictures import MOST_PAIRS
from blindspots.run_reader import Row, Run, arrived, nearest_believed
from blindspots.tables import Cell, Column, Table, build_table
from blindspots.tables.columns import glossary
from blindspots.tables.render import shown

_SCRIPTS = ["dom", "charts", "triangle", "player", "grid", "sources", "pairs", "start"]
_HEADLINE = ("pairs", "rmse", "p_found", "segment_mean", "segment_inside", "source_linf_epsilons")


def write_report(run: Run) -> Path:
    """`report.html` in the run's directory: self-contained, opens from disk; returns its path."""
    return write_text(run.path / "report.html", report_html(run))


def report_html(run: Run) -> str:
    """The report as one HTML text; no address in it leads out of the file."""
    script = _inlined(*(f"{name}.js" for name in _SCRIPTS))
    data = report_data(run)
    return _template().render(
        run=run,
        facts=run_facts(run),
        case=striking_case(run),
        headline=_headline(build_table(run, "summary")),
        tables=[build_table(run, kind) for kind in ("distance", "confidence", "summary")],
        endings=_endings(data["pairs"]),
        glossary=glossary(),
        data=_json_block(data),
        total=data["total"],
        listed=len(data["pairs"]),
        pictured=MOST_PAIRS if len(run.pair_rows(started=True)) > MOST_PAIRS else data["total"],
        colours=data["colours"],
        style=Markup(_inlined("report.css")),
        script=Markup(script),
        script_hash=_hash(script),
    )


def striking_case(run: Run) -> Row | None:
    """The pair of the first screen: what a person sees, what the model sees, how surely.

    The found image nearest to its target among those believed at 90 % or more, first among pairs
    whose image was kept; None where no pair was traversed.
    """
    rows = run.pair_rows(started=True)
    kept = [row for row in rows if (run.path / "found" / f"{row['pair_id']}.png").is_file()]
    row = nearest_believed(kept) or nearest_believed(rows)
    if row is None:
        return None
    seen = spoken(row["target_name"], row["target_class"])
    believed = spoken(row["source_name"], row["source_class"])
    return {
        **row,
        "seen": with_article(seen),
        "believed": with_article(believed),
        "source": believed,
        "target": seen,
        "percent": percent(row["p_found"]),
        "believes": row["p_found"] >= 0.5,
        "arrived": arrived(row),
    }


def percent(value: float) -> str:
    """A confidence as a percentage that never rounds up to certainty."""
    return f"{min(100 * value, 99.9) if value < 1 else 100:.1f}\u00a0%"


def _headline(table: Table) -> Table:
    chosen = tuple(column for column in table.columns if column.key in _HEADLINE)
    return Table("headline", "In short", chosen, table.rows, table.notes)


def _endings(pairs: list[Row]) -> list[tuple[Ending, int]]:
    counts = {ending: sum(row["ending"] == ending for row in pairs) for ending in Ending}
    return [(ending, number) for ending, number in counts.items() if number]


def _inlined(*names: str) -> str:
    return "\n".join((files("blindspots.report") / name).read_text("utf-8") for name in names)


def _hash(script: str) -> str:
    # The page allows this one script and no other, so a hostile class name can never run.
    digest = hashlib.sha256(f"\n{script}\n".encode()).digest()
    return base64.b64encode(digest).decode("ascii")


def _json_block(data: dict[str, Any]) -> Markup:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    unsafe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
    return Markup(text.translate(str.maketrans(unsafe)))


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    environment.filters["shown"] = _shown
    return environment.from_string(_inlined("report.html"))


def _shown(table_row: Any, column: Column) -> str:
    return shown(table_row.cells.get(column.key, Cell()), column)
