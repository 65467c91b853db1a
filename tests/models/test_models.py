"""Models from every scheme, on files made on the spot; and the refusals when a file is wrong."""

import argparse
import json
import re
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from blindspots.errors import UsageError
from blindspots.images import Preprocessing, load_images
from blindspots.models import repositories
from blindspots.models.catalog import list_models
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_model, name_apart
from blindspots.models.schemes import SCHEMES
from blindspots.models.schemes import timm as timm_scheme
from blindspots.models.schemes.timm import timm_preprocessing
from tests.support.pictures import doctor, save_pictures

NAME, CLASSES = "resnet10t", 7
SPEC = f"timm:{NAME}?num_classes={CLASSES}&size=32"
FACTORY = """
import torch
from torch import nn
from blindspots.models.classifier import Classifier

class Net(nn.Module):
    def __init__(self, classes=3, scale=1.0):
        super().__init__()
        self.scale = scale
        self.head = nn.Linear(3, classes)

    def forward(self, x):
        return self.scale * self.head(x.mean((2, 3)))

def make(classes=3, scale=1.0):
    torch.manual_seed(0)
    return Net(classes, scale)

def wrapped():
    return Classifier(make(), size=16, mean=(0.1, 0.2, 0.3), std=(0.4, 0.4, 0.4),
                      class_names=("a", "b", "c"), training_epsilon=0.5)

def number():
    return 3

def broken():
    raise RuntimeError("out of order")
"""


@pytest.fixture(scope="module")
def network():
    import timm

    torch.manual_seed(0)
    return timm.create_model(NAME, num_classes=CLASSES).eval()


@pytest.fixture
def state(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory of one's own, with a file of factories."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy_factories.py").write_text(FACTORY)
    return tmp_path


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


FILES = {
    "safetensors": lambda state, path: save_file(state, path / "w.safetensors"),
    "pth": lambda state, path: torch.save(state, path / "w.pth"),
    "old pth": lambda state, path: torch.save(
        state, path / "w.pth", _use_new_zipfile_serialization=False
    ),
    "module.": lambda state, path: torch.save(prefixed(state, "module."), path / "w.pt"),
    "module.model.": lambda state, path: save_file(
        prefixed(state, "module.model."), path / "w.safetensors"
    ),
    "state_dict": lambda state, path: torch.save(
        {"state_dict": prefixed(state, "module."), "epoch": 3}, path / "w.ckpt"
    ),
    "model": lambda state, path: torch.save({"model": state, "lr": 0.1}, path / "w.bin"),
    "half": lambda state, path: torch.save(
        {k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path / "w.pth"
    ),
    "no counters": lambda state, path: torch.save(
        {k: v for k, v in state.items() if "num_batches" not in k}, path / "w.pth"
    ),
}


@pytest.mark.scheme("timm", "logits")
@pytest.mark.parametrize("case", FILES)
def test_weights_of_every_form_give_the_networks_own_logits(place, network, state, case):
    FILES[case](state, place)
    (file,) = place.glob("w.*")
    model = load_model(f"{SPEC}&weights={file}")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = network((images - model.mean) / model.std)
        tolerance = 1e-2 if case == "half" else 1e-6
        torch.testing.assert_close(model(images), expected, atol=tolerance, rtol=tolerance)
    assert not model.module.training
    assert model.name == f"timm:{NAME}"
    assert model.num_classes == CLASSES


@pytest.mark.scheme("timm", "logits")
@pytest.mark.scheme("timm", "preprocessing")
def test_a_picture_gets_the_logits_of_timms_own_pipeline(place, network, state):
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    save_file(state, place / "w.safetensors")
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (180, 331, 3), dtype=np.uint8))
    (place / "photos").mkdir()
    picture.save(place / "photos" / "a.png")
    model = load_model(f"timm:{NAME}?num_classes={CLASSES}&weights=w.safetensors")
    images = load_images("folder:photos", model)
    config = resolve_model_data_config(network)
    theirs = create_transform(**config)(picture)
    with torch.no_grad():
        expected = network(theirs.unsqueeze(0))
        torch.testing.assert_close(model(images.images), expected, atol=1e-4, rtol=1e-4)
    assert model.preprocessing == Preprocessing(size=(176, 176), resize=int(176 / 0.875))


