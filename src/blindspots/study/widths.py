"""Confidence in random directions orthogonal to a path, at several radii (slides, widths).

    symbol   name         formula
    x        point        of the path: a snapshot, or (1 − t) source + t found where it is straight
    τ        tangent      found − source; of snapshots the central difference
    u        direction    n − (τ·n / τ·τ) τ of a normal draw n, brought to unit ℓ2 norm
    r        radius       ℓ2 norm of the change, pixels in [0, 1]

What is asked is the confidence at x + r u. It is not clamped to [0, 1]: a clamped change would be
shorter than r and no longer orthogonal. A coordinate leaves the range by about r/√d at most.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import from_8bit, generator
from blindspots.engine.device import batch_size, find_device
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import UsageError
from blindspots.methods.method import mix, project_out, segment_weights, unit
from blindspots.progress import Reporter
from blindspots.scores import make_score
from blindspots.settings import NO_TRUST, Trust
from blindspots.store.manifest import renew_entries
from blindspots.store.reader import ModelFacts, Row, Run
from blindspots.store.width_rows import (
    QUANTILES,
    WIDTHS_FILE,
    WidthSettings,
    add_widths,
    read_widths,
)
from blindspots.study.reload import label_of, load_again, saved_image

_AT_ONCE, NOISE = 32, 1e-3
# What a run says of its own widths must not let a verification go on for ever.
MOST_DIRECTIONS = 10_000
Image = Float[Tensor, "channel height width"]
Images = Float[Tensor, "points channel height width"]


class FoundPath(NamedTuple):
    """The points of a path, the tangent at each, and how far along it each one is, in [0, 1]."""

    points: Images
    tangents: Images
    along: list[float]


def measure_widths(
    run: Run,
    pairs: list[Row],
    settings: WidthSettings,
    device: str = "auto",
    batch: int | None = None,
    reporter: Reporter | None = None,
    trust: Trust = NO_TRUST,
) -> list[Row]:
    """Measure the pairs' widths and store them; those that are stored already are not repeated.

    Returns the stored rows of the pairs. Refused before any work where a path was not kept or a
    model is no longer the one that was run.
    """
    reporter = reporter or Reporter(quiet=True)
    ways = {row["pair_id"]: path_of(run, row, settings.points) for row in pairs}
    missing = [row for row in pairs if not _made(run, row, settings, len(ways[row["pair_id"]][0]))]
    names = dict.fromkeys(row["model"] for row in missing)
    models = {name: _oracle(run, run.facts(name), device, batch, trust) for name in names}
    floor = run.delta or 0.0
    for row in missing:
        way = ways[row["pair_id"]]
        images = len(way.points) * settings.directions * len(settings.radii)
        with reporter.work(f"{row['model']}: widths of {row['pair_id']}", images, "images") as tick:
            kept = _kept(run, models[row["model"]], row)
            found = path_widths(models[row["model"]], row, way, settings, floor, kept, tick)
            add_widths(run.path, found)
    if missing:
        renew_entries(run.path, [WIDTHS_FILE])
    ids = {row["pair_id"] for row in pairs}
    return [row for row in read_widths(run.path) if row["pair_id"] in ids]


def path_widths(
    evaluator: Evaluator,
    row: Row,
    way: FoundPath,
    settings: WidthSettings,
    delta: float,
    kept: Tensor | None = None,
    tick: Callable[[float], None] = lambda _images: None,
) -> list[Row]:
    """The rows of a pair: for each point of its path and radius, quantiles of the confidence.

    `kept`: what of its source the score compares with, `(1, …)`; None: its class. `inside`: the
    share of directions whose confidence is at least p_source − `delta`.
    """
    floor = row["p_source"] - delta
    kept = torch.tensor([row["source_class"]]) if kept is None else kept
    asked = _values(evaluator, row["pair_id"], way, settings, kept, tick)
    return [_row(row, place, settings, values, floor) for place, values in asked]


def _values(
    evaluator: Evaluator,
    pair_id: str,
    way: FoundPath,
    settings: WidthSettings,
    kept: Tensor,
    tick: Callable[[float], None] = lambda _images: None,
) -> Iterator[tuple[Row, np.ndarray]]:
    """For each point of a path and radius: where it is, and the confidence in every direction."""
    with evaluator.model.frozen():
        centres = _confidence(evaluator, way.points, kept)
        for index, (along, centre) in enumerate(zip(way.along, centres.tolist(), strict=True)):
            key = f"widths:{pair_id}:{index}"
            draws = directions(way.tangents[index], settings.directions, settings.seed, key)
            found = _around(evaluator, way.points[index], draws, settings, kept, tick)
            for radius, values in zip(settings.radii, found.T, strict=True):
                place = {"point": index, "along": along, "confidence": centre, "radius": radius}
                yield place, values


def widths_apart(run: Run, evaluator: Evaluator, pairs: Sequence[Row]) -> Iterator[str]:
    """Where the pairs' stored widths are not what the model says in the same directions."""
    stored = defaultdict(list)
    for row in read_widths(run.path):
        stored[row["pair_id"]].append(row)
    for pair in (pair for pair in pairs if pair["pair_id"] in stored):
        try:
            yield from _pair_apart(run, evaluator, pair, stored[pair["pair_id"]])
        except UsageError as error:
            yield f"widths of {pair['pair_id']} cannot be measured again: {error}"


