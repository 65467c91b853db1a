"""One model's stored rows computed again from its saved images, with the model freshly loaded."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby, tee
from math import inf, isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from blindspots.engine.batch import TraversalResult, from_8bit, to_8bit
from blindspots.engine.device import batch_size, find_device
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import UsageError
from blindspots.images import ImageSet
from blindspots.measure.hulls import (
    STRIDE,
    Corners,
    Hull,
    Line,
    Simplex,
    last_inside,
    triangles,
    whole_lines,
)
from blindspots.measure.measurer import Measurer
from blindspots.measure.metrics import find_lpips
from blindspots.models.classifier import Classifier, class_name
from blindspots.progress import Reporter
from blindspots.schema import (
    PROBABILITIES,
    SEGMENT_POINTS,
    SIMPLEX_COUNTS,
    TRIANGLE_STEPS,
    wilson,
)
from blindspots.scores import make_score
from blindspots.settings import Trust
from blindspots.store.reader import ModelFacts, Row, Run
from blindspots.study.audit_pictures import PictureAudit
from blindspots.study.reload import (
    StoredRows,
    label_of,
    load_again,
    pair_key,
    saved_found,
    saved_image,
    saved_outcome,
)
from blindspots.study.widths import NOISE, widths_apart

# A margin changes that much more than a confidence where an image is rounded.
MARGIN = 10


class Computed(NamedTuple):
    """A stored row, what it is called, and the columns that were computed again."""

    name: str
    stored: Row
    again: Mapping[str, Any]


Found = Iterator[Computed | str]


@dataclass(frozen=True)
class Recomputation:
    """What a model of a run, loaded again, says of its saved images; `batch`: images at once."""

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
        own: Sequence[Classifier] = (),
    ) -> "Recomputation":
        """With the model of that spec; refused where that is another one now."""
        model = load_again(facts, trust, own=own).to(find_device(device))
        size = batch or max(1, batch_size(model.size, model.device) // 2 - 1)
        lpips, _ = find_lpips(lpips_weights)
        delta = run.delta if run.delta is not None else 0.0
        evaluator = Evaluator(model, make_score(run.info.score), chunk=size)
        return cls(run, facts, Measurer(model, evaluator, delta, lpips), size)

    def rows(self, stored: StoredRows, reporter: Reporter) -> Found:
        """Every row with what it should hold, and a sentence about each that cannot be computed."""
        yield from self._facts(stored.pairs)
        sound: list[Row] = []
        with reporter.work(f"{self.facts.name}: verifying", len(stored.pairs), "pairs") as tick:
            for start in range(0, len(stored.pairs), self.batch):
                chunk = stored.pairs[start : start + self.batch]
                usable = []
                for row in chunk:
                    problems = list(self._unusable(row))
                    yield from problems or self._shown(row)
                    usable += [] if problems else [row]
                for row, again in zip(usable, self._pairs(usable), strict=True):
                    yield Computed(f"pair {row['pair_id']}", row, again)
                    yield from self._lowest(row)
                sound += usable
                tick(len(chunk))
        yield from self._predictions(sound)
        pairs = {pair_key(row): row for row in sound}
        for kind, own, measured in (
            ("triangle", *self._triangles(stored.triangles, pairs)),
            ("simplex", *self._simplices(stored.simplices, pairs)),
            ("null", *self._nulls(stored.nulls, pairs)),
        ):
            with reporter.work(f"{self.facts.name}: verifying", len(own), f"{kind} rows") as tick:
                for row, again in zip(own, measured, strict=True):
                    yield Computed(f"{kind} of {row['source_id']}", row, again)
                    tick(1)
        yield from widths_apart(self.run, self.measurer.evaluator, sound)

    def originals(self, images: ImageSet, pairs: Sequence[Row]) -> Iterator[str]:
        """Where sources and targets are not the images themselves, as the model sees those.

        An id holds the hash of its image's file, so an image with that id has that content.
        """
        places = {name: place for place, name in enumerate(images.ids)}
        for name in sorted(
            {str(row[f"{end}_id"]) for row in pairs for end in ("source", "target")}
        ):
            if name not in places:
                yield f"{name}: no image of {images.spec} has this name and content"
                continue
            clean = Image.fromarray(images.uint8(places[name]))
            seen, stored = self.measurer.model.preprocessing(clean), self._saved(name)
            if stored is None or not np.array_equal(stored, np.asarray(seen)):
                yield f"images/{name}.png is not what the model sees of that image"

    def _saved(self, image_id: str) -> np.ndarray | None:
        try:
            return self.run.image(image_id, self.facts.name)
        except (UsageError, OSError):
            return None

    def _facts(self, pairs: Sequence[Row]) -> Iterator[str]:
        """What `run.json` and the rows say of the model itself."""
        model = self.measurer.model
        for name, own in (
            ("num_classes", model.num_classes),
            ("size", list(model.size)),
            ("training_epsilon", model.training_epsilon),
        ):
            told = getattr(self.facts, name)
            told = list(told) if isinstance(told, tuple) else told
            if told != own:
                yield f"run.json: {name} of {self.facts.name} is {told}, and the model's is {own}"
        for row in pairs if model.class_names else ():
            for end in ("source", "target"):
                label, name = row[f"{end}_class"], row[f"{end}_name"]
                if self._is_class(label) and name not in (None, class_name(model, label)):
                    yield (
                        f"pair {row['pair_id']}: {end}_name is {name}, and class {label} of the "
                        f"model is {class_name(model, label)}"
                    )

    def _is_class(self, label: int | None) -> bool:
        return label is not None and 0 <= label < self.measurer.model.num_classes

    def _unusable(self, row: Row) -> Iterator[str]:
        """Why a pair cannot be computed again."""
        what, embeds = f"pair {row['pair_id']}", self.measurer.model.embeds
        if not embeds and not self._is_class(row["source_class"]):
            yield f"{what}: source_class is {row['source_class']}, which is no class of the model"
            return
        try:
            ends = [self._image(str(row[f"{end}_id"])) for end in ("source", "target")]
            images = [*ends, self._found(row)]
        except (UsageError, OSError) as error:
            yield f"{what}: {' '.join(str(error).split())}"
            return
        size = (3, *self.measurer.model.size)
        if any(tuple(image.shape) != size for image in images):
            yield f"{what}: an image of it has not the size of the model"

    def _shown(self, row: Row) -> Iterator[str]:
        rounded = to_8bit(self._found(row)).permute(1, 2, 0).numpy()
        yield from self._pictures.different(row, rounded)
        yield from self._pictures.hidden(row, self.facts.name)

    @cached_property
    def _pictures(self) -> PictureAudit:
        return PictureAudit(self.run)

    def _lowest(self, row: Row) -> Iterator[str]:
        known = [
            one for one in (*(row["path_confidence"] or ()), row["p_found"]) if one is not None
        ]
        # Else the path's scores are not those of its images as they are asked here.
        exact = not self.run.straight and self.run.plan.get("precision") == "fp32"
        lowest = row["p_path_min"]
        held = self.run.info.score.get("name")
        if held in PROBABILITIES and lowest is not None and not 0 <= lowest <= 1 + NOISE:
            yield f"pair {row['pair_id']}: p_path_min is {lowest:g}, and no probability"
        if exact and lowest is not None and known and not lowest <= min(known) + NOISE:
            yield f"pair {row['pair_id']}: p_path_min is above the confidences of its path"

    def _pairs(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        if not rows:
            return
        outcomes = [self._outcome(row) for row in rows]
        sources = torch.stack([outcome.pair.source for outcome in outcomes])
        found = torch.stack([outcome.found for outcome in outcomes])
        p_source = self.measurer.scores(sources, outcomes)
        p_found = self.measurer.scores(found, outcomes)
        for i, columns in enumerate(self.measurer.found(outcomes)):
            path = self._path_confidence(rows[i], outcomes[i], columns)
            yield {**columns, **path, "p_source": p_source[i], "p_found": p_found[i]}

    def _path_confidence(
        self, row: Row, outcome: TraversalResult, columns: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The score of each snapshot, to what rounding them to 8 bits may change."""
        frames = self._pictures.path(row)
        size = tuple(outcome.found.shape[1:])
        if not frames or row["path_confidence"] is None or frames[0].shape[:2] != size:
            return {}
        shown = torch.stack([_image(frame) for frame in frames])
        again = torch.tensor(self.measurer.scores(shown, [outcome] * len(shown)))
        stored = torch.tensor(row["path_confidence"], dtype=torch.float64)
        if len(stored) != len(again):
            return {"path_confidence": again.tolist()}
        wide = 1 if self.run.info.score.get("name") in PROBABILITIES else MARGIN
        steps = row["path_step"]
        if self.run.straight and all(0 <= step < SEGMENT_POINTS for step in steps):
            again, wide = torch.tensor([columns["segment_confidence"][s] for s in steps]), 1
        return {"path_confidence": (stored + (again.double() - stored) / wide).tolist()}

    def _predictions(self, pairs: Sequence[Row]) -> Iterator[str]:
        """The answers about clean images that the run kept: those of sources and targets."""
        rows = self.run.columns.rows("predictions", "model", [self.facts.name])
        said = {row["image_id"]: row for row in rows}
        labels = {
            row[f"{end}_id"]: row[f"{end}_class"] for row in pairs for end in ("source", "target")
        }
        names = [name for name in labels if name in said and None not in said[name].values()]
        for start in range(0, len(names), self.batch):
            chunk = names[start : start + self.batch]
            images = torch.stack([self._image(name) for name in chunk])
            with self.measurer.model.frozen():
                answers = self.measurer.evaluator.exact.logits(images)
            for name, answer in zip(chunk, answers, strict=True):
                yield from self._prediction(said[name], labels[name], answer)

    def _prediction(self, row: Row, label: int | None, answer: Tensor) -> Iterator[str]:
        what = f"prediction of {row['image_id']}"
        if self.measurer.model.embeds:
            if (row["predicted"], row["confidence"], row["p_label"]) != (-1, 1.0, 1.0):
                yield f"{what}: a model without classes says -1 with a confidence of 1"
            return
        shares = answer.softmax(0).cpu()
        best, named = float(shares.max()), row["predicted"]
        if not self._is_class(named) or float(shares[named]) < best - NOISE:
            yield f"{what}: predicted is {named}, and the model says {int(shares.argmax())}"
        if not self._is_class(label):
            yield f"{what}: its class is {label}, which the model has not"
            return
        for name, again in (("confidence", best), ("p_label", float(shares[label]))):
            if not abs(row[name] - again) <= NOISE:
                yield f"{what}: {name} is {row[name]:.4f}, and the model says {again:.4f}"

    def _triangles(
        self, stored: list[Row], pairs: Mapping[tuple[str, str], Row]
    ) -> tuple[list[Row], Iterator[dict[str, Any]]]:
        names = ("target_1", "target_2")
        own = [row for row in stored if all((row["source_id"], row[n]) in pairs for n in names)]
        corners = (self._corners([pairs[row["source_id"], row[n]] for n in names]) for row in own)
        hulls = triangles(self.measurer.evaluator.exact, corners, TRIANGLE_STEPS)
        return own, (self._triangle(*two) for two in zip(own, hulls, strict=True))

    def _triangle(self, row: Row, hull: Hull) -> dict[str, Any]:
        again, own = self.measurer.triangle(hull), row["confidence"] or ()
        if len(own) == len(hull.confidence) and None not in own:
            # Shares follow from the confidences of the row itself, which are compared as well.
            told = self.measurer.triangle(replace(hull, confidence=torch.tensor(own)))
            again |= {name: told[name] for name in told if name.startswith("fraction")}
        unsure = (hull.height - hull.height[0]).abs() <= NOISE
        level = ("fraction_0.0",) if self.measurer.delta else ("fraction_0.0", "fraction")
        return again | {name: _counted(row[name], again[name], unsure) for name in level}

    def _simplices(
        self, stored: list[Row], pairs: Mapping[tuple[str, str], Row]
    ) -> tuple[list[Row], Iterator[dict[str, Any]]]:
        stars = defaultdict(list)
        for _, pair in sorted(pairs.items()):
            stars[pair["source_id"]].append(pair)
        own = [
            row
            for count in SIMPLEX_COUNTS
            for row in stored
            if row["samples"] == count and len(stars[row["source_id"]]) == row["k"]
        ]
        seed = self.run.plan.get("seed", 0)
        measured = chain.from_iterable(
            self.measurer.clouds(
                ((one["source_id"], self._corners(stars[one["source_id"]])) for one in rows),
                seed,
                count,
            )
            for count, rows in groupby(own, itemgetter("samples"))
        )
        return own, (self._simplex(*two) for two in zip(own, measured, strict=True))

    def _simplex(self, row: Row, cloud: Simplex) -> dict[str, Any]:
        again, drops = self.measurer.simplex(cloud), cloud.p_source - cloud.confidence[1:]
        # At a delta of 0 rounding decides which samples are inside.
        unsure = (drops - self.measurer.delta).abs() <= (NOISE if self.measurer.delta else inf)
        fraction = _counted(row["fraction"], again["fraction"], unsure)
        low, high = wilson(min(1.0, max(0.0, row["fraction"] or 0.0)), row["samples"])
        return again | {"fraction": fraction, "low": low, "high": high}

    def _nulls(
        self, stored: list[Row], pairs: Mapping[tuple[str, str], Row]
    ) -> tuple[list[Row], Iterator[dict[str, Any]]]:
        own = [row for row in stored if pair_key(row) in pairs]
        ahead, behind = tee(self._ends(pairs[pair_key(row)]) for row in own)
        curves = whole_lines(self.measurer.evaluator.exact, ahead)
        return own, (self._null(*one) for one in zip(own, behind, curves, strict=True))

    def _null(self, row: Row, ends: Corners, curve: list[float]) -> dict[str, Any]:
        last, delta = last_inside(curve, self.measurer.delta), self.measurer.delta
        if row["interpolation_t"] is not None and 0 <= row["interpolation_t"] <= 1:
            stored = round(row["interpolation_t"] * (SEGMENT_POINTS - 1))
            last = stored if _may_be_last(curve, stored, delta) else last
        return self.measurer.null(ends, Line(curve[::STRIDE], last, curve[last]))

    def _ends(self, pair: Row) -> Corners:
        names = pair["source_id"], pair["target_id"]
        source, target = map(self._image, names)
        return Corners((source, target), label_of(pair))

    def _corners(self, pairs: Sequence[Row]) -> Corners:
        source = self._image(pairs[0]["source_id"])
        return Corners((source, *map(self._found, pairs)), label_of(pairs[0]))

    def _outcome(self, row: Row) -> TraversalResult:
        source, target = self._image(row["source_id"]), self._image(row["target_id"])
        return saved_outcome(row, source, target, self._found(row))

    def _image(self, image_id: str) -> Tensor:
        return saved_image(self.run, image_id, self.facts.name)

    def _found(self, row: Row) -> Tensor:
        return saved_found(self.run, row["pair_id"])


def _image(pixels: Any) -> Tensor:
    return from_8bit(torch.from_numpy(pixels.copy())).permute(2, 0, 1)


def _counted(stored: float | None, again: float, unsure: Bool[Tensor, " points"]) -> float:
    """The share of points nearest to the stored one, but for points that rounding decides about."""
    if stored is None or not isfinite(stored):
        return again
    count, few = len(unsure), int(unsure.sum())
    inside = round(again * count)
    return min(count, inside + few, max(0, inside - few, round(stored * count))) / count


def _may_be_last(curve: Sequence[float], last: int, delta: float) -> bool:
    floor, behind = curve[0] - delta, curve[last + 1 : last + 2]
    holds = min(curve[: last + 1]) >= floor - NOISE
    return holds and all(value < floor + NOISE for value in behind)
