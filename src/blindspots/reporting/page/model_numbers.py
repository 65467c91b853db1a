"""One number per model: reach and blind pairs, beside what they are held against."""

from dataclasses import dataclass
from math import isfinite

import numpy as np
import pyarrow as pa

from blindspots.reporting.bootstrap import RESAMPLES, Interval, cluster_intervals
from blindspots.reporting.model_names import without_folders
from blindspots.reporting.score_labels import number
from blindspots.reporting.tables.nulls import PAIR_COLUMNS, reach_rows
from blindspots.reporting.tables.table import LOOKS_LIKE_LPIPS, LOOKS_LIKE_RMSE
from blindspots.schema import wilson
from blindspots.store.reader import ModelFacts, Run, codes, finite, of_model

_WORK, _FEWEST = 4_000_000, 200  # draws of the bootstrap in all, and resamples at least
_NEITHER = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class ReportedNumber:
    """A number with its 95 % interval, None where not known; `text`: as it is written."""

    value: float | None
    low: float | None
    high: float | None
    text: str
    within: str = ""


@dataclass(frozen=True)
class ModelNumbers:
    """What the report says of one model.

    `reach`, `line`: how far one comes unseen, and along the plain mix. `blind`, `blind_line`: the
    share of pairs that look like their targets, and of plain mixes that do; `count`: of them "4 of
    8". `left`: the median distance left to the target, of `apart` between source and target.
    `agree`, `agree_source`: the share of found images, and of their clean sources, that other
    models give the source's class too; empty where none was asked.
    """

    name: str
    title: str
    spec: str
    sentence: str
    pairs: int
    reach: ReportedNumber
    line: ReportedNumber
    blind: ReportedNumber
    blind_line: ReportedNumber
    count: str
    left: str
    apart: str
    agree: str = ""
    agree_source: str = ""


def model_numbers(run: Run, facts: ModelFacts, title: str, spec: str) -> ModelNumbers:
    pairs = run.columns.pairs_of(facts.name, True, PAIR_COLUMNS)
    rows = reach_rows(run, facts.name, pairs)
    reach, line = _reaches(rows)
    flags = np.empty(0) if rows is None else finite(rows["blind"])
    blind = _share(flags)
    return ModelNumbers(
        name=without_folders(facts.name),
        title=title,
        spec=spec,
        sentence=_sentence(reach, line),
        pairs=len(pairs),
        reach=reach,
        line=line,
        blind=blind,
        blind_line=_share(_line_blind(run, facts.name)),
        count=f"{int(flags.sum())} of {len(flags)}" if len(flags) else "",
        left=_median(finite(pairs["rmse"])),
        apart=_median(finite(of_model(run.columns.nulls, facts.name)["random_pair_rmse"])),
        agree=_agreement(run, facts.name, "kept_found"),
        agree_source=_agreement(run, facts.name, "kept_source"),
    )


def _reaches(rows: pa.Table | None) -> tuple[ReportedNumber, ReportedNumber]:
    if rows is None or not len(rows):
        return _measured(_NEITHER), _measured(_NEITHER)
    values = np.stack([np.nan_to_num(finite(rows[name])) for name in ("reach", "reach_line")], 1)
    owners, names = codes(rows["source_id"])
    sums = np.stack([np.bincount(owners, column, len(names)) for column in values.T], 1)
    counts = np.repeat(np.bincount(owners, minlength=len(names))[:, None], 2, 1).astype(float)
    resamples = int(np.clip(_WORK // len(names), _FEWEST, RESAMPLES))
    own, line = cluster_intervals(sums, counts, resamples=resamples)
    return _measured(own), _measured(line)


def _measured(interval: Interval, percent: bool = False) -> ReportedNumber:
    def said(value: float) -> str:
        return f"{100 * value:.0f}" if percent else number(value, 2)

    value, low, high = (float(one) if isfinite(one) else None for one in interval)
    text = "–" if value is None else said(value) + "\u00a0%" * percent
    within = "" if low is None or high is None else f"{said(low)} to {said(high)}"
    return ReportedNumber(value, low, high, text, within)


def _share(flags: np.ndarray) -> ReportedNumber:
    if not len(flags):
        return _measured(_NEITHER, percent=True)
    share = float(flags.mean())
    return _measured(Interval(share, *wilson(share, len(flags))), percent=True)


def _line_blind(run: Run, model: str) -> np.ndarray:
    nulls = of_model(run.columns.nulls, model)
    near = finite(nulls["interpolation_rmse"]) <= LOOKS_LIKE_RMSE
    return (near | (finite(nulls["interpolation_lpips"]) <= LOOKS_LIKE_LPIPS)).astype(float)


def _median(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return number(float(np.median(known)), 3) if known.size else "–"


def _agreement(run: Run, model: str, flag: str) -> str:
    rows = of_model(run.arrow("transfer"), model).to_pylist()
    kept = [row[flag] for row in rows if row["judge"] != model]
    known = [flag for flag in kept if flag is not None]
    return f"{100 * sum(known) / len(known):.0f}\u00a0%" if known else ""


def _sentence(reach: ReportedNumber, line: ReportedNumber) -> str:
    if reach.value is None or line.value is None:
        return "This run stored no baselines, so reach is not known."
    way = f"It does not notice {100 * reach.value:.0f}\u00a0% of the way to another picture"
    return f"{way}; along a plain mix it notices after {100 * line.value:.0f}\u00a0%."
