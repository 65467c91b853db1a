"""`traverse`: the method on tensors, without files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from torch import nn

from blindspots.api.arguments import (
    Images,
    ImagesLike,
    LabelsLike,
    as_images,
    as_labels,
    as_method,
    as_model,
    as_same_count,
    as_score,
    check_classes,
    check_sizes,
)
from blindspots.api.traversals import Traversal, Traversals, collect
from blindspots.engine.batch import UNLABELLED, Pair, TraversalResult, pair_hash
from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.errors import UsageError
from blindspots.methods.method import Method
from blindspots.progress import Reporter, Ticker
from blindspots.scores import Score


def traverse(
    model: nn.Module,
    sources: ImagesLike,
    targets: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    method: Method | str | None = None,
    score: Score | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    batch: int | None = None,
    snapshots: int = 0,
    on_pair: Callable[[Traversal], object] | None = None,
    progress: bool | None = None,
) -> Traversals:
    """What the model cannot see between each source and its target.

    `model`: a `Classifier`; a plain `torch.nn.Module` is shown images in [0, 1] as they are (mean
    0, std 1), which a warning says. `sources`, `targets`: floats `(pairs, 3, height, width)` in
    [0, 1], tensors, arrays or lists of images; `(3, height, width)` is one image, and a single
    image goes with every one of the other side. `labels`: the class to keep, per pair or one for
    all; None: the one the model itself gives the source. `method`: a method with its settings, or
    a name such as "star" (the default), "adaptive" or "reference", with the score's usual `delta`.
    `score`: what is held, `Confidence()` unless given.

    `seed` and a pair's id (its content, where `ids` is None) key every random draw, so a pair's
    result does not depend on its company. `groups`: a name per pair, for methods that work on
    several targets of a source together (`Fan`); None: pairs whose source is bitwise equal with the
    same label are a group. `batch`: images evaluated at once. `snapshots`: about how many images of
    each path to keep; 0: none. `on_pair`: called with each `Traversal` when its pair has ended, in
    that order. `progress`: whether a bar is drawn on standard error; None: on a terminal
    and in a notebook.

    Raises `UsageError` for another type, dtype, number of axes, size or range, for a label that is
    no class, a wrong number of labels, ids or groups, and groups of different sources.
    """
    first, last = as_same_count(as_images("sources", sources), as_images("targets", targets))
    asked = as_model(model, tuple(first.shape[-2:]))
    check_sizes(asked, sources=first, targets=last)
    numbers = as_labels(labels, len(first))
    check_classes(numbers, asked, least=UNLABELLED)
    _check_count("batch", batch, 1)
    _check_count("snapshots", snapshots, 0)
    pairs = _pairs(first, last, numbers, ids, groups)
    held = as_score(score, asked)
    chosen = as_method(method, held)
    slots = batch or batch_size(asked.size, asked.device)
    place = {id(pair): i for i, pair in enumerate(pairs)}
    together = sorted(pairs, key=lambda pair: pair.group) if chosen.grouped else pairs
    with _bar(progress, len(pairs)) as tick:
        engine = Engine(Evaluator(asked, held), chosen, slots, snapshots, seed)
        ended = list(_told(engine.run(together), tick, on_pair, snapshots > 0))
    return collect(sorted(ended, key=lambda outcome: place[id(outcome.pair)]), snapshots > 0)


def _told(
    ended: Iterable[list[TraversalResult]],
    tick: Ticker,
    on_pair: Callable[[Traversal], object] | None,
    paths: bool,
) -> Iterator[TraversalResult]:
    for outcome in (one for together in ended for one in together):
        tick(1)
        if on_pair is not None:
            on_pair(collect([outcome], paths)[0])
        yield outcome


def _bar(progress: bool | None, pairs: int) -> AbstractContextManager[Ticker]:
    reporter = Reporter()
    shown = reporter.watched if progress is None else progress
    return Reporter(quiet=not shown).work("traversing", pairs, "pairs")


def _pairs(
    sources: Images,
    targets: Images,
    labels: list[int],
    ids: Sequence[str] | None,
    groups: Sequence[str] | None,
) -> list[Pair]:
    entries = list(zip(sources, targets, labels, strict=True))
    if ids is None:
        ids = [pair_hash(*entry) for entry in entries]
    own = [pair_hash(source, source, label) for source, _, label in entries]
    named = own if groups is None else list(groups)
    for what, given in (("ids", ids), ("groups", named)):
        if len(given) != len(entries):
            raise UsageError(
                f"{len(given)} {what} were given for {len(entries)} pairs; expected one per pair"
            )
    for name in set(named):
        if len({content for content, group in zip(own, named, strict=True) if group == name}) > 1:
            raise UsageError(
                f"the group {name!r} holds pairs of different sources or labels; expected one "
                "source per group; leave groups out to group pairs by their source"
            )
    return [
        Pair(name, *entry, group) for name, entry, group in zip(ids, entries, named, strict=True)
    ]


def _check_count(name: str, given: int | None, least: int) -> None:
    if given is not None and given < least:
        raise UsageError(
            f"{name}={given} was given; expected a whole number of at least {least}; type "
            f"{name}={max(least, 8)}"
        )
