"""Flipped bytes, cut files, two drivers, and a copy made while the run goes on; then resumed."""

import shutil
from pathlib import Path

import pytest

from blindspots.store.lock import LOCK
from tests.process.runs import assert_same, ended, kill, next_over, wait, wait_for

pytestmark = pytest.mark.faults


@pytest.fixture
def killed(site):
    """The directory of a run that was killed when some of its rows were there."""
    driver = site.start()
    wait(driver, lambda: len(parts(site.out)) >= 2)
    kill(driver)
    return site.out


def parts(out: Path) -> list[Path]:
    return sorted(out.glob("parts/pairs-*.parquet"))


def flip(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1
    file.write_bytes(content)


def test_parts_with_a_flipped_byte_or_cut_off_are_done_again(site, killed, undisturbed):
    one, two, *_ = parts(killed)
    flip(one, 0.4)
    two.write_bytes(two.read_bytes()[: two.stat().st_size // 2])
    error = site.finish()
    for file in (one, two):
        assert f"{file} is damaged" in error
        assert (killed / "damaged" / file.name).exists()
    assert_same(killed, undisturbed)
    site.verify()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_flipped_byte_anywhere_in_a_finished_table_is_noticed(site, undisturbed, place):
    shutil.copytree(undisturbed, site.out)
    flip(site.out / "pairs.parquet", place)
    assert "pairs.parquet is damaged" in site.finish()
    assert_same(site.out, undisturbed)


def test_lost_predictions_are_asked_for_again(site, killed, undisturbed):
    file = killed / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    assert "the models are asked again" in site.finish()
    assert_same(killed, undisturbed)


def test_the_second_driver_is_refused_and_the_first_goes_on(site, undisturbed):
    first = site.start()
    wait_for(site.out, first, 1)
    error = ended(site.start(), 2)
    assert f"is being worked on by process {first.pid} on " in error
    site.go(0)
    ended(first)
    assert not (site.out / LOCK).exists()
    assert_same(site.out, undisturbed)


def test_two_drivers_started_at_once_are_one(site, undisturbed):
    drivers = [site.start(), site.start()]
    refused = next_over(drivers)
    assert "is being worked on" in ended(refused, 2)
    site.go(0)
    ended(next(driver for driver in drivers if driver is not refused))
    assert_same(site.out, undisturbed)


def test_the_lock_of_a_killed_driver_is_taken_over(site, killed, undisturbed):
    assert (killed / LOCK).exists()
    site.finish()
    assert not (killed / LOCK).exists()
    assert_same(killed, undisturbed)


def test_a_copy_made_on_the_way_is_resumed_while_the_first_still_runs(site, undisturbed):
    """Images are copied before rows, as by an unlucky order: some rows come without their files."""
    out, copy = site.out, site.folder / "elsewhere"
    first = site.start()
    wait_for(out, first, 2)
    for folder in ("found", "images", "path"):
        shutil.copytree(out / folder, copy / folder, ignore=shutil.ignore_patterns("*.partial"))
    wait_for(out, first, 6)
    shutil.copytree(out, copy, dirs_exist_ok=True, ignore=only_rows)
    resumed = site.start(copy)
    wait(first, lambda: resumed.poll() is None)
    site.go(0)
    for driver in (resumed, first):
        ended(driver)
    for path in (out, copy):
        assert_same(path, undisturbed)
        site.verify(path)


def only_rows(folder: str, names: list[str]) -> list[str]:
    return [n for n in names if n in ("found", "images", "path") or n.endswith(".partial")]
