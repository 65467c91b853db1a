"""How far a run's numbers hang on its batch size: the same pairs in batches of 1, 7 and 32.

    python -m benchmarks.batches [reference paper adaptive star fan] [--page docs/decisions.md]

Each method runs with its default settings on the same pairs of `shapes-resnet`, once with each
batch size; rows are compared pair by pair and triangle by triangle, and the largest difference
between any two batch sizes is kept in `--results`. A pair is held where its RMSE stays within
2 % + 1e-4, as in `benchmarks.noise`. Without methods `--page` writes what is kept.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.noise import SHARE, SLACK
from benchmarks.results import Rows, fill, keep, known
from blindspots.cli.main import call
from blindspots.methods import METHODS
from blindspots.store.reader import Run
from tests.support.tiny import without_figures

BATCHES = (1, 7, 32)
RUN = ("run", "--model", "zoo:shapes-resnet", "--images", "sample:shapes", "--keep", "none")
# What a number is called on the page, and the columns that it is the largest difference of.
PAIRS = {
    "ℓ∞": ("linf",),
    "RMSE": ("rmse",),
    "`p_found`": ("p_found",),
    "`segment_min`": ("segment_min",),
}
TRIANGLES = {
    "a point of a triangle": ("confidence",),
    "triangle mean": ("mean",),
    "`fraction_0.1` to `fraction_0.3`": ("fraction_0.1", "fraction_0.2", "fraction_0.3"),
}
HELD = "RMSE within 2 % + 1e-4"
ENDS = ["ending", "segment_inside"]
FACE = [(name, "ascending") for name in ("source_id", "target_1", "target_2")]


def main() -> None:
    """Measure the methods that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", metavar="|".join(METHODS))
    parser.add_argument("--sources", type=int, default=9)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/batches.json"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    keep(given.results, ((name, compared(name, given.sources)) for name in given.methods))
    if given.page:
        fill(given.page, table(known(given.results)), "batches")


def compared(method: str, sources: int) -> Rows:
    """The largest differences between two batch sizes, and how many pairs end alike in all."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [_run(Path(folder) / str(size), method, sources, size) for size in BATCHES]
        pairs = [run.arrow("pairs").sort_by("pair_id") for run in runs]
        faces = [run.arrow("triangles").sort_by(FACE) for run in runs]
    compared_columns = [(pairs, what, columns) for what, columns in PAIRS.items()]
    compared_columns += [(faces, what, columns) for what, columns in TRIANGLES.items()]
    ends = [[tuple(row.values()) for row in one.select(ENDS).to_pylist()] for one in pairs]
    return {
        "pairs": len(pairs[0]),
        "triangles": len(faces[0]),
        **{what: max(_apart(tables, columns)) for tables, what, columns in compared_columns},
        HELD: _held([_values(one, "rmse") for one in pairs]),
        "alike": sum(len(set(same)) == 1 for same in zip(*ends, strict=True)),
    }


def _run(out: Path, method: str, sources: int, batch: int) -> Run:
    plan = ["--method", method, "--sources", str(sources), "--targets-per-source", "2"]
    with without_figures():
        status = call([*RUN, *plan, "--batch-size", str(batch), "--out", str(out), "--quiet"])
    assert status == 0
    return Run(out)


def _apart(tables: Sequence[pa.Table], columns: Sequence[str]) -> Iterator[float]:
    for one, two in combinations(tables, 2):
        for column in columns:
            yield float(np.abs(_values(one, column) - _values(two, column)).max())


def _held(rmse: Sequence[np.ndarray]) -> int:
    """How many pairs end as far from their target with every batch size as with any other."""
    least, most = np.min(rmse, axis=0), np.max(rmse, axis=0)
    return int((most - least <= SHARE * least + SLACK).sum())


def _values(table: pa.Table, column: str) -> np.ndarray:
    return np.array(table[column].to_pylist(), dtype=float)


def table(rows: dict[str, Rows]) -> str:
    """A line for each method."""
    names = [*PAIRS, *TRIANGLES]
    lines = [
        f"| method | pairs | {' | '.join(names)} | {HELD} | ending and `segment_inside` alike |",
        "|---|---|" + "---|" * (len(names) + 2),
    ]
    for method, row in rows.items():
        numbers = " | ".join(f"{row[name]:.1g}" for name in names)
        lines.append(f"| `{method}` | {row['pairs']} | {numbers} | {row[HELD]} | {row['alike']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
