"""Whether other models believe the found images too: every model of a run, judged by every judge.

A judge is a model of the run or one that is given. It is asked about each exact found image, and,
for comparison, about its clean source and target, as the traversed model saw them. A run of several
models ends with what they say of each other's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from PIL import Image as Picture
from torch import Tensor

from blindspots.engine.device import batch_size, find_device, lay_out
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.errors import UsageError, without_pairs
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_trusted
from blindspots.progress import Reporter
from blindspots.schema import TRANSFER
from blindspots.settings import NO_TRUST, Trust
from blindspots.store.manifest import renew_entries
from blindspots.store.parquet import write_rows
from blindspots.store.paths import Place
from blindspots.store.reader import Row, Run
from blindspots.study.reload import (
    Image,
    check_kept,
    check_loadable,
    load_again,
    saved_found,
    saved_image,
)

Seen = Float[Tensor, "3 judge_height judge_width"]
Probabilities = Float[Tensor, "classes"]
Classes = dict[int, int]

FILE, MOST_ASKED = "transfer.parquet", 10_000


@dataclass(frozen=True)
class TransferJudges:
    """The judges by name, and for each (traversed model, judge) how classes are called there.

    Models of the run that cannot judge each other have no entry in `classes`.
    """

    own: dict[str, Classifier]
    given: dict[str, Classifier]
    classes: dict[tuple[str, str], Classes]
    notes: tuple[str, ...] = ()

    @property
    def judges(self) -> dict[str, Classifier]:
        """The run's own models, then the given ones."""
        return {**self.own, **self.given}


def judge_run(
    path: str | Place,
    judges: Sequence[str | Classifier],
    device: str,
    batch: int | None,
    reporter: Reporter,
    trust: Trust = NO_TRUST,
) -> Place:
    """Ask the run's models and `judges` about every found image; the file of the answers.

    `judges`: specs and models; a run's model that is among them is not loaded again. Writes
    `transfer.parquet`, whole. Refused before any work: a run without found images, a model that is
    no longer the one that was run, a given model that lacks the sources' classes.
    """
    run, place = Run(path), find_device(device)
    check_kept(run, "judged")
    if run.info.score.get("name") == "embedding":
        raise UsageError(
            f"{path} held the similarity of embeddings, which other models do not share; expected "
            "a run that held a class: run it with --score confidence, group:1,2,3 or margin"
        )
    rows = {facts.name: run.pair_rows(facts.name, started=True) for facts in run.models}
    if not any(rows.values()):
        raise without_pairs(path, "there is no found image to judge")
    for facts in run.models:
        check_loadable(facts, trust, *_kinds(judges))
    bench = _bench(run, judges, rows, trust)
    for note in bench.notes:
        reporter.say(f"note: {note}")
    with reporter.work("judging found images", _count(rows, bench.classes), "images") as tick:
        answers = list(_answers(run, bench, rows, place, batch, tick))
    return _store(run, answers)


def judge_each_other(out: Place, subjects: Sequence[Subject], reporter: Reporter) -> None:
    """Let the models of a finished run judge each other's found images, where none was judged yet.

    Nothing is written of a single model, of models that share no class, without found images, where
    no class is held, and beyond `MOST_ASKED` answers, which one process gives one after the other.
    """
    run = Run(out)
    held = run.info.keep != "none" and run.info.score.get("name") != "embedding"
    if len(subjects) < 2 or not held or (out / FILE).is_file():
        return
    models = {one.name: one.model for one in subjects}
    counts = {name: len(run.columns.pairs_of(name, True, ["pair_id"])) for name in models}
    if not 0 < len(models) * sum(counts.values()) <= MOST_ASKED:
        return
    rows = {name: run.pair_rows(name, started=True) for name in models}
    classes, _ = _class_maps(models, models, rows)
    if all(model == judge for model, judge in classes):
        return
    with reporter.work("judging found images", _count(rows, classes), "images") as tick:
        each = (_said(run, classes, rows, s.name, s.evaluator.exact, tick) for s in subjects)
        _store(run, list(chain.from_iterable(each)))


def _count(rows: dict[str, list[Row]], classes: Mapping[tuple[str, str], Classes]) -> int:
    return sum(len(rows[model]) for model, _ in classes)


def _store(run: Run, answers: Sequence[Row]) -> Place:
    file = write_rows(run.path / FILE, pa.Table.from_pylist(list(answers), TRANSFER))
    renew_entries(run.path, [file.name])
    return file


def class_map(model: Classifier, judge: Classifier, wanted: set[int]) -> Classes:
    """The judge's class for each `wanted` class of the model.

    Equal lists of names, or equally many classes where one has no names: the same number. Other
    lists: the class of the very same name. Refused where there is none.
    """
    names, others = model.class_names, judge.class_names
    if names is None or others is None:
        return _by_number(model, judge, wanted)
    if names == others:
        return {number: number for number in wanted}
    missing = [names[number] for number in sorted(wanted) if others.count(names[number]) != 1]
    if missing:
        raise UsageError(
            f"{judge.name} has no class named {_listed(missing)}, which {model.name} was held to; "
            "expected a model with the same class names; give its own names as classes=FILE in "
            "its spec"
        )
    return {number: others.index(names[number]) for number in wanted}


def as_seen(image: Image, preprocessing: Preprocessing) -> Seen:
    """An image of any size through a model's preprocessing, without rounding to 8 bits.

    One that already has the model's size is unchanged, to the bit.
    """
    if tuple(image.shape[1:]) == tuple(preprocessing.size):
        return image
    planes = [preprocessing(Picture.fromarray(plane)) for plane in image.numpy()]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).clamp(0, 1)


