import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

import blindspots as bs
from blindspots.engine.evaluator import Evaluator
from blindspots.measure.hulls import Corners, measure_hulls, segments, simplices, triangles
from blindspots.methods.method import mix, segment_weights, triangle_weights
from blindspots.schema import wilson
from tests.support.toys import (
    PIXELS,
    SIDE,
    Cramped,
    Linear,
    convolutional,
    random_images,
    random_linear,
    toy,
)


def brightness(slope, threshold):
    """Class 0 while the mean brightness is below the threshold: closed forms on every line."""
    weight = torch.stack((torch.full((PIXELS,), -slope / PIXELS), torch.zeros(PIXELS)))
    return toy(Linear(weight, torch.tensor([slope * threshold, 0.0])))


def grey(value):
    return torch.full((3, SIDE, SIDE), value)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_a_segment_of_a_linear_model_is_a_sigmoid():
    line = bs.segment(brightness(20, 0.5), grey(0.2), grey(0.6), 0, points=11)
    expected = [sigmoid(20 * (0.5 - 0.2 - 0.4 * i / 10)) for i in range(11)]
    assert line.confidence.tolist() == pytest.approx(expected, abs=1e-5)
    assert line.mean == pytest.approx(sum(expected) / 11, abs=1e-5)
    assert line.minimum == pytest.approx(expected[-1], abs=1e-5)
    assert line.p_source == pytest.approx(expected[0], abs=1e-5)


class Notch(torch.nn.Module):
    """Sure everywhere but in a narrow band of brightness."""

    def __init__(self, place, width):
        super().__init__()
        self.place, self.width = place, width

    def forward(self, images):
        away = (images.mean(dim=(1, 2, 3)) - self.place) / self.width
        return torch.stack((6 - 12 * torch.exp(-(away**2)), torch.zeros(len(images))), dim=1)


def test_the_minimum_of_a_segment_is_refined_between_its_points():
    """The notch lies between two of the 101 points: only the refinement sees its bottom."""
    model = toy(Notch(place=0.5025, width=0.002))
    line = bs.segment(model, grey(0.0), grey(1.0), 0, points=101)
    bottom = sigmoid(-6)
    assert line.minimum == pytest.approx(bottom, abs=0.01)
    assert line.confidence.min() > bottom + 0.01


def test_the_triangle_of_a_linear_model_is_known_at_every_point():
    corners = grey(0.2), grey(0.6), grey(0.4)
    hull = bs.triangle(brightness(20, 0.5), *corners, 0, steps=10)
    place = hull.weights @ torch.tensor([0.2, 0.6, 0.4])
    expected = torch.sigmoid(20 * (0.5 - place))
    torch.testing.assert_close(hull.confidence, expected, atol=1e-5, rtol=0)
    assert len(hull.confidence) == 66
    share = (expected >= expected[0] - 0.1).float().mean()
    assert hull.fraction(0.1) == pytest.approx(share)


def test_at_a_drop_of_zero_margins_decide_where_confidences_are_equal():
    """All confidences round to 1, yet only the darker third of the points has the margin."""
    corners = grey(0.2), grey(0.3), grey(0.1)
    hull = bs.triangle(brightness(2000, 0.9), *corners, 0)
    assert hull.confidence.unique().tolist() == [1.0]
    darker = (hull.weights @ torch.tensor([0.2, 0.3, 0.1]) < 0.2 + 1e-6).float().mean()
    assert hull.fraction(0) == pytest.approx(darker.item(), abs=0.1)
    assert 0.3 < hull.fraction(0) < 0.7


def test_the_reference_grid_has_64_points_and_counts_strictly():
    flat = toy(Linear(torch.zeros(2, PIXELS)))
    corners = random_images(3)
    assert bs.triangle(flat, *corners, 0).fraction(0.0) == 1
    strict = bs.triangle(flat, *corners, 0, grid="reference")
    assert len(strict.confidence) == 64
    assert strict.fraction(0.0) == 0
    assert strict.fraction(0.1) == 1


@given(st.integers(0, 2**31))
def test_hulls_agree_with_a_plain_loop(seed):
    model, corners = toy(convolutional(seed % 7)), random_images(3, seed)
    label = int(model(corners[:1]).argmax())
    hull = bs.triangle(model, *corners, label, steps=4)
    plain = torch.stack([model(mix(w[None], corners)).softmax(1)[0, label] for w in hull.weights])
    torch.testing.assert_close(hull.confidence, plain, atol=1e-5, rtol=0)


def test_a_simplex_samples_the_hull_evenly_and_reproducibly():
    model, source, found = toy(random_linear(0)), random_images(1)[0], list(random_images(4, 1))
    cloud = bs.simplex(model, source, found, 0, samples=4000, seed=3)
    again = bs.simplex(model, source, found, 0, samples=4000, seed=3)
    assert torch.equal(cloud.confidence, again.confidence)
    weights = cloud.weights[1:]
    assert weights.shape == (4000, 5)
    torch.testing.assert_close(weights.sum(1), torch.ones(4000))
    assert weights.mean(0).tolist() == pytest.approx([0.2] * 5, abs=0.01)
    assert weights.var(0).tolist() == pytest.approx([4 / 150] * 5, abs=0.002)
    low, high = cloud.interval(0.2)
    assert low <= cloud.fraction(0.2) <= high


def test_wilson_is_the_published_interval():
    """Wilson's interval for 10 of 20, as tabled by Newcombe (1998), method 3."""
    assert wilson(0.5, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(0, 30) == pytest.approx((0, 0.1135), abs=1e-4)


@given(st.integers(0, 40), st.integers(1, 40))
def test_wilson_is_that_of_scipy(hits, count):
    hits = min(hits, count)
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits / count, count) == pytest.approx(tuple(expected))


