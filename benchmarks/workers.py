"""What workers cost: the same run by one process and by Ray workers, on the same cores.

    python -m benchmarks.workers [--pairs 220] [--rounds 2] [--out FILE.md]

One process with all cores against two Ray workers that share them, and against one that has them
all. The clock runs from the first evaluation to the last row, so that starting Ray and loading
models, which a long run does once, is told apart. What tasks cost by themselves is looked at with a
worker in a thread of this process, by the seconds of the processor, because a shared machine's
clock is too noisy for it: one thread computes in both. Rounds take turns; the median counts. Prints
a markdown table.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.hardware import hardware
from benchmarks.threaded import Threaded
from blindspots.engine.device import find_device, keep_freed_memory
from blindspots.methods import describe_method, make_method
from blindspots.progress import Reporter, Ticker, silent
from blindspots.settings import MachineSettings, ScienceSettings
from blindspots.study.backends.backend import Backend, Serial
from blindspots.study.backends.ray_pool import Ray
from blindspots.study.prepare import prepare
from blindspots.study.run import Experiment
from blindspots.study.subjects import RunRequest

MODEL, IMAGES = "zoo:shapes-resnet", "sample:shapes?n=400"
LEAST, MOST_OVERHEAD = 0.9, 0.03
SERIAL, TWO, ONE = "one process", "two Ray workers, half the cores each", "one Ray worker"


class Stopwatch(Reporter):
    """Hears when the first evaluations were done."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.began: float | None = None

    @contextmanager
    def work(self, what: str, total: float, unit: str) -> Iterator[Ticker]:
        """Nothing is shown."""
        with super().work(what, total, unit) as shown:

            def tick(amount: float) -> None:
                self.began = self.began or time.perf_counter()
                shown(amount)

            yield tick


def seconds(backend: Backend, pairs: int) -> tuple[float, float]:
    """Seconds of the work alone, and of everything but figures and report."""
    method = make_method()
    science = ScienceSettings(method=describe_method(method), sources=pairs, targets_per_source=1)
    request = RunRequest(
        models=[MODEL], images=IMAGES, science=science, machine=MachineSettings(keep="found")
    )
    with tempfile.TemporaryDirectory() as folder:
        out, watch = Path(folder) / "run", Stopwatch()
        prepared, began = prepare(request, out, silent()), time.perf_counter()
        Experiment(prepared, method, out, reporter=watch, backend=backend).execute()
        ended = time.perf_counter()
    return ended - (watch.began or began), ended - began


def worked(backend: Backend, pairs: int) -> float:
    """The processor's seconds of this process for all of it, with one thread that computes."""
    before, threads = time.process_time(), torch.get_num_threads()
    torch.set_num_threads(1)
    seconds(backend, pairs)
    torch.set_num_threads(threads)
    return time.process_time() - before


def units_cost(pairs: int, rounds: int) -> list[float]:
    """What a worker in a thread takes over what no worker takes, round by round, minus 1."""
    shares = []
    for _ in range(rounds):
        alone, in_units = worked(Serial(), pairs), worked(Threaded(), pairs)
        shares.append(in_units / alone - 1)
        print(f"tasks: {alone:.1f} and {in_units:.1f} s of the processor", flush=True)
    return shares


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=220)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    keep_freed_memory()
    backends: dict[str, Backend] = {SERIAL: Serial(), TWO: Ray(workers=2), ONE: Ray(workers=1)}
    taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(given.rounds):
        for name, backend in backends.items():
            taken[name].append(seconds(backend, given.pairs))
            print(
                f"{name}: {taken[name][-1][0]:.1f} s, {taken[name][-1][1]:.1f} in all", flush=True
            )
    text = table(given.pairs, taken, units_cost(given.pairs, given.rounds))
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def table(pairs: int, taken: dict[str, list[tuple[float, float]]], tasks: list[float]) -> str:
    """The medians, and the two figures asked for."""
    work, whole = (
        {name: statistics.median(one[place] for one in own) for name, own in taken.items()}
        for place in (0, 1)
    )
    rows = [f"| {name} | {work[name]:.1f} | {whole[name]:.1f} |" for name in taken]
    return "\n".join(
        [
            f"{pairs} pairs of {MODEL}, Star. {hardware(find_device('cpu'))}",
            "",
            "| backend | seconds of work | with starting workers |",
            "|---|---|---|",
            *rows,
            "",
            "| figure | asked | reached |",
            "|---|---|---|",
            f"| two workers / one process, throughput | ≥ {LEAST} | "
            f"{work[SERIAL] / work[TWO]:.2f} |",
            "| one worker / one process, on the clock, − 1 | | "
            f"{work[ONE] / work[SERIAL] - 1:+.1%} |",
            f"| what tasks cost, by the processor's seconds | ≤ {MOST_OVERHEAD:.0%} | "
            f"{statistics.median(tasks):+.1%} |",
            "",
        ]
    )


if __name__ == "__main__":
    main()
