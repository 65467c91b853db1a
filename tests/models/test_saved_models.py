"""Directories that timm and transformers save: their labels, geometry and heads; or a sentence."""

import json
import re
from contextlib import suppress

import pytest
import timm
import torch
from huggingface_hub import constants
from timm.models import save_for_hf

from blindspots.errors import UsageError
from blindspots.models.load import load_model
from tests.models.test_hf_models import LABELS, square, vit
from tests.support.hub_cache import lay
from tests.support.pictures import answer, make_picture, spread_out

NAMES = ("cat", "dog", "fox")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A fine-tuned network of timm's, as `push_to_hf_hub` writes it."""
    network = spread_out(timm.create_model("resnet10t", num_classes=3), 1.5)
    network.pretrained_cfg.update(mean=(0.5,) * 3, std=(0.25,) * 3, input_size=(3, 96, 96))
    network.pretrained_cfg.update(crop_pct=0.9, interpolation="bilinear")
    directory = tmp_path_factory.mktemp("saved") / "tuned"
    save_for_hf(network, str(directory), model_config={"label_names": list(NAMES)})
    return directory


def theirs(directory, picture):
    """timm's own answer to a picture."""
    from timm.data import create_transform, resolve_model_data_config

    network = timm.create_model(f"local-dir:{directory}", pretrained=True).eval()
    see = create_transform(**resolve_model_data_config(network))
    with torch.no_grad():
        return network(see(picture)[None])


@pytest.mark.parametrize("spec", ["timm:local-dir:{}", "hf:{}"])
def test_a_tuned_timm_model_keeps_its_labels_and_geometry(tuned, spec):
    model, picture = load_model(spec.format(tuned)), make_picture()
    assert (model.size, model.class_names) == ((96, 96), NAMES)
    assert model.std.flatten().tolist() == [0.25] * 3
    torch.testing.assert_close(answer(model, picture), theirs(tuned, picture), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("spec", ["timm:hf_hub:me/tuned", "timm:hf-hub:me/tuned", "hf:me/tuned"])
def test_such_a_model_is_found_in_the_hubs_cache(tuned, tmp_path, monkeypatch, spec):
    lay(tmp_path, "me/tuned", tuned)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model(spec).class_names == NAMES


def test_its_embedding_and_other_weights(tuned, tmp_path):
    model = load_model(f"timm:local-dir:{tuned}?num_classes=0")
    assert (model.embeds, model.class_names, model.features) == (True, None, 512)
    assert load_model(f"hf:{tuned}?num_classes=0").embeds
    other = timm.create_model("resnet10t", num_classes=3)
    torch.save(other.state_dict(), tmp_path / "w.pth")
    model = load_model(f"timm:local-dir:{tuned}?weights={tmp_path}/w.pth")
    assert torch.equal(model.module.fc.weight, other.fc.weight)


def test_weights_alone_say_what_lies_beside_them(tuned):
    (file,) = tuned.glob("*.bin")
    (note,) = load_model(f"timm:resnet10t?num_classes=3&weights={file}").notes
    advised = re.search(r"type (\S+)$", note)[1]
    assert load_model(advised).class_names == NAMES


@pytest.mark.parametrize(
    ("labels", "names"), [(None, None), ({0: "a", 1: "b", 2: "c"}, ("a", "b", "c"))]
)
def test_transformers_wrapper_of_a_timm_model(tmp_path, labels, names):
    import transformers as tf

    said = {"id2label": labels} if labels else {"num_labels": 3}
    config = tf.TimmWrapperConfig(architecture="resnet10t", **said)
    network = tf.AutoModelForImageClassification.from_config(config)
    network.save_pretrained(tmp_path)
    for spec in (f"hf:{tmp_path}", f"timm:local-dir:{tmp_path}"):
        model = load_model(spec)
        assert (model.num_classes, model.class_names) == (3, names)
        assert torch.equal(model.module.fc.weight, network.timm_model.fc.weight)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "names no directory with a config.json"),
        ("[" * 100_000, "config.json is not valid JSON"),
        ('{"model_type": "vit"}', "names no architecture, so it is not timm's; type hf:"),
        ('{"architecture": "resnet10t", "pretrained_cfg": {}}', "has no model.safetensors or"),
        ('{"architecture": "resnetten", "pretrained_cfg": {}}', "has no model.safetensors or"),
    ],
)
def test_a_directory_that_is_not_timms_is_refused(tmp_path, content, says):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match=re.escape(says)):
        load_model(f"timm:local-dir:{tmp_path}")


def saved(tmp_path, network):
    import transformers as tf

    network.save_pretrained(tmp_path / "m")
    tf.ViTImageProcessor(size=square(32)).save_pretrained(tmp_path / "m")
    return tmp_path / "m"


@pytest.mark.parametrize(
    ("network", "what"),
    [
        (lambda: vit(32, problem_type="multi_label_classification", **LABELS), "is a multi-label"),
        (lambda: vit(32, problem_type="regression", **LABELS), "predicts numbers"),
        (lambda: vit(32, num_labels=1), "has one logit"),
    ],
)
def test_a_head_that_is_no_softmax_is_refused_and_the_advice_works(tmp_path, network, what):
    directory = saved(tmp_path, network())
    with pytest.raises(UsageError, match=f"{what}.*no confidence.*file:model.py:factory") as caught:
        load_model(f"hf:{directory}")
    code = re.search(r"torch\.stack\(.*\)", str(caught.value))[0]
    (tmp_path / "one.py").write_text(
        "import torch, transformers\n"
        "class One(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        auto = transformers.AutoModelForImageClassification\n"
        f"        self.net = auto.from_pretrained({str(directory)!r})\n"
        "    def forward(self, x):\n"
        "        z = self.net(x).logits[:, 0]\n"
        f"        return {code}\n"
    )
    assert load_model(f"file:{tmp_path}/one.py:One?size=32").num_classes == 2
    assert load_model(f"hf:{directory}?num_classes=0").embeds