def test_wilson_reaches_from_nought_to_one_and_no_further():
    for count in range(1, 2001):
        low, high = zip(wilson(0.0, count), wilson(1.0, count), strict=True)
        assert (low[0], high[1]) == (0.0, 1.0)
        assert 0 < high[0] == pytest.approx(1 - low[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, i: bs.segment(m, *i[:2], 0, points=1), "points=1"),
        (lambda m, i: bs.triangle(m, *i, 0, steps=0), "steps=0"),
        (lambda m, i: bs.simplex(m, i[0], [], 0), "0 found images"),
    ],
)
def test_hulls_without_points_are_refused(call, words):
    with pytest.raises(bs.Refused, match=words):
        call(toy(random_linear(0)), random_images(3))


class Batches(torch.nn.Module):
    """Passes on to another module and notes how many images it was shown at once."""

    def __init__(self, module):
        super().__init__()
        self.module, self.sizes = module, []

    def forward(self, images):
        self.sizes.append(len(images))
        return self.module(images)


def mixed_hulls(seed, count):
    """Segments, triangles and simplices of random images, in random turns."""
    kinds = {2: segment_weights(7), 3: triangle_weights(4), 5: torch.full((13, 5), 0.2)}
    turns = torch.Generator().manual_seed(seed)
    for number in range(count):
        corners = list(kinds)[int(torch.randint(3, (1,), generator=turns))]
        images = tuple(random_images(corners, seed + number))
        yield Corners(images, number % 3), kinds[corners]


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(0, 9))
def test_hulls_in_one_stream_are_as_they_are_alone_and_fill_their_batches(seed, chunk, count):
    module = Batches(convolutional(seed % 5))
    evaluator, hulls = Evaluator(toy(module), chunk=chunk), list(mixed_hulls(seed, count))
    streamed = list(measure_hulls(evaluator, iter(hulls)))
    points = sum(len(weights) for _, weights in hulls)
    assert module.sizes == [chunk] * (points // chunk) + [points % chunk] * (points % chunk > 0)
    alone = [next(measure_hulls(evaluator, [hull])) for hull in hulls]
    for one, other in zip(streamed, alone, strict=True):
        torch.testing.assert_close(one.confidence, other.confidence, atol=1e-5, rtol=0)
        torch.testing.assert_close(one.height, other.height, atol=1e-4, rtol=0)


def test_many_segments_triangles_and_simplices_are_those_of_the_public_functions():
    model, images = toy(convolutional(1)), [tuple(random_images(3, i)) for i in range(5)]
    evaluator, corners = (
        Evaluator(model, chunk=50),
        [Corners(three, i) for i, three in enumerate(images)],
    )
    lines = segments(evaluator, [Corners(c.images[:2], c.label) for c in corners])
    clouds = simplices(evaluator, [(c, c.label) for c in corners], 30)
    for line, hull, cloud, (three, label) in zip(
        lines, triangles(evaluator, corners), clouds, corners, strict=True
    ):
        alone = bs.segment(model, *three[:2], label)
        assert line.minimum == pytest.approx(alone.minimum, abs=1e-5)
        torch.testing.assert_close(line.confidence, alone.confidence, atol=1e-5, rtol=0)
        alone = bs.triangle(model, *three, label)
        torch.testing.assert_close(hull.confidence, alone.confidence, atol=1e-5, rtol=0)
        alone = bs.simplex(model, three[0], three[1:], label, samples=30, seed=label)
        assert torch.equal(cloud.weights, alone.weights)
        torch.testing.assert_close(cloud.confidence, alone.confidence, atol=1e-5, rtol=0)
        assert cloud.mean == pytest.approx(cloud.confidence[1:].mean().item(), abs=1e-6)


def test_the_stream_goes_on_in_the_halved_batch_where_memory_ran_out():
    module = Batches(convolutional())
    evaluator = Evaluator(toy(Cramped(module, most=12)), chunk=40)
    with pytest.warns(UserWarning, match="out of memory"):
        streamed = list(measure_hulls(evaluator, mixed_hulls(0, 9)))
    assert evaluator.chunk == 10
    assert set(module.sizes[:-1]) == {10}
    whole = list(measure_hulls(Evaluator(toy(convolutional()), chunk=999), mixed_hulls(0, 9)))
    for one, other in zip(streamed, whole, strict=True):
        torch.testing.assert_close(one.confidence, other.confidence, atol=1e-5, rtol=0)


def test_corners_are_taken_when_their_points_are_due():
    """No more than the batch that is measured and the one behind it are read ahead."""
    taken = []

    def hulls():
        for number in range(20):
            taken.append(number)
            yield Corners(tuple(random_images(2, number)), 0), segment_weights(10)

    for done, _ in enumerate(
        measure_hulls(Evaluator(toy(convolutional()), chunk=20), hulls()), start=1
    ):
        assert len(taken) <= done + 5
    assert done == len(taken) == 20


def test_the_model_is_frozen_during_the_stream_and_as_before_afterwards():
    model = toy(convolutional()).train()
    seen = []
    model.module.register_forward_pre_hook(lambda part, _: seen.append(part.training))
    list(measure_hulls(Evaluator(model, chunk=20), mixed_hulls(0, 5)))
    assert seen
    assert not any(seen)
    assert model.training
    assert all(weight.requires_grad for weight in model.parameters())
