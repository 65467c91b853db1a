"""`BlindSpot` and the fixture of pytest: numbers of a model inside a training or a test."""

import pytest
import torch
from torch import nn

import blindspots as bs
from tests.support.tiny import MODEL


class OneChannel(nn.Module):
    """Sees the mean of the first channel alone: two classes, dark and bright."""

    def forward(self, images):
        seen = 40 * (images[:, 0].mean(dim=(1, 2)) - 0.5)
        return torch.stack([-seen, seen], dim=1)


@pytest.fixture
def pictures():
    """Noise, dark in its first channel or bright, of SSIM's smallest size."""
    images = torch.rand(12, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 2
    images[:, 0] = 0.15 + 0.6 * labels.view(-1, 1, 1) + 0.1 * images[:, 0]
    return images, labels


def model():
    return bs.Classifier(OneChannel(), size=12)


def test_what_a_model_does_not_look_at_is_within_reach(pictures):
    metric = bs.BlindSpot(pictures, sources=4)
    metric.update(model())
    numbers = metric.compute()
    images, labels = pictures
    lines, seen = [], []
    for dark in images[labels == 0]:
        for bright in images[labels == 1]:
            lines.append((dark - bright).square().mean().sqrt())
            seen.append((dark[0] - bright[0]).square().mean().div(3).sqrt())
    least = 1 - max(one / line for one, line in zip(seen, lines, strict=True))
    assert least < numbers["reach"] < 1
    assert numbers["pairs"] == 4
    assert 0 < numbers["rmse"] < max(seen)


def test_it_is_the_mean_over_all_models_until_it_is_reset(pictures):
    metric = bs.BlindSpot(pictures, sources=2, method="adaptive")
    alone = metric(model())
    assert metric(model())["reach"] == pytest.approx(float(alone["reach"]), abs=1e-6)
    assert metric.compute()["pairs"] == 4
    assert metric.compute()["reach"] == pytest.approx(float(alone["reach"]), abs=1e-6)
    metric.reset()
    with pytest.raises(bs.UsageError, match=r"type metric.update\(model\) first"):
        metric.compute()


def test_sources_have_targets_of_their_own_drawn_by_the_seed(pictures, monkeypatch):
    asked = []

    def traversed(model, source, target, kept, **options):
        asked.append((source, target))
        return []

    monkeypatch.setattr("blindspots.api.blind_spot.traverse", traversed)
    for seed in (0, 0, 1):
        bs.BlindSpot(pictures, sources=6, seed=seed).update(model())
    (source, target), again, other = asked
    bright = [images[:, 0].mean(dim=(1, 2)) > 0.5 for images in (source, target)]
    assert torch.equal(bright[0], ~bright[1])
    assert len(target.flatten(1).unique(dim=0)) > 2
    assert torch.equal(target, again[1])
    assert not torch.equal(target, other[1])


def test_a_model_in_training_goes_on_training(pictures):
    network = model().train()
    bs.BlindSpot(pictures, sources=1, method="adaptive").update(network)
    assert network.training


def test_pairs_that_cannot_be_are_refused(pictures):
    images, labels = pictures
    with pytest.raises(bs.UsageError, match="give more images"):
        bs.BlindSpot((images[labels == 0], labels[labels == 0])).update(model())


def test_the_fixture_gives_a_finished_run_once(blindspots_run, tiny_images):
    asked = {"model": MODEL, "images": tiny_images, "sources": 3, "targets_per_source": 1}
    run = blindspots_run(**asked)
    assert run.finished
    assert blindspots_run(**asked) is run
    run.check(max={"rmse": 1.0}).raise_if_broken()
