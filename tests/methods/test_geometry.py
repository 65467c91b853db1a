import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from blindspots.methods.method import (
    LEAST_CLEARANCE,
    SPARE,
    clearance_needed,
    dot,
    least_multipliers,
    mix,
    newton,
    project_in,
    project_out,
    reference_triangle_weights,
    segment_weights,
    triangle_weights,
)
from tests.support.toys import random_images

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


def case(seed, planes, pixels):
    draw = torch.Generator().manual_seed(seed)
    shared = torch.randn(pixels, generator=draw)
    normals = torch.randn(planes, pixels, generator=draw) + shared
    return normals.double(), 2 * torch.rand(planes, generator=draw).double() - 0.3


def shortest_by_lawson_and_hanson(normals, need):
    """min ‖v‖ with A v ≥ b, as a non-negative least squares problem (their LDP, 1974)."""
    matrix = np.vstack((normals.T.numpy(), need[None].numpy()))
    goal = np.zeros(len(matrix))
    goal[-1] = 1
    weights, _ = nnls(matrix, goal, maxiter=10_000)
    residual = matrix @ weights - goal
    return torch.from_numpy(-residual[:-1] / residual[-1])


@given(st.integers(0, 2**31), st.integers(1, 12))
def test_the_multipliers_give_the_shortest_change_that_meets_every_plane(seed, planes):
    normals, need = case(seed, planes, 60)
    gram = (normals @ normals.T)[None].float()
    multipliers = least_multipliers(gram, need[None].float(), blocks=30)[0].double()
    assert (multipliers >= 0).all()
    change = normals.T @ multipliers
    if (need <= 0).all():
        assert change.norm() == 0
        return
    best = shortest_by_lawson_and_hanson(normals, need)
    assert (change - best).norm() < 1e-2 * best.norm()


def test_planes_without_a_normal_or_a_need_get_no_multiplier():
    gram = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0]]])
    need = torch.tensor([[1.0, 5.0, -torch.inf]])
    torch.testing.assert_close(least_multipliers(gram, need), torch.tensor([[0.5, 0.0, 0.0]]))


@given(st.integers(0, 2**31), st.floats(-5, 5))
def test_newton_raises_a_linear_scalar_by_what_was_asked(seed, rise):
    gradient = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    change = newton(torch.tensor([rise]), gradient)
    assert float((change * gradient).sum()) == pytest.approx(rise, abs=1e-4)
    torch.testing.assert_close(project_out(change, gradient), 0 * change, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.0, 1e-38, 1e-30, 1e30])
def test_newton_is_finite_whatever_the_gradient(scale):
    change = newton(torch.tensor([30.0]), torch.full((1, 3, 4, 4), scale))
    assert change.isfinite().all()
    assert (change == 0).all() == (scale == 0)


@given(st.integers(0, 2**31), st.floats(0, 20))
def test_onto_the_half_space_with_slack_a_scalar_falls_by_no_more(seed, slack):
    direction, normal = torch.randn(2, 8, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    projected = project_in(direction, normal, torch.full((8,), slack))
    before = (direction * normal).sum(dim=(1, 2, 3))
    after = (projected * normal).sum(dim=(1, 2, 3))
    torch.testing.assert_close(after, before.clamp(min=-slack), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(projected[before >= -slack], direction[before >= -slack])


@given(st.integers(0, 2**31))
def test_onto_the_half_space_what_raises_stays_and_what_lowers_goes(seed):
    direction, normal = torch.randn(2, 8, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    inner = (project_in(direction, normal) * normal).sum(dim=(1, 2, 3))
    before = (direction * normal).sum(dim=(1, 2, 3))
    torch.testing.assert_close(inner, before.clamp(min=0), atol=1e-4, rtol=1e-4)


@given(SEEDS, st.floats(1e-3, 1e3))
def test_a_clearance_without_a_limit_survives_every_rounding_of_a_linear_model(seed, scale):
    image, weights = random_images(2, seed)[:, None]
    gradient = scale * (weights - 0.5)
    unlimited = torch.tensor([1e9])
    needed = clearance_needed(1e9, unlimited, image, gradient)
    down = image - 0.5 / 255 * gradient.sign()
    lost = dot(gradient, image - down).item()
    assert needed.item() == pytest.approx(max(lost, LEAST_CLEARANCE), rel=1e-3)


@given(SEEDS, st.floats(1.0, 1e3), st.floats(0.01, 0.5))
def test_a_limited_clearance_still_survives_the_rounding_of_its_own_image(seed, scale, own):
    image, weights = random_images(2, seed)[:, None]
    gradient = scale * (weights - 0.5)
    lost = dot(gradient, image - (image * 255).round() / 255).item()
    needed = clearance_needed(1.0, torch.tensor([own]), image, gradient).item()
    assert needed >= SPARE * lost * (1 - 1e-5) - 1e-6
    assert needed >= 0.9 * own * (1 - 1e-5) or needed >= LEAST_CLEARANCE