def test_options_override_the_models_own_configuration(place, state):
    save_file(state, place / "w.safetensors")
    (place / "names.txt").write_text("\n".join("abcdefg"))
    model = load_model(
        f"{SPEC}x48&weights=w.safetensors&mean=0.5&std=0.1,0.2,0.3&classes=names.txt"
    )
    assert model.size == (32, 48)
    assert model.mean.flatten().tolist() == [0.5] * 3
    assert model.std.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert model.class_names == tuple("abcdefg")


def test_the_architectures_own_image_size_is_taken_over(place):
    import timm

    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=3, depth=1)
    save_file(vit.state_dict(), place / "w.safetensors")
    model = load_model(
        "timm:vit_tiny_patch16_224?img_size=32&num_classes=3&depth=1&weights=w.safetensors"
    )
    assert model.size == (32, 32)
    assert model.num_classes == 3


def test_thousand_classes_are_imagenets_unless_said_otherwise(place):
    import timm

    torch.manual_seed(0)
    network = timm.create_model(NAME)
    save_file(network.state_dict(), place / "w.safetensors")
    model = load_model(f"timm:{NAME}?weights=w.safetensors&size=32")
    assert model.class_names is not None
    assert model.class_folders is not None
    assert (model.class_names[99], model.class_folders[99]) == ("goose", "n01855672")
    own = load_model(f"timm:{NAME}?weights=w.safetensors&size=32&num_classes=1000")
    assert own.class_names is None


def test_a_model_whose_images_are_squashed_says_so(network):
    from timm.data.config import resolve_model_data_config

    config = {**resolve_model_data_config(network), "crop_mode": "squash", "crop_pct": 1.0}
    geometry = timm_preprocessing({**config, "size": (32, 32)})
    assert geometry == Preprocessing(size=(32, 32), resize=32, squash=True)


# ----------------------------------------------------------------------------------- bad weights


def refusal(spec):
    with pytest.raises(UsageError) as caught:
        load_model(spec)
    return str(caught.value)


def test_missing_unexpected_and_misshapen_keys_are_named_and_counted(place, state):
    state["fc.weight"] = torch.zeros(9, 4)
    state["extra.weight"] = torch.zeros(1)
    del state["layer1.0.conv1.weight"]
    torch.save(state, place / "w.pth")
    said = refusal(f"{SPEC}&weights=w.pth")
    assert "1 keys missing (layer1.0.conv1.weight)" in said
    assert "1 unexpected (extra.weight)" in said
    assert "1 of another shape (fc.weight is 9×4 instead of 7×512)" in said


def test_a_head_of_another_size_says_what_to_type(place, state):
    save_file(state, place / "w.safetensors")
    assert "add num_classes=7" in refusal(f"timm:{NAME}?num_classes=9&weights=w.safetensors")


def test_weights_of_another_network_name_only_the_first_keys(place):
    save_file({f"x.{i}": torch.zeros(1) for i in range(9)}, place / "w.safetensors")
    said = refusal(f"{SPEC}&weights=w.safetensors")
    assert "9 unexpected (x.0, x.1, x.2, x.3, and 5 more)" in said


@pytest.mark.scheme("timm", "broken")
def test_a_pickle_that_is_not_weights_only_is_refused_by_its_globals(place, state):
    torch.save({"state_dict": state, "args": argparse.Namespace(lr=1)}, place / "w.pth")
    said = refusal(f"{SPEC}&weights=w.pth")
    assert "argparse.Namespace" in said
    assert "weights_only=False" in said


def test_a_whole_pickled_module_is_refused(place, network):
    torch.save(network, place / "w.pth")
    assert "torch.nn.modules" in refusal(f"{SPEC}&weights=w.pth")


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


@pytest.mark.parametrize("modern", [True, False])
def test_no_pickle_is_ever_run(place, modern):
    torch.save({"x": Bomb()}, place / "w.pth", _use_new_zipfile_serialization=modern)
    assert "not weights only" in refusal(f"{SPEC}&weights=w.pth")
    assert not (place / "exploded").exists()


