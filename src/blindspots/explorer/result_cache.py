"""What traversals found, kept for the tabs that look at it: hulls, saved cases, hovering."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch

from blindspots.engine.batch import TraversalResult
from blindspots.errors import UsageError
from blindspots.explorer.image_catalog import ImageCatalog, Missing, exact
from blindspots.methods import METHODS
from blindspots.methods.method import Method
from blindspots.reporting.selection import striking_case
from blindspots.store.reader import Row, Run
from blindspots.study.reload import saved_outcome

MOST_BYTES = 256 * 2**20
MOST_LISTED = 500
_SHOWN = ("pair_id", "model", "source_id", "target_id", "source_name", "target_name")
_NUMBERS = ("p_source", "p_found", "rmse", "segment_min")
_MEASURED = (
    *("rmse", "linf", "ssim", "source_rmse", "source_linf", "source_ssim", "p_found_8bit"),
    *("segment_mean", "segment_min", "segment_inside", "segment_confidence"),
)


@dataclass(frozen=True)
class CachedResult:
    """A pair that was traversed, with all that a run would store of it.

    `columns`: the measured ones. `aim`: the class of the target and its name. `company`: the
    targets traversed together, where the method does so. `id`: unguessable, so tabs do not meet.
    """

    model: str
    source: str
    target: str
    method: Method
    outcome: TraversalResult
    columns: dict[str, Any]
    aim: tuple[int, str]
    company: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def bytes(self) -> int:
        images = 3 * self.outcome.found.numel() * self.outcome.found.element_size()
        return images + (0 if self.outcome.path is None else self.outcome.path.nbytes)


class ResultCache:
    """The latest found images of all tabs, up to so many bytes; the longest unused go first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[str, CachedResult] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, found: CachedResult) -> str:
        with self._lock:
            self._kept[found.id] = found
            self._bytes += found.bytes
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].bytes
        return found.id

    def get(self, name: str) -> CachedResult:
        with self._lock:
            if name not in self._kept:
                raise Missing("this result is no longer kept here; start its traversal again")
            self._kept.move_to_end(name)
            return self._kept[name]

    def hull(self, names: Sequence[str]) -> list[CachedResult]:
        found = [self.get(name) for name in names]
        if len({(one.model, one.source, one.outcome.label) for one in found}) > 1:
            raise UsageError(
                "these results are of several sources or models; a hull has one of each"
            )
        return found


class Stored:
    """The traversed pairs of a run whose models are loaded, by their ids."""

    def __init__(self, run: Run, models: Mapping[str, Any], gallery: ImageCatalog) -> None:
        self.run, self._gallery = run, gallery
        self._rows = {
            row["pair_id"]: row for row in run.pair_rows(started=True) if row["model"] in models
        }

    def listing(self) -> list[Row]:
        """What the page lists: who each of the first pairs is, and its main numbers."""
        return [_listed(row) for row in list(self._rows.values())[:MOST_LISTED]]

    def case(self) -> Row | None:
        """The same of the pair that the page opens with; None where no found image was kept."""
        chosen = striking_case(self.run)
        known = (self._rows[one] for one in (chosen, *self._rows) if one in self._rows)
        return next((_listed(row) for row in known if self.run.kept(row["pair_id"])), None)

    def open(self, name: str) -> CachedResult:
        row = self._rows.get(name)
        if row is None:
            raise Missing("there is no such pair in this run; pick one from its list")
        found = self.run.exact(row["pair_id"])
        if found is None:
            raise UsageError(
                "this run kept no found images, so start the traversal of this pair anew"
            )
        return self._found(row, torch.from_numpy(found))

    def frames(self, found: CachedResult) -> list[dict[str, Any]]:
        path, outcome = found.outcome.path, found.outcome
        if path is None or found.method.straight:
            return []
        rows = zip(outcome.path_step, outcome.path_confidence, path, strict=True)
        return [
            {"step": step, "confidence": p, "image": exact(frame.transpose(1, 2, 0).copy())}
            for step, p, frame in rows
        ]

    def _found(self, row: Row, image: torch.Tensor) -> CachedResult:
        source = self._gallery.image(row["source_id"], row["model"])
        target = self._gallery.image(row["target_id"], row["model"])
        steps = row["path_step"] or []
        frames = self.run.frames(row["pair_id"], len(steps))
        outcome = replace(
            saved_outcome(row, source, target, image),
            path=np.stack(frames).transpose(0, 3, 1, 2) if frames else None,
            path_step=steps if frames else [],
            path_confidence=(row["path_confidence"] or []) if frames else [],
        )
        return CachedResult(
            model=row["model"],
            source=row["source_id"],
            target=row["target_id"],
            method=plan_method(self.run),
            outcome=outcome,
            columns={key: row[key] for key in _MEASURED},
            aim=(row["target_class"], row["target_name"]),
        )


def _listed(row: Row) -> Row:
    return {key: row[key] for key in (*_SHOWN, *_NUMBERS)}


def plan_method(run: Run) -> Method:
    settings = dict(run.info.method)
    kind = METHODS.get(settings.pop("name", ""))
    if kind is None:
        raise UsageError(
            f"{run.path} was made by a method that this version does not have; expected one of "
            f"{', '.join(sorted(METHODS))}; start it again with blindspots run"
        )
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in settings.items() if name in known})
