"""What an earlier part of a run left, and what is still to be done. No torch here.

Resuming is set subtraction: planned ids minus present ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from blindspots.errors import UsageError
from blindspots.schema import PREDICTIONS, SIMPLEX_FEWEST
from blindspots.settings import WHOLE, Shard, differences, plan_hash
from blindspots.store.paths import Place
from blindspots.store.prediction_rows import read_predictions, read_predictions_file
from blindspots.store.run_info import RunInfo, read_run_info
from blindspots.store.writer import Store, started
from blindspots.study.pairs import PlannedPairs

HULLS = {"triangles": 2, "simplices": SIMPLEX_FEWEST}


def known_predictions(
    plan: Mapping[str, Any], shard: Shard, shared: Place | None, out: Place | None
) -> pa.Table:
    """What is known of the clean images: from the file that is `shared`, and what `out` holds.

    Refused where `out` holds another plan, or another shard of this one.
    """
    rows = read_predictions_file(shared, plan) if shared is not None else PREDICTIONS.empty_table()
    info = read_run_info(out) if out is not None else None
    if info is None or out is None:
        return rows
    if info.plan_hash != plan_hash(plan):
        raise UsageError(_another_plan(out, differences(info.plan, plan)))
    stored = info.shard or WHOLE
    if stored != shard:
        raise UsageError(
            f"{out} holds {_named(stored)} and {_named(shard)} was asked for; name another --out, "
            f"or resume with {'no --shard' if stored.whole else f'--shard {stored}'}"
        )
    return pa.concat_tables([rows.cast(PREDICTIONS), read_predictions(out)])


def check_pairs(out: Place, info: RunInfo, pairs_hash: str) -> None:
    """Refuse a run directory whose earlier part worked on other pairs, though the plan is equal."""
    if info.pairs_hash not in (None, pairs_hash):
        raise UsageError(
            f"{out} holds other pairs of the same plan, because its predictions.parquet is lost "
            "and the models now name other images correctly; name another --out"
        )


def missing_pairs(store: Store, model: str, planned: PlannedPairs, dropped: bool) -> np.ndarray:
    """Which of a model's pairs are to be traversed, as a mask.

    Those without a row, and those that were traversed and whose found image is not there, as in a
    copy that was made while the run went on. `dropped`: found images were removed on purpose, so
    only those count with which something is still to be measured.
    """
    rows = store.stored("pairs", model, ["pair_id", "ending"])
    missing = ~planned.within(rows["pair_id"])
    begun = np.flatnonzero(planned.within(started(rows)))
    traversed = planned.select(begun)
    lost = ~traversed.within(store.found_ids())
    if dropped and lost.any():
        lost &= _unmeasured(store, model, traversed)
    missing[begun[lost]] = True
    return missing


def _unmeasured(store: Store, model: str, traversed: PlannedPairs) -> np.ndarray:
    """Whether something is still to be measured of the sources of these pairs, as a mask."""
    unmeasured = np.zeros(len(traversed), bool)
    for table, fewest in HULLS.items():
        done = store.stored(table, model, ["source_id"])["source_id"]
        unmeasured |= (traversed.group_size >= fewest) & ~traversed.from_sources(done)
    return unmeasured


def _another_plan(out: Place, differing: list[str]) -> str:
    more = f" (and {len(differing) - 6} more)" if len(differing) > 6 else ""
    return (
        f"{out} holds another plan: {'; '.join(differing[:6])}{more}; "
        "name another --out, or give the settings it was made with"
    )


def _named(shard: Shard) -> str:
    return "the whole plan" if shard.whole else f"shard {shard} of this plan"
