"""Workers, drivers and nodes that die, and disks that fill up; nothing is lost, nothing twice."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from benchmarks.soak import workers
from tests.faults.test_damage import verified
from tests.faults.test_kill import assert_same, command

pytestmark = pytest.mark.faults

BACKENDS = {
    "processes": ["--backend", "processes", "--workers", "2"],
    "ray": ["--backend", "ray", "--workers", "2"],
}


COMMAND = [sys.executable, "-m", "blindspots"]


def start(out: Path | str, backend: str, *options, line=COMMAND, **more) -> subprocess.Popen:
    given = [*line, *command(out)[len(COMMAND) :], *BACKENDS.get(backend, ()), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(given, **pipes, **more)


def ended(process: subprocess.Popen, status: int = 0) -> str:
    """Its error output, on one line."""
    _, error = process.communicate(timeout=600)
    assert process.returncode == status, error
    assert "Traceback" not in error
    return " ".join(error.split())


def children(process: subprocess.Popen, backend: str) -> list[int]:
    """The processes of its workers, wherever Ray put them."""
    return [one.pid for one in workers(process.pid, backend)]


def stored(out: Path) -> list[str]:
    """The pairs that have a row by now."""
    files = [*out.glob("parts/pairs-*.parquet"), *out.glob("pairs.parquet")]
    rows = [pq.read_table(file, columns=["pair_id"])["pair_id"].to_pylist() for file in files]
    return [name for own in rows for name in own]


def wait_for(out: Path, process: subprocess.Popen, count: int) -> None:
    until = time.monotonic() + 240
    while len(stored(out)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no rows came"
        time.sleep(0.05)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_killed_worker_is_replaced_and_only_its_units_are_redone(tmp_path, undisturbed, backend):
    out = tmp_path / "run"
    process = start(out, backend)
    wait_for(out, process, 4)
    victim = children(process, backend)[0]
    files = {file.name: file.stat().st_mtime_ns for file in (out / "found").glob("*.safetensors")}
    done = set(stored(out))
    os.kill(victim, signal.SIGKILL)
    assert "a worker ended" in ended(process)
    for name, stamp in files.items():
        if name.partition(".")[0] in done:
            assert (out / "found" / name).stat().st_mtime_ns == stamp, "a stored pair was redone"
    assert_same(out, undisturbed)
    verified(out)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_worker_that_hangs_is_replaced_and_its_units_are_redone(tmp_path, undisturbed, backend):
    out = tmp_path / "run"
    patient = "from blindspots.backends import foreman; foreman.SILENCE = 10.0; "
    line = [sys.executable, "-c", patient + "from blindspots.cli.app import main; main()"]
    process = start(out, backend, line=line)
    wait_for(out, process, 4)
    hung = children(process, backend)[-1]
    os.kill(hung, signal.SIGSTOP)
    assert "nothing was heard of it for 10 s" in ended(process)
    assert not psutil.pid_exists(hung)
    assert_same(out, undisturbed)
    verified(out)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_killed_driver_takes_its_workers_with_it_and_the_run_resumes(
    tmp_path, undisturbed, backend
):
    out = tmp_path / "run"
    process = start(out, backend)
    wait_for(out, process, 4)
    own = children(process, backend)
    assert own
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 60
    while any(map(psutil.pid_exists, own)):
        assert time.monotonic() < until, "workers outlive their driver"
        time.sleep(0.1)
    ended(start(out, backend))
    assert_same(out, undisturbed)
    verified(out)


def test_an_interrupt_is_130_and_leaves_no_worker(tmp_path, undisturbed):
    out = tmp_path / "run"
    process = start(
        out, "processes", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    wait_for(out, process, 2)
    own = children(process, "processes")
    process.send_signal(signal.SIGINT)
    ended(process, 130)
    assert not any(map(psutil.pid_exists, own))
    ended(start(out, "processes"))
    assert_same(out, undisturbed)


def test_a_disk_that_is_full_for_a_worker_ends_the_run_and_it_resumes(tmp_path, undisturbed):
    """Found images are larger than the limit, rows are not.

    Not with Ray, whose own files would meet the limit first; a worker's code is the same.
    """
    out = tmp_path / "run"

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    error = ended(start(out, "processes", preexec_fn=limited), 1)
    assert "disk is full" in error
    assert "resumes" in error
    assert not list(out.rglob("*.partial"))
    ended(start(out, "processes"))
    assert_same(out, undisturbed)


def test_a_worker_that_dies_of_its_pairs_every_time_ends_the_run_with_their_names(tmp_path):
    """A model that kills its process as soon as it is asked for a gradient."""
    (tmp_path / "deadly.py").write_text(
        "import os\n\nimport torch\n\nimport blindspots as bs\n\n\n"
        "class Deadly(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.whole = bs.load_model('zoo:shapes-resnet')\n\n"
        "    def forward(self, images):\n"
        "        if images.requires_grad and len(images) > 2:\n"
        "            os._exit(9)\n"
        "        return self.whole(images)\n\n\n"
        "def model():\n"
        "    names = bs.load_model('zoo:shapes-resnet').class_names\n"
        "    return bs.Classifier(Deadly(), size=64, class_names=names)\n"
    )
    given = ["--model", f"file:{tmp_path / 'deadly.py'}:model", "--images", "sample:shapes?n=20"]
    options = ["--sources", "4", "--batch-size", "4", "--quiet", "--out", str(tmp_path / "run")]
    line = [sys.executable, "-m", "blindspots", "run", *given, *options, *BACKENDS["processes"]]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 1, done.stderr
    assert "workers ended one after the other" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
