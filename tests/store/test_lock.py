import json
import os
import shutil
import subprocess
import sys
import time

import pytest

import blindspots as bs
from blindspots.store.lock import LOCK, SILENT, TAKEOVER, Holder, hold, read_holder, refuse_held


def write(directory, **changed):
    """A lock as another process would have made it."""
    directory.mkdir(exist_ok=True)
    (directory / LOCK).touch()
    own = Holder.here((directory / LOCK).stat().st_ino)
    (directory / LOCK).write_text(json.dumps({**vars(own), **changed}))


@pytest.fixture(scope="module")
def dead():
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_second_driver_is_refused_naming_the_first(tmp_path):
    with hold(tmp_path / "run"):
        first = read_holder(tmp_path / "run")
        with pytest.raises(bs.Refused) as refusal, hold(tmp_path / "run"):
            pass
        for part in (f"process {os.getpid()} on {first.host}", first.since, "another --out"):
            assert part in str(refusal.value)
        with pytest.raises(bs.Refused, match=f"process {os.getpid()}"):
            refuse_held(tmp_path / "run")
        assert read_holder(tmp_path / "run") == first
    assert not list((tmp_path / "run").iterdir())
    refuse_held(tmp_path / "run")


def test_the_lock_is_gone_after_a_failure_too(tmp_path):
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, dead):
    write(tmp_path, pid=dead)
    refuse_held(tmp_path)
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()


def test_a_process_that_was_given_the_same_id_is_not_the_holder(tmp_path):
    write(tmp_path, born="1")
    with hold(tmp_path):
        assert read_holder(tmp_path).born == Holder.here().born


def test_a_copy_carries_no_lock(tmp_path):
    with hold(tmp_path / "run"):
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        with hold(tmp_path / "copy"):
            assert read_holder(tmp_path / "copy") != read_holder(tmp_path / "run")


def test_a_holder_elsewhere_counts_while_it_touches_its_lock(tmp_path):
    write(tmp_path, host="elsewhere", pid=1)
    with pytest.raises(bs.Refused, match="process 1 on elsewhere"), hold(tmp_path):
        pass
    silent = time.time() - SILENT - 60
    os.utime(tmp_path / LOCK, (silent, silent))
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()


def test_a_lock_without_content_counts_while_it_is_young(tmp_path):
    (tmp_path / LOCK).touch()
    with pytest.raises(bs.Refused, match="just now"), hold(tmp_path):
        pass
    os.utime(tmp_path / LOCK, (0, 0))
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()


def test_of_many_at_a_dead_ones_lock_one_wins(tmp_path, dead):
    write(tmp_path, pid=dead)
    code = (
        "import sys\nfrom pathlib import Path\nfrom blindspots.store.lock import hold\n"
        "with hold(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    start = [sys.executable, "-c", code, str(tmp_path)]
    drivers = [subprocess.Popen(start, **pipes, text=True) for _ in range(4)]
    held = [driver.stdout.readline() == "held\n" for driver in drivers]
    errors = [driver.communicate(timeout=60)[1] for driver in drivers]
    assert held.count(True) == 1
    for won, error in zip(held, errors, strict=True):
        assert won or "being worked on" in error or "just now" in error


def test_a_lock_of_another_machine_s_process_of_the_same_id_is_left(tmp_path):
    with hold(tmp_path):
        write(tmp_path, host="elsewhere")
    assert read_holder(tmp_path).host == "elsewhere"


@pytest.mark.parametrize("where", [{"space": "pid:[1]"}, {"boot": "another"}])
def test_a_holder_in_another_container_of_the_same_name_counts_while_it_touches(
    tmp_path, dead, where
):
    write(tmp_path, pid=dead, **where)
    with pytest.raises(bs.Refused, match=f"process {dead}"), hold(tmp_path):
        pass
    silent = time.time() - SILENT - 60
    os.utime(tmp_path / LOCK, (silent, silent))
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()


def test_another_container_s_lock_of_the_same_id_is_not_removed(tmp_path):
    with hold(tmp_path):
        write(tmp_path, space="pid:[1]")
    assert read_holder(tmp_path).space == "pid:[1]"


@pytest.mark.parametrize("lock", [True, False])
def test_what_a_driver_left_that_was_killed_while_it_took_over_is_removed(tmp_path, dead, lock):
    if lock:
        write(tmp_path, pid=dead)
    left = tmp_path / TAKEOVER
    left.touch()
    os.utime(left, (0, 0))
    with hold(tmp_path):
        assert [file.name for file in tmp_path.iterdir()] == [LOCK]
    assert not list(tmp_path.iterdir())


HOSTILE = {
    "text": {"pid": "me"},
    "huge": {"pid": 10**30},
    "none": {"pid": 0},
    "all": {"pid": -1},
    "list": {"pid": [1]},
    "host": {"host": 7},
    "inode": {"inode": "x"},
    "more": {"colour": "red"},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_lock_that_names_no_process_is_one_without_content(tmp_path, case):
    write(tmp_path, **HOSTILE[case])
    with pytest.raises(bs.Refused, match="just now"):
        refuse_held(tmp_path)
    os.utime(tmp_path / LOCK, (0, 0))
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()


@pytest.mark.parametrize("content", ["[" * 60_000, '{"pid": ' + "9" * 5000 + "}", "x" * 10**6])
def test_a_lock_of_any_content_is_read_to_an_end(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    assert read_holder(tmp_path) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_no_lock_and_is_not_waited_for(tmp_path, make):
    make(tmp_path / LOCK)
    with pytest.raises(bs.Refused, match="is no file"), hold(tmp_path):
        pass


FAR = 4_070_908_800  # the year 2099


def test_what_is_dated_in_the_future_is_waited_for_no_longer(tmp_path, dead):
    write(tmp_path, pid=dead)
    (tmp_path / TAKEOVER).touch()
    os.utime(tmp_path / TAKEOVER, (FAR, FAR))
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()
    assert not list(tmp_path.iterdir())
    (tmp_path / LOCK).write_text("text")
    os.utime(tmp_path / LOCK, (FAR, FAR))
    with hold(tmp_path):
        assert read_holder(tmp_path).pid == os.getpid()


def test_a_holder_elsewhere_of_a_time_to_come_is_left_with_advice_that_helps(tmp_path):
    write(tmp_path, host="elsewhere", pid=1)
    os.utime(tmp_path / LOCK, (FAR, FAR))
    with pytest.raises(bs.Refused, match=r"or remove .*run\.lock, which is of a time to come"):
        refuse_held(tmp_path)
    (tmp_path / LOCK).unlink()
    with hold(tmp_path):
        pass
