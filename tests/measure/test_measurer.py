"""What is measured of found images does not hang on how they were found."""

import pytest

from blindspots.engine.evaluator import Evaluator
from blindspots.measure.hulls import Corners
from blindspots.measure.measurer import Measurer
from tests.support.toys import convolutional, random_images, toy


def test_hulls_are_measured_in_fp32_whatever_the_traversal_was():
    model = toy(convolutional())
    corners = [Corners(tuple(random_images(3, seed)), 0) for seed in range(4)]
    keyed = [(str(seed), three) for seed, three in enumerate(corners)]
    fine, rough = (Measurer(model, Evaluator(model, precision=p), 0.2) for p in ("fp32", "bf16"))
    assert list(fine.triangles(corners)) == list(rough.triangles(corners))
    assert list(fine.simplices(keyed, 0)) == list(rough.simplices(keyed, 0))


def test_a_simplex_is_keyed_by_the_seed_and_the_source():
    model, three = toy(convolutional()), Corners(tuple(random_images(3, low=0, high=1)), 0)
    measurer = Measurer(model, Evaluator(model, chunk=64), 0.2)
    (one, again, other) = measurer.simplices([("a", three), ("a", three), ("b", three)], 0)
    (seeded,) = measurer.simplices([("a", three)], 1)
    assert one["mean"] == pytest.approx(again["mean"], abs=1e-6)
    assert len({round(row["mean"], 9) for row in (one, other, seeded)}) == 3
    assert other["p_source"] == pytest.approx(one["p_source"], abs=1e-6)
