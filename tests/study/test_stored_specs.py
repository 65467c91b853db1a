"""A run directory is data from a stranger: opening one runs no code that it names."""

import pytest

from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.explorer.app_state import ExplorerConfig, load
from blindspots.models.load import load_model
from blindspots.settings import NO_TRUST, Trust
from blindspots.study.reload import check_stored_spec
from tests.support.run_factory import Factory
from tests.support.tiny import MODEL, NAMES, SIDE, SMOOTH

EVIL = """
from pathlib import Path
from tests.support.tiny_model import build
Path(__file__).with_suffix(".canary").write_text("executed")
def make(): return build()
"""
OPENING = {
    "verify": ["verify"],
    "widths": ["widths"],
    "transfer": ["transfer"],
    "transfer beside others": ["transfer", "--model", SMOOTH],
    "explore": ["explore", "--no-open", "--port", "0", "--run"],
}


@pytest.fixture
def strange(tmp_path):
    """A run whose model is a Python file that leaves a canary when it is executed."""
    file = tmp_path / "evil.py"
    file.write_text(EVIL)
    named = f"file:{file}:make?size={SIDE}"
    facts = {"name": MODEL, "spec": named, "fingerprint": load_model(MODEL).fingerprint()}
    wishes = {"size": SIDE, "sources": 2, "frames": 3, "classes": NAMES, "models": [MODEL]}
    return Factory(**wishes, info={"models": [facts]}).write(tmp_path / "run"), named


@pytest.mark.parametrize("words", OPENING.values(), ids=OPENING)
def test_code_that_a_run_names_is_not_executed(strange, tmp_path, capsys, words):
    path, named = strange
    out = ["--out", str(tmp_path / "cases")] if words[0] == "explore" else []
    assert call([*words, str(path), *out]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert "--trust-run-code" in error
    assert not (tmp_path / "evil.canary").exists()


def test_a_run_does_not_say_where_to_write(tmp_path, capsys):
    named = f"timm:resnet10t?num_classes=3&cache_dir={tmp_path}/elsewhere"
    facts = {"name": MODEL, "spec": named}
    wishes = {"size": SIDE, "sources": 2, "frames": 3, "classes": NAMES, "models": [MODEL]}
    path = Factory(**wishes, info={"models": [facts]}).write(tmp_path / "run")
    assert call(["widths", str(path)]) == 2
    error = capsys.readouterr().err
    assert f"cache_dir={tmp_path}/elsewhere was given in timm:resnet10t" in error
    assert not (tmp_path / "elsewhere").exists()


def test_code_that_a_run_names_is_executed_where_the_user_trusts_it(strange, tmp_path):
    path, _ = strange
    given = ["--directions", "2", "--points", "3", "--quiet", "--trust-run-code"]
    assert call(["widths", str(path), *given]) == 0
    assert (tmp_path / "evil.canary").exists()


def test_a_model_that_is_given_on_the_command_line_needs_no_flag(tmp_path):
    facts = {"name": SMOOTH, "spec": SMOOTH}
    wishes = {"size": SIDE, "sources": 2, "classes": NAMES, "models": [SMOOTH]}
    path = Factory(**wishes, info={"models": [facts]}).write(tmp_path / "run")
    wanted = {"images": "", "out": tmp_path / "cases", "run": path}
    with pytest.raises(UsageError, match="--trust-run-code"):
        load(ExplorerConfig(models=(), **wanted))
    state = load(ExplorerConfig(models=(SMOOTH,), **wanted))
    assert list(state.subjects) == [SMOOTH]


@pytest.mark.parametrize("named", ["zoo:shapes-resnet", "hf:org/name", "timm:resnet18"])
def test_embedded_and_hub_models_of_a_run_need_no_flag(named):
    check_stored_spec(named, NO_TRUST)


@pytest.mark.parametrize("named", ["file:a.py:make", "python:a.b:make"])
def test_code_is_trusted_by_the_flag_or_by_the_same_spec(named):
    with pytest.raises(UsageError, match=named):
        check_stored_spec(named, NO_TRUST, ["zoo:shapes-resnet"])
    check_stored_spec(named, NO_TRUST, [named])
    check_stored_spec(named, Trust(run_code=True))