BROKEN = {
    "no file": (None, "w.pth", "there is no weights file"),
    "empty pth": (b"", "w.pth", "w.pth"),
    "text pth": (b"hello", "w.pth", "w.pth"),
    "cut zip": (b"PK\x03\x04" + b"\0" * 40, "w.pth", "cannot be read as weights"),
    "text safetensors": (b"hello, this is text", "w.safetensors", "not a whole safetensors"),
}


@pytest.mark.scheme("timm", "broken")
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(place, case):
    content, name, says = BROKEN[case]
    if content is not None:
        (place / name).write_bytes(content)
    assert says in refusal(f"{SPEC}&weights={name}")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(1)], torch.zeros(3)])
def test_a_file_without_named_weights_is_refused(place, content):
    torch.save(content, place / "w.pth")
    assert "holds no weights by name" in refusal(f"{SPEC}&weights=w.pth")


# ------------------------------------------------------------------------------------ bad specs


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("timm:resnet51?weights=w.pth", "timm has no model 'resnet51'; did you mean"),
        ("timm:resnet50.a1_in2k", "did you mean resnet50.a1_in1k"),
        ("timm:", "timm has no model ''"),
        (f"timm:{NAME}?foo=1&weights=w.pth", "timm cannot build resnet10t with foo=1"),
        (f"timm:{NAME}?pretrained=false", "timm:resnet10t?weights=FILE"),
        ("tim:resnet50", "did you mean timm:"),
        ("resnet50", "did you mean timm:resnet50 or torchvision:resnet50?"),
        ("Salman2020Do_R50", "did you mean robustbench:Salman2020Do_R50?"),
        ("nothing", "try timm:"),
        ("zoo:shapes-resnett", "did you mean shapes-resnet"),
        ("zoo:shapes-resnet?size=3", "takes no options"),
    ],
)
def test_a_wrong_spec_is_refused_with_what_to_type(spec, says):
    assert says in refusal(spec)


def test_a_class_file_of_the_wrong_length_gives_both_counts(place, state):
    save_file(state, place / "w.safetensors")
    (place / "names.json").write_text(json.dumps(["a", "b"]))
    said = refusal(f"{SPEC}&weights=w.safetensors&classes=names.json")
    assert "2 names" in said
    assert f"{CLASSES} classes" in said


# ----------------------------------------------------------------------------------- the network


