"""A lie in any member of an entry, in any column of its manifest, and in any picture is found.

The liar makes every hash and every sum fit again, so what finds the lie is what it is about.
"""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from blindspots import load_model
from blindspots.errors import UsageError
from blindspots.leaderboard.entry import TOLD, BoardEntry, read_entry
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.numbers import LevelNumbers, Numbers
from blindspots.leaderboard.protocol import find_protocol, write_json
from blindspots.leaderboard.witnesses import COLUMNS, encode, read_png, read_zip, write_zip
from tests.leaderboard.conftest import digest
from tests.support.tiny import spec

HASH = "0" * 64
MEMBERS = {
    "format": 2,
    "name": "other",
    "model": "zoo:shapes-resnet",
    "spec": spec("build?size=12&seed=1"),
    "fingerprint": "0" * 16,
    "paper": "https://example.org/other",
    "protocol": "shapes-v1",
    "protocol_version": 2,
    "protocol_sha256": HASH,
    "method": {"name": "fan", "delta": 0.2},
    "seed": 1,
    "evaluations": 1.0,
    "numbers": None,  # each of its own members, below
    "versions": {"torch": "1.0"},
    "manifest_sha256": HASH,
    "witnesses_sha256": HASH,
    "witnesses_bytes": 1,
    "shown_sha256": HASH,
    "sha256": HASH,
}


def found(board, **options):
    """What disagrees, or the sentence of a refusal."""
    try:
        return board.problems(**options)
    except UsageError as error:
        return [str(error)]


def test_what_is_true_agrees(tiny_board):
    assert tiny_board.problems(reattack=2) == []
    content = read_zip(tiny_board.files.witnesses, find_protocol(tiny_board.protocol))
    assert sum(bool(line.witness) for line in content.lines) >= 3


def test_every_member_has_a_lie():
    assert set(MEMBERS) == {one.name for one in fields(BoardEntry)}
    assert set(TOLD) < set(MEMBERS)


@pytest.mark.parametrize("member", [name for name in MEMBERS if name != "numbers"])
def test_a_lie_in_a_member_is_found(board, member):
    entry = replace(read_entry(board.entry), **{member: MEMBERS[member]})
    sealed = entry if member == "sha256" or member in TOLD else entry.sealed()
    board.entry.write_text(write_json(sealed))
    model = None if member == "spec" else spec("build?size=12")
    if member == "spec":
        assert "--trust-run-code" in found(board, model=None)[0]
        model = MEMBERS["spec"]
    assert found(board, model=model)


LEVELS = ("delta", "margin")
LEVEL_LIES = [f"{level}.{one.name}" for level in LEVELS for one in fields(LevelNumbers)]
OWN = [one.name for one in fields(Numbers) if one.name not in LEVELS]


@pytest.mark.parametrize("name", [*OWN, *LEVEL_LIES])
def test_a_lie_in_a_number_is_found(board, name):
    numbers = read_entry(board.entry).numbers
    level, _, inner = name.rpartition(".")
    owner = getattr(numbers, level) if level else numbers
    value = getattr(owner, inner)
    lie = (value[0] - 0.01, *value[1:]) if isinstance(value, tuple) else value + 1
    changed = replace(owner, **{inner: lie})
    board.retell(numbers=replace(numbers, **{level: changed}) if level else changed)
    result, *_ = check_files(board.entry, board.protocol)
    assert any(name in problem for problem in result.problems)


def shifted(name, by):
    def lie(line):
        return replace(line, **{name: round(getattr(line, name) + by, 7)})

    return lie


COLUMN_LIES = {
    "pair": shifted("pair", 1),
    "source": lambda line: replace(line, source="0" * 16),
    "target": lambda line: replace(line, target=line.source),
    "named": lambda line: replace(
        line, named=False, witness="", lowest=None, lowest_margin=None, rmse=None, by=""
    ),
    "p_source": shifted("p_source", -0.01),
    "margin": shifted("margin", 0.1),
    "apart": shifted("apart", 0.05),
    "line": shifted("line", 0.05),
    "line_margin": shifted("line_margin", 0.05),
    "evaluations": None,  # told; the sum alone holds it
    "witness": lambda line: replace(line, witness="1" * 64),
    "lowest": shifted("lowest", 0.001),
    "lowest_margin": shifted("lowest_margin", 0.1),
    "rmse": shifted("rmse", -0.001),
    "by": lambda line: replace(line, by=""),
}


