"""Compares a run with its files' hashes, with its plan, and with what its images give anew.

A row that is missing or doubled, a null where a value belongs and a file that is another are
disagreements, as a wrong number is one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blindspots.errors import WorkFailed, can_compute, computing, without_pairs
from blindspots.progress import Reporter
from blindspots.schema import TABLES
from blindspots.settings import NO_TRUST, Trust
from blindspots.store.manifest import MANIFEST, check_manifest, unlisted
from blindspots.store.parquet import damage, row_files
from blindspots.store.paths import Place
from blindspots.store.reader import ModelFacts, Run
from blindspots.study.audit import UNFORESEEN, Disagreements, audit, unproved

if TYPE_CHECKING:
    from blindspots.models.classifier import Classifier
    from blindspots.study.recompute import Computed

CONFIDENCE, DISTANCE, SHARE, NONE = 1e-3, 1e-4, 0.05, 1e-9
_UNFINISHED = "the run is not finished, which proves nothing of the rows that are not there"
METRICS = ("rmse", "linf", "ssim", "lpips")
TOLERANCES: dict[str, float] = {
    **dict.fromkeys(("p_source", "p_found", "p_found_8bit"), CONFIDENCE),
    **dict.fromkeys(("segment_mean", "segment_min", "segment_confidence"), CONFIDENCE),
    # Snapshots are rounded to 8 bits.
    "path_confidence": SHARE,
    **dict.fromkeys(METRICS, DISTANCE),
    **dict.fromkeys((f"source_{name}" for name in METRICS), DISTANCE),
    **dict.fromkeys(("mean", "confidence"), CONFIDENCE),
    **dict.fromkeys((f"fraction_{drop}" for drop in ("0.0", "0.1", "0.2", "0.3")), NONE),
    "fraction": NONE,
    **dict.fromkeys(("low", "high", "drop"), NONE),
    **dict.fromkeys(("interpolation_confidence", "interpolation_mean"), CONFIDENCE),
    **dict.fromkeys(("p_interpolation", "p_target"), CONFIDENCE),
    "interpolation_t": DISTANCE,
    **dict.fromkeys((f"random_pair_{name}" for name in METRICS), DISTANCE),
    **dict.fromkeys((f"interpolation_{name}" for name in METRICS), DISTANCE),
}


@dataclass
class Verification:
    """The largest deviation of each column over `rows` rows, and where it was found.

    `problems`: everything else that disagrees, a sentence each. `listed`: whether the run has a
    manifest, so that its files' hashes were compared. `finished`: whether the run is; else nothing
    is proved, because nobody knows which rows are still to come. `unproved`: what else could not be
    told, a sentence each. `computed`: whether torch is installed, so that numbers were computed
    again.
    """

    rows: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    problems: Disagreements = field(default_factory=Disagreements)
    listed: bool = True
    finished: bool = True
    computed: bool = True
    unproved: list[str] = field(default_factory=list)

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
        return {
            "rows": self.rows,
            "largest_deviation": self.largest,
            "tolerance": {name: TOLERANCES[name] for name in self.largest},
            "different": self.different,
            "problems": list(self.problems),
            "manifest": self.listed,
            "finished": self.finished,
            "unproved": self.unproved,
            "computed": self.computed,
        }

    def text(self) -> str:
        """One line per column, and per disagreement of another kind."""
        lines = [
            f"{name:<25} {self.largest[name]:.1e}  (tolerance {TOLERANCES[name]:.0e})"
            f"{'  DIFFERENT at ' + self.where[name] if name in self.different else ''}"
            for name in TOLERANCES
            if name in self.largest
        ]
        lines += [f"DIFFERENT: {problem}" for problem in self.problems]
        lines += [f"not proved: {sentence}" for sentence in self.unproved]
        differs = bool(self.different or self.problems)
        so_far = "" if self.finished or differs else f" so far; {_UNFINISHED}"
        if not self.computed:
            verdict = "differ" if differs else f"agree{so_far}"
            note = "torch is not installed: no number was computed again; type "
            return "\n".join(
                [*lines, f"{note}pip install 'blindspots[torch]'", f"files and plan {verdict}"]
            )
        verdict = "differs" if differs else f"agrees within float tolerance{so_far}"
        return "\n".join(
            [f"{'column':<25} largest deviation", *lines, f"{self.rows} rows: {verdict}"]
        )

    def raise_if_different(self) -> None:
        """Fail where what is stored is not what plan, files and saved images give, or not all."""
        if self.different:
            more = f"; beside that {_counted(self.problems)}" if self.problems else ""
            raise WorkFailed(
                f"{', '.join(self.different)} differ from what the saved images give{more}; were "
                "files or weights changed since? run it again with another --out"
            )
        if self.problems:
            raise WorkFailed(
                f"{_counted(self.problems)}; was something changed by hand, or lost in copying? "
                "give the run's command again, or run it with another --out"
            )
        if not self.finished:
            raise WorkFailed(f"{_UNFINISHED}; give the run's command again, then verify it")


def verify_run(
    path: str | Place,
    device: str,
    batch: int | None,
    lpips_weights: Path | None,
    reporter: Reporter,
    trust: Trust = NO_TRUST,
    sources: int | None = None,
    images: str | None = None,
    own: "Sequence[Classifier]" = (),
) -> Verification:
    """Compare all of a run with its manifest and its plan, and recompute its numbers and pictures.

    In another batch size than the run's, unless `batch` names one. `sources`: recompute only all
    that starts from so many of them, the same draw each time; None: from all. `images`: a spec of
    the images themselves, with which the saved sources and targets are compared. `own`: models
    that the caller holds, taken where they are the run's. Refused where the run kept no found
    images, or a model is no longer the one that was run.
    """
    run, computed = Run(path), can_compute()
    if not len(run.columns.pairs_of(started=True, names=["pair_id"])):
        raise without_pairs(path, "there is nothing to verify")
    if computed:
        _check(run, trust, own)
    listed = (run.path / MANIFEST).is_file()
    result = Verification(listed=listed, finished=run.finished, computed=computed)
    result.unproved.extend(unproved(run))
    if shown := unlisted(run.path):
        more = f" and {len(shown) - 1} more" if shown[1:] else ""
        result.unproved.append(
            f"{MANIFEST} does not list {shown[0]}{more}; blindspots report {path} draws all anew"
        )
    if run.finished and not listed and not run.info.earlier:
        result.problems.append(f"{MANIFEST} is missing, and every finished run has one")
    files = check_manifest(run.path, sources is None) if listed else _damaged(run)
    result.problems.take("files", files)
    result.problems.extend(audit(run))
    if computed or images is not None:
        _compute(run, result, sources, images, reporter, device, batch, lpips_weights, trust, own)
    result.problems.close()
    return result


def _check(run: Run, trust: Trust, own: "Sequence[Classifier]") -> None:
    from blindspots.study.reload import check_kept, check_loadable

    check_kept(run, "verified")
    for facts in run.info.models:
        check_loadable(facts, trust, own=own)


def _compute(
    run: Run,
    result: Verification,
    sources: int | None,
    images: str | None,
    reporter: Reporter,
    *loading: Any,
) -> None:
    """Compare with what saved images give anew; `loading`: how, as `Recomputation` takes it."""
    with computing():
        from blindspots.images import load_images
        from blindspots.study.recompute import Recomputation
        from blindspots.study.reload import draw_rows

    originals = load_images(images, reporter=reporter) if images is not None else None
    for facts in run.info.models:
        rows = draw_rows(run, facts.name, sources)
        again = Recomputation.load(run, facts, *loading)
        if originals is not None:
            result.problems.take("images", again.originals(originals, rows.pairs))
        for one in _guarded(facts, again.rows(rows, reporter)):
            if isinstance(one, str):
                result.problems.take(facts.name, [one])
            else:
                result.compare(one.name, one.stored, one.again)


def _guarded(facts: ModelFacts, rows: "Iterator[Computed | str]") -> "Iterator[Computed | str]":
    """The rows; what a changed file makes torch raise is a disagreement too."""
    try:
        yield from rows
    except UNFORESEEN as error:
        reason = " ".join(str(error).split())
        yield f"rows of {facts.name} cannot be computed again ({reason[:200]})"


def _damaged(run: Run) -> Iterator[str]:
    """The files of rows that are not what was written, of a run without a manifest."""
    for table in TABLES:
        for file in row_files(run.path, table):
            if reason := damage(file, run.info.tables.get(file.name)):
                yield f"{file.name} is damaged ({reason})"


def _counted(problems: Disagreements) -> str:
    count = len(problems)
    more = f" (and {count - 1} more disagreements)" if count > 1 else ""
    return f"{problems[0]}{more}"


def _deviation(stored: Any, again: Any) -> float:
    one, other = np.asarray(stored, float), np.asarray(again, float)
    return float(np.max(np.abs(one - other), initial=0.0)) if one.shape == other.shape else inf
