import math

import pytest

import blindspots as bs
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
