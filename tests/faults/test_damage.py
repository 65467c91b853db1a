"""Flipped bytes, cut files, two drivers, and a copy made while the run goes on; then resumed."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blindspots.locks import LOCK
from tests.faults.test_kill import assert_same, start

pytestmark = pytest.mark.faults


@pytest.fixture
def killed(tmp_path):
    """A run that was killed when some of its rows were there."""
    out = tmp_path / "run"
    process = start(out)
    wait_for_rows(out, process, 4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return out


def parts(out: Path) -> list[Path]:
    return sorted(out.glob("parts/pairs-*.parquet"))


def wait_for_rows(out: Path, process: subprocess.Popen, count: int) -> None:
    while len(parts(out)) < count:
        assert process.poll() is None, "the run was over before it could be disturbed"
        time.sleep(0.02)


def resumed(out: Path) -> str:
    """What the resumed run said on standard error."""
    process = start(out)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    return error


def verified(out: Path | str) -> None:
    verify = [sys.executable, "-m", "blindspots", "verify", str(out), "--quiet"]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def flip(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1
    file.write_bytes(content)


def test_parts_with_a_flipped_byte_or_cut_off_are_done_again(killed, undisturbed):
    one, two, *_ = parts(killed)
    flip(one, 0.4)
    two.write_bytes(two.read_bytes()[: two.stat().st_size // 2])
    error = resumed(killed)
    for file in (one, two):
        assert f"{file} is damaged" in " ".join(error.split())
        assert (killed / "damaged" / file.name).exists()
    assert_same(killed, undisturbed)
    verified(killed)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_flipped_byte_anywhere_in_a_finished_table_is_noticed(tmp_path, undisturbed, place):
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    flip(out / "pairs.parquet", place)
    assert "pairs.parquet is damaged" in " ".join(resumed(out).split())
    assert_same(out, undisturbed)


def test_lost_predictions_are_asked_for_again(killed, undisturbed):
    file = killed / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    assert "the models are asked again" in " ".join(resumed(killed).split())
    assert_same(killed, undisturbed)


def test_the_second_driver_is_refused_and_the_first_goes_on(tmp_path, undisturbed):
    out = tmp_path / "run"
    first = start(out)
    wait_for_rows(out, first, 1)
    second = start(out)
    _, error = second.communicate(timeout=120)
    assert second.returncode == 2
    assert f"is being worked on by process {first.pid} on " in error
    assert "Traceback" not in error
    _, error = first.communicate(timeout=600)
    assert first.returncode == 0, error
    assert not (out / LOCK).exists()
    assert_same(out, undisturbed)


def test_two_drivers_started_at_once_are_one(tmp_path, undisturbed):
    out = tmp_path / "run"
    drivers = [start(out), start(out)]
    for driver in drivers:
        driver.communicate(timeout=600)
    # Where one is over before the other has loaded its models, both are right.
    assert sorted(driver.returncode for driver in drivers) in ([0, 2], [0, 0])
    assert_same(out, undisturbed)


def test_the_lock_of_a_killed_driver_is_taken_over(killed, undisturbed):
    assert (killed / LOCK).exists()
    resumed(killed)
    assert not (killed / LOCK).exists()
    assert_same(killed, undisturbed)


def test_a_copy_made_on_the_way_is_resumed_while_the_first_still_runs(tmp_path, undisturbed):
    """Images are copied before rows, as by an unlucky order: some rows come without their files."""
    out, copy = tmp_path / "run", tmp_path / "elsewhere"
    first = start(out)
    wait_for_rows(out, first, 2)
    for folder in ("found", "images", "path"):
        shutil.copytree(out / folder, copy / folder, ignore=shutil.ignore_patterns("*.partial"))
    wait_for_rows(out, first, 5)
    shutil.copytree(out, copy, dirs_exist_ok=True, ignore=only_rows)
    resumed(copy)
    first.communicate(timeout=600)
    assert first.returncode == 0
    for path in (out, copy):
        assert_same(path, undisturbed)
        verified(path)


def only_rows(folder: str, names: list[str]) -> list[str]:
    return [n for n in names if n in ("found", "images", "path") or n.endswith(".partial")]
