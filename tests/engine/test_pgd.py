from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from blindspots.cli.main import call
from blindspots.engine.pgd import PGD, accuracy_under_pgd
from blindspots.errors import ModelFailed
from tests.support.tiny import spec
from tests.support.toys import Linear, convolutional, random_images, random_linear, toy


def test_on_a_linear_model_every_pixel_goes_to_the_edge_of_the_ball():
    """The loss rises along sign(W_other − W_label) everywhere, so the ball's corner is reached."""
    weight = random_linear(0).weight.detach()
    images = random_images(3)
    found = PGD(epsilon=0.05, step_size=0.02, steps=5)(
        toy(Linear(weight)), images, torch.tensor([1, 1, 1])
    )
    corner = images + 0.05 * (weight[1] - weight[0]).sign().view(1, 3, 4, 4)
    torch.testing.assert_close(found, corner)


@given(st.integers(0, 2**31), st.floats(0.001, 0.3), st.booleans())
def test_the_ball_and_the_range_hold(seed, epsilon, targeted):
    images = random_images(2, seed, 0, 1)
    attack = PGD(epsilon=epsilon, step_size=epsilon, steps=3, targeted=targeted)
    start = torch.Generator().manual_seed(seed)
    found = attack(toy(convolutional()), images, torch.tensor([0, 1]), start)
    assert (found - images).abs().max() <= epsilon + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_walk_starts_at_the_image_and_moves_a_pixel_a_step_at_most():
    images, classes = random_images(2), torch.tensor([0, 1])
    method, model = PGD(epsilon=0.05, step_size=0.02, steps=4), toy(convolutional())
    seen = list(method.walk(model, images, classes))
    assert len(seen) == 5
    assert torch.equal(seen[0], images)
    assert all((b - a).abs().max() <= 0.02 + 1e-6 for a, b in pairwise(seen))
    assert torch.equal(seen[-1], method(model, images, classes))


@pytest.mark.parametrize("targeted", [True, False])
def test_foolbox_finds_the_same(targeted):
    import foolbox

    model, images = toy(convolutional()).eval(), random_images(4)
    classes = torch.tensor([0, 1, 2, 3])
    ours = PGD(epsilon=0.05, step_size=0.01, steps=20, targeted=targeted)(model, images, classes)
    theirs = foolbox.attacks.LinfPGD(abs_stepsize=0.01, steps=20, random_start=False)
    criterion = (
        foolbox.criteria.TargetedMisclassification if targeted else foolbox.Misclassification
    )
    raw, _, _ = theirs(
        foolbox.PyTorchModel(model, (0, 1)), images, criterion(classes), epsilons=0.05
    )
    same = ((ours - raw).abs() < 1e-4).float().mean()
    assert same > 0.99


class Late(nn.Module):
    """Answers well twice, then as it is told to."""

    def __init__(self, then):
        super().__init__()
        self.inner, self.then, self.asked = convolutional(), then, 0

    def forward(self, images):
        self.asked += 1
        answer = self.inner(images)
        return answer if self.asked < 3 else self.then(answer)


def raising(_answer):
    raise SystemExit(3)


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(_context, values):
        return values.clone()

    @staticmethod
    def backward(_context, _gradient):
        raise KeyError("no way back")


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (raising, r"raised SystemExit \(3\)"),
        (Backward.apply, "raised KeyError .* for its gradient"),
        (lambda answer: answer[:, :-1], r"returns \d outputs instead of \d"),
    ],
    ids=["exit", "backward", "outputs"],
)
def test_a_model_that_fails_on_the_way_is_said_to(then, said):
    model = toy(Late(then))
    assert model.num_classes
    with pytest.raises(ModelFailed, match=said):
        PGD(steps=4)(model, random_images(2), torch.tensor([0, 1]))


def test_accuracy_counts_images_that_survive_every_restart():
    weight = torch.zeros(2, 48)
    weight[0, 0] = 100.0
    model = toy(Linear(weight, torch.tensor([-50.0, 0.0])))
    images = torch.full((3, 3, 4, 4), 0.5)
    images[:, 0, 0, 0] = torch.tensor([0.2, 0.49, 0.9])
    labels = torch.tensor([1, 1, 0])
    attack = PGD(epsilon=0.05, step_size=0.05, steps=2, targeted=False)
    assert accuracy_under_pgd(model, images, labels, restarts=0) == 1
    assert accuracy_under_pgd(model, images, labels, method=attack) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("factory", "target", "holds"), [("constant", "1", True), ("build", "0", False)]
)
def test_a_prediction_that_holds_is_said(tmp_path, capsys, factory, target, holds):
    # Between red and green.
    Image.new("RGB", (12, 12), (128, 124, 80)).save(tmp_path / "red.png")
    given = [str(tmp_path / "red.png"), "--target", target, "--out", str(tmp_path / "out")]
    size = "?size=12" if factory == "build" else ""
    assert call(["sensitivity", *given, "--model", spec(factory) + size, "--quiet"]) == 0
    said = capsys.readouterr().out
    assert (", the prediction holds, no pixel changed" in said) == holds