@pytest.fixture
def offline(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.usefixtures("offline")
def test_published_weights_that_cannot_be_had_are_refused_at_once():
    start = time.monotonic()
    said = refusal(f"timm:{NAME}")
    assert time.monotonic() - start < 5
    assert f"type timm:{NAME}?weights=FILE.safetensors" in said


@pytest.mark.usefixtures("offline")
def test_the_hubs_own_offline_switch_is_obeyed(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(repositories, "urlopen", lambda *_, **__: pytest.fail("asked the network"))
    assert "cannot be had" in refusal(f"timm:{NAME}")


@pytest.mark.usefixtures("offline")
def test_published_weights_in_the_cache_need_no_network(monkeypatch, place):
    import timm

    network = timm.create_model(NAME)
    save_file(network.state_dict(), place / "model.safetensors")
    monkeypatch.setattr(timm_scheme, "_cached", lambda *_: place / "model.safetensors")
    model = load_model(f"timm:{NAME}?size=32")
    assert torch.equal(model.module.fc.weight, network.fc.weight)
    assert model.class_names is not None


def test_the_hubs_cache_is_looked_up_by_its_own_rules(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--timm--x" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    refs = tmp_path / "models--timm--x" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    assert timm_scheme._cached("timm/x", None) == folder / "model.safetensors"
    assert timm_scheme._cached("timm/y", None) is None


def test_an_architecture_without_published_weights_says_so():
    import timm

    name = next(name for name in timm.list_models("vit*") if not timm.is_model_pretrained(name))
    assert f"publishes no weights for {name}" in refusal(f"timm:{name}")


# --------------------------------------------------------------------------------- own factories

ORIGINS = ["file:toy_factories.py", "python:toy_factories"]


@pytest.mark.scheme("python", "loads")
@pytest.mark.scheme("python", "logits")
@pytest.mark.scheme("file", "loads")
@pytest.mark.scheme("file", "logits")
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_factory_makes_the_model_with_its_arguments(origin):
    model = load_model(f"{origin}:make?size=8x12&mean=0.5&std=0.25&scale=2")
    assert model.size == (8, 12)
    assert model.module.scale == 2
    assert model.num_classes == 3
    assert model.name == f"{origin}:make"
    images = torch.rand(2, 3, 8, 12)
    expected = 2 * model.module.head(((images - 0.5) / 0.25).mean((2, 3)))
    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_factory_takes_weights_and_class_names(place, origin):
    head = {"head.weight": torch.eye(3), "head.bias": torch.zeros(3)}
    save_file(head, place / "w.safetensors")
    (place / "names.json").write_text('[["x", "ex"], ["y", "why"], ["z", "zed"]]')
    model = load_model(f"{origin}:make?size=8&weights=w.safetensors&classes=names.json")
    assert torch.equal(model.module.head.weight, torch.eye(3))
    assert model.class_names == ("ex", "why", "zed")
    assert model.class_folders == ("x", "y", "z")


@pytest.mark.usefixtures("place")
def test_a_factory_may_return_a_classifier_and_the_spec_may_overrule_it():
    model = load_model("file:toy_factories.py:wrapped?std=0.5")
    assert model.size == (16, 16)
    assert model.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert model.std.flatten().tolist() == [0.5] * 3
    assert model.class_names == ("a", "b", "c")
    assert model.training_epsilon == 0.5
    assert not isinstance(model.module, Classifier)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("file:toy_factories.py:make", "add size=224"),
        ("python:toy_factories:make", "add size=224"),
        ("file:toy_factories.py:mak?size=8", "did you mean make"),
        ("file:toy_factories.py?size=8", "write it as in file:model.py:factory"),
        ("file:none.py:make?size=8", "names no Python file"),
        ("file:w.pth:make?size=8", "names no Python file"),
        ("python:no_such_module:make?size=8", "No module named 'no_such_module'"),
        ("python:make?size=8", "write it as in python:package.module:factory"),
        ("file:toy_factories.py:number?size=8", "returned an object of type int"),
        ("file:toy_factories.py:broken?size=8", "out of order"),
        ("file:toy_factories.py:make?size=8&colour=3", "unexpected keyword argument 'colour'"),
    ],
)
@pytest.mark.scheme("python", "broken")
def test_a_wrong_factory_is_refused(spec, says):
    assert says in refusal(spec)


@pytest.mark.scheme("file", "broken")
def test_a_file_that_does_not_run_is_refused(place):
    (place / "bad.py").write_text("def make(:")
    assert "SyntaxError" in refusal("file:bad.py:make?size=8")


# --------------------------------------------------------------------------------- the classifier


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


FAULTS = {
    "tuple": (lambda x: (x, x), "returns a tuple"),
    "maps": (lambda x: x, "shape (2, 3, 4, 4)"),
    "one logit": (lambda x: x.mean((1, 2, 3))[:, None], "shape (2, 1)"),
    "no batch": (lambda x: x.mean((0, 2, 3))[None], "shape (1, 3)"),
    "nan": (lambda x: x.mean((2, 3)) * float("nan"), "NaN"),
    "probabilities": (lambda x: x.mean((2, 3)).softmax(1), "probabilities"),
    "error": (lambda x: x.view(7), "cannot take an image of 4 × 4"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_a_module_must_not_return(case):
    make, says = FAULTS[case]
    with pytest.raises(UsageError) as caught:
        _ = Classifier(Returns(make), size=4).num_classes
    assert says in str(caught.value)


def small(channels=3, outputs=3, side=8):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, 2, 1), nn.Flatten(), nn.Linear(side * side, outputs)
    )


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small()

    def forward(self, x, mask, other):
        assert mask is other is None
        return self.net(x)


def ends(x):
    raise SystemExit(len(x))


def leaves(_):
    raise type("Ended", (BaseException,), {})("at once")


ADVISED = {
    "one channel": (small(1), "net(x.mean(1, True))"),
    "four channels": (small(4), "net(torch.cat([x, torch.ones_like(x[:, :1])], 1))"),
    "half": (small().half(), "net.float()"),
    "double": (small().double(), "net.float()"),
    "further arguments": (Masked(), "net(x, ...)"),
    "one logit": (small(outputs=1), "torch.cat([0 * z, z], 1)"),
    "one logit without an axis": (
        nn.Sequential(small(outputs=1), nn.Flatten(0)),
        "torch.stack([0 * z, z], 1)",
    ),
    "another size": (small(side=32), "size=32"),
}


def followed(module, advice):
    """A classifier of what the advice says to return."""
    if advice.startswith("size="):
        return Classifier(module, size=int(advice.removeprefix("size=")))
    if advice == "net.float()":
        return Classifier(module.float(), size=8)
    code = advice.replace("...", "None, None").replace("z", "net(x)")
    names = {"net": module, "torch": torch}
    return Classifier(Returns(lambda x: eval(code, {**names, "x": x})), size=8)


@pytest.mark.parametrize("case", ADVISED)
def test_what_a_refusal_says_to_change_helps(case):
    module, advice = ADVISED[case]
    with pytest.raises(UsageError) as caught:
        _ = Classifier(module, size=8).num_classes
    assert advice in str(caught.value)
    logits = 2 if "logit" in case else 3
    assert followed(module, advice).num_classes == logits


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Returns(ends), "it ends Python"),
        (Returns(leaves), "(at once)"),
        (Returns(lambda x: {}[len(x)]), "(2)"),
        (Returns(lambda x: x.mean((2, 3)) * 1j), "torch.complex64, which are no real ones"),
        (Returns(lambda x: x.mean((2, 3)) > 0), "torch.bool, which are no real ones"),
    ],
)
def test_a_module_that_fails_in_whatever_way_is_refused(module, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        _ = Classifier(module, size=4).num_classes


@pytest.mark.parametrize("line", ["raise Ended", "def make(): raise Ended"])
def test_a_file_that_ends_python_is_refused(tmp_path, line):
    (tmp_path / "ends.py").write_text(f"class Ended(BaseException): pass\n{line}\n")
    with pytest.raises(UsageError, match="Ended"):
        load_model(f"file:{tmp_path}/ends.py:make?size=4")


@pytest.mark.parametrize("name", ["Made.default", "Made.of_three", "inner.Made.of_three"])
def test_a_factory_may_be_a_method_of_a_class(tmp_path, name):
    (tmp_path / "dotted.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Made:\n"
        "    @classmethod\n"
        "    def of_three(cls): return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))\n"
        "    @staticmethod\n"
        "    def default(): return Made.of_three()\n"
        "class inner: Made = Made\n"
    )
    assert load_model(f"file:{tmp_path}/dotted.py:{name}?size=4").num_classes == 3
    with pytest.raises(UsageError, match=r"no function .* did you mean of_three"):
        load_model(f"file:{tmp_path}/dotted.py:{name.rpartition('.')[0]}.of_thre?size=4")


def test_counting_the_classes_leaves_the_module_as_it_was():
    module = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(48, 5)).train()
    assert Classifier(module, size=4).num_classes == 5
    assert module.training
    assert module[1].training
    assert all(weight.requires_grad for weight in module.parameters())


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        (
            ["file:/home/me/a/m.py:f?size=9", "file:/home/me/b/m.py:f?size=9"],
            ["file:a/m.py:f", "file:b/m.py:f"],
        ),
        (["file:a/x/m.py:f", "file:b/x/m.py:f"], ["file:a/x/m.py:f", "file:b/x/m.py:f"]),
        (
            ["timm:r?weights=/home/me/a.pth", "timm:r?weights=/home/me/b.pth"],
            ["timm:r?weights=a.pth", "timm:r?weights=b.pth"],
        ),
        (["timm:r", "timm:r?img_size=9"], ["timm:r", "timm:r?img_size=9"]),
    ],
)
def test_models_of_one_name_are_told_apart_without_folders_that_they_share(specs, names):
    models = [Classifier(nn.Flatten(), size=4) for _ in [*specs, "zoo:x"]]
    for model, name in zip(models, [*("same" for _ in specs), "x"], strict=True):
        model.name = name
    name_apart([*zip([*specs, "zoo:x"], models, strict=True)])
    assert [model.name for model in models] == [*names, "x"]


