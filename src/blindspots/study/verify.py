"""Recomputes a run's stored results from its saved images, with freshly loaded models."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import tee
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blindspots.engine.batch import TraversalResult
from blindspots.engine.evaluator import Evaluator, batch_size, find_device
from blindspots.errors import UsageError, WorkFailed
from blindspots.measure.hulls import STRIDE, Corners, Line, last_inside, whole_lines
from blindspots.measure.measurer import Measurer
from blindspots.measure.metrics import find_lpips
from blindspots.progress import Reporter
from blindspots.schema import SEGMENT_POINTS, SLIDES_SEGMENT_POINTS
from blindspots.scores import make_score
from blindspots.settings import NO_TRUST, Trust
from blindspots.store.paths import Place
from blindspots.store.reader import ModelFacts, Row, Run
from blindspots.study.reload import (
    StoredRows,
    check_kept,
    check_stored_spec,
    draw_rows,
    label_of,
    load_again,
    pair_key,
    saved_found,
    saved_image,
    saved_outcome,
)

CONFIDENCE, DISTANCE, SHARE = 1e-3, 1e-4, 0.05
METRICS = ("rmse", "linf", "ssim", "lpips")
TOLERANCES: dict[str, float] = {
    **dict.fromkeys(("p_source", "p_found", "p_found_8bit"), CONFIDENCE),
    **dict.fromkeys(("segment_mean", "segment_min", "segment_confidence"), CONFIDENCE),
    **dict.fromkeys(METRICS, DISTANCE),
    **dict.fromkeys((f"source_{name}" for name in METRICS), DISTANCE),
    **dict.fromkeys(("mean", "confidence"), CONFIDENCE),
    **dict.fromkeys(("fraction_0.1", "fraction_0.2", "fraction_0.3"), SHARE),
    **dict.fromkeys(("fraction", "low", "high"), SHARE),
    **dict.fromkeys(("interpolation_confidence", "interpolation_mean"), CONFIDENCE),
    **dict.fromkeys(("p_interpolation", "p_target"), CONFIDENCE),
    "interpolation_t": DISTANCE,
    **dict.fromkeys((f"random_pair_{name}" for name in METRICS), DISTANCE),
    **dict.fromkeys((f"interpolation_{name}" for name in METRICS), DISTANCE),
}


@dataclass
class Verification:
    """The largest deviation of each column over `rows` rows, and where it was found."""

    rows: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)

    def compare(self, name: str, stored: Mapping[str, Any], again: Mapping[str, Any]) -> None:
        """Count a row and note where it deviates."""
        self.rows += 1
        for column in TOLERANCES.keys() & again.keys():
            if stored.get(column) is None:
                continue
            deviation = _deviation(stored[column], again[column])
            # NaN compares as false with everything: it must be taken, and stay.
            if not deviation < self.largest.get(column, 0.0) and not isnan(
                self.largest.get(column, 0.0)
            ):
                self.largest[column], self.where[column] = deviation, name

    @property
    def different(self) -> list[str]:
        """The columns that deviate by more than float noise."""
        return [c for c, value in self.largest.items() if not value <= TOLERANCES[c]]

    def as_json(self) -> dict[str, Any]:
        """The deviations as data."""
        return {
            "rows": self.rows,
            "largest_deviation": self.largest,
            "tolerance": {name: TOLERANCES[name] for name in self.largest},
            "different": self.different,
        }

    def text(self) -> str:
        """One line per column."""
        lines = [
            f"{name:<25} {self.largest[name]:.1e}  (tolerance {TOLERANCES[name]:.0e})"
            f"{'  DIFFERENT at ' + self.where[name] if name in self.different else ''}"
            for name in TOLERANCES
            if name in self.largest
        ]
        verdict = "differs" if self.different else "agrees within float tolerance"
        return "\n".join(
            [f"{'column':<25} largest deviation", *lines, f"{self.rows} rows: {verdict}"]
        )

    def raise_if_different(self) -> None:
        """Fail where a stored number is not what the saved images give."""
        if self.different:
            raise WorkFailed(
                f"{', '.join(self.different)} differ from what the saved images give; were files "
                "or weights changed since? run it again with another --out"
            )


def verify_run(
    path: str | Place,
    device: str,
    batch: int | None,
    lpips_weights: Path | None,
    reporter: Reporter,
    trust: Trust = NO_TRUST,
    sources: int | None = None,
) -> Verification:
    """Recompute p_source, p_found, distances, segments, hulls and nulls of a run.

    In another batch size than the run's, unless `batch` names one. `sources`: only all that starts
    from so many of them, the same draw each time; None: from all. Refused where the run kept no
    found images, or a model is no longer the one that was run.
    """
    run, result = Run(path), Verification()
    check_kept(run, "verified")
    if not run.pair_rows(started=True):
        raise UsageError(
            f"{path} has no pair that was traversed, so there is nothing to verify; expected a run "
            "with some: look at blindspots table --table summary"
        )
    for facts in run.models:
        check_stored_spec(facts.spec, trust)
    for facts in run.models:
        drawn = draw_rows(run, facts.name, sources)
        verifier = _Verifier.load(run, facts, device, batch, lpips_weights, trust)
        verifier.verify(drawn, result, reporter)
    return result


@dataclass(frozen=True)
class _Verifier:
    run: Run
    facts: ModelFacts
    measurer: Measurer
    batch: int

    @classmethod
    def load(
        cls,
        run: Run,
        facts: ModelFacts,
        device: str,
        batch: int | None,
        lpips_weights: Path | None,
        trust: Trust,
    ) -> "_Verifier":
        model = load_again(facts, trust).to(find_device(device))
        size = batch or max(1, batch_size(model.size, model.device) // 2 - 1)
        lpips, _ = find_lpips(lpips_weights)
        delta = run.delta if run.delta is not None else 0.0
        evaluator = Evaluator(model, make_score(run.info.score), chunk=size)
        return cls(run, facts, Measurer(model, evaluator, delta, lpips), size)

    def verify(self, stored: StoredRows, result: Verification, reporter: Reporter) -> None:
        rows = stored.pairs
        with reporter.work(f"{self.facts.name}: verifying", len(rows), "pairs") as tick:
            for chunk in _chunks(rows, self.batch):
                for row, again in zip(chunk, self._pairs(chunk), strict=True):
                    result.compare(f"pair {row['pair_id']}", row, again)
                tick(len(chunk))
        for kind, own, measured in (
            ("triangle", stored.triangles, self._triangles(stored.triangles, rows)),
            ("simplex", stored.simplices, self._simplices(stored.simplices, rows)),
            ("null", stored.nulls, self._nulls(stored.nulls, rows)),
        ):
            self._hulls(kind, own, measured, result, reporter)

    def _hulls(
        self,
        kind: str,
        stored: Sequence[Row],
        measured: Iterable[dict[str, Any]],
        result: Verification,
        reporter: Reporter,
    ) -> None:
        with reporter.work(f"{self.facts.name}: verifying", len(stored), f"{kind} rows") as tick:
            for row, again in zip(stored, measured, strict=True):
                result.compare(f"{kind} of {row['source_id']}", row, again)
                tick(1)

    def _triangles(self, stored: list[Row], pairs: list[Row]) -> Iterator[dict[str, Any]]:
        edges = {pair_key(pair): pair for pair in pairs}
        corners = (
            self._corners([edges[row["source_id"], row[name]] for name in ("target_1", "target_2")])
            for row in stored
        )
        return self.measurer.triangles(corners)

    def _simplices(self, stored: list[Row], pairs: list[Row]) -> Iterator[dict[str, Any]]:
        stars = defaultdict(list)
        for pair in sorted(pairs, key=pair_key):
            stars[pair["source_id"]].append(pair)
        corners = ((row["source_id"], self._corners(stars[row["source_id"]])) for row in stored)
        measured = self.measurer.simplices(corners, self.run.plan.get("seed", 0))
        # At a delta of 0 rounding decides which samples are inside, as for fraction_0.0.
        kept = None if self.measurer.delta else ("p_source", "mean")
        return ({k: again[k] for k in kept or again} for again in measured)

    def _nulls(self, stored: list[Row], pairs: list[Row]) -> Iterator[dict[str, Any]]:
        known = {pair_key(pair): pair for pair in pairs}
        for row in stored:
            _check_null(row, known)
        ahead, behind = tee(self._ends(known[pair_key(row)]) for row in stored)
        curves = whole_lines(self.measurer.evaluator.exact, ahead)
        again = zip(stored, behind, curves, strict=True)
        return (self._null(*one) for one in again)

    def _null(self, row: Row, ends: Corners, curve: list[float]) -> dict[str, Any]:
        last, delta = round(row["interpolation_t"] * (SEGMENT_POINTS - 1)), self.measurer.delta
        if not _may_be_last(curve, last, delta):
            last = last_inside(curve, delta)
        return self.measurer.null(ends, Line(curve[::STRIDE], last, curve[last]))

    def _ends(self, pair: Row) -> Corners:
        names = pair["source_id"], pair["target_id"]
        source, target = map(self._image, names)
        return Corners((source, target), label_of(pair))

    def _corners(self, pairs: Sequence[Row]) -> Corners:
        source = self._image(pairs[0]["source_id"])
        return Corners((source, *map(self._found, pairs)), label_of(pairs[0]))

    def _pairs(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        outcomes = [self._outcome(row) for row in rows]
        sources = torch.stack([outcome.pair.source for outcome in outcomes])
        found = torch.stack([outcome.found for outcome in outcomes])
        p_source = self.measurer.scores(sources, outcomes)
        p_found = self.measurer.scores(found, outcomes)
        for i, columns in enumerate(self.measurer.found(outcomes)):
            yield {**columns, "p_source": p_source[i], "p_found": p_found[i]}

    def _outcome(self, row: Row) -> TraversalResult:
        source, target = self._image(row["source_id"]), self._image(row["target_id"])
        return saved_outcome(row, source, target, self._found(row))

    def _image(self, image_id: str) -> Tensor:
        return saved_image(self.run, image_id, self.facts.name)

    def _found(self, row: Row) -> Tensor:
        return saved_found(self.run, row["pair_id"])


def _may_be_last(curve: Sequence[float], last: int, delta: float) -> bool:
    """Whether that point is the last one inside, to the tolerance of a confidence."""
    floor, behind = curve[0] - delta, curve[last + 1 : last + 2]
    holds = min(curve[: last + 1]) >= floor - CONFIDENCE
    return holds and all(value < floor + CONFIDENCE for value in behind)


def _check_null(row: Row, known: Mapping[tuple[str, str], Row]) -> None:
    curve, t = row["interpolation_confidence"] or (), row["interpolation_t"]
    sound = len(curve) == SLIDES_SEGMENT_POINTS and t is not None and 0 <= t <= 1
    if pair_key(row) not in known or not sound:
        raise WorkFailed(
            f"nulls.parquet has a row of {row['source_id']} → {row['target_id']} that this run "
            "cannot have written; was the file changed? run it again with another --out"
        )


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _deviation(stored: Any, again: Any) -> float:
    return float(np.max(np.abs(np.asarray(stored, float) - np.asarray(again, float))))
