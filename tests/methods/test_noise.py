"""What is found hangs on no rounding: on networks of the zoo, with noise on every gradient."""

import pytest

import blindspots as bs
from benchmarks.noise import METHODS, compared
from benchmarks.subjects import subject

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_noise_and_company_change_nothing_that_counts(method):
    check(subject("shapes-resnet"), method, sources=1)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("shapes-resnet-at", bs.Adaptive()),
        ("shapes-vit-at", bs.Adaptive()),
        ("shapes-vit-at", bs.Star()),
    ],
)
def test_walks_that_noise_has_moved_settle_alike(name, method):
    check(subject(name), method, sources=6)


def check(about, method, sources):
    pairs = about.pairs(sources, 2)
    for row in compared(about.model, method, pairs, ("batch 1", "gradient noise")).values():
        assert row["rmse_held"] == row["endings_equal"] == 1
        assert row["triangle_apart"] <= 0.02
