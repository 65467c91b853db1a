import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import blindspots as bs
from blindspots.geometry import mix
from blindspots.hulls import wilson
from tests.toys import PIXELS, SIDE, Linear, convolutional, random_images, random_linear, toy


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
