"""The page of the benchmark of methods: tables and a figure of what the results hold."""

from pathlib import Path
from typing import Any

from benchmarks.results import fill, models
from blindspots.reporting.figures.style import LABEL, LIMBS, MUTED, SMALL, TITLE, axes_grid, save

FOLLOWED = ("reference", "paper", "adaptive", "star", "fan")
DISTANCES = (8e-4, 0.6)
NULLS = ("straight line", "target itself", "another target", "minimum-norm attack")
COLUMNS = {
    "evaluations": ("evaluations", "{:.1f}"),
    "checks": ("checks", "{:.1f}"),
    "seconds": ("seconds", "{:.2f}"),
    "rmse": ("RMSE", "{:.4f}"),
    "linf": ("ℓ∞", "{:.3f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "p_found": ("p found", "{:.3f}"),
    "p_found_8bit": ("p found 8-bit", "{:.3f}"),
    "inside_8bit": ("8-bit inside", "{:.0%}"),
    "segment_mean": ("segment mean", "{:.3f}"),
    "segment_min": ("segment min", "{:.3f}"),
    "segment_inside": ("segments inside", "{:.0%}"),
    "triangle_fraction": ("triangle fraction", "{:.3f}"),
    "triangle_least": ("lowest triangle", "{:.2f}"),
}


def write_page(results: Path, page: Path) -> None:
    """Tables and the figure of what the results hold."""
    draw_curves(models(results), page.parent / "images" / "benchmark-curves.png")
    fill(page, "\n".join(_table(name, rows) for name, rows in models(results).items()))


def _table(name: str, rows: dict[str, Any]) -> str:
    pairs = next(iter(rows.values()))["pairs"]
    heads = ["", *(head for head, _ in COLUMNS.values())]
    lines = [
        f"### {name}\n",
        f"{pairs} pairs. Measured on: {'; '.join(_hardware(rows))}.\n",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
    ]
    for row in filter(rows.__contains__, (*FOLLOWED, *NULLS)):
        values = rows[row]
        cells = [_cell(values.get(key), style) for key, (_, style) in COLUMNS.items()]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, style: str) -> str:
    return "" if value is None else style.format(value)


def _hardware(rows: dict[str, Any]) -> list[str]:
    """Every machine once; how loaded it was when, only the results say."""
    return sorted({row["hardware"].partition(", load")[0] for row in rows.values()})


def draw_curves(measured: dict[str, Any], path: Path) -> None:
    """RMSE against evaluations, one panel a model, both axes logarithmic."""
    panels = axes_grid(len(measured), 3.6, 3.4, columns=3, box=(0.17, 0.15, 0.78, 0.74))
    for panel, (name, rows) in zip(panels, measured.items(), strict=True):
        _panel(panel, name, rows)
    fullest = max(panels, key=lambda panel: len(panel.lines))
    fullest.legend(frameon=False, fontsize=SMALL, loc="lower left", bbox_to_anchor=(0, 0.06))
    save(panels[0], path.with_suffix(""), formats=("png",))


def _panel(axis: Any, name: str, rows: dict[str, Any]) -> None:
    for method, colour in zip(FOLLOWED, LIMBS, strict=False):
        if method in rows:
            axis.plot(*zip(*rows[method]["curve"], strict=True), label=method, color=colour)
    if "minimum-norm attack" in rows:
        level = rows["minimum-norm attack"]["rmse"]
        axis.axhline(level, color=MUTED, linestyle=":", label="minimum-norm attack")
    axis.set(xscale="log", yscale="log", xlim=(1, 500), ylim=DISTANCES)
    axis.set_title(name, fontsize=TITLE)
    axis.set_xlabel("evaluations per pair", fontsize=LABEL)
    axis.set_ylabel("RMSE to the target", fontsize=LABEL)
    axis.tick_params(labelsize=SMALL)
