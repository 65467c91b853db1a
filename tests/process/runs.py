"""The run that all faults disturb, and what must be true of it whatever happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

import blindspots
from benchmarks.soak import workers
from blindspots.store.archives import Archives
from tests.process.drivers import Driver, start_driver
from tests.support.sleeping_model import PACE, SIZE, model_spec, save_pictures

SOURCES, FEW, TARGETS, LARGE = 8, 3, 2, 64
# Seconds per forward: a whole run sleeps for about ten.
SLOW = 0.005
PATIENCE = 300.0
BACKENDS = {
    "processes": ["--backend", "processes", "--workers", "2"],
    "ray": ["--backend", "ray", "--workers", "2"],
}
EXACT = ("model", "pair_id", "source_id", "target_id", "ending", "steps", "evaluations")
CLOSE = (
    "p_source",
    "p_found",
    "p_found_8bit",
    "rmse",
    "linf",
    "ssim",
    "segment_mean",
    "segment_min",
)
TOLERANCE = 1e-3
Process = Driver | subprocess.Popen[str]


@dataclass(frozen=True)
class Site:
    """A folder that drivers are started in, and the images and pairs they are given.

    `size`: of the models, in pixels.
    """

    folder: Path
    given: tuple[str, ...]
    size: int = SIZE

    @property
    def out(self) -> Path:
        """The run directory, unless another is named."""
        return self.folder / "run"

    def go(self, seconds: float) -> None:
        """Let every forward take so long from now on."""
        beside = self.folder / f"{PACE}.new"
        beside.write_text(str(seconds))
        beside.replace(self.folder / PACE)

    def start(self, out: Path | str | None = None, *options: str, **how: object) -> Driver:
        """A forked driver of the run; `how`: as of `start_driver`."""
        return self.drive(*self.arguments(out, *options), **how)

    def start_really(self, out: Path | None = None, *options: str) -> subprocess.Popen[str]:
        """A driver as a shell starts it."""
        line = [sys.executable, "-m", "blindspots", *self.arguments(out, *options)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            line, cwd=self.folder, env=environment(), preexec_fn=_interruptible, **pipes
        )

    def drive(
        self, *arguments: str, within: Mapping[str, str] | None = None, **how: object
    ) -> Driver:
        """A forked driver of another command; `within`: another environment than usual."""
        return start_driver(arguments, self.folder, within or environment(), **how)

    def ends_as_it_starts(self, what: str) -> dict[str, str]:
        """An environment in which each new Python ends whose command line has this in it."""
        folder = self.folder / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            f"import os, sys\nif {what!r} in ' '.join(sys.orig_argv):\n    os._exit(3)\n"
        )
        own = environment()
        return {**own, "PYTHONPATH": os.pathsep.join((str(folder), own["PYTHONPATH"]))}

    def arguments(self, out: Path | str | None = None, *options: str) -> list[str]:
        """The command of the run."""
        models = [f"--model={model_spec(name, self.size)}" for name in ("build", "other")]
        how = ["--method", "reference", "--set", "max_steps=20", "--batch-size", "4", "--quiet"]
        return ["run", *models, *self.given, *how, "--out", str(out or self.out), *options]

    def finish(self, out: Path | str | None = None, *options: str) -> str:
        """Run to the end, quickly; what it said on standard error, on one line."""
        self.go(0)
        return ended(self.start(out, *options))

    def verify(self, out: Path | None = None) -> None:
        """Assert that a finished run comes out the same when it is computed again."""
        self.go(0)
        ended(self.drive("verify", str(out or self.out), "--quiet", "--trust-run-code"))


def make_site(folder: Path, size: int = SIZE, sources: int = SOURCES) -> Site:
    """A site with images and pairs of its own: each source with its two successors."""
    pairs = [(i, i + 1 + j) for i in range(sources) for j in range(TARGETS)]
    return Site(folder, given(folder, sources + TARGETS, pairs, size), size)


def given(
    folder: Path, count: int, pairs: Sequence[tuple[int, int]], size: int = SIZE
) -> tuple[str, ...]:
    """The options that name so many new images, and pairs of them by their numbers."""
    lines = [f"{source},{target}" for source, target in pairs]
    (folder / "pairs.csv").write_text("\n".join(["source,target", *lines, ""]))
    images = save_pictures(folder / "photos", count, size)
    return ("--images", images, "--pairs", str(folder / "pairs.csv"))


def environment() -> dict[str, str]:
    """This process's, with one thread and the package that is tested here."""
    source = str(Path(blindspots.__file__).parents[1])
    # A worker asks for as many threads as it has cores, which tests share.
    threads = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"}
    return {**os.environ, **threads, "PYTHONPATH": source}


