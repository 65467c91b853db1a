"""What a run of many pairs will take: a few are done here and timed, the rest is extrapolated.

seconds of a pair = evaluations × seconds an evaluation + seconds to measure what was found

The evaluations are those that a few pairs of the sample took, timed apart from them in full
batches. Each factor has its standard error; the range reaches two of them above, and as many times
below as above: no time is 0, however much those that were measured differ.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from blindspots.engine.batch import Pair, TraversalResult
from blindspots.engine.evaluator import Subject
from blindspots.engine.scheduler import Engine
from blindspots.errors import UsageError
from blindspots.measure.measurer import Ends, Measurer, RowMaker, Traversed
from blindspots.measure.metrics import find_lpips
from blindspots.methods.method import Method
from blindspots.progress import Reporter, Ticker
from blindspots.schema import FORWARD, PlannedPair
from blindspots.study.pairs import HULLS, PlannedPairs
from blindspots.study.prepare import Prepared, most_evaluations, prepare
from blindspots.study.subjects import RunRequest

REPEATS, WARM_UP = 5, 1
# Of a normal distribution, the median's standard error is this many times the mean's.
MEDIAN_ERROR = math.sqrt(math.pi / 2)
WIDTH = 2.0


class Measured(NamedTuple):
    value: float
    error: float

    def __mul__(self, other: "Measured") -> "Measured":  # type: ignore[override]
        """The product of two that hang on nothing common."""
        parts = (self.error * other.value, other.error * self.value, self.error * other.error)
        return Measured(self.value * other.value, math.hypot(*parts))

    def __add__(self, other: "Measured") -> "Measured":  # type: ignore[override]
        return Measured(self.value + other.value, math.hypot(self.error, other.error))

    def times(self, factor: float) -> "Measured":
        return Measured(self.value * factor, self.error * factor)

    @property
    def low(self) -> float:
        """As many times below the value as `high` is above."""
        return self.value**2 / self.high if self.value else 0.0

    @property
    def high(self) -> float:
        return self.value + WIDTH * self.error


@dataclass(frozen=True)
class GpuPrice:
    """A GPU as the user describes it: dollars an hour, and how many times as fast as here."""

    name: str
    rate: float
    speedup: float


def parse_gpu_price(text: str) -> GpuPrice:
    """The card that `NAME=RATE,SPEEDUP` describes; refused where it describes none."""
    name, _, numbers = text.partition("=")
    try:
        rate, speedup = (float(number) for number in numbers.split(","))
        if name and rate >= 0 and 0 < speedup < math.inf:
            return GpuPrice(name, rate, speedup)
    except ValueError:
        pass
    raise UsageError(
        f"--gpu {text} was given; expected NAME=RATE,SPEEDUP: dollars an hour, and how many times "
        "as fast as this machine, as in --gpu A100=1.50,40"
    )


@dataclass(frozen=True)
class Estimate:
    """What was measured here, and what `pairs` pairs then take.

    `seconds`: of an evaluation; `evaluations`: of a pair, its method's own checks included;
    `most`: likewise, if it does not end early; `measuring`: seconds of a pair after it was
    traversed, triangles, simplices and nulls included.
    """

    model: str
    device: str
    batch: int
    sample: int
    pairs: int
    seconds: Measured
    evaluations: Measured
    most: float
    measuring: Measured

    @property
    def hours(self) -> Measured:
        return (self.evaluations * self.seconds + self.measuring).times(self.pairs / 3600)

    @property
    def most_hours(self) -> Measured:
        return (self.seconds.times(self.most) + self.measuring).times(self.pairs / 3600)

    def on(self, card: GpuPrice) -> dict[str, Any]:
        """Hours and dollars on a card, if it is as fast as its description says."""
        hours = self.hours.times(1 / card.speedup)
        return {
            "gpu": card.name,
            "hours": _range(hours),
            "dollars": _range(hours.times(card.rate)),
        }

    def as_json(self, cards: Sequence[GpuPrice]) -> dict[str, Any]:
        """What `--json` prints; every range is value, low, high."""
        return {
            "model": self.model,
            "device": self.device,
            "batch": self.batch,
            "sample": self.sample,
            "pairs": self.pairs,
            "seconds_an_evaluation": _range(self.seconds),
            "evaluations_a_pair": _range(self.evaluations),
            "most_evaluations_a_pair": self.most,
            "measuring_seconds_a_pair": _range(self.measuring),
            "hours_here": _range(self.hours),
            "most_hours_here": _range(self.most_hours),
            "gpus": [self.on(card) for card in cards],
        }

    def text(self, cards: Sequence[GpuPrice]) -> str:
        rate = Measured(1 / self.seconds.value, self.seconds.error / self.seconds.value**2)
        lines = [
            f"{self.model} on {self.device}, {self.batch} images at once, {self.sample} pairs done",
            f"evaluations per second: {_shown(rate)}",
            f"evaluations per pair: {_shown(self.evaluations)}, {self.most:.4g} if none ends early",
            f"measuring what was found: {_shown(self.measuring)} s a pair",
            f"{self.pairs:,} pairs here: {_shown(self.hours)} hours, "
            f"{_shown(self.most_hours)} if none ends early",
        ]
        for card in cards:
            hours = self.hours.times(1 / card.speedup)
            lines.append(
                f"{self.pairs:,} pairs on {card.name}, if it is {card.speedup:g} times as fast: "
                f"{_shown(hours)} hours, {_shown(hours.times(card.rate))} dollars at "
                f"{card.rate:g} an hour"
            )
        return "\n".join(lines)


def estimate(request: RunRequest, method: Method, pairs: int, reporter: Reporter) -> Estimate:
    """Time a model on the few pairs that `request` asks for; what `pairs` of them take.

    Refused as a run would be refused. Nothing is written.
    """
    if pairs < 1:
        raise UsageError(f"--pairs {pairs} was given; expected at least 1, as in --pairs 50000")
    prepared = prepare(request, None, reporter)
    (subject,) = prepared.subjects
    planned = prepared.pairs[subject.name]
    with reporter.work(f"{subject.name}: timing", len(planned), "pairs") as tick:
        seconds = time_evaluations(subject, method)
        outcomes = _traversed(subject, method, planned, request.science.seed, tick)
        measuring = _time_measuring(prepared, subject, method, outcomes)
    checks = [outcome.check_evaluations for outcome in outcomes]
    spent = [out.evaluations + check for out, check in zip(outcomes, checks, strict=True)]
    shared = planned.group_size if method.grouped else 1
    most = most_evaluations(method, planned) + FORWARD / shared
    return Estimate(
        model=subject.name,
        device=str(subject.model.device),
        batch=subject.evaluator.chunk or subject.batch,
        sample=len(planned),
        pairs=pairs,
        seconds=seconds,
        evaluations=_mean(spent),
        most=float(most.mean()) + statistics.fmean(checks),
        measuring=measuring,
    )


def time_evaluations(subject: Subject, method: Method) -> Measured:
    """Seconds of an evaluation in a full batch: the median of several, after one to warm up."""
    images = torch.full((subject.batch, 3, *subject.model.size), 0.5, device=subject.model.device)
    labels = torch.zeros(subject.batch, dtype=torch.long)
    with subject.model.frozen():
        kept = subject.evaluator.kept(images, labels)
        times = [_seconds(subject, method, images, kept) for _ in range(WARM_UP + REPEATS)]
    timed = [seconds / subject.batch for seconds in times[WARM_UP:]]
    error = MEDIAN_ERROR * statistics.stdev(timed) / math.sqrt(len(timed))
    return Measured(statistics.median(timed), error)


def _seconds(subject: Subject, method: Method, images: torch.Tensor, kept: torch.Tensor) -> float:
    began = time.perf_counter()
    # A number is taken to the CPU, so that a device that works on its own is waited for.
    subject.evaluator.evaluate(images, kept, method.differentiates).score.sum().item()
    return time.perf_counter() - began


def _traversed(
    subject: Subject, method: Method, planned: PlannedPairs, seed: int, tick: Ticker
) -> list[TraversalResult]:
    engine = Engine(subject.evaluator, method, slots=subject.batch, seed=seed)
    outcomes: list[TraversalResult] = []
    for ended in engine.run(_pair(subject, i, planned) for i in range(len(planned))):
        outcomes += ended
        tick(len(ended))
    return outcomes


def _pair(subject: Subject, index: int, planned: PlannedPairs) -> Pair:
    pair = planned[index]
    source, target = subject.images.take([int(planned.source[index]), int(planned.target[index])])
    return Pair(pair.pair_id, source, target, pair.label, pair.source_id)


def _time_measuring(
    prepared: Prepared, subject: Subject, method: Method, outcomes: Sequence[TraversalResult]
) -> Measured:
    """Seconds per pair to measure what was found, source by source."""
    lpips, _ = find_lpips(prepared.request.machine.lpips_weights)
    measurer = Measurer(subject.model, subject.evaluator, method.delta, lpips)
    rows = RowMaker(subject, measurer, prepared.request.science.seed)
    by_id = {outcome.pair.id: outcome for outcome in outcomes}
    each = []
    for group in prepared.pairs[subject.name].by_source():
        began = time.perf_counter()
        _measure(rows, [(pair, by_id[pair.pair_id]) for pair in group])
        each.append((time.perf_counter() - began) / len(group))
    return _mean(each)


def _measure(rows: RowMaker, ended: Sequence[tuple[PlannedPair, TraversalResult]]) -> None:
    """All rows of a source: its pairs', and those of its hulls and nulls."""
    rows.pairs(ended)
    started = [(pair, outcome) for pair, outcome in ended if outcome.ending.started]
    found = [(pair, outcome.found) for pair, outcome in started]
    source = [Traversed(ended[0][1].pair.source, found)]
    list(rows.nulls([[Ends(pair, (out.pair.source, out.pair.target)) for pair, out in started]]))
    if len(found) >= HULLS["triangles"]:
        list(rows.triangles(source))
    if len(found) >= HULLS["simplices"]:
        list(rows.simplices(source))


def _mean(values: Sequence[float]) -> Measured:
    """The mean with its standard error; of a single value, which tells of no spread, as large."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Measured(mean, mean)
    return Measured(mean, statistics.stdev(values) / math.sqrt(len(values)))


def _range(measured: Measured) -> dict[str, float]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}


def _shown(measured: Measured) -> str:
    return f"{measured.value:.3g} ({measured.low:.3g} to {measured.high:.3g})"
