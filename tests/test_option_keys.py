"""A misspelt key of a model spec is answered with the nearest one."""

import json

import pytest

from blindspots.errors import Refused
from blindspots.models.options import misspelt, model_options
from blindspots.models.sources import load_model
from blindspots.specs import Spec

FACTORY = """
from torch import nn

def make(classes=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(48, classes))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "factory.py").write_text(FACTORY)
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text(json.dumps({"model_type": "vit"}))


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("timm:resnet10t?wieghts=w.pth", "did you mean weights= instead of wieghts=?"),
        ("torchvision:resnet18?clases=names.txt", "did you mean classes= instead of clases=?"),
        ("robustbench:Standard?wieghts=w.pt", "std, size, classes, dataset, threat; did you mean"),
        ("robustbench:Rice2020Overfitting?dataste=cifar10", "did you mean dataset?"),
        ("madrylab:resnet18_l2_eps3?sizes=224", "did you mean size"),
        ("clip:./vit?template=t.txt", "did you mean templates?"),
        ("exported:model.pt2?maen=0.5", "did you mean mean?"),
        ("exported:model.pt2?depth=3", "leave it away"),
        ("hf:./vit?wieghts=w.pth", "did you mean weights= instead of wieghts=?"),
        ("file:factory.py:make?size=4&wieghts=w.pth", "did you mean weights= instead of wieghts=?"),
        ("python:factory:make?siz=4", "did you mean size= instead of siz=?"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_nearest(spec, says):
    with pytest.raises(Refused) as caught:
        load_model(spec)
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["img_size", "num_classes", "init_weights", "patch_size", "stem"])
def test_what_an_architecture_takes_is_no_misspelt_key(key):
    assert misspelt(model_options(Spec("timm", "resnet10t", {key: "1"}))) == ""
