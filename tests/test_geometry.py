import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from blindspots.geometry import (
    dot,
    mix,
    project_out,
    reference_triangle_weights,
    segment_weights,
    triangle_weights,
)
from tests.toys import random_images

SEEDS = st.integers(0, 2**31)


@given(SEEDS, st.floats(-30, 30))
def test_projection_is_orthogonal_at_any_length_of_the_normal(seed, exponent):
    direction, unit = random_images(2, seed)[:, None]
    normal = unit * 10.0**exponent
    projected = project_out(direction, normal)
    assert dot(projected, unit).abs().item() < 1e-5 * direction.norm().item() * unit.norm().item()


@given(SEEDS)
def test_projecting_twice_changes_nothing_and_the_parts_add_up(seed):
    direction, normal = random_images(2, seed)[:, None]
    once = project_out(direction, normal)
    torch.testing.assert_close(project_out(once, normal), once, atol=1e-6, rtol=1e-5)
    removed = direction - once
    cosine = torch.cosine_similarity(removed.flatten(1), normal.flatten(1)).abs()
    assert cosine.item() == pytest.approx(1, abs=1e-4)


def test_a_zero_normal_removes_nothing():
    direction = random_images(2)
    assert torch.equal(project_out(direction, torch.zeros_like(direction)), direction)


@given(st.integers(1, 40))
def test_the_triangle_grid_is_complete_and_its_rows_are_weights(steps):
    weights = triangle_weights(steps)
    assert len(weights) == (steps + 1) * (steps + 2) // 2
    assert len({tuple(round(v * steps) for v in row) for row in weights.tolist()}) == len(weights)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))
    assert weights[0].tolist() == [1, 0, 0]
    assert weights.min() >= 0


def test_the_reference_grid_lacks_the_two_points_a_float_test_loses():
    def tenths(weights):
        return {tuple(round(10 * v) for v in row) for row in weights.tolist()}

    lost = tenths(triangle_weights(10)) - tenths(reference_triangle_weights(10))
    assert lost == {(0, 8, 2), (0, 9, 1)}
    assert len(reference_triangle_weights(10)) == 64


def test_a_segment_goes_from_end_to_end_in_equal_steps():
    weights = segment_weights(101)
    torch.testing.assert_close(weights[:, 1], torch.linspace(0, 1, 101))
    assert weights[0].tolist() == [1, 0]
    assert weights[-1].tolist() == [0, 1]


def test_mixtures_are_the_weighted_sums():
    corners = random_images(3)
    weights = torch.tensor([[1.0, 0, 0], [0.2, 0.3, 0.5]])
    points = mix(weights, corners)
    torch.testing.assert_close(points[0], corners[0])
    torch.testing.assert_close(points[1], 0.2 * corners[0] + 0.3 * corners[1] + 0.5 * corners[2])
