"""The list of every refusal of the source, and what follows its advice: `snapshots/advice.txt`.

A block for each: its name, then a case that follows it, or "– " and why no test can.
"""

import pytest

from tests.support.refusal_sites import refusals
from tests.support.snapshots import FOLDER, Snapshot

FILE = FOLDER / "advice.txt"
WHY_NOT = "– "
# Tests that follow advice beside the cases: an object store is to be made, a cluster reached.
BESIDE = ("tests/store/test_paths.py", "tests/process/test_nodes.py")


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
