"""What single lines of the doctor say: their numbers, and faults that only one of them can see."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from blindspots.cli.main import call
from blindspots.diagnosis.gradient_checks import check_speed, check_true
from blindspots.diagnosis.input_checks import check_8bit
from blindspots.diagnosis.sample import Evidence
from blindspots.engine import device
from blindspots.engine.evaluator import Evaluator
from tests.diagnosis.test_doctor import FEW, examine, names_of, the_wrong_one
from tests.support.toys import PIXELS, SIDE, Cliff, Linear, convolutional, random_images, toy

MIB = 2**20


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    shutil.copy(Path(__file__).parents[1] / "support" / "faulty_models.py", folder / "model.py")
    return folder


def line(found, name):
    (one,) = [one for one in found["findings"] if one["name"] == name]
    return one


# ------------------------------------------------------------------------------- without classes


def test_an_embedding_is_examined_for_what_needs_no_classes(place, capsys):
    status, found, error = examine(place, capsys, "embedding")
    assert (status, error) == (0, "")
    assert (found["classes"], found["accuracy"], found["mean_confidence"]) == (0, None, None)
    names = ["finite", "determinism", "eval mode", "gradient", "speed"]
    assert [one["name"] for one in found["findings"]] == names
    assert {one["level"] for one in found["findings"]} == {"ok"}
    assert call(["doctor", f"file:{place}/model.py:embedding", "--images", FEW, "--quiet"]) == 0
    assert "embedding: 10 features, 64 × 64 px" in " ".join(capsys.readouterr().out.split())


def test_an_embedding_without_a_gradient_is_named(place, capsys):
    status, found, error = examine(place, capsys, "detached_embedding")
    assert status == 1
    assert names_of(found) == {"gradient"}
    assert "gradient would make results wrong" in error


# ---------------------------------------------------------------------------------------- 8 bits


def mid_grey(count):
    """Images of whole grey levels whose mean is just between two of them."""
    away = np.random.default_rng(0).integers(0, 20, (count, 3, SIDE, SIDE // 2))
    return torch.from_numpy(np.concatenate([127 - away, 128 + away], axis=3)).float() / 255


def by_brightness(slope, edge):
    """Two classes whose logits differ by the slope times the brightness above the edge."""
    weight = torch.stack([torch.full((PIXELS,), slope / PIXELS), torch.zeros(PIXELS)])
    return toy(Linear(weight, torch.tensor([-slope * edge, 0.0])))


@pytest.mark.parametrize(("slope", "edge", "level"), [(10, 0.4, "ok"), (5000, 0.4999, "note")])
def test_8_bits_are_measured_as_their_formula_says(slope, edge, level):
    images, evaluator = mid_grey(20), Evaluator(by_brightness(slope, edge))
    logits = evaluator.logits(images)
    labels = logits.argmax(dim=1)
    evidence = Evidence(evaluator=evaluator, images=images, labels=labels, logits=logits)
    (found,) = check_8bit(evidence)
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    brightness = (images.double() + noise.double() / 255).mean(dim=(1, 2, 3))
    moved, rounded = (
        torch.sigmoid(slope * (one - edge)) for one in (brightness, torch.tensor(0.5))
    )
    change, flips = (moved - rounded).abs(), int((moved < 0.5).sum())
    assert found.level == level
    assert (flips > 1) == (level == "note")
    assert found.values["mean_change"] == pytest.approx(float(change.mean()), rel=0.01)
    assert found.values["largest_change"] == pytest.approx(float(change.max()), rel=0.01)
    assert (found.values["changed_predictions"], found.values["images"]) == (flips, 20)
    assert f"by {found.values['mean_change']:.1g} on average" in found.found
    assert f"changes {flips} of 20 predictions" in found.found
    assert ("--keep found" in found.remedy) == (level == "note")


def test_the_line_on_8_bits_is_part_of_the_page(place, capsys):
    _, found, _ = examine(place, capsys, "sound")
    values = line(found, "8 bits")["values"]
    assert 0 < values["mean_change"] <= values["largest_change"] < 0.02
    assert (values["changed_predictions"], values["images"]) == (0, 40)


# ----------------------------------------------------------------------------------------- speed


def test_speed_says_what_an_evaluation_costs_and_how_many_fit(place, capsys, monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2097152 kB\n")
    monkeypatch.setattr(device, "MEMORY", tmp_path / "meminfo")
    _, found, _ = examine(place, capsys, "sound")
    one = line(found, "speed")
    values = one["values"]
    assert 0 < values["ms_per_evaluation"] < 1000
    assert values["batch"] == 32
    assert values["about_fit"] == int(2048 / values["mib_per_image"])
    assert f"about {values['about_fit']:,} images fit into the memory that is free" in one["found"]
    assert f"{values['ms_per_evaluation']:.1f} ms an evaluation with 32 images" in one["found"]


def test_the_memory_an_image_takes_is_what_autograd_keeps_of_it():
    model, images = toy(torch.nn.Sequential(torch.nn.GELU(), torch.nn.Flatten())), random_images(4)
    (found,) = check_speed(Evaluator(model, chunk=4), images)
    normalised = PIXELS * 4 / MIB
    assert found.values["mib_per_image"] == pytest.approx(normalised, rel=0.05)


def test_where_nobody_says_what_is_free_nothing_is_said_of_what_fits(monkeypatch, tmp_path):
    monkeypatch.setattr(device, "MEMORY", tmp_path / "none")
    (found,) = check_speed(Evaluator(toy(convolutional()), chunk=4), random_images(4))
    assert "about_fit" not in found.values
    assert "fit into" not in found.found


# --------------------------------------------------------------------------------- planted faults


@pytest.mark.parametrize("base", ["shapes-resnet", "shapes-vit-at"])
def test_a_std_twice_too_large_is_named_as_half_your_std(place, capsys, base):
    options = f"?base={base}"
    status, found, _ = examine(place, capsys, "half_the_contrast", options=options)
    assert status == 1
    assert names_of(found) - {"accuracy"} == {"normalisation"}
    wrong = the_wrong_one(found, "normalisation")
    assert wrong["found"].startswith(
        "half your std is better: 100% of the images are named correctly"
    )
    assert wrong["remedy"].startswith("mean=0.5&std=0.25 ")


def test_a_gradient_that_is_flat_only_where_the_model_is_sure_is_noted(place, capsys):
    status, found, _ = examine(place, capsys, "flat_where_sure")
    assert (status, names_of(found), names_of(found, "note")) == (0, set(), {"gradient"})
    one = line(found, "gradient")
    assert one["found"] == "the gradient is 0 at 4 of 12 images"
    assert "saturated softmax" in one["remedy"]
    along = line(found, "finite differences")["values"]
    assert along["images"] == 8
    assert along["ratio"] == pytest.approx(1, abs=0.05)


def test_finite_differences_count_where_there_is_a_gradient():
    evaluator, labels = Evaluator(toy(Cliff(0.5))), torch.zeros(4, dtype=torch.long)
    assert check_true(evaluator, random_images(4), labels) == []


def test_a_nan_gradient_behind_finite_logits_is_named(place, capsys):
    status, found, error = examine(place, capsys, "nan_gradient")
    assert status == 1
    assert "gradient would make results wrong" in error
    assert names_of(found) == {"gradient"}
    assert line(found, "finite")["level"] == "ok"
    wrong = the_wrong_one(found, "gradient")
    assert wrong["found"] == "NaN or infinity in the gradient at 12 of 12 images"
    assert "a root, a division or a logarithm at 0" in wrong["remedy"]
