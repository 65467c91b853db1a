"""What the benchmarks keep, row by row, and the page that is made of it."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.subjects import available

Rows = dict[str, Any]


def known(path: Path) -> Rows:
    """The rows that a file of results holds already."""
    return json.loads(path.read_text()) if path.exists() else {}


def keep(path: Path, measured: Iterable[tuple[str, Rows]]) -> None:
    """Add each row to the file as soon as it is measured, and print it without its lists."""
    rows = known(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, row in measured:
        rows[name] = row
        path.write_text(json.dumps(rows, indent=1))
        shown = {key: value for key, value in row.items() if key not in ("curve", "each")}
        print(f"{path.stem} {name}: {shown}", flush=True)


def models(results: Path) -> dict[str, Rows]:
    """The rows of every model in a folder of results."""
    return {path.stem: known(path) for path in sorted(results.glob("*.json"))}


def fill(page: Path, tables: str, what: str = "tables") -> None:
    """The tables into the page, between its two marks; the prose around stays."""
    first, last = f"<!-- {what} -->\n", f"<!-- end of {what} -->\n"
    before, rest = page.read_text().split(first)
    _, after = rest.split(last)
    page.write_text(f"{before}{first}{tables}\n{last}{after}")


def arguments(name: str, words: str | None, sources: int) -> argparse.Namespace:
    """What a benchmark of models is given: models, how many sources, where results and page lie."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=words)
    parser.add_argument("models", nargs="*", metavar="|".join(available()))
    parser.add_argument("--sources", type=int, default=sources)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results") / name)
    parser.add_argument("--page", type=Path)
    return parser.parse_args()
