"""Entries are the same each time, join to the best per pair, and become pages."""

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import blindspots as bs
from blindspots.cli.main import call
from blindspots.leaderboard.entry import EntryFiles, public_name, read_entry, write_files
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.judge import BATCHES, Judge
from blindspots.leaderboard.numbers import LEVELS, best_witness, count_numbers, is_inside
from blindspots.leaderboard.protocol import find_protocol, known_protocols, write_json
from blindspots.leaderboard.site import build_site
from blindspots.leaderboard.witnesses import Judgement, by_pair, read_zip
from tests.leaderboard.conftest import make_entry
from tests.support.tiny import MODEL

ROOT = Path(__file__).parents[2]
ENTRIES = ROOT / "leaderboard" / "entries"


def line(pair=0, **changes):
    own = {
        "pair": pair, "source": "a", "target": "b", "named": True, "p_source": 0.9, "margin": 2.0,
        "apart": 0.5, "line": 0.4, "line_margin": 0.5, "evaluations": 1.0, "witness": "w",
        "lowest": 0.8, "lowest_margin": 1.0, "rmse": 0.1, "by": "x",
    }  # fmt: skip
    return Judgement(**{**own, **changes})


def test_reach_and_levels_are_those_of_the_definition():
    assert line().reach == pytest.approx(0.8)
    assert is_inside(line(), "delta", 0.2)
    assert not is_inside(line(lowest=0.69), "delta", 0.2)
    assert is_inside(line(lowest=0.69), "margin", 0.2)
    assert not is_inside(line(lowest_margin=-0.01), "margin", 0.2)
    assert not is_inside(line(p_source=0.2), "delta", 0.2), "there is nothing below 0"
    assert not is_inside(line(margin=-1.0), "margin", 0.2), "an unsure source has no such level"


def test_the_best_witness_is_the_farthest_that_is_inside():
    far, outside = line(rmse=0.05, witness="far"), line(rmse=0.01, lowest=0.1, witness="out")
    assert best_witness([line(), far, outside], "delta", 0.2) == far
    assert best_witness([line(), far, outside], "margin", 0.2) == outside


def test_numbers_against_a_plain_loop(tiny_board):
    rules = find_protocol(tiny_board.protocol)
    lines = read_zip(tiny_board.files.witnesses, rules).lines
    numbers, reaches = count_numbers(lines, rules), []
    for own in by_pair(lines).values():
        if own[0].named and own[0].p_source > rules.delta:
            inside = [
                one for one in own if one.witness and one.lowest >= one.p_source - rules.delta
            ]
            reaches.append(max((1 - one.rmse / one.apart for one in inside), default=0.0))
    assert numbers.delta.pairs == len(reaches)
    assert numbers.delta.reach[0] == pytest.approx(np.mean(reaches), abs=1e-6)
    assert numbers.delta.median == pytest.approx(np.median(reaches), abs=1e-6)
    assert numbers.delta.reach[1] <= numbers.delta.reach[0] <= numbers.delta.reach[2]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_and_its_entry_made_again_are_the_same(board, threads):
    """To the byte on one thread; on two the numbers agree to a tenth of their interval."""
    again = board.folder / "again" / "tiny.json"
    torch.set_num_threads(threads)
    try:
        make_entry(board, board.folder / "run", again)
    finally:
        torch.set_num_threads(1)
    if threads == 1:
        assert board.entry.read_bytes() == again.read_bytes()
        assert board.files.witnesses.read_bytes() == EntryFiles(again).witnesses.read_bytes()
    for level in LEVELS:
        mean, low, high = getattr(read_entry(board.entry).numbers, level).reach
        assert abs(getattr(read_entry(again).numbers, level).reach[0] - mean) <= (high - low) / 10
    dates = {one.date_time for one in zipfile.ZipFile(EntryFiles(again).witnesses).infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}


def test_a_leaderboard_run_measures_what_an_entry_needs_alone(tiny_board):
    run = bs.open_run(tiny_board.folder / "run")
    assert len(run.pairs) == 15
    assert not any(map(len, (run.triangles, run.simplices, run.nulls)))


