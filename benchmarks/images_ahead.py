"""Whether the model waits for images: they are decoded in threads while it works.

    python -m benchmarks.images_ahead [--pairs 24] [--threads 1 2 4]

JPEG files of ImageNet's size, MobileNetV2 of `../shared/assets`, `star`. Tells the share of a
traversal in which the model waited for images, those before its first turn apart, since nothing can
be done meanwhile; and how many images per second are decoded, with how many threads, from which
follows how fast a device may be until it waits. Prints markdown tables.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import blindspots as bs
from benchmarks.hardware import hardware
from benchmarks.subjects import IMAGENET_SAMPLE, MOBILENETV2
from blindspots.engine.device import find_device, keep_freed_memory
from blindspots.methods import describe_method, make_method
from blindspots.progress import silent
from blindspots.settings import MachineSettings, ScienceSettings
from blindspots.study import work
from blindspots.study.prepare import Prepared, prepare
from blindspots.study.run import Experiment
from blindspots.study.subjects import RunRequest
from blindspots.study.work import ahead

DECODED = 400


class Waiting:
    """Stands in for `ahead`, and takes down how long its caller waited."""

    def __init__(self) -> None:
        self.first = self.later = 0.0

    def __call__(self, make: Callable[[Any], Any], *given: Any) -> Iterator[Any]:
        """What `ahead` gives."""
        made = ahead(make, *given)
        while True:
            began = time.perf_counter()
            one = next(made, None)
            seconds = time.perf_counter() - began
            if self.first:
                self.later += seconds
            else:
                self.first = seconds
            if one is None:
                return
            yield one


def waited(prepared: Prepared, folder: Path) -> tuple[float, float, float]:
    """Seconds of the whole, those before the first image came, and those waited later."""
    waiting, method = Waiting(), make_method()
    with patch.object(work, "ahead", waiting):
        began = time.perf_counter()
        Experiment(prepared, method, folder / "run", reporter=silent()).execute()
        whole = time.perf_counter() - began
    return whole, waiting.first, waiting.later


def rate(images: bs.ImageSet, threads: int) -> float:
    """Images decoded and brought to the model's size, a second."""
    places = list(islice(cycle(range(len(images))), DECODED))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: images.take([i]), places[:threads]))
        began = time.perf_counter()
        list(pool.map(lambda i: images.take([i]), places))
        return DECODED / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args()
    keep_freed_memory()
    method = make_method()
    science = ScienceSettings(
        method=describe_method(method), sources=given.pairs, targets_per_source=1
    )
    request = RunRequest(
        models=[MOBILENETV2],
        images=IMAGENET_SAMPLE,
        science=science,
        machine=MachineSettings(keep="none"),
    )
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(request, None, silent())
        whole, first, later = waited(prepared, Path(folder))
    print(f"{given.pairs} pairs of mobilenetv2_100, Star. {hardware(find_device('cpu'))}\n")
    print("| seconds in all | before the first image | waited later | share |\n|---|---|---|---|")
    print(f"| {whole:.1f} | {first:.2f} | {later:.3f} | {later / whole:.2%} |\n")
    print("| threads | images decoded a second |\n|---|---|")
    for threads in given.threads:
        print(f"| {threads} | {rate(prepared.subjects[0].images, threads):.0f} |", flush=True)


if __name__ == "__main__":
    main()
