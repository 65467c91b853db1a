"""Without torch a run is read in every way, and what computes says in one sentence what to type.

The import of what the extra `torch` brings is blocked in a process of its own, for all cases at
once; a release is tried in a fresh environment too (CONTRIBUTING.md).
"""

import json
import subprocess
import sys

import pytest

BLOCKED = """
import contextlib, io, json, sys
for name in ("torch", "torchvision", "timm"):
    sys.modules[name] = None
from blindspots.cli.main import call
said = {}
for line in json.load(sys.stdin):
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = call(line)
    said[line[0]] = status, out.getvalue(), error.getvalue()
import blindspots
try:
    blindspots.traverse
except blindspots.UsageError as refusal:
    said["traverse"] = 2, "", str(refusal)
said["run of the library"] = 0, repr(blindspots.open_run(line[-1])), ""
print(json.dumps(said))
"""
COMPUTES = ("run", "doctor", "transfer", "sensitivity", "estimate", "widths", "demo")


@pytest.fixture(scope="module")
def said(finished, tmp_path_factory):
    """By command: status, standard output and standard error, without torch."""
    path, out = str(finished), str(tmp_path_factory.mktemp("light") / "out")
    model = ["--model", "zoo:shapes-vit"]
    asked = [
        ["table", path],
        ["check", path, "--max", "reach=1"],
        ["compare", path],
        ["plot", path, "--figure", "star", "--out", f"{out}.pdf"],
        ["models"],
        ["run", *model, "--images", "sample:shapes", "--out", out],
        ["doctor", "zoo:shapes-vit"],
        [
            "sensitivity",
            str(next((finished / "images").glob("*.png"))),
            "--target",
            "house",
            *model,
            "--out",
            out,
        ],
        ["estimate", *model, "--images", "sample:shapes", "--pairs", "9"],
        ["demo", "--out", out],
        ["transfer", path],
        ["widths", path],
        ["verify", path],
    ]
    command = [sys.executable, "-c", BLOCKED]
    answered = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return json.loads(answered.stdout)


@pytest.mark.parametrize("command", ["table", "check", "compare", "plot", "models", "verify"])
def test_what_reads_a_run_works(said, command):
    status, shown, error = said[command]
    assert (status, error) == (0, "")
    assert shown


def test_verify_says_what_it_left_out(said):
    assert "no number was computed again; type pip install 'blindspots[torch]'" in said["verify"][1]
    assert "files and plan agree" in said["verify"][1]


def test_a_run_is_opened_by_the_library(said):
    assert "finished" in said["run of the library"][1]


@pytest.mark.parametrize("command", [*COMPUTES, "traverse"])
def test_what_computes_says_what_to_type(said, command):
    status, shown, error = said[command]
    assert (status, shown) == (2, "")
    assert len(error.strip().splitlines()) == 1
    assert error.strip().endswith("type pip install 'blindspots[torch]'")
