"""What found images are held against: closed forms on linear models, and the main job's table."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import nn

import blindspots as bs
from blindspots.cli.main import call
from blindspots.engine.evaluator import Evaluator
from blindspots.measure.hulls import Corners, last_inside, straight_lines, whole_lines
from blindspots.measure.measurer import Measurer
from blindspots.store.reader import Run
from tests.support.runs import saved_image
from tests.support.tiny import MODEL
from tests.support.toys import Counting, Cramped, Linear, random_images, random_linear, toy

SIDE = 12


def falling(seed, p_source=0.95, p_target=0.2):
    """A linear model with these confidences at the ends of a line, and the ends."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.rand(2, 3, SIDE, SIDE, generator=generator)
    high, low = logit(p_source), logit(p_target)
    way = (source - target).flatten()
    weight = way * (high - low) / way.square().sum()
    bias = high - float(weight @ source.flatten())
    module = Linear(torch.stack((weight, 0 * weight)), torch.tensor([bias, 0.0]))
    return bs.Classifier(module, size=SIDE), Corners((source, target), 0)


def logit(p):
    return math.log(p / (1 - p))


@pytest.mark.parametrize("delta", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("p_target", [0.03, 0.2, 0.5])
def test_a_linear_model_holds_exactly_as_far_as_its_logit_says(delta, p_target):
    model, ends = falling(0, p_target=p_target)
    (line,) = straight_lines(Evaluator(model, chunk=7), [ends], delta)
    leaves = (logit(0.95) - logit(max(0.95 - delta, p_target))) / (logit(0.95) - logit(p_target))
    assert line.t == math.floor(100 * leaves) / 100
    margin = logit(0.95) - line.t * (logit(0.95) - logit(p_target))
    assert line.p_last == pytest.approx(1 / (1 + math.exp(-margin)), abs=1e-5)


def test_a_line_towards_more_confidence_holds_to_its_end():
    model, ends = falling(1, p_source=0.7, p_target=0.9)
    (line,) = straight_lines(Evaluator(model), [ends], 0.2)
    assert line.t == 1
    assert line.p_last == line.coarse[-1] == pytest.approx(0.9, abs=1e-5)


class Dip(nn.Module):
    """Sure of its class but for a brightness between two; the images are flat."""

    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high

    def forward(self, images):
        bright = images.mean(dim=(1, 2, 3))
        dark = ((bright > self.low) & (bright < self.high)).float()
        return torch.stack((4 - 8 * dark, torch.zeros_like(dark)), dim=1)


@pytest.mark.parametrize(("low", "high", "t"), [(0.235, 0.265, 0.23), (0.995, 2, 0.99)])
def test_a_dip_between_the_coarse_points_is_seen(low, high, t):
    ends = Corners((torch.zeros(3, 4, 4), torch.ones(3, 4, 4)), 0)
    (line,) = straight_lines(Evaluator(toy(Dip(low, high))), [ends], 0.2)
    assert line.t == t


def test_the_points_up_to_the_first_one_outside_count():
    assert last_inside([0.9, 0.8, 0.6, 0.9], 0.2) == 1
    assert last_inside([0.9, 0.9], 0.2) == 1
    assert last_inside([0.9, 0.1, 0.9], 0.2) == 0
    assert last_inside([0.9, math.nan, 0.9], 0.2) == 0


def test_many_lines_are_those_of_the_whole_curves_whatever_the_batch():
    model, images = toy(random_linear(3, classes=5, scale=0.5)), random_images(140, 3, 0, 1)
    labels = model(images[::2]).argmax(dim=1).tolist()
    pairs = zip(images[::2], images[1::2], labels, strict=True)
    ends = [Corners((source, target), label) for source, target, label in pairs]
    with pytest.warns(UserWarning, match="out of memory"):
        lines = list(
            straight_lines(Evaluator(toy(Cramped(model.module, 40)), chunk=64), ends, 0.02)
        )
    curves = list(whole_lines(Evaluator(model, chunk=999), ends))
    assert len({line.last for line in lines}) > 10
    for line, curve in zip(lines, curves, strict=True):
        assert line.coarse == pytest.approx(curve[::10], abs=1e-5)
        assert curve[line.last] >= curve[0] - 0.02 - 1e-5
        assert line.last == 100 or curve[line.last + 1] < curve[0] - 0.02 + 1e-5
        assert min(curve[: line.last + 1]) >= curve[0] - 0.02 - 1e-5


def test_only_forwards_are_asked_for_and_few_behind_the_point_where_the_line_leaves():
    model, ends = falling(2, p_target=0.001)
    module = Counting(model.module)
    model.module = module
    (line,) = straight_lines(Evaluator(model), [ends], 0.2)
    assert module.with_gradient == 0
    assert line.last < 30
    assert module.without <= 11 + 27


def test_the_columns_are_distances_to_the_target_of_the_source_and_of_the_last_point():
    model, ends = falling(3)
    (row,) = Measurer(model, Evaluator(model), 0.2).nulls([ends])
    source, target = (image.double().numpy() for image in ends.images)
    rms = float(np.sqrt(((source - target) ** 2).mean()))
    assert row["random_pair_rmse"] == pytest.approx(rms, abs=1e-7)
    assert row["interpolation_rmse"] == pytest.approx((1 - row["interpolation_t"]) * rms, abs=1e-6)
    largest = float(np.abs(source - target).max())
    assert row["interpolation_linf"] == pytest.approx((1 - row["interpolation_t"]) * largest)
    reached = source + row["interpolation_t"] * (target - source)
    assert row["interpolation_ssim"] == pytest.approx(wang(reached, target), abs=1e-6)
    assert row["random_pair_ssim"] == pytest.approx(wang(source, target), abs=1e-6)
    assert row["p_target"] == pytest.approx(0.2, abs=1e-5)
    expected = [1 / (1 + math.exp(-(logit(0.95) * (1 - t) + logit(0.2) * t))) for t in TENTHS]
    assert row["interpolation_confidence"] == pytest.approx(expected, abs=1e-5)
    assert row["interpolation_mean"] == pytest.approx(sum(expected) / 11, abs=1e-5)
    assert "random_pair_lpips" not in row


TENTHS = [number / 10 for number in range(11)]


def wang(a, b):
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(a, b, data_range=1.0, channel_axis=0, **settings)


def test_every_traversed_pair_has_its_row_and_old_runs_have_none(copy):
    run = Run(copy)
    edges = [
        {(row["model"], row["source_id"], row["target_id"]) for row in stored}
        for stored in (run.null_rows(), run.pair_rows(started=True))
    ]
    assert edges[0] == edges[1]
    assert len(run.null_rows(run.models[0].name)) == 18
    assert run.null_rows("another") == []
    assert {name for row in run.null_rows() for name, value in row.items() if value is None} == {
        "random_pair_lpips",
        "interpolation_lpips",
    }
    (copy / "nulls.parquet").unlink()
    assert Run(copy).null_rows() == []
    assert call(["table", str(copy)]) == 0


def test_the_rows_say_what_the_saved_images_give(finished):
    """Recomputed by hand: no code of the run is used."""
    model = bs.load_model(MODEL).eval()
    pairs = Run(finished).pair_rows(model.name)
    labels = {(row["source_id"], row["target_id"]): row["source_class"] for row in pairs}
    for row in Run(finished).null_rows(model.name):
        label = labels[row["source_id"], row["target_id"]]
        source, target = (saved_image(finished, row[name]) for name in ("source_id", "target_id"))
        line = torch.stack([source + i / 100 * (target - source) for i in range(101)])
        with torch.no_grad():
            curve = model(line).softmax(1)[:, label].tolist()
        last = round(100 * row["interpolation_t"])
        assert min(curve[: last + 1]) >= curve[0] - 0.2 - 1e-4
        assert last == 100 or curve[last + 1] < curve[0] - 0.2 + 1e-4
        assert row["p_interpolation"] == pytest.approx(curve[last], abs=1e-4)
        assert row["p_target"] == pytest.approx(curve[-1], abs=1e-4)
        assert row["interpolation_confidence"] == pytest.approx(curve[::10], abs=1e-4)
        rms = float((line[last] - target).square().mean().sqrt())
        assert row["interpolation_rmse"] == pytest.approx(rms, abs=1e-5)