def first(lines, lie):
    """The lines with a lie in the first that has a witness."""
    place = next(i for i, line in enumerate(lines) if line.witness)
    return [*lines[:place], lie(lines[place]), *lines[place + 1 :]]


def test_every_column_has_a_lie():
    assert set(COLUMN_LIES) == set(COLUMNS)


@pytest.mark.parametrize("column", [name for name, lie in COLUMN_LIES.items() if lie])
def test_a_lie_in_a_line_is_found(board, column):
    board.rewrite(lambda lines: first(lines, COLUMN_LIES[column]))
    assert found(board)


def test_a_lie_about_the_cost_is_found_where_the_sum_is_not_changed_too(board):
    cost = read_entry(board.entry).evaluations
    board.rewrite(lambda lines: first(lines, shifted("evaluations", -3.0)))
    board.retell(evaluations=cost)
    assert any("evaluations" in problem for problem in found(board))


@pytest.mark.parametrize("loss", ["dropped", "doubled", "swapped"])
def test_a_line_that_is_lost_doubled_or_elsewhere_is_found(board, loss):
    change = {
        "dropped": lambda lines: lines[1:],
        "doubled": lambda lines: [lines[0], *lines],
        "swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    }
    board.rewrite(change[loss])
    assert found(board)


def other_picture(board, make):
    """The first witness exchanged for what `make` makes of its pixels, and every hash with it."""
    content = read_zip(board.files.witnesses, find_protocol(board.protocol))
    line = next(line for line in content.lines if line.witness)
    data = encode(make(read_png(content.pictures[line.file]).copy()))
    lie = replace(line, witness=digest(data))
    board.rewrite(lambda lines: first(lines, lambda _: lie), {lie.file: data})


def one_pixel(pixels):
    pixels[3, 4, 1] ^= 128
    return pixels


PICTURES = {
    "one pixel": one_pixel,
    "cropped": lambda pixels: pixels[:-1],
    "of noise": lambda pixels: np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8),
}


@pytest.mark.parametrize("what", PICTURES)
def test_a_witness_that_is_another_picture_is_found(board, what):
    other_picture(board, PICTURES[what])
    assert found(board)


def test_a_target_that_is_called_its_own_witness_is_found(board):
    shown = read_zip(board.files.shown, find_protocol(board.protocol))
    pair = min(int(name[:5]) for name in shown.pictures)
    data = shown.pictures[f"{pair:05d}-target.png"]

    def lie(lines):
        return [
            replace(one, witness=digest(data), rmse=0.0) if one.pair == pair else one
            for one in lines
        ]

    board.rewrite(lie, {f"{pair:05d}-{digest(data)[:16]}.png": data})
    assert any("lowest" in problem or "leaves" in problem for problem in found(board))


@pytest.mark.parametrize("end", ["source", "target"])
def test_a_shown_picture_that_is_not_the_protocols_is_found(board, end):
    rules = find_protocol(board.protocol)
    shown = read_zip(board.files.shown, rules)
    name = next(name for name in shown.pictures if name.endswith(f"{end}.png"))
    pictures = {**shown.pictures, name: encode(one_pixel(read_png(shown.pictures[name]).copy()))}
    board.retell(shown_sha256=write_zip(board.files.shown, shown.lines, pictures))
    assert any(name in problem for problem in found(board))


def test_witnesses_of_another_model_are_found(board):
    other = spec("build?size=12&seed=1")
    assert any("fingerprint" in problem for problem in found(board, model=other))
    board.retell(fingerprint=load_model(other).fingerprint())
    assert any("the model gives" in problem for problem in found(board, model=other))


def test_a_model_said_to_see_is_attacked_and_found_out(board):
    bare = {"witness": "", "lowest": None, "lowest_margin": None, "rmse": None, "by": ""}
    board.rewrite(lambda lines: [replace(line, **bare) for line in lines])
    assert found(board) == []
    assert any("attacked anew" in problem for problem in found(board, reattack=15))


def test_asdict_of_an_entry_is_all_that_is_written(board):
    assert json.loads(board.entry.read_text()).keys() == asdict(read_entry(board.entry)).keys()
