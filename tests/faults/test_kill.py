"""Real kills, a real interrupt and a really full disk; then the same command resumes."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from blindspots.store import Store

pytestmark = pytest.mark.faults

KILLS = 10
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


def command(out: Path | str) -> list[str]:
    options = [
        "--method",
        "reference",
        "--sources",
        "8",
        "--set",
        "max_steps=40",
        "--batch-size",
        "2",
        "--quiet",
    ]
    models = ["--model", "zoo:shapes-resnet", "--model", "zoo:shapes-vit"]
    return [
        *(sys.executable, "-m", "blindspots", "run", *models),
        *("--images", "sample:shapes?n=40", "--out", str(out), *options),
    ]


def start(out: Path, **options) -> subprocess.Popen:
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command(out), env=environment, **quiet, **options)


def finish(out: Path) -> float:
    """Run to the end; the seconds it took."""
    began = time.monotonic()
    process = start(out)
    output, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    assert output.strip().endswith("report.html")
    return time.monotonic() - began


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    return out, finish(out)


def rows(out: Path, table: str, key: tuple[str, ...]) -> dict:
    stored = pq.read_table(out / f"{table}.parquet").to_pylist()
    keyed = {tuple(row[name] for name in key): row for row in stored}
    assert len(keyed) == len(stored), "a row is there twice"
    return keyed


def assert_same(out: Path, other: Path) -> None:
    one, two = (rows(path, "pairs", ("model", "pair_id")) for path in (out, other))
    assert one.keys() == two.keys()
    for key, row in one.items():
        assert [row[c] for c in EXACT] == [two[key][c] for c in EXACT]
        assert [row[c] for c in CLOSE] == pytest.approx([two[key][c] for c in CLOSE], abs=TOLERANCE)
    triangle = ("model", "source_id", "target_1", "target_2")
    one, two = (rows(path, "triangles", triangle) for path in (out, other))
    assert one.keys() == two.keys()
    for key, row in one.items():
        assert row["confidence"] == pytest.approx(two[key]["confidence"], abs=TOLERANCE)
    one, two = (rows(path, "nulls", ("model", "source_id", "target_id")) for path in (out, other))
    assert one.keys() == two.keys()
    for key, row in one.items():
        assert row["p_target"] == pytest.approx(two[key]["p_target"], abs=TOLERANCE)


def test_ten_kills_at_random_moments_lose_and_redo_nothing(tmp_path, undisturbed):
    whole, seconds = undisturbed
    out, moments = tmp_path / "run", random.Random(0)
    finished_before: dict[str, int] = {}
    kills = 0
    for _ in range(KILLS):
        process = start(out)
        time.sleep(moments.uniform(0.3, 0.6) * seconds)
        alive = process.poll() is None
        kills += alive
        # A machine that has become idle since the run was timed ends before its kill.
        seconds *= 1.0 if alive else 0.7
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for found, stamp in finished_before.items():
            assert (out / "found" / found).stat().st_mtime_ns == stamp, "a finished pair was redone"
        present = {pair for _, pair in Store(out).present("pairs")} if out.exists() else set()
        finished_before = {
            file.name: file.stat().st_mtime_ns
            for file in (out / "found").glob("*.safetensors")
            if file.stem in present
        }
    assert kills >= 2
    finish(out)
    assert_same(out, whole)
    verify = [sys.executable, "-m", "blindspots", "verify", str(out), "--quiet"]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def interruptible() -> None:
    """A shell that starts jobs in the background lets them ignore Ctrl-C; this one must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_is_130_and_the_run_resumes(tmp_path, undisturbed):
    whole, seconds = undisturbed
    process = start(tmp_path / "run", preexec_fn=interruptible)
    time.sleep(0.5 * seconds)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "finished pairs are kept" in error
    assert "Traceback" not in error
    finish(tmp_path / "run")
    assert_same(tmp_path / "run", whole)


def limit_files() -> None:
    """No file above 20 kB: writes then fail as on a full disk, without a signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_fails_clearly_and_the_run_resumes(tmp_path, undisturbed):
    whole, _ = undisturbed
    process = start(tmp_path / "run", preexec_fn=limit_files)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 1, error
    assert "the disk is full" in error
    assert "resumes" in error
    assert "Traceback" not in error
    assert not list((tmp_path / "run").rglob("*.partial"))
    finish(tmp_path / "run")
    assert_same(tmp_path / "run", whole)
