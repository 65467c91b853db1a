"""How much of the simplex of a source and k found images is inside, against k.

    python -m benchmarks.findings [--models shapes-vit shapes-vit-at …] [--sources 8]
                                  [--targets 2 3 5 10] [--tolerances 0.004 0.06]
                                  [--results DIR] [--page docs/findings.md]

For each model, k, tolerance and source, the k found images are chosen together (`Fan`) and one by
one (`Star`), for the same targets, and 400 uniform points of each simplex are asked for. Both
stop at the tolerance, so that they are compared at the same distance. Intervals are 95 % bootstrap
intervals over the sources. Every row is kept in DIR as soon as it is measured. Without models
`--page` computes nothing.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.lines import Line2D

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
SAMPLES = 400
RESAMPLES = 400
WAYS = ("together", "one by one")


def main() -> None:
    """Measure what is missing in the results, then write the page if asked."""
    given = _arguments()
    keep_freed_memory()
    for name in given.models:
        path = given.results / f"{name}.json"
        keep(path, measure(subject(name), given, known(path)))
    if given.page:
        write_page(given.results, given.page)


def measure(about: Subject, given: argparse.Namespace, there: dict[str, Any]):
    """(name, row) of every number of targets, tolerance and way that is not known yet."""
    evaluator, most = Evaluator(about.model, chunk=BATCH), max(given.targets)
    for tolerance in given.tolerances:
        alone: list[list[TraversalResult]] = []
        for k in given.targets:
            together, one_by_one = (f"{k} {way} {tolerance:g}" for way in WAYS)
            if together not in there:
                pairs = about.pairs(given.sources, k)
                found = _outcomes(evaluator, bs.Fan(tolerance=tolerance), pairs)
                yield together, _row(evaluator, found, k, tolerance, WAYS[0])
            if one_by_one not in there:
                # By itself, an image is found alike whatever other targets its source has.
                alone = alone or _outcomes(
                    evaluator, bs.Star(tolerance=tolerance), about.pairs(given.sources, most)
                )
                yield (
                    one_by_one,
                    _row(evaluator, [outs[:k] for outs in alone], k, tolerance, WAYS[1]),
                )


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
    evaluator: Evaluator,
    groups: Sequence[Sequence[TraversalResult]],
    k: int,
    tolerance: float,
    way: str,
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
        "tolerance": tolerance,
        "way": way,
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


def over_sources(values: Sequence[float], sources: Sequence[Any]) -> tuple[float, float, float]:
    """The mean over sources of each one's mean, and its 95 % interval."""
    groups: dict[Any, list[float]] = {}
    for value, source in zip(values, sources, strict=True):
        groups.setdefault(source, []).append(value)
    means = [float(np.mean(one)) for one in groups.values()]
    return (float(np.mean(means)), *bootstrap(means))


def write_page(results: Path, page: Path) -> None:
    """The table and the figure of what the results hold."""
    draw(models(results), page.parent / "images" / "findings-distance")
    fill(page, table(models(results)), "distance")


def table(measured: dict[str, Any]) -> str:
    """A row per model, tolerance and k that was measured both ways."""
    lines = [
        "| model | tolerance | k | RMSE, together | one by one | fraction inside [95 %], together |"
        " one by one | together − one by one | segments inside, together |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        lines += [_line(name, *both) for both in _both(rows)]
    return "\n".join(lines) + "\n"


def _both(rows: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of the two ways, for each tolerance and k that both were measured at."""
    for key, row in sorted(rows.items(), key=lambda one: (one[1]["tolerance"], one[1]["k"])):
        k, way, tolerance = key[: key.index(" ")], row["way"], row["tolerance"]
        other = rows.get(f"{k} {WAYS[1]} {tolerance:g}")
        if way == WAYS[0] and other:
            yield row, other


def _line(name: str, together: dict[str, Any], alone: dict[str, Any]) -> str:
    apart = np.subtract(together["each"], alone["each"])
    low, high = bootstrap(apart.tolist())
    return (
        f"| {name} | {together['tolerance']:g} | {together['k']} | {together['rmse']:.4f} | "
        f"{alone['rmse']:.4f} | {_fraction(together)} | {_fraction(alone)} | "
        f"{apart.mean():+.2f} [{low:+.2f}, {high:+.2f}] | {together['segments_inside']:.0%} |"
    )


def _fraction(row: dict[str, Any]) -> str:
    return f"{row['fraction']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def draw(measured: dict[str, Any], path: Path) -> None:
    """The fraction against the distance, one panel per model, a colour per k; a key in the last."""
    *panels, key = axes_grid(len(measured) + 1, 3.4, 3.0, columns=3, box=(0.17, 0.17, 0.78, 0.7))
    ks = sorted({row["k"] for rows in measured.values() for row in rows.values()})
    colours, looks = dict(zip(ks, LIMBS, strict=False)), dict(zip(WAYS, ("-", ":"), strict=True))
    for panel, (name, rows) in zip(panels, measured.items(), strict=True):
        for k, way in sorted({(row["k"], row["way"]) for row in rows.values()}):
            own = [row for row in rows.values() if (row["k"], row["way"]) == (k, way)]
            _curve(panel, own, colours[k], looks[way])
        panel.set(ylim=(0, 1.03))
        panel.set_title(name, fontsize=TITLE)
        panel.set_xlabel("RMSE to the targets", fontsize=LABEL)
        panel.set_ylabel("simplex inside", fontsize=LABEL)
        panel.tick_params(labelsize=SMALL)
        panel.locator_params(axis="x", nbins=5)
    keys = [Line2D([], [], color=colour, label=f"k = {k}") for k, colour in colours.items()]
    keys += [Line2D([], [], color="0.3", ls=look, label=way) for way, look in looks.items()]
    key.axis("off")
    key.legend(handles=keys, frameon=False, fontsize=LABEL, loc="center left")
    save(panels[0], path, formats=("png",))


def _curve(panel: Any, rows: Sequence[dict[str, Any]], colour: str, look: str) -> None:
    line = sorted(rows, key=lambda row: row["rmse"])
    mean = np.array([row["fraction"] for row in line])
    spread = [mean - [row["low"] for row in line], [row["high"] for row in line] - mean]
    far = [row["rmse"] for row in line]
    drawn = {"color": colour, "linestyle": look, "marker": "o", "markersize": 3, "capsize": 2}
    panel.errorbar(far, mean, np.abs(spread), **drawn)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.findings", description=__doc__)
    names = available()
    parser.add_argument("--models", nargs="*", choices=names, default=[])
    parser.add_argument("--sources", type=int, default=16)
    parser.add_argument("--targets", type=int, nargs="+", default=[2, 3, 5, 10])
    parser.add_argument("--tolerances", type=float, nargs="+", default=[0.004, 0.06])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/findings"))
    parser.add_argument("--page", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
