"""`robustbench:` and `madrylab:`: checkpoints in their own forms, read without their packages."""

import pytest
import torch
from huggingface_hub import constants
from torch import nn
from torch.nn import functional as F
from torchvision import models, transforms

from blindspots.errors import UsageError
from blindspots.models.load import load_model
from blindspots.models.robust_networks import WideResNet
from blindspots.models.schemes.madrylab import NAMES, REPOSITORY
from blindspots.models.schemes.robustbench import CARDS
from tests.support.pictures import answer, as_seen, make_picture, spread_out

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
OTHER_MEAN, OTHER_STD = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.3, 0.2, 0.1])


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def seen(picture, mean, std, interpolation="bilinear"):
    """A picture as both projects' evaluation transform gives it."""
    return transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )(picture)[None]


def refusal(spec):
    with pytest.raises(UsageError) as caught:
        load_model(spec)
    return str(caught.value)


@pytest.fixture(scope="module")
def resnet():
    return spread_out(models.resnet18(weights=None), 2.0)


# Each: how a file holds a network's weights, and whether a normaliser is among them.
def madrylabs(state):
    inner = {
        **prefixed(state, "model."),
        "normalizer.new_mean": OTHER_MEAN.view(3, 1, 1),
        "normalizer.new_std": OTHER_STD.view(3, 1, 1),
        **prefixed(state, "attacker.model."),
        "attacker.normalize.new_mean": OTHER_MEAN.view(3, 1, 1),
        "attacker.normalize.new_std": OTHER_STD.view(3, 1, 1),
    }
    return {"model": prefixed(inner, "module."), "optimizer": {"lr": 0.1}, "epoch": 3}


def sequential(state):
    inside = {"normalize.mean": OTHER_MEAN.view(1, 3, 1, 1), "normalize.std": OTHER_STD}
    return {"state_dict": {**prefixed(state, "model."), **inside}}


FORMS = {
    "plain": (lambda state: state, False),
    "module.model.": (lambda state: prefixed(state, "module.model."), False),
    "normalize and model": (sequential, True),
    "mu and sigma": (lambda state: {**state, "mu": OTHER_MEAN, "sigma": OTHER_STD}, True),
    "attacker": (madrylabs, True),
}


@pytest.mark.scheme("robustbench", "logits")
@pytest.mark.scheme("robustbench", "preprocessing")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_checkpoint_gives_the_networks_logits_normalised_once(resnet, tmp_path, form):
    wrap, inside = FORMS[form]
    torch.save(wrap(resnet.state_dict()), tmp_path / "w.pt")
    model = load_model(f"robustbench:Salman2020Do_R18?weights={tmp_path}/w.pt")
    picture, mean, std = make_picture(), *((OTHER_MEAN, OTHER_STD) if inside else (MEAN, STD))
    with torch.no_grad():
        expected = resnet(seen(picture, mean, std))
    assert expected.std() > 0.05
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert model.training_epsilon == pytest.approx(4 / 255)
    assert (model.class_names[99], model.class_folders[99]) == ("goose", "n01855672")


