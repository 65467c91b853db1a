"""What CI makes, what it says of a target's seconds and of words, and when it fails."""

import importlib.util
import re
import threading
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CI = ROOT / ".ci"
BUDGETS = {name: {"cpu": 10, "wall": 10} for name in ("check", "test", "demo")}


def script(name):
    spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def timed():
    return script("timed")


@pytest.fixture
def ran(timed):
    """The exit status of three targets, given what each took: (status, CPU seconds, seconds)."""

    def run(*groups, slow=1.0, **taken):
        make = lambda name, _: timed.Taken(name, *taken[name], "end")  # noqa: E731
        return timed.main(groups or list(taken), BUDGETS, make, lambda: slow)

    return run


def groups():
    return (CI / "run").read_text().split("timed.py ")[1].split()


def targets():
    return [target for group in groups() for target in group.split("+")]


def test_the_budget_of_all_targets_together_is_twenty_minutes(timed):
    budgets = tomllib.loads((CI / "budget.toml").read_text())
    assert sorted(targets()) == sorted(budgets)
    assert timed.together(groups(), budgets) <= 20 * 60
    assert sum(budget["cpu"] for budget in budgets.values()) <= 2 * 20 * 60
    assert budgets["test"]["wall"] <= 3 * 60


def test_a_target_within_its_budget_is_not_named_loudly(ran, capsys):
    assert ran(check=(0, 9, 9)) == 0
    assert "9 of    10 CPU s" in (said := capsys.readouterr().out)
    assert "OVER" not in said


@pytest.mark.parametrize("seconds", [(25, 5), (5, 25)])
def test_a_target_over_its_budget_is_named_loudly_and_passes(ran, capsys, seconds):
    assert ran(check=(0, 1, 1), test=(0, *seconds)) == 0
    assert "OVER BUDGET: 2.5 times" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", [(31, 5), (5, 31)])
def test_three_times_the_budget_fails_after_all_targets(ran, capsys, seconds):
    assert ran(check=(0, *seconds), demo=(0, 1, 1)) == 1
    assert "more than 3 times the budget: check" in (said := capsys.readouterr().out)
    assert "demo" in said


def test_a_slow_machine_has_so_much_more(ran, capsys):
    assert ran(slow=2.5, check=(0, 70, 70)) == 0
    assert "counted 2.5 times as slowly" in (said := capsys.readouterr().out)
    assert "OVER BUDGET: 7.0 times" in said
    assert ran(slow=2.5, check=(0, 76, 5)) == 1


def test_what_a_machine_counts_is_never_less_than_the_budgets(timed, monkeypatch):
    monkeypatch.setattr(timed, "COUNTED", 10)
    assert timed.slowness() == 1.0
    monkeypatch.setattr(timed, "COUNTED", 100_000)
    monkeypatch.setattr(timed, "SECONDS", 1e-6)
    assert timed.slowness() > 10


def test_the_status_of_a_target_that_fails_is_kept_and_the_rest_left_out(ran, capsys):
    assert ran(check=(0, 1, 1), test=(7, 1, 1), demo=(0, 1, 1)) == 7
    assert "demo" not in capsys.readouterr().out


def test_what_a_target_prints_is_shown_and_its_last_line_repeated(timed, capfd):
    taken = timed.run("echo first; echo 3 passed; exit 4", make=("sh", "-c"))
    assert (taken.status, taken.last) == (4, "3 passed")
    assert "first\n3 passed\n" in capfd.readouterr().out
    assert 0 <= taken.cpu <= 60
    assert 0 < taken.wall <= 60


def test_the_cpu_seconds_of_what_a_target_starts_are_counted(timed):
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    taken = timed.run(f'python3 -c "{busy}"', make=("sh", "-c"))
    assert taken.cpu >= 0.2


def test_what_a_target_leaves_running_is_not_waited_for(timed, monkeypatch):
    monkeypatch.setattr(timed, "PATIENCE", 0.5)
    taken = timed.run("sleep 30 & echo over", make=("sh", "-c"))
    assert taken.last == "over"
    assert taken.wall < 20


def test_targets_of_one_group_are_made_at_once(timed):
    both = threading.Barrier(2, timeout=30)

    def make(name, begin):
        both.wait()
        return timed.Taken(name, 0, 1, 1, begin)

    assert timed.main(["check+test"], BUDGETS, make, lambda: 1.0) == 0


def test_a_group_is_waited_for_where_one_fails_and_the_rest_left_out(ran, capsys):
    taken = {"check": (0, 1, 1), "test": (7, 1, 1), "demo": (0, 1, 1)}
    assert ran("test+check", "demo", **taken) == 7
    said = capsys.readouterr().out
    assert "check" in said
    assert "demo" not in said


def test_a_group_may_take_as_long_as_its_longest_target(timed):
    budgets = {name: {"wall": wall} for name, wall in (("a", 5), ("b", 7), ("c", 1))}
    assert timed.together(["a+b", "c"], budgets) == 8


def test_each_line_of_a_group_says_whose_it_is(timed, capfd):
    for taken in timed.run_at_once(["echo one", "echo three"], shell(timed)):
        assert taken.status == 0
    said = capfd.readouterr().out
    assert "\necho one   | one\n" in said
    assert "\necho three | three\n" in said


def test_the_cpu_seconds_of_a_group_are_each_targets_own(timed):
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    idle, working = timed.run_at_once(["sleep 0.1", f'python3 -c "{busy}"'], shell(timed))
    assert working.cpu >= 0.4 > idle.cpu


def shell(timed):
    return lambda target, begin: timed.run(target, begin, make=("sh", "-c"))


def test_the_workflow_makes_what_ci_runs_on_every_python_that_is_supported():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["make"]
    lines = [step["run"] for step in job["steps"] if "run" in step]
    assert [line for line in lines if "installed" not in line] == [
        ".ci/chromium",
        *(f"make {target}" for target in targets()),
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [re.search(r":: (3\.\d+)$", text) for text in project["classifiers"]]
    assert job["strategy"]["matrix"]["python"] == [version[1] for version in named if version]


def test_the_commit_hooks_are_make_check():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    recipe = re.search(r"^check:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = [line.replace("$(BIN)", ".venv/bin") for line in recipe[1].split("\n\t")]
    assert [hook["entry"] for hook in repository["hooks"]] == [line.strip() for line in commands]


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("Sources that are rightly classified.", "correctly"),
        ("One row a pair, one file a table.", "per"),
        ("Likewise, the nulls.", "subject first"),
        ('    """Of the run."""', "subject first"),
    ],
)
def test_a_word_that_has_a_plainer_one_is_named(line, instead):
    assert instead in next(said for _, _, said in script("words").remarks(line))


@pytest.mark.parametrize("line", ["One row per pair.", "It gives a source a class.", "All of it."])
def test_a_plain_line_is_left_alone(line):
    assert list(script("words").remarks(line)) == []
