"""`robustbench:` where nothing is around the weights, and through RobustBench's own package."""

import sys

import pytest
import torch

from blindspots.errors import UsageError
from blindspots.models.load import load_model
from blindspots.models.robust_networks import WideResNet
from tests.support.pictures import answer, as_seen, make_picture

PACKAGES = "Rice2020Overfitting"


@pytest.fixture
def package():
    """RobustBench's package; it pins old versions of much, so its import fails in many ways."""
    try:
        from robustbench import model_zoo, utils
        from robustbench.model_zoo.enums import BenchmarkDataset, ThreatModel
    except Exception as error:
        pytest.skip(f"RobustBench's package cannot be imported: {type(error).__name__}: {error}")
    return utils, model_zoo.model_dicts[BenchmarkDataset.cifar_10][ThreatModel.L2]


def test_a_name_that_only_the_package_has_gets_the_packages_logits(package, tmp_path, monkeypatch):
    utils, entries = package
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    (tmp_path / "models" / "cifar10" / "L2").mkdir(parents=True)
    file = tmp_path / "models" / "cifar10" / "L2" / f"{PACKAGES}.pt"
    torch.save({"state_dict": entries[PACKAGES]["model"]().state_dict()}, file)
    theirs = utils.load_model(
        PACKAGES, model_dir="models", dataset="cifar10", threat_model="L2"
    ).eval()
    model, picture = load_model(f"robustbench:{PACKAGES}?dataset=cifar10&threat=L2"), make_picture()
    with torch.no_grad():
        expected = theirs(as_seen(model, picture))
    assert expected.std() > 1e-3
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-6, rtol=1e-6)
    assert (model.size, model.num_classes, model.class_names[3]) == ((32, 32), 10, "cat")


@pytest.mark.scheme("robustbench", "extra")
def test_a_package_that_cannot_be_imported_is_named_with_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "robustbench", None)
    with pytest.raises(UsageError) as caught:
        load_model(f"robustbench:{PACKAGES}?dataset=cifar10&threat=L2")
    said = str(caught.value)
    for part in ("--no-deps robustbench", "'setuptools<81'", "a package named autoattack"):
        assert part in said.partition("cannot be imported here (")[2]


@pytest.mark.scheme("robustbench", "logits")
def test_bare_weights_of_cifars_standard_model_give_the_networks_own_logits(tmp_path, narrow):
    torch.manual_seed(0)
    network = WideResNet(depth=28, width=2).eval()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model, picture = (
        load_model(f"robustbench:Standard?weights={tmp_path}/w.pt"),
        make_picture(48, 40),
    )
    with torch.no_grad():
        expected = network(as_seen(model, picture))
    assert expected.std() > 1e-3
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert (model.size, model.num_classes, model.class_names[3]) == ((32, 32), 10, "cat")
    assert (model.mean.flatten().tolist(), model.std.flatten().tolist()) == ([0] * 3, [1] * 3)
    assert model.training_epsilon is None
