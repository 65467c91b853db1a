"""What a command says first, and how soon: help in groups, refusals without torch, a first word."""

import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from blindspots.cli.commands import COMMANDS, GROUPS
from blindspots.cli.main import app, call, main
from blindspots.progress import Reporter
from tests.support.run_factory import Factory

EMBEDDED = "--model zoo:shapes-resnet"
# A path that names no scheme, and files that are not there.
CHEAP = f"""
run --model model.pth --images sample:shapes --out out
run --model tim:resnet18 --images sample:shapes --out out
run --model zoo:shapes-resnett --images sample:shapes --out out
run {EMBEDDED} --images photos --out out
run {EMBEDDED} --images folder:nowhere --out out
run {EMBEDDED} --images files:nothing.png --out out
run {EMBEDDED} --images parquet:nothing.parquet --out out
run {EMBEDDED} --images sample:shapes --pairs none.csv --out out
run {EMBEDDED} --images sample:shapes --lpips-weights none.pth --out out
run --model timm:resnet18 --weights none.pth --images sample:shapes --out out
run {EMBEDDED} --classes none.txt --images sample:shapes --out out
traverse none.png none.png {EMBEDDED} --out out
sensitivity none.png --target cup {EMBEDDED} --out out
doctor file:none.py:build
doctor exported:none.pt2
estimate --model model.pth --pairs 9
transfer nowhere
verify nowhere
widths nowhere
explore --run nowhere
demo --images folder:nowhere
table nowhere
""".strip().splitlines()
ASKED = """
import json, sys
from blindspots.cli.main import call
assert "pyarrow" not in sys.modules, "help does not need it"
for line in json.loads(sys.argv[1]):
    status = call(line.split())
    print(json.dumps([line, status, sorted({"torch", "matplotlib"} & sys.modules.keys())]))
"""

LEFT = """
import atexit, importlib
class Kept:
    def __del__(self):
        print("taken apart")
kept = Kept()
def call(arguments):
    atexit.register(print, "what was registered")
    print("what was said", end=", ")
    return 3
cli = importlib.import_module("blindspots.cli.main")
cli.call = call
cli.main([])
"""


def test_what_needs_no_model_is_refused_before_anything_heavy_is_loaded(tmp_path):
    typed = [sys.executable, "-c", ASKED, json.dumps(CHEAP)]
    done = subprocess.run(typed, capture_output=True, text=True, check=True, cwd=tmp_path)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer for answer in answers if answer[1:] != [2, []]] == [], done.stderr
    assert len(answers) == len(CHEAP)


def test_the_first_word_comes_before_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch is loaded')")
    code = "from blindspots.cli.main import call\n"
    command = f"run {EMBEDDED} --images sample:shapes --out out".split()
    done = subprocess.run(
        [sys.executable, "-c", f"{code}call({command})"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stderr.startswith("loading torch …\n")
    assert "torch is loaded" in done.stderr


@pytest.mark.parametrize(("name", "entry"), COMMANDS.items())
def test_help_says_of_a_command_what_its_function_does(name, entry):
    group, home, words = entry
    module, function = home.split(":")
    own = import_module(f"blindspots.cli.{module}")
    said = inspect.getdoc(getattr(own, function)) or ""
    assert said.splitlines()[0] == words.splitlines()[0]
    assert group in GROUPS
    assert name in app


def shown(capsys, *arguments):
    assert call([*arguments, "--help"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_command_has_its_line_in_its_group(capsys):
    text = shown(capsys)
    places = [text.index(f" {group} ─") for group in GROUPS]
    assert places == sorted(places)
    for name in (*COMMANDS, "zoo"):
        assert f"│ {name} " in text
    assert text.count("Exit status:") == 1


def test_the_options_of_run_stand_in_groups_below_an_example(capsys):
    text = shown(capsys, "run")
    headings = ["What", "Model", "Method", "Output", "Machine", "Trust"]
    places = [text.index(f"╭─ {heading} ─") for heading in headings]
    assert places == sorted(places)
    assert text.index("blindspots run --model zoo:shapes-resnet") < places[0]
    assert "Exit status" not in text
    assert "[default: False]" not in text
    assert "[default: ()]" not in text


def test_a_reporter_says_what_it_is_busy_with(capsys):
    with Reporter().busy("loading torch"):
        assert capsys.readouterr().err == "loading torch …\n"
    with Reporter(quiet=True).busy("loading torch"):
        pass
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_clock_runs_and_leaves_nothing():
    reporter = Reporter()
    reporter.console = Console(file=StringIO(), force_terminal=True, width=60)
    with reporter.busy("loading torch"):
        assert "loading torch" in reporter.console.file.getvalue()
    assert reporter.console.file.getvalue().endswith("\x1b[2K")


def test_the_program_ends_without_taking_everything_apart():
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "what was said, what was registered\n")


def test_closed_outputs_are_no_traceback(tmp_path):
    run = Factory(size=8, sources=2).write(tmp_path / "run")
    line = [sys.executable, "-m", "blindspots", "table", str(run)]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *line], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("coding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_is_not_utf8_shows_names_escaped(tmp_path, monkeypatch, coding):
    run = Factory(size=8, sources=2, models=("zoo:ω-😀",)).write(tmp_path / "run")
    monkeypatch.setattr("atexit.register", lambda *_: None)
    shown = {name: TextIOWrapper(BytesIO(), coding) for name in ("stdout", "stderr")}
    for name, stream in shown.items():
        monkeypatch.setattr(sys, name, stream)
    for words, status in (["table", str(run)], 0), (["table", str(tmp_path / "café\udce9😀")], 2):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == status
    said = {name: stream.buffer.getvalue() for name, stream in shown.items() if not stream.flush()}
    assert rb"\u03c9-\U0001f600" in said["stdout"]
    assert rb"\U0001f600" in said["stderr"]
    assert b"Traceback" not in said["stderr"]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_want_of_memory_anywhere_is_one_sentence(monkeypatch, capsys, error):
    def short(*_, **__):
        raise error

    monkeypatch.setattr(import_module("blindspots.cli.main"), "app", short)
    assert call(["table", "run"]) == 1
    said = "blindspots: there is not enough memory; mend that, then the same command goes on\n"
    assert capsys.readouterr().err == said


def test_models_are_listed_without_torch():
    listing = "import sys; from blindspots.cli.main import call; assert call(['models']) == 0"
    without = f"{listing}; assert not {{'torch', 'timm', 'torchvision'}} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "zoo:shapes-vit" in done.stdout


def test_completion_is_installed_where_the_shell_looks(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    typed = [sys.executable, "-m", "blindspots", "--install-completion"]
    done = subprocess.run(typed, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    written = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    for word in ("leaderboard", "--targets-per-source"):
        assert word in written
