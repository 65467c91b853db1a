"""The leaderboard's part of the states: a tiny protocol, a run and an entry on it, and copies."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from blindspots.leaderboard.entry import read_entry, write_files
from blindspots.leaderboard.numbers import count_numbers
from blindspots.leaderboard.protocol import find_protocol
from blindspots.leaderboard.witnesses import read_zip
from tests.leaderboard.conftest import Board, make_entry
from tests.support.advice_world import TINY, World
from tests.support.tiny import MODEL, draw
from tests.support.tiny_model import NAMES

NOTHING: dict[str, Any] = {"witness": "", "lowest": None, "lowest_margin": None, "rmse": None}


class BoardWorld(World):
    def _tiny_board(self) -> Board:
        """Made for the first who asks; nobody changes it."""
        made = Board(self.runs / "board", self.photos)
        if not made.folder.exists():
            made.folder.mkdir()
            self.cmd(*self._drawing(made))
            make_entry(made, made.folder / "run", made.entry)
        return made

    def _drawing(self, board: Board) -> tuple[str, ...]:
        given = ("--images", self.photos, "--sources", "15", "--targets-per-source", "1")
        return ("leaderboard", "draw", "tiny-v1", *given, "--out", board.protocol, "--quiet")

    def board(self) -> Board:
        """A copy, to be changed."""
        folder = self.place / "board"
        whole = Board(folder, self.photos)
        return whole if whole.entry.exists() else self._tiny_board().copy(folder)

    def drawn(self) -> None:
        self.cmd(*self._drawing(Board(self.place / "board", self.photos)))

    def joined(self) -> tuple[object, ...]:
        return ("--name", "new", "--entry", self.place / "new.json", "--quiet")

    def verified(self) -> tuple[str, ...]:
        given = ("--images", self.photos, "--protocol", self.board().protocol, "--quiet")
        return ("--model", MODEL, *given)

    def half_entries(self) -> list[Path]:
        """Two true entries, each with the witnesses of every other pair; nobody changes them."""
        paths = [self.runs / "halves" / f"half-{half}.json" for half in (0, 1)]
        if paths[1].exists():
            return paths
        board = self._tiny_board()
        rules = find_protocol(board.protocol)
        full, shown = (read_zip(one, rules) for one in (board.files.witnesses, board.files.shown))
        for half, path in enumerate(paths):
            self._write_half(path, half, board, rules, full, shown)
        return paths

    def _write_half(
        self, path: Path, half: int, board: Board, rules: Any, full: Any, shown: Any
    ) -> None:
        bare = {**NOTHING, "by": ""}
        lines = [one if one.pair % 2 == half else replace(one, **bare) for one in full.lines]
        pairs = {f"{one.pair:05d}" for one in lines if one.witness}
        trios = {file: data for file, data in shown.pictures.items() if file[:5] in pairs}
        kept = {one.file: full.pictures[one.file] for one in lines if one.witness}
        numbers = count_numbers(lines, rules)
        claim = replace(read_entry(board.entry), name=path.stem, numbers=numbers)
        path.parent.mkdir(exist_ok=True)
        write_files(path, claim, lines, kept, trios)

    def told(self, file: str | Path, **members: Any) -> None:
        """Change members of a JSON file."""
        stored = json.loads(Path(file).read_text())
        Path(file).write_text(json.dumps({**stored, **members}))

    def run_of_board(self) -> Path:
        self._tiny_board()
        return self.runs / "board" / "run"

    def submitted(self) -> None:
        """Submit the entry of the copy again."""
        board = self.board()
        for file in (board.entry, board.files.witnesses, board.files.shown):
            file.unlink(missing_ok=True)
        given = ("--protocol", board.protocol, "--name", "tiny", "--entry", board.entry, "--quiet")
        self.cmd("leaderboard", "submit", self.run_of_board(), *given)

    def board_run(self, out: Path, model: str = MODEL, *more: str) -> Path:
        given = ("--protocol", self._tiny_board().protocol, "--images", self.photos, "--quiet")
        self.cmd("leaderboard", "run", *given, "--model", model, "--out", out, *more)
        return out

    def fewer(self) -> str:
        for label, name in enumerate(NAMES):
            (self.place / "fewer" / name).mkdir(parents=True)
            draw(label, 0).save(self.place / "fewer" / name / f"{name}-0.png")
        return f"folder:{self.place}/fewer"

    def misnamed(self, *swap: str) -> str:
        """A copy of the images, of which two classes' folders are named as each other."""
        folder = self.place / "-".join(("images", *swap))
        shutil.copytree(self.photos.partition(":")[2], folder)
        for name, other in zip(swap, reversed(swap), strict=True):
            (folder / name).rename(folder / f"as-{other}")
        for name in swap:
            (folder / f"as-{name}").rename(folder / name)
        return f"folder:{folder}"

    def board_run_of(self, images: str, out: str) -> None:
        given = ("--protocol", self._tiny_board().protocol, "--images", images, "--quiet")
        self.cmd("leaderboard", "run", *given, "--model", MODEL, "--out", self.place / out)

    def unsaid(self) -> str:
        """The protocol, which does not say where its images are."""
        file = self.board().protocol
        self.told(file, images="")
        return file

    def unended(self) -> Path:
        out = self.place / "unended"
        if not out.exists():
            shutil.copytree(self.run_of_board(), out)
            self.told(out / "run.json", finished=None)
        return out

    def finished_alone(self) -> Path:
        """A finished run of one model that is of no protocol."""
        return self.keeping("found")

    def without_images(self) -> Path:
        shutil.copytree(self.run_of_board(), self.place / "holed")
        shutil.rmtree(self.place / "holed" / "images")
        return self.place / "holed"

    def swapped(self) -> str:
        """A model that takes red for green and green for red."""
        around = "f = lambda: Around(Tiny(0, 14.0, 0.8), behind=lambda z: z[:, [1, 0, 2]])"
        names = self.put("names.txt", "\n".join(NAMES))
        return f"{self.factory(TINY, around)}:f?size=12&classes={names}"

    def strict(self) -> str:
        """The protocol, of which a model is to name nearly all sources correctly."""
        file = self.board().protocol
        self.told(file, least_accuracy=0.9)
        return file