def test_what_can_be_loaded_is_listed():
    rows = list_models()
    assert {tuple(row) for row in rows} == {("spec", "what", "clean", "pgd")}
    assert {row["spec"].partition(":")[0] for row in rows} == SCHEMES.keys()
    assert load_model(rows[0]["spec"]).name == rows[0]["spec"]


@pytest.mark.scheme("timm", "loads")
@pytest.mark.scheme("python", "loads")
@pytest.mark.scheme("file", "loads")
def test_the_command_line_takes_every_scheme(place, state, capsys):
    save_file(state, place / "w.safetensors")
    images = save_pictures(place / "photos")
    specs = {"python:toy_factories:make?size=8": 3, "file:toy_factories.py:make?size=8": 3}
    for spec, classes in {**specs, f"{SPEC}&weights=w.safetensors": CLASSES}.items():
        said = doctor(spec, images, capsys)
        assert (said["model"], said["classes"]) == (spec.partition("?")[0], classes)


# ------------------------------------------------------------------------------- without classes


def test_a_model_without_classes_embeds(place, network, state):
    save_file(state, place / "w.safetensors")
    model = load_model(f"timm:{NAME}?num_classes=0&weights=w.safetensors")
    assert (model.embeds, model.features, model.num_classes) == (True, 512, 0)
    assert model.class_names is None
    images = torch.rand(2, 3, *model.size)
    with torch.no_grad():
        expected = network.forward_head(
            network.forward_features((images - model.mean) / model.std), pre_logits=True
        )
        torch.testing.assert_close(model(images), expected)


