"""What is stored of the widths: the settings, the columns, the file. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pyarrow as pa

from blindspots.errors import UsageError
from blindspots.schema import WIDTHS
from blindspots.settings import check_seed
from blindspots.store.parquet import open_parquet, write_rows
from blindspots.store.paths import Place

Row = dict[str, Any]
WIDTHS_FILE = "widths.parquet"
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, kw_only=True)
class WidthSettings:
    """How widths are measured; the defaults are the slides'.

    `directions`: random directions at each point. `radii`: ℓ2 norms of the change, pixels in
    [0, 1]. `points`: of the path, both ends included; at most as many as the run kept. `seed`: of
    the directions.
    """

    directions: int = 256
    radii: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    points: int = 11
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value, least in (
            ("--directions", self.directions, 1),
            ("--points", self.points, 2),
        ):
            if value < least:
                raise UsageError(
                    f"{option} {value} was given; expected at least {least}, "
                    f"as in {option} {max(least, 11)}"
                )
        check_seed(self.seed)
        radii = self.radii
        if (
            not radii
            or len(set(radii)) < len(radii)
            or not all(isfinite(r) and r > 0 for r in radii)
        ):
            raise UsageError(
                f"--radii {','.join(f'{r:g}' for r in radii)} was given; expected different "
                "positive ℓ2 norms, as in --radii 0.5,1,1.5,2"
            )

    def made(self, rows: Sequence[Row], points: int) -> bool:
        """Whether a pair's stored rows are what these settings give at that many points."""
        return {(row["directions"], row["seed"], row["point"], row["radius"]) for row in rows} == {
            (self.directions, self.seed, point, radius)
            for point in range(points)
            for radius in self.radii
        }


def read_widths(run: Place) -> list[Row]:
    """The stored widths of a run directory, one row per (model, pair, point, radius)."""
    file = run / WIDTHS_FILE
    if not file.is_file():
        return []
    try:
        return open_parquet(file).read().select(WIDTHS.names).cast(WIDTHS).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise UsageError(
            f"{file} is not a table of this version ({error}); remove it and type "
            f"blindspots widths {run}"
        ) from error


def add_widths(run: Place, rows: Sequence[Row]) -> Place:
    """Store the widths of a pair, whole; they replace what was stored of it."""
    new = {row["pair_id"] for row in rows}
    kept = [row for row in read_widths(run) if row["pair_id"] not in new]
    table = pa.Table.from_pylist([*kept, *rows], WIDTHS)
    return write_rows(run / WIDTHS_FILE, table)
