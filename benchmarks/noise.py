"""How much of what methods find hangs on rounding: the same pairs under other circumstances.

    python -m benchmarks.noise [shapes-resnet shapes-vit-at …] [--sources 12] [--page FILE]

Circumstances: one pair at a time instead of sixteen images, two threads instead of one, and noise
of 1e-6 on every gradient, which stands for another machine. A pair is held where its RMSE stays
within 2 % + 1e-4. Without models `--page` writes the table of what DIR holds and computes nothing.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

import blindspots as bs
from benchmarks.judge import triangle_fractions
from benchmarks.methods import BATCH, DELTA
from benchmarks.results import Rows, arguments, fill, keep, known, models
from benchmarks.subjects import subject
from blindspots.engine.batch import Pair, TraversalResult
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.methods.method import Evaluation, Method, rms

NOISE, SHARE, SLACK = 1e-6, 0.02, 1e-4
METHODS = (bs.Star(), bs.Fan(), bs.Adaptive())
CIRCUMSTANCES = ("batch 1", "2 threads", "gradient noise")


class Noisy(Evaluator):
    """Adds noise to every gradient, of its largest entry or of 1 where that is more."""

    @cached_property
    def draws(self) -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def evaluate(self, *asked: Any) -> Evaluation:
        said = super().evaluate(*asked)
        gradient = said.gradient
        size = NOISE * gradient.abs().amax().clamp(min=1)
        noisy = gradient + size * torch.randn(gradient.shape, generator=self.draws)
        return Evaluation(said.score, said.objective, said.slope, noisy)


def main() -> None:
    given = arguments("noise", __doc__, sources=12)
    for name in given.models:
        path = given.results / f"{name}.json"
        about, there = subject(name), known(path)
        pairs = about.pairs(given.sources, 2)
        missing = [method for method in METHODS if method.name not in there]
        keep(path, ((m.name, compared(about.model, m, pairs)) for m in missing))
    if given.page:
        fill(given.page, table(models(given.results)), "noise")


def compared(
    model: bs.Classifier,
    method: Method,
    pairs: Sequence[Pair],
    circumstances: Sequence[str] = CIRCUMSTANCES,
) -> dict[str, dict[str, float]]:
    """How far apart what is found is under each circumstance and without any."""
    plain, rows = Evaluator(model, chunk=BATCH), {}
    usual = _run(plain, method, pairs, BATCH)
    before = torch.get_num_threads()
    for name in circumstances:
        torch.set_num_threads(2 if name == "2 threads" else 1)
        slots = 1 if name == "batch 1" else BATCH
        evaluator = Noisy(model, chunk=BATCH) if name == "gradient noise" else plain
        rows[name] = _difference(model, pairs, usual, _run(evaluator, method, pairs, slots))
        torch.set_num_threads(before)
    return rows


def _run(
    evaluator: Evaluator, method: Method, pairs: Sequence[Pair], slots: int
) -> list[TraversalResult]:
    ended = Engine(evaluator, method, slots=slots).run(pairs)
    by_id = {out.pair.id: out for outcomes in ended for out in outcomes}
    return [by_id[pair.id] for pair in pairs]


def _difference(
    model: bs.Classifier,
    pairs: Sequence[Pair],
    usual: Sequence[TraversalResult],
    other: Sequence[TraversalResult],
) -> dict[str, float]:
    before, after = (
        torch.stack([rms(out.found - out.pair.target) for out in outs]) for outs in (usual, other)
    )
    faces = [
        torch.tensor(triangle_fractions(model, pairs, torch.stack([o.found for o in outs]), DELTA))
        for outs in (usual, other)
    ]
    apart = (after - before).abs()
    return {
        "rmse_held": float((apart <= SHARE * before + SLACK).float().mean()),
        "rmse_apart": float((apart / before.clamp(min=SLACK)).max()),
        "mean_apart": float(abs(after.mean() / before.mean() - 1)),
        "endings_equal": sum(a.ending == b.ending for a, b in zip(usual, other, strict=True))
        / len(pairs),
        "triangle_apart": float(abs(faces[0].mean() - faces[1].mean())),
    }


def table(measured: dict[str, Rows]) -> str:
    lines = [
        "| model | method | circumstance | pairs within 2 % + 1e-4 | largest change of a pair | "
        "change of the mean | endings equal | triangle fraction changes by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        for method, row in rows.items():
            for what in CIRCUMSTANCES:
                one = row[what]
                lines.append(
                    f"| {name} | `{method}` | {what} | {one['rmse_held']:.0%} | "
                    f"{one['rmse_apart']:.1%} | {one['mean_apart']:.1%} | "
                    f"{one['endings_equal']:.0%} | {one['triangle_apart']:.3f} |"
                )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
