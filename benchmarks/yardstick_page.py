"""The tables of docs/benchmark.md, of committed results: one per model, and what was asked."""

from pathlib import Path
from typing import Any

from benchmarks.results import Rows, fill, models

TARGET = 0.9
UNKNOWN = "–"
COLUMNS = {
    "pairs": ("pairs", "{}"),
    "evaluations": ("evaluations", "{:.1f}"),
    "forwards": ("of them forwards alone", "{:.1f}"),
    "rmse": ("RMSE", "{:.4f}"),
    "median": ("median", "{:.4f}"),
    "worst": ("worst", "{:.4f}"),
    "p_found": ("p found", "{:.3f}"),
    "segment_inside": ("segments inside", "{:.0%}"),
    "inside_8bit": ("8-bit inside", "{:.0%}"),
    "triangle_fraction": ("triangle fraction", "{:.3f}"),
    "triangle_least": ("lowest triangle", "{:.2f}"),
    "points": ("segments asked at", "{} points"),
}
ORDER = ("reference", "paper", "adaptive", "star", "fan", "segment")
ENDS = ("end", "DDN", "FMN")


def write_page(yardstick: Path, methods: Path, page: Path) -> None:
    """The tables and what the methods reach, of what both folders hold; nothing is computed."""
    judged, beside = models(yardstick), models(methods)
    names = sorted({*judged, *beside})
    tables = [_table(name, {**beside.get(name, {}), **judged.get(name, {})}) for name in names]
    fill(page, "\n".join(tables))
    fill(page, _verdicts(judged), "verdicts")


def _table(name: str, rows: Rows) -> str:
    lines = [
        f"### {name}\n",
        f"| | {' | '.join(head for head, _ in COLUMNS.values())} |",
        f"|{'---|' * (len(COLUMNS) + 1)}",
    ]
    for row, values in sorted(rows.items(), key=_place):
        cells = [
            "" if values.get(key) is None else style.format(values[key])
            for key, (_, style) in COLUMNS.items()
        ]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    old = [f"`{row}`" for row, values in rows.items() if values.get("code") == "before"]
    if old:
        lines.append(f"\nMeasured before the last changes of the methods: {', '.join(old)}.")
    return "\n".join(lines) + "\n"


def _place(row: tuple[str, Any]) -> int:
    return ORDER.index(row[0]) if row[0] in ORDER else len(ORDER)


def _verdicts(measured: dict[str, Rows]) -> str:
    """What the methods reach of the nearest baseline's distance, at no more evaluations."""
    lines = [
        "| model | `star` ÷ segment baseline | `fan` ÷ `star` | `fan` triangle | "
        "`adaptive` ÷ best end baseline |",
        "|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        cells = (
            _share(rows, "star", [r for r in rows if r == "segment"], TARGET),
            _share(rows, "fan", [r for r in rows if r == "star"], 1.1),
            _triangle(rows),
            _share(rows, "adaptive", _affordable(rows), TARGET),
        )
        if set(cells) != {UNKNOWN}:
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else "No baseline is among the results yet.\n"


def _affordable(rows: Rows) -> list[str]:
    """The baselines of ends nearest in cost from above: they are given a little more."""
    spent = rows.get("adaptive", {}).get("evaluations", 0)
    budgets = [int(row.split()[1]) for row in rows if row.split()[0] in ENDS]
    most = min((b for b in budgets if b >= spent), default=max(budgets, default=0))
    return [row for row in rows if row.split()[0] in ENDS and int(row.split()[1]) <= most]


def _share(rows: Rows, method: str, others: list[str], asked: float) -> str:
    if method not in rows or not others:
        return UNKNOWN
    best = min(others, key=lambda row: rows[row]["rmse"])
    share = rows[method]["rmse"] / rows[best]["rmse"]
    verdict = "reached" if share <= asked else f"missed by {share - asked:.2f}"
    beside = "" if best in ("segment", "star") else f" ({best})"
    return f"{share:.2f}{beside}, {verdict}"


def _triangle(rows: Rows) -> str:
    value: Any = rows.get("fan", {}).get("triangle_fraction")
    return UNKNOWN if value is None else f"{value:.3f}, {'reached' if value >= 0.98 else 'missed'}"
