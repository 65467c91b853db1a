"""One tiny protocol, and one entry on it that is true; tests change copies of it."""

import shutil
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from blindspots.cli.main import call
from blindspots.leaderboard.entry import EntryFiles, read_entry, write_files
from blindspots.leaderboard.entry_check import check_entry
from blindspots.leaderboard.numbers import count_numbers
from blindspots.leaderboard.protocol import find_protocol, write_json
from blindspots.leaderboard.witnesses import by_pair, read_zip
from blindspots.progress import Reporter
from blindspots.settings import Trust
from tests.support.tiny import MODEL


@dataclass(frozen=True)
class Board:
    """Where the files of a tiny leaderboard lie."""

    folder: Path
    images: str

    @property
    def protocol(self) -> str:
        return str(self.folder / "tiny-v1.json")

    @property
    def entry(self) -> Path:
        return self.folder / "tiny-v1" / "tiny.json"

    @property
    def files(self):
        return EntryFiles(self.entry)

    def copy(self, folder):
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("run"))
        return Board(folder, self.images)

    def problems(self, model=MODEL, **options):
        """What `verify` finds, by forwards."""
        options = {"model": model, "images": self.images, "protocol": self.protocol} | options
        trust = Trust()
        return check_entry(
            self.entry, trust=trust, reporter=Reporter(quiet=True), **options
        ).problems

    def retell(self, **changes):
        """Change members of the entry as a liar does, who seals it again."""
        entry = replace(read_entry(self.entry), **changes).sealed()
        self.entry.write_text(write_json(entry))

    def rewrite(self, change, pictures=None):
        """Change lines, and pictures, as a liar does who makes all hashes and sums fit."""
        rules = find_protocol(self.protocol)
        full, shown = (read_zip(one, rules) for one in (self.files.witnesses, self.files.shown))
        lines = change(list(full.lines))
        held = {**full.pictures, **(pictures or {})}
        kept = {one.file: held[one.file] for one in lines if one.file in held}
        spent = sum(own[0].evaluations for own in by_pair(lines).values())
        numbers = (
            count_numbers(lines, rules)
            if by_pair(lines).keys() == set(range(len(rules.pairs)))
            else None
        )
        entry = read_entry(self.entry)
        claim = replace(entry, numbers=numbers or entry.numbers, evaluations=spent)
        write_files(self.entry, claim, lines, kept, _fitting(shown.pictures, lines, kept))


def _fitting(trios, lines, kept):
    """The trios that are shown, whose witnesses are those of the lines."""
    own = {one.pair: kept[one.file] for one in lines if one.file in kept}
    pairs = {int(name[:5]) for name in trios} & own.keys()
    chosen = {name: data for name, data in trios.items() if int(name[:5]) in pairs}
    return chosen | {f"{pair:05d}-found.png": own[pair] for pair in pairs}


@pytest.fixture(scope="session")
def tiny_board(tmp_path_factory, tiny_images):
    """A protocol, a run and an entry, by the three commands of the docs; nobody changes it."""
    folder = tmp_path_factory.mktemp("board")
    board = Board(folder, tiny_images)
    drawn = ["--sources", "15", "--targets-per-source", "1", "--out", board.protocol, "--quiet"]
    assert call(["leaderboard", "draw", "tiny-v1", "--images", tiny_images, *drawn]) == 0
    make_entry(board, folder / "run", board.entry)
    return board


def make_entry(board, run, entry):
    """Run the protocol and submit what was found."""
    given = ["--protocol", board.protocol, "--quiet"]
    traversed = ["--model", MODEL, "--images", board.images, "--out", str(run)]
    assert call(["leaderboard", "run", *given, *traversed]) == 0
    assert (
        call(["leaderboard", "submit", str(run), *given, "--name", "tiny", "--entry", str(entry)])
        == 0
    )


@pytest.fixture
def board(tiny_board, tmp_path):
    """A copy, to be changed."""
    return tiny_board.copy(tmp_path / "board")


def digest(data):
    return sha256(data).hexdigest()