def _interruptible() -> None:
    """A shell that starts jobs in the background lets them ignore Ctrl-C; this one must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: Process, status: int = 0) -> str:
    """Its error output, on one line, when it ended with that status."""
    output, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, output + error
    assert "Traceback" not in error
    return " ".join(error.split())


def kill(process: Process) -> None:
    """As the system kills, and wait until it is gone."""
    assert process.poll() is None, "the run was over before it could be disturbed"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL


def wait(process: Process, happened: Callable[[], bool], pause: float = 0.05) -> None:
    """Until something has happened, while the process runs."""
    until = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it did not happen"
        time.sleep(pause)


def next_over(processes: Sequence[Process]) -> Process:
    """The one that ends first."""
    until = time.monotonic() + PATIENCE
    while all(process.poll() is None for process in processes):
        assert time.monotonic() < until, "none of them ends"
        time.sleep(0.05)
    return next(process for process in processes if process.poll() is not None)


def wait_for(out: Path, process: Process, count: int) -> None:
    """Until so many rows of pairs are stored."""
    wait(process, lambda: len(stored(out)) >= count, 0.1)


def stored(out: Path) -> list[str]:
    """The pairs that have a row by now."""
    files = [*out.glob("parts/pairs-*.parquet"), *out.glob("pairs.parquet")]
    try:
        rows = [pq.read_table(file, columns=["pair_id"])["pair_id"].to_pylist() for file in files]
    except FileNotFoundError:
        # Parts were joined meanwhile.
        return stored(out)
    return [name for own in rows for name in own]


def found(out: Path) -> dict[str, int]:
    """When the found images of stored pairs were written, by the pairs' ids."""
    files = {name: out / "found" / f"{name}.safetensors" for name in set(stored(out))}
    return {name: file.stat().st_mtime_ns for name, file in files.items() if file.exists()}


def assert_not_redone(out: Path, before: dict[str, int]) -> None:
    """Assert that found images are those that were there before, or have been packed since."""
    packed = Archives(out / "found")
    for name, stamp in before.items():
        file = out / "found" / f"{name}.safetensors"
        if file.exists():
            assert file.stat().st_mtime_ns == stamp, "a stored pair was redone"
        else:
            assert packed.read(file.name), f"{file.name} of a stored pair is lost"


def worker_processes(roots: list[int], backend: str) -> list[int]:
    """The processes of workers below a driver, or below the nodes of a cluster."""
    return [one.pid for root in roots for one in workers(root, backend)]


def wait_until_gone(processes: list[int]) -> None:
    """Until none of them is there any more."""
    until = time.monotonic() + PATIENCE
    while any(map(psutil.pid_exists, processes)):
        assert time.monotonic() < until, "workers outlive their driver"
        time.sleep(0.1)


def rows(out: Path, table: str, key: tuple[str, ...]) -> dict:
    """The rows of a table by their key; none is there twice."""
    stored_rows = pq.read_table(out / f"{table}.parquet").to_pylist()
    keyed = {tuple(row[name] for name in key): row for row in stored_rows}
    assert len(keyed) == len(stored_rows), "a row is there twice"
    return keyed


def assert_same(out: Path, other: Path) -> None:
    """Assert that two runs have the same rows, up to the noise of arithmetic."""
    one, two = (rows(path, "pairs", ("model", "pair_id")) for path in (out, other))
    assert one
    assert one.keys() == two.keys()
    for key, row in one.items():
        assert [row[c] for c in EXACT] == [two[key][c] for c in EXACT]
        assert [row[c] for c in CLOSE] == pytest.approx([two[key][c] for c in CLOSE], abs=TOLERANCE)
    triangle = ("model", "source_id", "target_1", "target_2")
    _assert_near(out, other, "triangles", triangle, "confidence")
    _assert_near(out, other, "nulls", ("model", "source_id", "target_id"), "p_target")


def _assert_near(out: Path, other: Path, table: str, key: tuple[str, ...], column: str) -> None:
    one, two = (rows(path, table, key) for path in (out, other))
    assert one
    assert one.keys() == two.keys()
    for name, row in one.items():
        assert row[column] == pytest.approx(two[name][column], abs=TOLERANCE)