def test_class_names_for_a_model_without_classes_are_refused(place, state):
    save_file(state, place / "w.safetensors")
    (place / "names.txt").write_text("a\nb")
    spec = f"timm:{NAME}?num_classes=0&weights=w.safetensors&classes=names.txt"
    assert "has no classes" in refusal(spec)
    with pytest.raises(UsageError, match="leave the class names away"):
        Classifier(nn.Flatten(), size=4, embeds=True, class_names=("a", "b"))


def test_an_embedding_may_be_any_finite_matrix():
    assert Classifier(nn.Flatten(), size=4, embeds=True).features == 48
    with pytest.raises(UsageError, match="must return embeddings"):
        _ = Classifier(nn.Identity(), size=4, embeds=True).features
    assert Classifier(nn.Flatten(), size=4).features == 0


def test_a_fingerprint_holds_no_repr_and_the_former_one_is_still_taken(monkeypatch):
    model = Classifier(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), size=8)
    now, former = model.fingerprint(), model._former_fingerprint()
    assert now != former
    assert model.has_fingerprint(now)
    assert model.has_fingerprint(former)
    monkeypatch.setattr(nn.BatchNorm2d, "extra_repr", lambda self: f"{self.num_features}, bias=1")
    assert model.fingerprint() == now
    assert not model.has_fingerprint(former)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.module.weight.data.add_(1),
        lambda m: setattr(m.module, "weight", nn.Parameter(torch.zeros(4, 27))),
        lambda m: m.module.double(),
        lambda m: m.mean.add_(0.5),
        lambda m: m.std.mul_(2),
        lambda m: setattr(m, "preprocessing", Preprocessing(size=(8, 8), squash=True)),
    ],
    ids=["bytes", "shape", "dtype", "mean", "std", "preprocessing"],
)
def test_a_fingerprint_is_of_all_that_an_answer_depends_on(change):
    model = Classifier(nn.Linear(4, 27), size=8)
    model.module.weight.data.fill_(0.0)
    before = model.fingerprint()
    change(model)
    assert model.fingerprint() != before
