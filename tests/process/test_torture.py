"""`make torture`, shortened: what it does at length is done a few times here."""

import pytest

from benchmarks.torture import failing, kills, stops
from benchmarks.torture_load import leavers, many_pairs, many_traversals, slow_uploads

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_figures")]


def test_kills_at_random_writes_and_moments_change_nothing(tmp_path):
    assert kills(tmp_path, 1, 6).wrong == []


@pytest.mark.parametrize(("how", "step"), [("full", 17), ("rename", 5)])
def test_a_write_or_rename_that_fails_ends_in_a_sentence_and_is_resumed(tmp_path, how, step):
    row = failing(tmp_path, how, 0, 10**9, step)
    assert row.count > 4
    assert row.wrong == []


def test_a_driver_that_is_stopped_goes_on_and_keeps_its_workers(tmp_path):
    assert stops(tmp_path, ["driver"]).wrong == []


def test_memory_and_open_files_do_not_grow_with_pairs_or_traversals(tmp_path):
    assert many_pairs(tmp_path, 400).wrong == []
    assert many_traversals(tmp_path / "explorer", 20).wrong == []


def test_files_that_slow_uploads_hold_are_bounded(tmp_path):
    assert slow_uploads(tmp_path, 40).wrong == []


def test_visitors_who_leave_in_the_middle_of_an_upload_are_not_reported(tmp_path):
    assert leavers(tmp_path, 1, 40).wrong == []
