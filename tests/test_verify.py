import json
import math

import pytest

import blindspots as bs
from blindspots.cli.app import call
from blindspots.drawn import draw_rows
from blindspots.run_reader import Run
from blindspots.verify import TOLERANCES, Verification


def test_the_largest_deviation_is_kept_with_its_place():
    result = Verification()
    result.compare("first", {"rmse": 0.5, "lpips": None}, {"rmse": 0.5001, "lpips": 0.3})
    result.compare("second", {"rmse": 0.5}, {"rmse": 0.52})
    result.compare("third", {"rmse": 0.5}, {"rmse": 0.5})
    assert result.largest == {"rmse": pytest.approx(0.02)}
    assert result.where == {"rmse": "second"}
    assert result.different == ["rmse"]
    assert "DIFFERENT at second" in result.text()
    with pytest.raises(bs.WorkFailed, match="rmse"):
        result.raise_if_different()


@pytest.mark.parametrize("order", [(math.nan, 0.5), (0.5, math.nan)])
def test_nan_is_never_noise(order):
    result = Verification()
    for again in order:
        result.compare("pair", {"rmse": 0.5}, {"rmse": again})
    assert result.different == ["rmse"]


def test_float_noise_agrees():
    result = Verification()
    for column, tolerance in TOLERANCES.items():
        result.compare("pair", {column: [0.5, 0.5]}, {column: [0.5, 0.5 + tolerance / 2]})
    assert result.different == []
    assert "agrees" in result.text()
    assert result.as_json()["rows"] == len(TOLERANCES)
    result.raise_if_different()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("verified") / "run"
    models = ["--model", "zoo:shapes-resnet", "--model", "zoo:shapes-resnet-at"]
    few = ["--images", "sample:shapes?n=30", "--sources", "5", "--quiet"]
    steps = ["--method", "reference", "--set", "max_steps=3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.outcome.write_figures", lambda *_: [])
        assert call(["run", *models, *few, *steps, "--out", str(out)]) == 0
    return out


class TestSources:
    """`--sources`: a few of a run's sources, with all that starts from them."""

    @pytest.mark.parametrize(("options", "each"), [(["--sources", "2"], 2), ([], 5)])
    def test_so_many_sources_of_each_model_are_computed_again(self, run, capsys, options, each):
        assert call(["verify", str(run), "--json", "--quiet", *options]) == 0
        pairs, triangles, nulls = 2, 1, 2
        assert json.loads(capsys.readouterr().out)["rows"] == 2 * each * (pairs + triangles + nulls)

    def test_more_than_there_are_is_all(self, run):
        stored, all_of_it = (draw_rows(Run(run), "zoo:shapes-resnet", n) for n in (99, None))
        for name in ("pairs", "triangles", "nulls"):
            one, other = (sorted(getattr(s, name), key=str) for s in (stored, all_of_it))
            assert one == other

    def test_none_is_refused(self, run, capsys):
        assert call(["verify", str(run), "--sources", "0"]) == 2
        assert "expected at least 1" in capsys.readouterr().err