def _pair_apart(run: Run, evaluator: Evaluator, pair: Row, rows: Sequence[Row]) -> Iterator[str]:
    (count, seed), *others = {(row["directions"], row["seed"]) for row in rows}
    stored = {(row["point"], row["radius"]): row for row in rows if None not in row.values()}
    if others or not stored or None in (count, seed) or count > MOST_DIRECTIONS:
        yield f"widths of {pair['pair_id']} are of no directions that can be drawn again"
        return
    points, radii = (tuple(dict.fromkeys(one)) for one in zip(*stored, strict=True))
    settings = WidthSettings(directions=count, radii=radii, points=len(points), seed=seed)
    way, kept = path_of(run, pair, len(points)), _kept(run, evaluator, pair)
    floor = pair["p_source"] - (run.delta or 0.0)
    for place, values in _values(evaluator, pair["pair_id"], way, settings, kept):
        if row := stored.get((place["point"], place["radius"])):
            yield from _width_apart(row, place, values, floor)


def _width_apart(row: Row, place: Row, values: np.ndarray, floor: float) -> Iterator[str]:
    what = f"width of {row['pair_id']} at point {row['point']} and radius {row['radius']:g}"
    numbers = zip(("low", "median", "high"), np.quantile(values, QUANTILES).tolist(), strict=True)
    for name, again in {**place, **dict(numbers)}.items():
        if not abs(row[name] - again) <= NOISE:
            yield f"{what}: {name} is {row[name]:.4f}, and the model says {again:.4f}"
    least, most = ((values >= floor + more).mean() for more in (NOISE, -NOISE))
    if not least <= row["inside"] <= most:
        yield f"{what}: inside is {row['inside']:.4f}, and the model says {least:.4f} to {most:.4f}"


def directions(tangent: Image, count: int, seed: int, key: str) -> Iterator[Image]:
    """`count` random unit directions orthogonal to a tangent, from a CPU generator.

    Each is drawn alone, so they are the same in any batch size. Where the tangent is zero every
    direction is orthogonal.
    """
    source = generator(seed, key)
    for start in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - start)
        draws = torch.stack([torch.randn(tangent.shape, generator=source) for _ in range(size)])
        yield from unit(project_out(draws, tangent.expand(size, *tangent.shape)))


def path_of(run: Run, row: Row, points: int) -> FoundPath:
    """The points of a pair's path that the run kept; refused where it kept none."""
    return _segment(run, row, points) if run.straight else _snapshots(run, row, points)


def _segment(run: Run, row: Row, points: int) -> FoundPath:
    exact = run.exact(row["pair_id"])
    if exact is None:
        raise UsageError(
            f"{run.path} kept no found image of pair {row['pair_id']}, so its path is not known; "
            "run it with --keep found or --keep path"
        )
    source = saved_image(run, row["source_id"], row["model"])
    found = torch.from_numpy(exact)
    weights = segment_weights(points)
    tangents = (found - source).expand(points, *source.shape)
    return FoundPath(mix(weights, torch.stack((source, found))), tangents, weights[:, 1].tolist())


def _snapshots(run: Run, row: Row, points: int) -> FoundPath:
    steps = row["path_step"] or []
    frames = run.frames(row["pair_id"], len(steps))
    if len(frames) < 2:
        raise UsageError(
            f"{run.path} kept no snapshots of pair {row['pair_id']}, so its path is not known; "
            "run it with --keep path"
        )
    chosen = np.unique(np.linspace(0, len(frames) - 1, points).round().astype(int))
    images = from_8bit(torch.from_numpy(np.stack(frames)[chosen])).permute(0, 3, 1, 2)
    (tangents,) = torch.gradient(images, dim=0)
    return FoundPath(images, tangents, [steps[i] / max(steps[-1], 1) for i in chosen])


def _around(
    evaluator: Evaluator,
    point: Image,
    draws: Iterator[Image],
    settings: WidthSettings,
    kept: Tensor,
    tick: Callable[[float], None],
) -> np.ndarray:
    usual = evaluator.chunk or batch_size(evaluator.model.size, evaluator.model.device)
    radii = torch.tensor(settings.radii).view(1, -1, 1, 1, 1)
    parts = []
    while some := list(islice(draws, max(1, usual // len(settings.radii)))):
        images = (point + radii * torch.stack(some)[:, None]).flatten(0, 1)
        parts.append(_confidence(evaluator, images, kept).view(len(some), -1))
        tick(len(images))
    return torch.cat(parts).double().numpy()


def _confidence(evaluator: Evaluator, images: Images, kept: Tensor) -> Float[Tensor, "points"]:
    every = kept.to(evaluator.model.device).expand(len(images), *kept.shape[1:])
    return evaluator.exact.scores(images.to(evaluator.model.device), every).cpu()


def _kept(run: Run, evaluator: Evaluator, row: Row) -> Tensor:
    with evaluator.model.frozen():
        source = saved_image(run, row["source_id"], row["model"])[None]
        return evaluator.exact.kept(
            source.to(evaluator.model.device), torch.tensor([label_of(row)])
        )


def _row(row: Row, place: Row, settings: WidthSettings, values: np.ndarray, floor: float) -> Row:
    low, median, high = np.quantile(values, QUANTILES).tolist()
    return {
        "model": row["model"],
        "pair_id": row["pair_id"],
        **place,
        "directions": settings.directions,
        "seed": settings.seed,
        "low": low,
        "median": median,
        "high": high,
        "inside": float((values >= floor).mean()),
    }


def _made(run: Run, row: Row, settings: WidthSettings, points: int) -> bool:
    stored = [old for old in read_widths(run.path) if old["pair_id"] == row["pair_id"]]
    return settings.made(stored, points)


def _oracle(run: Run, facts: ModelFacts, device: str, batch: int | None, trust: Trust) -> Evaluator:
    model = load_again(facts, trust).to(find_device(device))
    usual = batch or batch_size(model.size, model.device)
    return Evaluator(model, make_score(run.info.score), chunk=usual)
