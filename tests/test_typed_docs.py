"""Every command and program that README and the documents show runs, where a clone would be.

A block that this machine cannot run says so in a comment above it, `<!-- needs: network -->`: that,
a cluster, other software to be installed, files, minutes, or it serves until Ctrl-C.
"""

import re
import shlex
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from blindspots.cli.main import call
from blindspots.images.shapes import CLASS_NAMES, shape_image
from blindspots.leaderboard import protocol
from blindspots.leaderboard.protocol import find_protocol, write_json
from tests.test_docs import PAGES, ROOT, SHELL, read

BLOCK = re.compile(r"(?:^<!-- needs: ([\w, ]+) -->\n)?^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
NEEDS = {"network", "cluster", "installation", "minutes", "server", "assets"}
# What only a shell does, or what a placeholder stands in.
BY_HAND = ("git clone", "cd ", "source ", "export ", "ssh ", "pip ")
MODEL = """
from blindspots.models.zoo import load_zoo


def build():
    return load_zoo("shapes-resnet").module
"""


def by_name(pages):
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.name)


def blocks(page):
    """(what it needs, language, text) of every fenced block."""
    return [(needs, language, text) for needs, language, text in BLOCK.findall(read(page))]


def lines(text):
    joined = text.replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in joined if line.strip()]


def typed(page):
    """The shell lines of a page that can be run here, in their order."""
    return [
        line
        for needs, language, text in blocks(page)
        if language in SHELL and not needs
        for line in lines(text)
        if not line.startswith(("#", *BY_HAND))
    ]


RUN = [page for page in PAGES if page.name != "CHANGELOG.md" and typed(page)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A directory in which the documents' commands find what they name."""
    place = tmp_path_factory.mktemp("clone")
    (place / "model.py").write_text(MODEL)
    for i in range(60):
        image, label = shape_image("test", i, 3)
        folder = place / "photos" / CLASS_NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{i}.png")
    (place / "shapes.txt").write_text("\n".join(CLASS_NAMES))
    assert call(["demo", "--out", str(place / "demo"), "--quiet"]) == 0
    return place


@pytest.mark.slow
@by_name(RUN)
def test_every_command_of_a_page_runs_as_it_stands(page, clone, tmp_path, monkeypatch, capsys):
    # Each page has its own: two of them may write to directories of one name.
    monkeypatch.chdir(shutil.copytree(clone, tmp_path / "clone"))
    for line in typed(page):
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            subprocess.run(
                ["make", "--dry-run", "-C", str(ROOT), *words[1:]], check=True, capture_output=True
            )
            continue
        assert words[0] == "blindspots", line
        if "main-audit" in words:
            shutil.copytree("audit", "main-audit")
        status = call(words[1:])
        assert status == 0, f"{line}\n{capsys.readouterr().err}"


@pytest.fixture
def few_pairs(tmp_path, monkeypatch):
    """The protocol `shapes-v1` with its first four pairs, of two sources."""
    small = replace(whole := find_protocol("shapes-v1"), pairs=whole.pairs[:4])
    folder = tmp_path / "protocols"
    folder.mkdir()
    (folder / "shapes-v1.json").write_text(write_json(small))
    monkeypatch.setattr(protocol, "_shipped", lambda: folder)


@pytest.mark.slow
def test_every_command_of_the_leaderboard_that_needs_minutes_runs_on_a_few_pairs(
    few_pairs, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "leaderboard.md"
    typed = [line for needs, _, text in blocks(page) if needs == "minutes" for line in lines(text)]
    assert len(typed) == 9
    for line in typed:
        status = call(shlex.split(line)[1:])
        assert status == 0, f"{line}\n{capsys.readouterr().err}"
    assert "mine" in Path("site/shapes-v1.html").read_text()


# Those of README and of docs/library.md have tests of their own, which look at what they print.
PROGRAMS = [
    (page, text)
    for page in PAGES
    if page.name not in ("README.md", "library.md")
    for needs, language, text in blocks(page)
    if language == "python" and not needs
]


def test_the_programs_are_found():
    assert len(PROGRAMS) > 4


@pytest.mark.slow
@pytest.mark.parametrize(("page", "text"), PROGRAMS, ids=[page.name for page, _ in PROGRAMS])
def test_every_program_of_a_page_runs_as_it_stands(page, text, clone, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(clone, tmp_path / "clone"))
    network = torchvision.models.resnet18(num_classes=10)
    torch.save(network.state_dict(), "weights.pth")
    with zipfile.ZipFile("0123456789abcdef.zip", "w") as archive:
        archive.writestr("0.png", b"a picture")
        archive.comment = b"0"
    text = text.replace("big/found/", "")
    names = {"model": network, "torch": torch}
    exec(compile(text, page.name, "exec"), names)
    if "build" in names:
        assert names["build"]().fc.out_features == 10


@by_name([page for page in PAGES if page.name != "CHANGELOG.md"])
def test_what_a_block_needs_is_one_of_few_things(page):
    for needs, language, _ in blocks(page):
        assert {one.strip() for one in needs.split(",") if one} <= NEEDS
        assert not needs or language in (*SHELL, "python")


def test_most_blocks_need_nothing():
    every = [block for page in RUN for block in blocks(page) if block[1] in SHELL]
    assert sum(not needs for needs, _, _ in every) > 0.6 * len(every)


def test_the_workflow_types_what_this_page_types():
    page = ROOT / "docs" / "ci.md"
    shown = [block for _, language, block in blocks(page) if language == "yaml"]
    (workflow,) = (block for block in shown if "jobs:" in block)
    gates = re.findall(r"--m(?:ax|in) (?!ending)[\w.]+=[\d.]+", workflow)
    assert len(gates) > 2
    for gate in gates:
        assert gate in " ".join(typed(page)), gate
