"""Refusals of Python calls, files and models: what each advises is done, and is not refused.

`snapshots/advice.txt` has every refusal of the source, and what follows its advice: a new refusal
that nothing follows fails here. `--write-snapshots` adds what the cases followed.
"""

from contextlib import ExitStack

import pytest
from huggingface_hub import constants

from blindspots.errors import UsageError
from tests.support.advice import BESIDE
from tests.support.advice_network import Network
from tests.support.advised import cases
from tests.support.refusal_sites import raised
from tests.support.refusals import COMMANDS
from tests.system.test_messages import lay_runs


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def laid_runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    lay_runs(place)
    return place


@pytest.fixture(scope="module")
def shared():
    """What is open until the last case: the explorer's server, and what it made."""
    with ExitStack() as opened:
        yield {"opened": opened, "kept": {}}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("wrong", "advised", "then"), [pytest.param(*case, id=case[0][:70]) for case in cases()]
)
def test_following_a_refusals_advice_succeeds(
    tmp_path, tiny_images, finished, laid_runs, monkeypatch, shared, followed, wrong, advised, then
):
    world = Network(tmp_path, tiny_images, finished, laid_runs, patch=monkeypatch, **shared)
    names = world.names()
    with raised() as sites, pytest.raises(UsageError) as said:
        eval(wrong, names)
    world.said = names["said"] = str(said.value)
    assert advised in world.said
    eval(then, names)
    followed(sites[-1], wrong)


def test_every_refusal_is_followed(advice):
    advice.check_complete()
    known = {f"blindspots {command}" for command in COMMANDS} | {wrong for wrong, *_ in cases()}
    for refusal, answer in advice.blocks.items():
        assert {*answer.splitlines()} <= known | {*BESIDE}, refusal
