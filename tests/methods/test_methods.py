"""The traversals against closed forms: linear and radial classifiers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import blindspots as bs
from blindspots.methods import METHODS, describe_method, make_method
from blindspots.methods.method import project_out
from blindspots.schema import CONFINED_SCORES, GROUPED_METHODS, STRAIGHT_METHODS
from blindspots.scores import SCORES
from blindspots.scores.score import confidence
from tests.support.toys import (
    PIXELS,
    SIDE,
    Cliff,
    Linear,
    Radial,
    random_images,
    random_linear,
    toy,
)

TINY = 1e-12
UNBENT = [
    bs.Paper(epsilon=TINY, max_steps=25, step_size=0.2, delta=0.01),
    bs.Reference(epsilon=TINY, max_steps=25, step_size=0.2, delta=0.01, jitter=0),
]
METHOD = pytest.mark.parametrize("method", UNBENT, ids=repr)
SEEDS = st.integers(0, 2**31)


def traverse(module, sources, targets, method, **options):
    return bs.traverse(toy(module), sources, targets, method=method, **options)


@METHOD
@given(SEEDS)
def test_a_linear_model_ends_at_the_projection_of_the_target(method, seed):
    """x_m = x_s + (1 − (1 − η)^m) (Δ − (w·Δ / w·w) w): a straight line in the level set."""
    weight = random_linear(seed, scale=0.2).weight.detach()
    source, target = random_images(2, seed)[:, None]
    found = traverse(Linear(weight), source, target, method).found
    normal = (weight[0] - weight[1]).view_as(source)
    walked = 1 - (1 - method.step_size) ** method.max_steps
    expected = source + walked * project_out(target - source, normal)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


@METHOD
def test_a_linear_model_of_many_classes_keeps_its_whole_softmax_in_the_null_space(method):
    """Where W (x_t − x_s) = 0, every logit stays and the target itself is reached."""
    weight = random_linear(1, classes=7).weight.detach()
    source, step = random_images(2, 3)[:, None]
    basis = torch.linalg.qr(weight.T.double()).Q
    flat = (step - 0.5).flatten().double()
    null = (flat - basis @ (basis.T @ flat)).float().view_as(source)
    model = Linear(weight)
    result = traverse(model, source, source + null, method)
    left = (1 - method.step_size) ** method.max_steps * null.norm()
    assert (result.found - source - null).norm() < left + 1e-4
    torch.testing.assert_close(
        model(result.found).softmax(1), model(source).softmax(1), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    "method",
    [
        bs.Paper(max_steps=300, step_size=2e-2, epsilon=1e-4, delta=0.05),
        bs.Reference(max_steps=300, step_size=2e-2, epsilon=1e-4, delta=0.05, jitter=0),
    ],
    ids=repr,
)
def test_on_a_sphere_the_nearest_point_to_the_target_is_approached(method):
    """Level sets of a radial model are spheres; the nearest point lies on the target's ray."""
    centre = torch.full((3, SIDE, SIDE), 0.5)
    source = centre + 0.05 * _direction(0)
    target = centre + 0.12 * _direction(1)
    model = Radial(centre, radius=0.05 * math.sqrt(PIXELS) + 0.3, slope=4.0)
    result = traverse(model, source[None], target[None], method)
    ray = torch.cosine_similarity(
        (result.found[0] - centre).flatten(), (target - centre).flatten(), dim=0
    )
    start = torch.cosine_similarity((source - centre).flatten(), (target - centre).flatten(), dim=0)
    assert start < 0.3
    assert ray > 0.98
    assert result.confidence >= result.p_source - method.delta


@pytest.mark.parametrize("kind", [bs.Paper, bs.Reference])
@given(SEEDS)
def test_without_jitter_what_is_found_is_inside(kind, seed):
    sources, targets = random_images(3, seed, 0, 1), random_images(3, seed + 1, 0, 1)
    options = {"jitter": 0} if kind is bs.Reference else {}
    method = kind(max_steps=20, step_size=0.1, delta=0.1, **options)
    model = random_linear(seed, classes=4)
    result = traverse(model, sources, targets, method)
    again = confidence(model(result.found), result.label)
    torch.testing.assert_close(again, result.confidence, atol=1e-5, rtol=0)
    assert (result.confidence >= result.p_source - 0.1 - 1e-6).all()
    assert result.found.min() >= 0
    assert result.found.max() <= 1


