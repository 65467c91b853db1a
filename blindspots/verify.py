"""Recomputes a run's stored results from its saved images, with freshly loaded models."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blindspots.errors import Refused, WorkFailed
from blindspots.flight import UNLABELLED, Outcome, Pair, from_8bit
from blindspots.machine import batch_size, find_device
from blindspots.measure import Measurer
from blindspots.metrics import find_lpips
from blindspots.models.sources import load_model
from blindspots.oracle import Oracle
from blindspots.progress import Reporter
from blindspots.records import Ending
from blindspots.run_reader import ModelFacts, Row, Run
from blindspots.scores import make_score
from blindspots.stream import Corners

CONFIDENCE, DISTANCE, SHARE = 1e-3, 1e-4, 0.05
TOLERANCES: dict[str, float] = {
    **dict.fromkeys(("p_source", "p_found", "p_found_8bit"), CONFIDENCE),
    **dict.fromkeys(("segment_mean", "segment_min", "segment_confidence"), CONFIDENCE),
    **dict.fromkeys(("rmse", "linf", "ssim", "lpips"), DISTANCE),
    **dict.fromkeys(("source_rmse", "source_linf", "source_ssim", "source_lpips"), DISTANCE),
    **dict.fromkeys(("mean", "confidence"), CONFIDENCE),
    **dict.fromkeys(("fraction_0.1", "fraction_0.2", "fraction_0.3"), SHARE),
    **dict.fromkeys(("fraction", "low", "high"), SHARE),
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
        """One line a column."""
        lines = [
            f"{name:<20} {self.largest[name]:.1e}  (tolerance {TOLERANCES[name]:.0e})"
            f"{'  DIFFERENT at ' + self.where[name] if name in self.different else ''}"
            for name in TOLERANCES
            if name in self.largest
        ]
        verdict = "differs" if self.different else "agrees within float tolerance"
        return "\n".join(
            [f"{'column':<20} largest deviation", *lines, f"{self.rows} rows: {verdict}"]
        )

    def raise_if_different(self) -> None:
        """Fail where a stored number is not what the saved images give."""
        if self.different:
            raise WorkFailed(
                f"{', '.join(self.different)} differ from what the saved images give; were files "
                "or weights changed since? run it again with another --out"
            )


def verify_run(
    path: Path, device: str, batch: int | None, lpips_weights: Path | None, reporter: Reporter
) -> Verification:
    """Recompute p_source, p_found, distances, segments, triangles and simplices of a run.

    In another batch size than the run's, unless `batch` names one. Refused where the run kept no
    found images, or a model is no longer the one that was run.
    """
    run, result = Run(path), Verification()
    if run.info.get("keep") == "none":
        raise Refused(
            f"{path} kept no found images (--keep none), so nothing can be verified; "
            "run it with --keep found"
        )
    for facts in run.models:
        _Verifier.load(run, facts, device, batch, lpips_weights).verify(result, reporter)
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
    ) -> "_Verifier":
        model = load_model(facts.spec).to(find_device(device))
        if model.fingerprint() != facts.fingerprint:
            raise Refused(
                f"{facts.spec} is not the model that was run (fingerprint {model.fingerprint()}, "
                f"expected {facts.fingerprint}); put the same weights back"
            )
        size = batch or max(1, batch_size(model.size, model.device) // 2 - 1)
        lpips, _ = find_lpips(lpips_weights)
        delta = run.delta if run.delta is not None else 0.0
        oracle = Oracle(model, make_score(run.plan["score"]), chunk=size)
        return cls(run, facts, Measurer(model, oracle, delta, lpips), size)

    def verify(self, result: Verification, reporter: Reporter) -> None:
        rows = self.run.pair_rows(self.facts.name, started=True)
        with reporter.work(f"{self.facts.name}: verifying", len(rows), "pairs") as tick:
            for chunk in _chunks(rows, self.batch):
                for row, again in zip(chunk, self._pairs(chunk), strict=True):
                    result.compare(f"pair {row['pair_id']}", row, again)
                tick(len(chunk))
        self._hulls("triangle", *self._triangles(rows), result, reporter)
        self._hulls("simplex", *self._simplices(rows), result, reporter)

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

    def _triangles(self, pairs: Sequence[Row]) -> tuple[list[Row], Iterator[dict[str, Any]]]:
        stored, edges = self.run.triangle_rows(self.facts.name), {_edge(p): p for p in pairs}
        corners = (
            self._corners([edges[row["source_id"], row[name]] for name in ("target_1", "target_2")])
            for row in stored
        )
        return stored, self.measurer.triangles(corners)

    def _simplices(self, pairs: Sequence[Row]) -> tuple[list[Row], Iterator[dict[str, Any]]]:
        stored, stars = self.run.simplex_rows(self.facts.name), defaultdict(list)
        for pair in sorted(pairs, key=_edge):
            stars[pair["source_id"]].append(pair)
        corners = ((row["source_id"], self._corners(stars[row["source_id"]])) for row in stored)
        measured = self.measurer.simplices(corners, self.run.plan["seed"])
        # At a delta of 0 rounding decides which samples are inside, as for fraction_0.0.
        kept = None if self.measurer.delta else ("p_source", "mean")
        return stored, ({k: again[k] for k in kept or again} for again in measured)

    def _corners(self, pairs: Sequence[Row]) -> Corners:
        source = self._image(pairs[0]["source_id"])
        return Corners((source, *map(self._found, pairs)), _label(pairs[0]))

    def _pairs(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        outcomes = [self._outcome(row) for row in rows]
        sources = torch.stack([outcome.pair.source for outcome in outcomes])
        found = torch.stack([outcome.found for outcome in outcomes])
        p_source = self.measurer.scores(sources, outcomes)
        p_found = self.measurer.scores(found, outcomes)
        for i, columns in enumerate(self.measurer.found(outcomes)):
            yield {**columns, "p_source": p_source[i], "p_found": p_found[i]}

    def _outcome(self, row: Row) -> Outcome:
        source, target = self._image(row["source_id"]), self._image(row["target_id"])
        return Outcome(
            pair=Pair(row["pair_id"], source, target, _label(row)),
            label=_label(row),
            found=self._found(row),
            p_source=row["p_source"],
            p_found=row["p_found"],
            ending=Ending(row["ending"]),
            steps=row["steps"],
            evaluations=row["evaluations"],
            seconds=row["seconds"],
            path=None,
            path_step=[],
            path_confidence=[],
            p_path_min=None,
        )

    def _image(self, image_id: str) -> Tensor:
        pixels = self.run.image(image_id, self.facts.name)
        if pixels is None:
            raise Refused(_missing(self.run.image_path(image_id, self.facts.name)))
        return from_8bit(torch.from_numpy(pixels.copy())).permute(2, 0, 1)

    def _found(self, row: Row) -> Tensor:
        exact = self.run.exact(row["pair_id"])
        if exact is None:
            raise Refused(_missing(self.run.path / "found" / f"{row['pair_id']}.safetensors"))
        return torch.from_numpy(exact)


def _missing(file: Path) -> str:
    return f"{file} is missing, so its row cannot be verified; give the run's command again"


def _label(row: Row) -> int:
    return UNLABELLED if row["source_class"] is None else row["source_class"]


def _edge(pair: Row) -> tuple[str, str]:
    return pair["source_id"], pair["target_id"]


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _deviation(stored: Any, again: Any) -> float:
    return float(np.max(np.abs(np.asarray(stored, float) - np.asarray(again, float))))
