"""The list of every refusal of the source, and what follows its advice: `snapshots/advice.txt`.

A block for each: its name, then a case that follows it, or "– " and why no test can.
"""

import pytest

from tests.support.refusal_sites import refusals
from tests.support.snapshots import FOLDER, Snapshot

FILE = FOLDER / "advice.txt"
WHY_NOT = "– "
# Why no test follows what some refusals advise.
REASONS = {
    "network": "published weights or data are fetched",
    "extra": "a package is to be installed",
    "cluster": "a cluster or an object store is to be reached or changed",
    "machine": "it is of this machine or moment: a lock, a right, a file that changes meanwhile",
    "passed": "it passes on what another thread or process was refused, which has its own case",
    "first": "another refusal comes first for all that a test can give",
}


@pytest.fixture(scope="session")
def advice(writing) -> Snapshot:
    return Snapshot(FILE, list(refusals()), writing)


@pytest.fixture
def followed(advice):
    """Notes that a case followed the advice of a refusal; the list must say so."""

    def note(refusal: str, case: str) -> None:
        listed = advice.blocks.get(refusal, WHY_NOT).splitlines()
        if advice.writing:
            listed = sorted({*listed, case} - {line for line in listed if line.startswith(WHY_NOT)})
            advice.check(refusal, "\n".join(listed))
        assert case in listed, "--write-snapshots adds what was followed"

    return note