@pytest.mark.parametrize(("batch", "together"), [(1, 1), (7, 4)])
def test_pairs_are_judged_alike_however_few_make_one_sign_of_life(
    tiny_board, monkeypatch, batch, together
):
    """Few of a large model, whose pair takes long, are judged together; many of a small one."""
    groups, judged = [], Judge._judge
    monkeypatch.setattr(
        Judge, "_judge", lambda self, some: groups.append(len(some)) or judged(self, some)
    )
    assert tiny_board.problems(batch=batch) == []
    points = find_protocol(tiny_board.protocol).points
    assert groups[0] == max(1, BATCHES * batch // points) == together


def test_a_line_that_says_less_is_joined_with_the_better_one(board, capsys):
    rules = find_protocol(board.protocol)
    full, shown = (read_zip(one, rules) for one in (board.files.witnesses, board.files.shown))
    bare = {"witness": "", "lowest": None, "lowest_margin": None, "rmse": None, "by": ""}
    half = [replace(one, **bare) if one.pair % 2 else one for one in full.lines]
    rest = [one if one.pair % 2 else replace(one, **bare) for one in full.lines]
    paths, entry = [], read_entry(board.entry)
    for name, lines in (("half", half), ("rest", rest)):
        pairs = {f"{one.pair:05d}" for one in lines if one.witness}
        trios = {file: data for file, data in shown.pictures.items() if file[:5] in pairs}
        kept = {one.file: full.pictures[one.file] for one in lines if one.witness}
        claim = replace(entry, name=name, numbers=count_numbers(lines, rules))
        paths.append(board.entry.with_name(f"{name}.json"))
        write_files(paths[-1], claim, lines, kept, trios)
    out = board.entry.with_name("both.json")
    given = [*map(str, paths), "--name", "both", "--entry", str(out), "--protocol", board.protocol]
    assert call(["leaderboard", "merge", *given, "--quiet"]) == 0
    both = read_entry(out)
    assert both.numbers == entry.numbers
    assert both.evaluations == pytest.approx(2 * entry.evaluations)
    verify = ["--model", MODEL, "--images", board.images, "--protocol", board.protocol, "--quiet"]
    assert call(["leaderboard", "verify", str(out), *verify]) == 0
    assert "agrees" in capsys.readouterr().out


def test_pages_say_what_the_entries_say_and_what_changed(board, tmp_path, capsys):
    site = tmp_path / "site"
    build = ["leaderboard", "build", str(board.folder), "--out", str(site), "--json"]
    assert call(build) == 0
    entry = read_entry(board.entry)
    page = (site / "tiny-v1.html").read_text()
    assert f"{entry.numbers.delta.reach[0]:.3f}" in page
    assert not re.search(r"(src|href)=.?https?:", page)
    assert f",{entry.numbers.delta.reach[0]}," in (site / "tiny-v1.csv").read_text()
    (listed,) = json.loads((site / "entries.json").read_text())
    assert listed["sha256"] == entry.sha256
    assert list((site / "tiny-v1" / "tiny").glob("*-found.png"))
    lower = replace(entry.numbers.delta, reach=(0.1, 0.05, 0.2))
    board.retell(numbers=replace(entry.numbers, delta=lower))
    capsys.readouterr()
    assert call(build) == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert (change["number"], change["now"]) == ("reach, delta", "0.100")
    assert "Changed since the last build" in (site / "index.html").read_text()


@pytest.mark.parametrize("name", known_protocols())
def test_the_protocols_that_come_with_the_package_are_as_they_are_written(name):
    protocol = find_protocol(name)
    file = ROOT / f"src/blindspots/leaderboard/protocols/{name}.json"
    assert file.read_text() == write_json(protocol)
    assert protocol.name == name
    assert list(protocol.methods) == ["star", "fan"]
    assert {own["tolerance"] for own in protocol.methods.values()} == {1e-4}


def test_shapes_are_drawn_as_the_protocol_says(tmp_path):
    from blindspots.leaderboard.draw import draw_protocol

    protocol = find_protocol("shapes-v1")
    again = draw_protocol(
        "shapes-v1", protocol.images, sources=200, targets_per_source=2, seed=protocol.seed
    )
    assert again.pairs == [tuple(pair) for pair in protocol.pairs]
    assert list(again.pictures) == list(protocol.pictures)


PATHS = sorted(ENTRIES.glob("*/*.json"))


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The site of the committed entries."""
    site = tmp_path_factory.mktemp("committed") / "site"
    assert build_site(ENTRIES, site).entries == len(PATHS)
    return site


def test_committed_entries_make_a_site_and_hold_no_path_of_a_machine(committed):
    assert (committed / "index.html").is_file()
    assert [path for path in PATHS if re.search(r"[:=]/", read_entry(path).spec)] == []


@pytest.mark.parametrize(("name", "drawn"), [("shapes-v1", True), ("imagenet-sample-v1", False)])
def test_how_to_read_the_scatter_is_said_where_there_is_one(committed, name, drawn):
    page = (committed / f"{name}.html").read_text()
    assert ("To the right" in page, 'class="chart scatter"' in page) == (drawn, drawn)


@pytest.mark.slow  # the intervals of every entry
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_committed_entries_agree_with_their_files(path):
    assert check_files(path)[0].problems == []


def test_committed_witnesses_stay_small():
    assert sum(file.stat().st_size for file in ENTRIES.rglob("*.zip")) < 20e6


def test_robust_accuracies_of_the_zoo_are_those_of_their_cards():
    from blindspots.models.catalog import list_models

    stored = json.loads((ENTRIES / "robust-accuracy.json").read_text())
    known = {row["spec"]: row["pgd"] for row in list_models() if row["pgd"]}
    own = {one["model"]: one["accuracy"] for one in stored if one["model"] in known}
    assert own.keys() == known.keys()
    for spec, accuracy in own.items():
        assert f"{100 * accuracy:.1f}" in str(known[spec]) or str(accuracy) in str(known[spec])


def test_names_of_models_hold_no_folder():
    assert public_name("file:/home/me/nets.py:build?size=12") == "file:nets.py:build"
    assert public_name("timm:resnet50.a1_in1k?weights=x/y") == "timm:resnet50.a1_in1k"


def test_the_docs_three_commands_are_those_that_the_tests_type():
    text = (ROOT / "docs" / "leaderboard.md").read_text()
    block = text.split("## An own model, in three commands")[1].split("```")[1]
    typed = [row.split()[:4][-2:] for row in block.splitlines() if row.startswith("$")]
    assert typed == [["leaderboard", "run"], ["leaderboard", "submit"], ["leaderboard", "build"]]
