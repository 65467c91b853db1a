import hashlib
import json
from functools import cache
from pathlib import Path

import pytest

import blindspots as bs
from blindspots.cli.main import call
from blindspots.models.catalog import ZOO, card, list_models
from blindspots.models.zoo import TRAINING_EPSILON, is_adversarial, load_zoo
from blindspots.training.train import SMOKE, evaluate, load_split, reproduced, train

HERE = Path(bs.__file__).parent / "models" / "zoo"


@pytest.mark.parametrize("name", ZOO)
def test_the_card_tells_what_the_weights_are(name):
    facts = card(name)
    weights = HERE / f"{name}.safetensors"
    assert facts["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert facts["parameters"] == sum(p.numel() for p in load_zoo(name).parameters())
    assert facts["command"] == f"blindspots zoo train {name}"
    assert facts["pgd"] == {
        **{"epsilon": "8/255", "step_size": "2/255", "steps": 20},
        **{"restarts": 3, "images": 500},
    }
    assert load_zoo(name).training_epsilon == (TRAINING_EPSILON if is_adversarial(name) else None)


@pytest.mark.parametrize("name", ZOO)
def test_the_models_are_as_accurate_as_was_asked_for(name):
    facts = card(name)
    if is_adversarial(name):
        assert facts["clean_accuracy"] >= 0.85
        assert facts["pgd_accuracy"] >= 0.50
    else:
        assert facts["clean_accuracy"] >= 0.97


# The same images for every model, drawn once.
split = cache(load_split)


@pytest.mark.scheme("zoo", "logits")
@pytest.mark.parametrize("name", ZOO)
def test_a_part_of_the_card_is_measured_again(name, monkeypatch):
    """With one start of PGD in place of three, which finds nearly as much."""
    monkeypatch.setattr("blindspots.training.train.load_split", split)
    monkeypatch.setattr("blindspots.training.train.RESTARTS", 1)
    measured = evaluate(name, images=100, attacked=16)
    assert measured["clean_accuracy"] == pytest.approx(card(name)["clean_accuracy"], abs=0.02)
    assert measured["pgd_accuracy"] == pytest.approx(card(name)["pgd_accuracy"], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_the_whole_card_is_measured_again(name):
    assert reproduced(name)


def test_all_weights_together_are_small():
    sizes = [file.stat().st_size for file in HERE.glob("*.safetensors")]
    assert len(sizes) == 4
    assert sum(sizes) < 8_000_000


@pytest.mark.parametrize("name", ["shapes-resnet-at", "shapes-vit"])
def test_a_smoke_training_runs_to_a_card_and_loadable_weights(tmp_path, capsys, monkeypatch, name):
    few = {"images": 100, "test_images": 10, "attacked_images": 4}
    monkeypatch.setattr("blindspots.training.train.SMOKE", {**SMOKE, **few})
    assert call(["zoo", "train", name, "--out", str(tmp_path), "--smoke", "--quiet"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == name
    assert facts["epochs"] == 1
    assert load_zoo(name, tmp_path).num_classes == 10


def test_the_seed_of_a_training_draws_its_images_too(tmp_path, monkeypatch):
    drawn = []

    def few(split, n, seed=0):
        drawn.append((split, seed))
        return load_split(split, 4, seed)

    monkeypatch.setattr("blindspots.training.train.load_split", few)
    train("shapes-resnet", tmp_path, smoke=True, seed=3, report=lambda _: None)
    assert drawn == [("train", 3), ("test", 0)]
    assert json.loads((tmp_path / "shapes-resnet.json").read_text())["seed"] == 3


def test_the_list_of_models_shows_the_cards(capsys):
    assert [row["spec"] for row in list_models()[: len(ZOO)]] == [f"zoo:{name}" for name in ZOO]
    assert call(["models"]) == 0
    shown = capsys.readouterr().out
    assert "zoo:shapes-vit-at" in shown
    assert "zoo:efficientnet-lite0" in shown
    assert "timm:" in shown
    assert call(["models", "--json"]) == 0
    first, *_ = json.loads(capsys.readouterr().out)
    assert first["clean"] == f"{card(ZOO[0])['clean_accuracy']:.1%}"


@pytest.mark.scheme("zoo", "loads")
def test_doctor_reports_accuracy_and_confidence(capsys):
    assert call(["doctor", "zoo:shapes-resnet", "--json", "--quiet"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["accuracy"] >= 0.97
    assert facts["classes"] == 10


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(bs.Refused, match="did you mean shapes-vit"):
        load_zoo("shape-vit")