def test_a_model_of_images_and_texts_is_refused_and_the_advice_works(tmp_path):
    import transformers as tf

    text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 9}
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "image_size": 32}
    heads = {"num_attention_heads": 2}
    config = tf.SiglipConfig(text_config=text | heads, vision_config=vision | heads)
    directory = saved(tmp_path, tf.SiglipModel(config))
    with pytest.raises(UsageError, match=r"is a siglip model.*forward is get_image_features"):
        load_model(f"hf:{directory}")
    (tmp_path / "half.py").write_text(
        "import torch, transformers, blindspots as bs\n"
        "class Half(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        self.net = transformers.AutoModel.from_pretrained({str(directory)!r})\n"
        "    def forward(self, x):\n"
        "        out = self.net.get_image_features(x)\n"
        "        return getattr(out, 'pooler_output', out)\n"
        "def half(): return bs.Classifier(Half(), size=32, embeds=True)\n"
    )
    assert load_model(f"file:{tmp_path}/half.py:half").features == 8


def test_a_configuration_that_is_no_json_is_refused(tuned, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architecture": 3, "pretrained_cfg": []}))
    (tmp_path / "pytorch_model.bin").write_bytes(next(tuned.glob("*.bin")).read_bytes())
    with pytest.raises(UsageError, match="says architecture 3"):
        load_model(f"timm:local-dir:{tmp_path}")


@pytest.mark.parametrize(
    "change",
    [
        {"crop_pct": 0},
        {"crop_pct": "wide"},
        {"input_size": [3]},
        {"mean": None},
        {"mean": [0.5, "x", 1]},
        {"interpolation": "magic"},
    ],
)
def test_a_data_configuration_that_lies_is_refused_or_timms_own_stands_in(tuned, tmp_path, change):
    config = json.loads((tuned / "config.json").read_text())
    config["pretrained_cfg"] |= change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "pytorch_model.bin").write_bytes(next(tuned.glob("*.bin")).read_bytes())
    try:
        assert load_model(f"timm:local-dir:{tmp_path}").num_classes == 3
    except UsageError as error:
        assert "configuration" in str(error)


ODD_CONFIGS = {
    "model_args": {"architectures": ["x"], "model_args": [1]},
    "num_classes": {"architectures": ["x"], "num_classes": "x"},
    "cache_dir": {"architectures": ["x"], "model_args": {"cache_dir": "elsewhere"}},
    "pretrained": {"model_args": {"pretrained": True}},
    "pretrained_cfg": {"pretrained_cfg": [1]},
    "label_names": {"pretrained_cfg": {"label_names": 5}},
    "classifier": {"pretrained_cfg": {"classifier": 5}},
    "architecture": {"architecture": "hf-hub:org/name", "architectures": ["x"]},
    "architecture {}": {"architecture": {}},
    "data configuration": {"pretrained_cfg": {"input_size": [3, 32, 32], "std": ["x"]}},
}


@pytest.mark.parametrize("scheme", ["timm:local-dir:{}", "hf:{}"])
@pytest.mark.parametrize("wrong", ODD_CONFIGS)
def test_a_config_of_another_shape_is_refused_and_writes_nowhere(
    tmp_path, monkeypatch, wrong, scheme
):
    monkeypatch.chdir(tmp_path)
    network, folder = timm.create_model("resnet10t", num_classes=3), tmp_path / "model"
    folder.mkdir()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    config = {"architecture": "resnet10t", "num_classes": 3, "model_type": "timm_wrapper"}
    (folder / "config.json").write_text(json.dumps(config | ODD_CONFIGS[wrong]))
    with pytest.raises(UsageError) as caught:
        load_model(scheme.format("model"))
    assert wrong in str(caught.value) or scheme.startswith("hf")
    assert [*tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("wrong", [5, [5], {"a": 1}, "ForImageClassification"])
@pytest.mark.parametrize("key", ["architectures", "id2label", "problem_type", "hidden_size"])
def test_a_transformer_of_an_odd_config_is_loaded_or_refused(tmp_path, key, wrong):
    folder, network = tmp_path / "vit", vit(32, **LABELS)
    network.save_pretrained(folder)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: wrong}))
    for more in ("", f"&weights={tmp_path}/w.pth"):
        with suppress(UsageError):
            load_model(f"hf:{folder}?size=32&mean=0.5&std=0.5{more}")


@pytest.mark.parametrize(
    "spec",
    [
        "timm:resnet10t?num_classes=3&weights=w.pth&cache_dir={}",
        "timm:local-dir:{1}?cache_dir={0}",
        "hf:{1}?cache_dir={0}",
        "hf:org/name?cache_dir={0}",
    ],
)
def test_no_spec_says_where_to_write(tuned, tmp_path, spec):
    with pytest.raises(UsageError, match=r"cache_dir=|org/name"):
        load_model(spec.format(tmp_path / "elsewhere", tuned))
    assert not (tmp_path / "elsewhere").exists()
