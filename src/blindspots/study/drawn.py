"""All stored rows of a model, or those from a few of its sources. No torch here."""

import random
from dataclasses import dataclass

from blindspots.errors import UsageError
from blindspots.schema import Ending
from blindspots.store.reader import Row, Run


@dataclass(frozen=True)
class StoredRows:
    """Rows of a model, by table."""

    pairs: list[Row]
    triangles: list[Row]
    simplices: list[Row]
    nulls: list[Row]


def draw_rows(run: Run, model: str, sources: int | None) -> StoredRows:
    """A model's rows, from so many sources or all."""
    if sources is None:
        return StoredRows(
            run.pair_rows(model, started=True),
            run.triangle_rows(model),
            run.simplex_rows(model),
            run.null_rows(model),
        )
    if sources < 1:
        raise UsageError(f"--sources {sources} was given; expected at least 1, as in --sources 50")
    started = run.columns.pairs_of(model, started=True, names=["source_id"])["source_id"]
    known = sorted(started.unique().to_pylist())
    chosen = random.Random(0).sample(known, min(sources, len(known)))
    own = [row for row in run.pairs_from(*chosen) if row["model"] == model]
    return StoredRows(
        [row for row in own if Ending(row["ending"]).started],
        [row for row in run.triangles_from(*chosen) if row["model"] == model],
        [row for row in run.simplex_rows(model) if row["source_id"] in set(chosen)],
        run.columns.whole_nulls(model, chosen),
    )


def pair_key(pair: Row) -> tuple[str, str]:
    """What tells a model's pair from its others: the ids of source and target."""
    return pair["source_id"], pair["target_id"]