class ChannelNorm(nn.Module):
    """LayerNorm over the channels, written with the channels last."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps):
        last = maps.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


class Stem(nn.Module):
    def __init__(self, widths, strides, last=None):
        super().__init__()
        layers = []
        for inputs, outputs, stride in zip((3, *widths), widths, strides, strict=False):
            convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
            layers += [convolution, ChannelNorm(outputs), nn.GELU()]
        layers += [nn.Conv2d(widths[-1], last, 1)] if last else []
        self.stem = nn.Sequential(*layers)

    def forward(self, images):
        return self.stem(images)


@pytest.mark.scheme("robustbench", "logits")
@pytest.mark.parametrize("name", ["ViT-S-ConvStem", "ConvNeXt-T-ConvStem"])
def test_a_convolutional_stem_is_that_of_its_paper(tmp_path, shallow, name):
    import timm

    if name.startswith("ViT"):
        network = timm.create_model("deit_small_patch16_224")
        network.patch_embed.proj = Stem((48, 96, 192, 384), (2, 2, 2, 2), 384)
        mean, std = MEAN, STD
    else:
        network = timm.create_model("convnext_tiny")
        network.stem = Stem((48, 96), (2, 2))
        mean, std = torch.zeros(3), torch.ones(3)
    spread_out(network, 1.0)
    torch.save(prefixed(network.state_dict(), "module."), tmp_path / "w.pt")
    model = load_model(f"robustbench:Singh2023Revisiting_{name}?weights={tmp_path}/w.pt")
    picture = make_picture()
    with torch.no_grad():
        expected = network(seen(picture, mean, std, "bicubic"))
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert model.training_epsilon == pytest.approx(4 / 255)


def wide_resnet(images, state, groups=3):
    """The paper's forward pass, from weights under RobustBench's names alone."""

    def norm(maps, key):
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(maps, *(state[f"{key}.{name}"] for name in names), eps=1e-5)

    maps = F.conv2d(images, state["conv1.weight"], padding=1)
    for group in range(1, groups + 1):
        block = 0
        while (key := f"block{group}.layer.{block}") + ".conv1.weight" in state:
            stride = 2 if group > 1 and block == 0 else 1
            active = F.relu(norm(maps, f"{key}.bn1"))
            shortcut = state.get(f"{key}.convShortcut.weight")
            side = maps if shortcut is None else F.conv2d(active, shortcut, stride=stride)
            inner = F.conv2d(active, state[f"{key}.conv1.weight"], stride=stride, padding=1)
            inner = F.relu(norm(inner, f"{key}.bn2"))
            maps = side + F.conv2d(inner, state[f"{key}.conv2.weight"], padding=1)
            block += 1
    maps = F.avg_pool2d(F.relu(norm(maps, "bn1")), 8).flatten(1)
    return F.linear(maps, state["fc.weight"], state["fc.bias"])


def test_a_wide_resnet_is_the_papers():
    torch.manual_seed(0)
    network = WideResNet(depth=16, width=2)
    network(torch.rand(8, 3, 32, 32))
    network.eval()
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        expected = wide_resnet(images, network.state_dict())
        torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=1e-5)
    assert network.block2.layer[1].convShortcut is None


@pytest.fixture
def wide(tmp_path, narrow):
    """A WRN-28-10, as wide as a 28-2, in half precision, with the idle group of some files."""
    file = tmp_path / "w.pt"
    torch.manual_seed(0)
    state = WideResNet(depth=28, width=2).half().state_dict()
    idle = {f"sub_block1{key[6:]}": v for key, v in state.items() if key.startswith("block1.")}
    torch.save({"state_dict": prefixed({**state, **idle}, "module.")}, file)
    return file, {key: value.float() for key, value in state.items()}


@pytest.mark.scheme("robustbench", "loads")
@pytest.mark.scheme("robustbench", "logits")
def test_cifars_wide_resnet_loads_with_what_its_file_holds_besides(wide):
    file, state = wide
    model = load_model(f"robustbench:Wu2020Adversarial_extra?weights={file}")
    picture = make_picture(48, 40)
    with torch.no_grad():
        expected = wide_resnet(as_seen(model, picture), state)
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert (model.size, model.num_classes, model.class_names[3]) == ((32, 32), 10, "cat")
    assert model.training_epsilon == pytest.approx(8 / 255)
    assert "sub_block1" in refusal(f"robustbench:Standard?weights={file}")


@pytest.mark.scheme("robustbench", "loads")
def test_robustbenchs_own_cache_is_found(resnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "model zoo of RobustBench" in refusal("robustbench:Salman2020Do_R18")
    (tmp_path / "models" / "imagenet" / "Linf").mkdir(parents=True)
    file = tmp_path / "models" / "imagenet" / "Linf" / "Salman2020Do_R18.pt"
    torch.save(prefixed(resnet.state_dict(), "module.model."), file)
    model = load_model("robustbench:Salman2020Do_R18")
    assert (model.name, model.count_outputs()) == ("robustbench:Salman2020Do_R18", 1000)


@pytest.mark.scheme("robustbench", "broken")
@pytest.mark.scheme("madrylab", "broken")
@pytest.mark.parametrize("name", ["robustbench:Salman2020Do_R18", "madrylab:resnet18_l2_eps3"])
def test_a_broken_or_unsafe_checkpoint_is_refused_with_how_to_convert_it(resnet, tmp_path, name):
    import argparse

    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    assert "cannot be read as weights" in refusal(f"{name}?weights={tmp_path}/cut.pt")
    torch.save({"model": {}, "args": argparse.Namespace(lr=1)}, tmp_path / "old.pt")
    said = refusal(f"{name}?weights={tmp_path}/old.pt")
    assert "argparse.Namespace" in said
    assert "['model']" in said
    torch.save({"mu": torch.zeros(3), "sigma": torch.zeros(3), "x": MEAN}, tmp_path / "zero.pt")
    assert "std above 0" in refusal(f"{name}?weights={tmp_path}/zero.pt")
    torch.save(resnet.state_dict() | {"more": MEAN}, tmp_path / "more.pt")
    assert "1 unexpected (more)" in refusal(f"{name}?weights={tmp_path}/more.pt")


@pytest.mark.scheme("madrylab", "logits")
@pytest.mark.scheme("madrylab", "preprocessing")
@pytest.mark.parametrize(
    ("name", "epsilon"), [("resnet18_linf_eps2.0", 2 / 255), ("resnet18_l2_eps0.05", None)]
)
def test_a_madrylab_checkpoint_gives_the_networks_logits(resnet, tmp_path, name, epsilon):
    torch.save(madrylabs(resnet.state_dict()), tmp_path / "w.ckpt")
    model, picture = load_model(f"madrylab:{name}?weights={tmp_path}/w.ckpt"), make_picture()
    with torch.no_grad():
        expected = resnet(seen(picture, OTHER_MEAN, OTHER_STD))
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert model.training_epsilon == (epsilon and pytest.approx(epsilon))


@pytest.mark.scheme("madrylab", "loads")
def test_a_madrylab_checkpoint_is_found_in_the_hubs_cache(resnet, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    name = "resnet18_linf_eps4.0"
    assert f"{name}.ckpt of {REPOSITORY} is not in the hub's cache" in refusal(f"madrylab:{name}")
    cache = tmp_path / f"models--{REPOSITORY.replace('/', '--')}"
    (cache / "snapshots" / "abc").mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    torch.save(madrylabs(resnet.state_dict()), cache / "snapshots" / "abc" / f"{name}.ckpt")
    model = load_model(f"madrylab:{name}")
    assert (model.name, model.count_outputs()) == (f"madrylab:{name}", 1000)


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("l2_eps3")])
def test_every_madrylab_architecture_can_be_built(name):
    from blindspots.models.schemes.madrylab import build

    with torch.device("meta"):
        assert sum(weight.numel() for weight in build(name.rsplit("_", 2)[0]).parameters()) > 1e6


@pytest.mark.parametrize("name", [name for name in CARDS if "ConvStem" in name])
def test_every_convolutional_stem_keeps_the_size_of_what_it_replaces(shallow, name):
    with torch.device("meta"):
        network, images = CARDS[name].build(), torch.empty(1, 3, 224, 224)
        assert network(images).shape == (1, 1000)
        convnext = "ConvNeXt" in name
        maps = (network.stem if convnext else network.patch_embed.proj)(images)
        assert maps.shape[2:] == ((56, 56) if convnext else (14, 14))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("robustbench:Salman2020_R50", "did you mean Salman2020Do_R50"),
        ("robustbench:Standardd", "did you mean Standard"),
        ("robustbench:xyz", "they are Salman2020Do_R18"),
        ("robustbench:Standard?depth=3", "takes no arguments"),
        ("robustbench:Wu2020Adversarial?threat=L2", "through RobustBench's package"),
        ("madrylab:resnet50_linf_eps4", "did you mean resnet50_linf_eps4.0"),
        ("madrylab:resnet50", "expected ARCHITECTURE_NORM_epsSTRENGTH"),
        ("madrylab:resnet50_l2_eps3.0", "did you mean resnet50_l2_eps3"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_nearest_spelling(spec, says):
    assert says in refusal(spec)
