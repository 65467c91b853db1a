"""What is found hangs on no rounding: on a network of the zoo, with noise on every gradient."""

import pytest

from benchmarks.noise import METHODS, compared
from benchmarks.subjects import subject

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def about():
    return subject("shapes-resnet")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_noise_and_company_change_nothing_that_counts(about, method):
    pairs = about.pairs(1, 2)
    for row in compared(about.model, method, pairs, ("batch 1", "gradient noise")).values():
        assert row["rmse_held"] == row["endings_equal"] == 1
        assert row["triangle_apart"] <= 0.02
