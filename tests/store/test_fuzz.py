"""Files that lie: seeded mutations of every format from outside, and what once failed."""

import time
from pathlib import Path

import pytest

from benchmarks.fuzz import FORMATS, fuzz
from benchmarks.fuzz_files import FILES, failure, fuzz_file

SECONDS = 1.2
CORPUS = Path(__file__).parents[1] / "corpus"


@pytest.mark.parametrize("name", [*FILES])
def test_what_failed_once_is_taken_or_refused_in_a_sentence(name):
    for file in sorted((CORPUS / name).glob("*")):
        assert failure(FILES[name].read, file) == "", file.name


@pytest.mark.faults
@pytest.mark.parametrize("name", [*FILES])
def test_files_that_lie_are_taken_or_refused_in_a_sentence(name, tmp_path):
    """As many as a second or so has; `make fuzz` has any number."""
    until, seed = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        seeds = range(seed, seed + 20)
        assert list(fuzz_file(FILES[name], tmp_path, seeds)) == []
        seed += 20


@pytest.mark.faults
def test_run_directories_that_lie_are_taken_or_refused_in_a_sentence(tmp_path):
    kind = FORMATS["run"]
    assert [*map(str, fuzz(kind, kind.make(tmp_path), range(9000, 9006)))] == []