@pytest.mark.parametrize("scale", [1e-30, 1e3, 1e6], ids=str)
@pytest.mark.parametrize("kind", [bs.Paper, bs.Reference])
def test_saturated_and_vanishing_gradients_leave_no_nan(kind, scale):
    sources, targets = random_images(4, 5), random_images(4, 6)
    result = traverse(random_linear(2, scale=scale), sources, targets, kind(max_steps=30))
    assert result.found.isfinite().all()
    assert result.confidence.isfinite().all()
    assert set(result.ending) <= {bs.Ending.FINISHED, bs.Ending.LEFT_LEVEL_SET}


def test_paper_keeps_its_direction_where_the_cross_entropy_gradient_is_noise():
    """At a margin of 60 the float32 softmax is exactly 1; the projection must not notice."""
    weight = random_linear(3, scale=0.2).weight.detach()
    source, target = random_images(2, 8)[:, None]
    margin = float((weight[0] - weight[1]) @ source.flatten())
    bias = torch.tensor([60.0 - margin, 0.0])
    method = bs.Paper(max_steps=200, step_size=0.05)
    found = traverse(Linear(weight, bias), source, target, method).found
    normal = (weight[0] - weight[1]).view_as(source)
    walked = 1 - 0.95**200
    expected = source + walked * project_out(target - source, normal)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


class RunOn(bs.Reference):
    """The reference without early retirement."""

    def _ending(self, state, stuck):
        return super()._ending(state, torch.zeros_like(stuck))


def test_a_stuck_pair_is_retired_at_once_with_the_same_result_as_running_on():
    source = torch.full((1, 3, SIDE, SIDE), 0.4)
    target = torch.full((1, 3, SIDE, SIDE), 0.9)
    settings = {"max_steps": 50, "step_size": 0.1, "jitter": 0}
    early = traverse(Cliff(0.5), source, target, bs.Reference(**settings))
    late = traverse(Cliff(0.5), source, target, RunOn(**settings))
    assert early.ending == [bs.Ending.STATIONARY]
    assert late.ending == [bs.Ending.FINISHED]
    assert early.steps.item() < 10 < late.steps.item() == 50
    assert torch.equal(early.found, late.found)


def test_paper_returns_the_last_image_inside_when_a_step_leaves():
    source = torch.full((1, 3, SIDE, SIDE), 0.4)
    target = torch.full((1, 3, SIDE, SIDE), 0.9)
    result = traverse(Cliff(0.5), source, target, bs.Paper(step_size=0.1))
    assert result.ending == [bs.Ending.LEFT_LEVEL_SET]
    assert 0.45 < result.found.mean() < 0.5


def test_the_jitter_is_uniform_within_its_bound():
    source = torch.full((1, 3, SIDE, SIDE), 0.5)
    method = bs.Reference(max_steps=1, step_size=TINY, epsilon=TINY, jitter=0.1)
    moved = traverse(random_linear(0), source, source, method).found - source
    assert moved.abs().max() <= 0.1 + 1e-6
    assert moved.abs().max() > 0.08
    assert abs(moved.mean()) < 0.03


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_made_from_text_and_described_back(name):
    method = make_method(name, {"max_steps": "7", "delta": "0.1"})
    assert describe_method(method) == {
        **describe_method(make_method(name)),
        "max_steps": 7,
        "delta": 0.1,
    }
    assert type(method.max_steps) is int


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("referense", {}, "did you mean reference"),
        ("paper", {"jitter": "0"}, "has no setting jitter"),
        ("paper", {"max_stepz": "0"}, "did you mean max_steps"),
        ("paper", {"max_steps": "many"}, "a whole number"),
        ("paper", {"max_steps": "0"}, "at least 1"),
        ("reference", {"epsilon": "-1"}, "must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, settings, words):
    with pytest.raises(bs.Refused, match=words):
        make_method(name, settings)


def _direction(seed):
    values = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return values / values.norm() * math.sqrt(PIXELS)


def test_what_is_known_of_methods_and_scores_without_torch_is_what_their_classes_say():
    assert tuple(name for name, kind in METHODS.items() if kind.grouped) == GROUPED_METHODS
    assert tuple(name for name, kind in METHODS.items() if kind.straight) == STRAIGHT_METHODS
    assert tuple(name for name, kind in SCORES.items() if kind.confined) == CONFINED_SCORES
