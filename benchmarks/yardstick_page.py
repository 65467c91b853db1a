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
    "lpips": ("LPIPS", "{:.4f}"),
    "p_found": ("p found", "{:.3f}"),
    "segment_inside": ("segments inside", "{:.0%}"),
    "inside_8bit": ("8-bit inside", "{:.0%}"),
    "triangle_fraction": ("triangle fraction", "{:.3f}"),
    "triangle_least": ("lowest triangle", "{:.2f}"),
    "points": ("points of a segment", "{}"),
}
# `adaptive` ends at its tolerance; to know how near it comes, it is asked for more.
TO_THE_END = "adaptive, tolerance 0.0001"
ORDER = ("reference", "paper", "adaptive", TO_THE_END, "star", "fan", "segment")
ENDS = ("end", "DDN", "FMN")
LONG_SEGMENT, LONG_FMN = "segment, 8 × evaluations", "FMN 1000"


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


VERDICTS = {
    "`star` ÷ segment baseline": lambda rows: _share(rows, "star", ["segment"], TARGET),
    "medians of these": lambda rows: _share(rows, "star", ["segment"], None, "median"),
    "`star` ÷ segment, 8 × evaluations": lambda rows: _share(rows, "star", [LONG_SEGMENT]),
    "`fan` ÷ `star`": lambda rows: _share(rows, "fan", ["star"], 1.1),
    "`fan` triangle": lambda rows: _at_least(rows, "triangle_fraction", 0.98),
    "`fan` worst ÷ median": lambda rows: _worst(rows, 4.0),
    "`adaptive` ÷ best end baseline": lambda rows: _share(
        rows, TO_THE_END, _affordable(rows), TARGET
    ),
    "`adaptive` ÷ FMN 1000": lambda rows: _share(rows, TO_THE_END, [LONG_FMN]),
}


def _verdicts(measured: dict[str, Rows]) -> str:
    """What the methods reach of the nearest baseline's distance, and of the best known."""
    lines = [f"| model | {' | '.join(VERDICTS)} |", f"|{'---|' * (len(VERDICTS) + 1)}"]
    for name, rows in measured.items():
        cells = [tell(rows) for tell in VERDICTS.values()]
        if set(cells) != {UNKNOWN}:
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _affordable(rows: Rows) -> list[str]:
    """The baselines of ends nearest in cost from above: they are given a little more."""
    spent = rows.get(TO_THE_END, {}).get("evaluations", 0)
    budgets = [int(row.split()[1]) for row in rows if row.split()[0] in ENDS]
    most = min((b for b in budgets if b >= spent), default=max(budgets, default=0))
    return [row for row in rows if row.split()[0] in ENDS and int(row.split()[1]) <= most]


def _share(
    rows: Rows, method: str, others: list[str], asked: float | None = None, of: str = "rmse"
) -> str:
    """The method's distance in the nearest other's."""
    there = [row for row in others if row in rows]
    if method not in rows or not there:
        return UNKNOWN
    best = min(there, key=lambda row: rows[row][of])
    beside = f" ({best})" if len(others) > 1 else ""
    return f"{rows[method][of] / rows[best][of]:.2f}{beside}" + _told(
        rows[method][of] / rows[best][of], asked
    )


def _told(share: float, asked: float | None) -> str:
    if asked is None:
        return ""
    if share <= asked:
        return ", reached"
    over = share - asked
    return ", missed by less than 0.005" if over < 0.005 else f", missed by {over:.2f}"


def _worst(rows: Rows, asked: float) -> str:
    if "fan" not in rows:
        return UNKNOWN
    share = rows["fan"]["worst"] / rows["fan"]["median"]
    return f"{share:.1f}" + _told(share, asked)


def _at_least(rows: Rows, what: str, asked: float) -> str:
    value: Any = rows.get("fan", {}).get(what)
    return UNKNOWN if value is None else f"{value:.3f}" + _told(asked, value)
