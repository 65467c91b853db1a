import json
import math
from collections import Counter

import pytest

from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.measure.measurer import RowMaker
from blindspots.settings import Trust
from blindspots.study.estimate import Measured
from blindspots.study.pairs import HULLS
from tests.support.tiny import MODEL

WHAT = ["--model", MODEL, "--method", "reference", "--set", "max_steps=2", "--quiet"]


@pytest.fixture
def estimate(tiny_images):
    def ask(*options):
        return call(["estimate", *WHAT, "--images", tiny_images, *options])

    return ask


@pytest.fixture
def estimated(estimate, capsys):
    def ask(*options):
        assert estimate("--pairs", "7200", "--json", *options) == 0
        return json.loads(capsys.readouterr().out)

    return ask


def test_hours_follow_from_what_was_measured(estimated):
    said = estimated("--gpu", "big=3,20", "--gpu", "small=0.5,2", "--sources", "3")
    assert said["sample"] == 6
    assert said["most_evaluations_a_pair"] == 3.5
    assert said["evaluations_a_pair"] == {"value": 3.5, "low": 3.5, "high": 3.5}
    seconds, measuring = said["seconds_an_evaluation"], said["measuring_seconds_a_pair"]
    assert 0 < seconds["low"] <= seconds["value"] <= seconds["high"]
    hours = said["hours_here"]["value"]
    assert hours == pytest.approx(2 * (3.5 * seconds["value"] + measuring["value"]))
    assert said["hours_here"]["low"] < hours < said["hours_here"]["high"]
    big, small = said["gpus"]
    assert big["hours"]["value"] == pytest.approx(hours / 20)
    assert big["dollars"]["value"] == pytest.approx(3 * hours / 20)
    assert small["dollars"]["value"] == pytest.approx(0.5 * hours / 2)


def test_simplices_of_many_targets_are_measured_too(estimated, monkeypatch):
    """2,000 points a source of three targets; no such points, and no triangle, with one.

    What is measured is counted: of a toy, that takes no longer than what surrounds it.
    """
    whole, counted = {name: getattr(RowMaker, name) for name in HULLS}, Counter()
    for name in HULLS:

        def counting(self, sources, name=name):
            for rows in whole[name](self, sources):
                counted[name] += len(rows)
                yield rows

        monkeypatch.setattr(RowMaker, name, counting)
    usual = ("--sources", "6", "--targets-per-source")
    assert estimated(*usual, "1")["sample"] == 6
    assert not counted
    assert estimated(*usual, "3")["sample"] == 18
    assert counted == {"triangles": 18, "simplices": 6}


def test_the_text_says_the_same_with_its_ranges(estimate, capsys):
    given = ["--pairs", "10", "--sources", "2", "--targets-per-source", "1", "--gpu", "big=3,20"]
    assert estimate(*given) == 0
    text = capsys.readouterr().out
    assert "2 pairs done" in text
    assert "evaluations per pair: 3.5 (3.5 to 3.5), 3.5 if none ends early" in text
    assert "10 pairs on big, if it is 20 times as fast" in text
    assert "dollars at 3 an hour" in text


def test_errors_propagate_as_for_independent_factors():
    one, two = Measured(10.0, 1.0), Measured(5.0, 0.2)
    assert one * two == (50.0, pytest.approx(math.sqrt((1 * 5) ** 2 + (0.2 * 10) ** 2 + 0.2**2)))
    assert one + two == (15.0, pytest.approx(math.hypot(1, 0.2)))
    assert one.times(3) == (30.0, 3.0)
    assert (one.low, one.high) == (pytest.approx(10 / 1.2), 12.0)


def test_a_range_holds_no_time_of_0_however_much_times_differ():
    assert Measured(1.0, 5.0).low == pytest.approx(1 / 11)
    assert Measured(0.0, 0.0).low == Measured(0.0, 0.0).high == 0


def test_the_trust_that_is_given_reaches_the_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt2").touch()
    asked = []

    def estimate(request, *_):
        asked.append(request.trust)
        raise UsageError("enough")

    monkeypatch.setattr("blindspots.study.estimate.estimate", estimate)
    given = ["--model", "exported:model.pt2?size=12", "--pairs", "10", "--trust-file"]
    assert call(["estimate", *given, "--trust-remote-code"]) == 2
    assert asked == [Trust(file=True, remote_code=True)]
