"""How much of the simplex of a source and k found images is inside, against k.

    python -m benchmarks.findings [--models shapes-vit shapes-vit-at …] [--sources 8]
                                  [--targets 2 3 5 10] [--results DIR] [--page docs/findings.md]

For each model, k and source, the k found images are chosen together (`Fan`) and one by one
(`Star`), for the same targets, and 2,000 uniform points of each simplex are asked for. Intervals
are 95 % bootstrap intervals over the sources. Every row is kept in DIR as soon as it is measured.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import blindspots as bs
from benchmarks.results import fill, keep, known, models
from benchmarks.subjects import Subject, available, subject
from blindspots.engine.batch import Pair, TraversalResult
from blindspots.engine.device import keep_freed_memory
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.measure.hulls import Corners, segments, simplices
from blindspots.methods.method import Method, rms
from blindspots.reporting.figures.style import LABEL, LIMBS, SMALL, TITLE, axes_grid, save

BATCH = 16
SAMPLES = 2000
RESAMPLES = 2000
WAYS: dict[str, type[Method]] = {"together": bs.Fan, "one by one": bs.Star}


def main() -> None:
    """Measure what is missing in the results, then write the page if asked."""
    given = _arguments()
    keep_freed_memory()
    for name in given.models:
        path = given.results / f"{name}.json"
        keep(path, measure(subject(name), given.sources, given.targets, there=known(path)))
    if given.page:
        write_page(given.results, given.page)


def measure(about: Subject, sources: int, targets: Sequence[int], there: dict[str, Any]):
    """(name, row) of every number of targets and way of choosing that is not known yet."""
    evaluator = Evaluator(about.model, chunk=BATCH)
    for k in targets:
        for way, kind in WAYS.items():
            if f"{k} {way}" not in there:
                pairs = about.pairs(sources, k)
                yield f"{k} {way}", _row(evaluator, _outcomes(evaluator, kind(), pairs), k)


def _outcomes(
    evaluator: Evaluator, method: Method, pairs: Sequence[Pair]
) -> list[list[TraversalResult]]:
    """What was found, source by source."""
    groups: dict[str, list[TraversalResult]] = {pair.group: [] for pair in pairs}
    for ended in Engine(evaluator, method, slots=BATCH).run(pairs):
        for outcome in ended:
            groups[outcome.pair.group].append(outcome)
    return list(groups.values())


def _row(
    evaluator: Evaluator, groups: Sequence[Sequence[TraversalResult]], k: int
) -> dict[str, Any]:
    corners = [
        Corners((outs[0].pair.source, *(out.found for out in outs)), outs[0].label)
        for outs in groups
    ]
    limbs = [Corners((o.pair.source, o.found), o.label) for outs in groups for o in outs]
    everything = [out for outs in groups for out in outs]
    clouds = simplices(evaluator, ((c, seed) for seed, c in enumerate(corners)), SAMPLES)
    fractions = [cloud.fraction(bs.Fan().delta) for cloud in clouds]
    lines = zip(segments(evaluator, limbs), everything, strict=True)
    inside = [line.minimum >= out.p_source - bs.Fan().delta for line, out in lines]
    far = torch.stack([rms(out.found - out.pair.target) for out in everything])
    low, high = bootstrap(fractions)
    return {
        "k": k,
        "sources": len(groups),
        "fraction": float(np.mean(fractions)),
        "low": low,
        "high": high,
        "least": min(fractions),
        "rmse": float(far.mean()),
        "segments_inside": float(np.mean(inside)),
        "evaluations": float(np.mean([out.evaluations for out in everything])),
        "each": fractions,
    }


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile interval of the mean."""
    drawn = np.random.default_rng(0).choice(values, size=(RESAMPLES, len(values)))
    low, high = np.quantile(drawn.mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def write_page(results: Path, page: Path) -> None:
    """The table and the figure of what the results hold."""
    draw(models(results), page.parent / "images" / "findings-simplex")
    fill(page, _table(models(results)))


def _table(measured: dict[str, Any]) -> str:
    lines = [
        "| model | k | chosen | fraction inside [95 %] | lowest source | RMSE | segments inside |"
        " evaluations per target |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        for key, r in rows.items():
            lines.append(
                f"| {name} | {r['k']} | {key.partition(' ')[2]} | {r['fraction']:.3f} "
                f"[{r['low']:.3f}, {r['high']:.3f}] | {r['least']:.2f} | {r['rmse']:.4f} | "
                f"{r['segments_inside']:.0%} | {r['evaluations']:.0f} |"
            )
    return "\n".join(lines) + "\n"


def draw(measured: dict[str, Any], path: Path) -> None:
    """The fraction against k, one panel a model: chosen together, and one by one."""
    panels = axes_grid(len(measured), 3.4, 3.0, columns=3, box=(0.17, 0.17, 0.78, 0.7))
    for panel, (name, rows) in zip(panels, measured.items(), strict=True):
        for way, colour in zip(WAYS, LIMBS, strict=False):
            line = [row for key, row in rows.items() if key.partition(" ")[2] == way]
            k, mean = [row["k"] for row in line], np.array([row["fraction"] for row in line])
            spread = [mean - [row["low"] for row in line], [row["high"] for row in line] - mean]
            panel.errorbar(k, mean, np.abs(spread), color=colour, marker="o", capsize=3, label=way)
        panel.set(ylim=(0, 1.03), xscale="log", xticks=[2, 3, 5, 10])
        panel.set_xticklabels(["2", "3", "5", "10"])
        panel.minorticks_off()
        panel.set_title(name, fontsize=TITLE)
        panel.set_xlabel("k, found images of one source", fontsize=LABEL)
        panel.set_ylabel("simplex inside", fontsize=LABEL)
        panel.tick_params(labelsize=SMALL)
    panels[0].legend(frameon=False, fontsize=SMALL, loc="lower left")
    save(panels[0], path, formats=("png",))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.findings", description=__doc__)
    names = available()
    parser.add_argument("--models", nargs="*", choices=names, default=names)
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--targets", type=int, nargs="+", default=[2, 3, 5, 10])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/findings"))
    parser.add_argument("--page", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
