"""What the product says, kept in a text file: reviewed as a diff where it changes.

`python -m pytest tests/system/test_messages.py --write-snapshots` writes what is said now; every
other run compares. Each block is what was asked, and what was answered.
"""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "snapshots"


def pytest_addoption(parser):
    parser.addoption("--write-snapshots", action="store_true", help="keep what is said now")


class Snapshot:
    """The blocks of one file, in the order of `asked`."""

    def __init__(self, file: Path, asked: list[str], writing: bool) -> None:
        self.file, self.asked, self.writing = file, asked, writing
        blocks = file.read_text(encoding="utf-8").split("\n\n") if file.exists() else []
        self.blocks = dict(block.strip().split("\n", 1) for block in blocks if block.strip())

    def check(self, asked: str, answered: str) -> None:
        """What was answered is what the file says; with the flag, the file says it from now on."""
        if self.writing:
            self.blocks[asked] = answered
            self._write()
        assert self.blocks.get(asked) == answered, "--write-snapshots keeps what is said now"

    def check_complete(self) -> None:
        """The file has one block for each of what is asked, and no other."""
        assert list(self.blocks) == self.asked

    def _write(self) -> None:
        kept = [f"{one}\n{self.blocks[one]}\n" for one in self.asked if one in self.blocks]
        self.file.write_text("\n".join(kept), encoding="utf-8")


@pytest.fixture(scope="session")
def writing(request) -> bool:
    """Whether snapshots are written instead of compared."""
    return request.config.getoption("--write-snapshots")
