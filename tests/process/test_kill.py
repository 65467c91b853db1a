"""Real kills, a real interrupt and a really full disk; then the same command resumes."""

import random
import signal
import time

import pytest

from tests.process.runs import (
    assert_not_redone,
    assert_same,
    ended,
    found,
    kill,
    wait_for,
)

pytestmark = pytest.mark.faults

KILLS, PAIRS = 10, 32


def test_ten_kills_at_random_moments_lose_and_redo_nothing(site, undisturbed):
    """Each after some more rows and a moment, or after a moment alone, when none may be there."""
    kill(site.start())  # At once, as likely as not before its first line.
    moments, before = random.Random(0), {}
    for number in range(KILLS):
        driver = site.start_really() if number == 0 else site.start()
        if moments.choice((False, False, True)):
            wait_for(site.out, driver, min(PAIRS, len(before) + 1))
        time.sleep(moments.uniform(0, 0.3))
        kill(driver)
        assert_not_redone(site.out, before)
        before = found(site.out)
    assert before
    site.finish()
    assert_not_redone(site.out, before)
    assert_same(site.out, undisturbed)
    site.verify()


def test_an_interrupt_is_130_and_the_run_resumes(site, undisturbed):
    driver = site.start_really()
    wait_for(site.out, driver, 4)
    driver.send_signal(signal.SIGINT)
    assert "finished pairs are kept" in ended(driver, 130)
    site.finish()
    assert_same(site.out, undisturbed)


def test_a_full_disk_fails_clearly_and_the_run_resumes(large_site, large):
    """Found images are larger than the limit."""
    error = ended(large_site.start(file_limit=(20_000, 20_000)), 1)
    assert "the disk is full" in error
    assert "resumes" in error
    assert not list(large_site.out.rglob("*.partial"))
    large_site.finish()
    assert_same(large_site.out, large.out)
