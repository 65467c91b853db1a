"""A stranger's entry is refused in one sentence, and nothing is written or unpacked for it."""

import json
import shutil
import struct
import zipfile
import zlib
from dataclasses import replace

import pytest

from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.leaderboard.entry import read_entry
from blindspots.leaderboard.file_check import check_files
from blindspots.leaderboard.protocol import find_protocol, write_json
from blindspots.leaderboard.site import build_site
from blindspots.leaderboard.witnesses import read_png, read_zip, render_manifest


def refusal(board):
    with pytest.raises(UsageError) as caught:
        check_files(board.entry, board.protocol)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 500
    return sentence


MEMBERS = {
    "a later format": {"format": 2},
    "NaN": {"evaluations": float("nan")},
    "HTML": {"name": "<script>alert(1)</script>"},
    "HTML in a version": {"versions": {"torch": "<img src=x>"}},
    "script as a paper": {"paper": "javascript:alert(1)"},
    "another type": {"seed": "0"},
    "a nested method": {"method": {"name": {"a": 1}}},
    "no hash": {"sha256": "0"},
    "more": {"unknown": 1},
    "a path as a protocol": {"protocol": "../../etc/passwd"},
}


@pytest.mark.parametrize("what", MEMBERS)
def test_an_entry_that_is_none_is_refused(board, what):
    stored = json.loads(board.entry.read_text())
    board.entry.write_text(json.dumps(stored | MEMBERS[what]))
    if what == "a path as a protocol":
        assert check_files(board.entry, board.protocol)[0].problems
        with pytest.raises(UsageError, match="unknown"):
            check_files(board.entry)
        return
    assert refusal(board)


@pytest.mark.parametrize("text", ["", "[]", "{" * 200, '{"a": 1e999}', "x" * 200_000])
def test_what_is_no_entry_is_refused(board, text):
    board.entry.write_text(text)
    assert refusal(board)


def zipped(board, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(board.files.witnesses, "w", compression) as archive:
        for name, data in files:
            archive.writestr(name, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_is_not_as_it_is_written_is_refused(board):
    lines = read_zip(board.files.witnesses, find_protocol(board.protocol)).lines
    good = ("manifest.csv", render_manifest(lines))
    text = good[1].decode()
    cases = {
        "is no name of a witness": [good, ("../../evil.png", b"x")],
        "no name of a witness": [good, ("/etc/passwd", b"x")],
        "a name twice": [good, good],
        "no manifest": [],
        "columns": [("manifest.csv", b"a,b\n")],
        "lines": [("manifest.csv", good[1] + text.splitlines()[1].encode() * 10**4)],
        "is wrong": [("manifest.csv", text.replace(str(lines[0].p_source), "nan").encode())],
        "not as it is written": [("manifest.csv", text.replace("yes", '"yes"').encode())],
    }
    for said, files in cases.items():
        zipped(board, files)
        assert said in refusal(board)
    bomb = [("manifest.csv", b"0" * 10**7)]
    zipped(board, bomb, zipfile.ZIP_DEFLATED)
    assert "compressed" in refusal(board)
    board.files.witnesses.write_bytes(b"PK\x03\x04 not a zip")
    assert refusal(board)


def test_a_million_lines_are_refused_before_they_are_read(board):
    zipped(board, [("manifest.csv", b"0,\n" * 10**6)])
    assert "lines" in refusal(board)


def test_a_picture_with_absurd_sides_is_not_decoded(board):
    content = read_zip(board.files.shown, find_protocol(board.protocol))
    data = next(iter(content.pictures.values()))
    huge = data[:16] + (60_000).to_bytes(4, "big") * 2 + data[24:]
    with pytest.raises(ValueError, match="too large"):
        read_png(huge)
    with pytest.raises(ValueError, match="no PNG"):
        read_png(b"GIF89a" + data)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda data: data + b"more", "bytes behind its end"),
        (lambda data: data[:33] + chunk(b"gAMA", struct.pack(">I", 1000)) + data[33:], "gAMA"),
        (lambda data: data[:33] + chunk(b"tEXt", b"Comment\0hello") + data[33:], "tEXt"),
    ],
)
def test_a_witness_that_a_browser_shows_otherwise_is_refused(board, changed, said):
    content = read_zip(board.files.shown, find_protocol(board.protocol))
    data = next(iter(content.pictures.values()))
    read_png(data)
    with pytest.raises(ValueError, match=said):
        read_png(changed(data))


def test_a_site_is_not_built_of_an_entry_that_disagrees_with_its_files(board, tmp_path):
    entry = read_entry(board.entry)
    board.entry.write_text(write_json(replace(entry, seed=7)))
    with pytest.raises(UsageError, match="disagrees"):
        build_site(board.folder, tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        "run --protocol shapes-v9 --model zoo:shapes-resnet --out {out}",
        "run --protocol cifar10-jpeg-v1 --model zoo:shapes-resnet --out {out}",
        "draw No --images sample:shapes --out {out}.json",
        "draw one --images sample:shapes --sources 1000 --out {out}.json",
        "submit {out} --name x --entry {out}/x.json",
        "verify {out}/none.json",
        "build {out} --out {out}/site",
        "merge {entry} --name x --entry {out}/x.json --protocol {protocol}",
        "merge {entry} {entry} --name x --entry {out}/y.json --protocol {protocol}",
        "verify {entry} --sample 0 --protocol {protocol}",
    ],
)
def test_what_cannot_be_worked_with_is_refused(board, tmp_path, capsys, arguments):
    out = tmp_path / "out"
    names = {"out": str(out), "entry": str(board.entry), "protocol": board.protocol}
    given = [word.format(**names) for word in arguments.split()]
    assert call(["leaderboard", *given]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_an_accuracy_below_a_fifth_is_refused(board, capsys):
    from tests.support.tiny import spec

    shutil.rmtree(board.folder / "run", ignore_errors=True)
    given = ["--protocol", board.protocol, "--images", board.images, "--quiet"]
    given += ["--model", spec("shuffled"), "--out", str(board.folder / "run")]
    assert call(["leaderboard", "run", *given]) == 2
    assert "%" in capsys.readouterr().err