def _by_number(model: Classifier, judge: Classifier, wanted: set[int]) -> Classes:
    if model.num_classes != judge.num_classes:
        raise UsageError(
            f"{judge.name} has {judge.num_classes} classes and {model.name} {model.num_classes}, "
            "and not both have names; expected the same classes; give names as classes=FILE in "
            "the spec"
        )
    return {number: number for number in wanted}


def _bench(
    run: Run, judges: Sequence[str | Classifier], rows: dict[str, list[Row]], trust: Trust
) -> TransferJudges:
    own = {facts.name: load_again(facts, trust, *_kinds(judges)) for facts in run.models}
    given = _given(judges, own, trust)
    classes, notes = _class_maps(own, {**own, **given}, rows)
    return TransferJudges(own, given, classes, tuple(notes))


def _class_maps(
    own: Mapping[str, Classifier], judges: Mapping[str, Classifier], rows: dict[str, list[Row]]
) -> tuple[dict[tuple[str, str], Classes], list[str]]:
    """The classes of each (model, judge), and what to say of those that are not the very same.

    Refused where a judge that is none of the run's `own` models lacks a class.
    """
    classes: dict[tuple[str, str], Classes] = {}
    notes: list[str] = []
    for name, model in own.items():
        wanted = {row["source_class"] for row in rows[name]}
        for other, judge in judges.items():
            try:
                classes[name, other] = class_map(model, judge, wanted)
            except UsageError as error:
                if other not in own:
                    raise
                notes.append(f"{other} does not judge {name}: {error}")
                continue
            if other != name and None in (model.class_names, judge.class_names):
                notes.append(f"{other} and {name}: classes are matched by number, without names")
    return classes, notes


def _kinds(judges: Sequence[str | Classifier]) -> tuple[list[str], list[Classifier]]:
    specs = [judge for judge in judges if isinstance(judge, str)]
    return specs, [judge for judge in judges if isinstance(judge, Classifier)]


def _given(
    judges: Sequence[str | Classifier], own: dict[str, Classifier], trust: Trust
) -> dict[str, Classifier]:
    """The given models that are not among the run's own; of equal short names by their specs."""
    known = {model.fingerprint() for model in own.values()}
    given: dict[str, Classifier] = {}
    for judge in judges:
        model = load_trusted(judge, trust) if isinstance(judge, str) else deepcopy(judge)
        fingerprint = model.fingerprint()
        if fingerprint in known:
            continue
        known.add(fingerprint)
        if model.name in own or model.name in given:
            model.name = judge if isinstance(judge, str) else f"{model.name}-{fingerprint[:8]}"
        given[model.name] = model
    return given


def _answers(
    run: Run,
    bench: TransferJudges,
    rows: dict[str, list[Row]],
    device: torch.device,
    batch: int | None,
    tick: Callable[[float], None],
) -> Iterator[Row]:
    for name, judge in bench.judges.items():
        lay_out(judge.to(device))
        evaluator = Evaluator(judge, chunk=batch or batch_size(judge.size, device))
        yield from _said(run, bench.classes, rows, name, evaluator, tick)
        judge.to("cpu")


def _said(
    run: Run,
    classes: Mapping[tuple[str, str], Classes],
    rows: dict[str, list[Row]],
    judge: str,
    evaluator: Evaluator,
    tick: Callable[[float], None],
) -> Iterator[Row]:
    for model in rows:
        if (model, judge) not in classes:
            continue
        sitting = _JudgePass(run, model, judge, evaluator, classes[model, judge])
        size = evaluator.chunk or batch_size(evaluator.model.size, evaluator.model.device)
        for start in range(0, len(rows[model]), size):
            chunk = rows[model][start : start + size]
            yield from sitting.rows(chunk)
            tick(len(chunk))


@dataclass(frozen=True)
class _JudgePass:
    """One judge over one model's found images; what it said of clean images is kept."""

    run: Run
    model: str
    judge: str
    evaluator: Evaluator
    classes: Classes
    clean: dict[str, Probabilities] = field(default_factory=dict)

    def rows(self, pairs: Sequence[Row]) -> list[Row]:
        ids = {name: None for row in pairs for name in _ends(row) if name not in self.clean}
        found = [saved_found(self.run, row["pair_id"]) for row in pairs]
        images = [*found, *(saved_image(self.run, name, self.model) for name in ids)]
        said = self._ask(images)
        self.clean.update(zip(ids, said[len(pairs) :], strict=True))
        resized = tuple(found[0].shape[1:]) != tuple(self.evaluator.model.size)
        return [
            {**self._identity(row), **self._opinions(row, one), "resized": resized}
            for row, one in zip(pairs, said[: len(pairs)], strict=True)
        ]

    def _ask(self, images: Sequence[Image]) -> list[Probabilities]:
        seen = [as_seen(image, self.evaluator.model.preprocessing) for image in images]
        with self.evaluator.model.frozen():
            logits = self.evaluator.logits(torch.stack(seen))
        return list(logits.softmax(dim=1).cpu())

    def _identity(self, row: Row) -> Row:
        names = ("pair_id", "source_id", "target_id", "source_class")
        own = {name: row[name] for name in names}
        judge_class = self.classes[row["source_class"]]
        return {"model": self.model, "judge": self.judge, **own, "judge_class": judge_class}

    def _opinions(self, row: Row, found: Probabilities) -> dict[str, Any]:
        label = self.classes[row["source_class"]]
        source, target = (self.clean[name] for name in _ends(row))
        said = {"found": found, "source": source, "target": target}
        return {
            **{f"p_{name}": float(one[label]) for name, one in said.items()},
            **{f"kept_{name}": int(one.argmax()) == label for name, one in said.items()},
        }


def _ends(row: Row) -> tuple[str, str]:
    return row["source_id"], row["target_id"]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
