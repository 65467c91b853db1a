"""`hf:`: what transformers saved gives the logits of transformers' own pipeline."""

import argparse
import json
import re
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.images.classes import imagenet_table
from blindspots.models.load import load_model
from tests.support.hub_cache import lay
from tests.support.pictures import answer, as_seen, doctor, make_picture, save_pictures, spread_out

TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "patch_size": 8,
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LABELS = {"id2label": {0: "egg", 1: "ham", 2: "jam"}}


def vit(side, **more):
    import transformers as tf

    return tf.ViTForImageClassification(tf.ViTConfig(image_size=side, **TRANSFORMER, **more))


def resnet():
    import transformers as tf

    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    return tf.ResNetForImageClassification(tf.ResNetConfig(layer_type="basic", **sizes, **LABELS))


def convnext():
    import transformers as tf

    sizes = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}
    return tf.ConvNextForImageClassification(tf.ConvNextConfig(**sizes, **LABELS))


def dinov2():
    import transformers as tf

    config = tf.Dinov2Config(image_size=40, **TRANSFORMER)
    return tf.Dinov2Model(config)


def square(side):
    return {"height": side, "width": side}


def processor(family, **settings):
    """Makes it when called: to import a family's processor takes a second."""

    def make():
        import transformers as tf

        return getattr(tf, f"{family}ImageProcessor")(**settings)

    return make


# Each: the network, and the processor as this family publishes it.
KINDS = {
    "vit squashed": (lambda: vit(32, **LABELS), processor("ViT", size=square(32))),
    "deit squashed and cropped": (
        lambda: vit(32, **LABELS),
        processor(
            "DeiT",
            size=square(40),
            crop_size=square(32),
            resample=3,
            image_mean=MEAN,
            image_std=STD,
        ),
    ),
    "resnet cropped by share": (
        resnet,
        processor(
            "ConvNext", size={"shortest_edge": 56}, crop_pct=0.875, image_mean=MEAN, image_std=STD
        ),
    ),
    "convnext of 384 pixels": (
        convnext,
        processor("ConvNext", size={"shortest_edge": 384}, image_mean=MEAN, image_std=STD),
    ),
    "dinov2": (
        dinov2,
        processor(
            "Bit", size={"shortest_edge": 48}, crop_size=square(40), image_mean=MEAN, image_std=STD
        ),
    ),
    "efficientnet, normalised twice": (
        resnet,
        processor("EfficientNet", size=square(48), image_mean=MEAN, image_std=STD),
    ),
    "mobilevit, blue first": (
        resnet,
        processor("MobileViT", size={"shortest_edge": 50}, crop_size=square(43)),
    ),
    "levit": (resnet, processor("Levit", size={"shortest_edge": 56}, crop_size=square(56))),
    "in [0, 255]": (
        resnet,
        processor(
            "ViT", size=square(48), do_rescale=False, image_mean=[120.0] * 3, image_std=[60.0] * 3
        ),
    ),
    "not normalised": (resnet, processor("ViT", size=square(48), do_normalize=False)),
}


@pytest.fixture(scope="module", autouse=True)
def offline():
    """The hub switched off, for its library and for ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Every kind of model as transformers saves it: name → directory."""
    made = {}
    for name, (network, make) in KINDS.items():
        made[name] = tmp_path_factory.mktemp("hf") / "model"
        spread_out(network(), 2.0).save_pretrained(made[name])
        make().save_pretrained(made[name])
    return made


@pytest.fixture
def copy(saved, tmp_path):
    """A directory of one's own with the ViT in it."""
    for file in saved["vit squashed"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def theirs(directory, picture, auto="AutoModelForImageClassification", backend="pil"):
    """What transformers' own pipeline says of a picture."""
    import transformers as tf

    processor = tf.AutoImageProcessor.from_pretrained(directory, backend=backend)
    network = getattr(tf, auto).from_pretrained(directory)
    with torch.no_grad():
        return network(**processor(picture, return_tensors="pt"))


def refusal(spec, **trust):
    with pytest.raises(UsageError) as caught:
        load_model(spec, **trust)
    return str(caught.value)


@pytest.mark.scheme("hf", "logits")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dinov2"])
@pytest.mark.parametrize("shape", [(331, 180), (97, 250)])
def test_a_picture_gets_the_logits_of_transformers_own_pipeline(saved, kind, shape):
    model, picture = load_model(f"hf:{saved[kind]}"), make_picture(*shape)
    expected = theirs(saved[kind], picture).logits
    assert expected.std() > 0.05
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert model.class_names == ("egg", "ham", "jam")
    assert not model.embeds


@pytest.mark.scheme("hf", "preprocessing")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(331, 180), (97, 250), (400, 399)])
def test_every_pixel_is_as_the_librarys_processor_gives_it(saved, kind, shape):
    import transformers as tf

    model, picture = load_model(f"hf:{saved[kind]}"), make_picture(*shape)
    processor = tf.AutoImageProcessor.from_pretrained(saved[kind], backend="pil")
    expected = processor(picture, return_tensors="pt")["pixel_values"]
    ours = (as_seen(model, picture) - model.mean) / model.std
    ours = ours.flip(1) if kind == "mobilevit, blue first" else ours
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.scheme("hf", "logits")
def test_a_backbone_gives_its_pooled_output(saved):
    directory, picture = saved["dinov2"], make_picture()
    model = load_model(f"hf:{directory}")
    expected = theirs(directory, picture, "AutoModel").pooler_output
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert (model.embeds, model.features, model.num_classes) == (True, 16, 0)
    assert model.class_names is None


def test_a_classifier_without_its_classes_gives_its_embedding(saved):
    directory, picture = saved["resnet cropped by share"], make_picture()
    model = load_model(f"hf:{directory}?num_classes=0")
    expected = theirs(directory, picture, "AutoModel").pooler_output.flatten(1)
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert (model.embeds, model.features) == (True, 16)


def test_where_no_pooler_was_saved_the_first_token_stands_in(saved):
    directory, picture = saved["vit squashed"], make_picture()
    model = load_model(f"hf:{directory}?num_classes=0")
    hidden = theirs(directory, picture, "AutoModel").last_hidden_state
    torch.testing.assert_close(answer(model, picture), hidden[:, 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["vit squashed", "dinov2", "convnext of 384 pixels"])
def test_transformers_other_backend_differs_by_rounding_alone(saved, kind):
    """It resizes 8-bit tensors; PIL resizes 8-bit images. docs/models.md states the difference."""
    import transformers as tf

    directory, picture = saved[kind], make_picture()
    pil, tensor = (
        tf.AutoImageProcessor.from_pretrained(directory, backend=backend)
        for backend in ("pil", "torchvision")
    )
    a, b = (np.asarray(p(picture)["pixel_values"][0]) for p in (pil, tensor))
    levels = np.abs(a - b) * 255 * np.reshape(pil.image_std, (3, 1, 1))
    assert levels.max() < 2.01


def test_an_image_of_the_right_size_gives_the_same_logits_with_either_backend(saved):
    directory, picture = saved["vit squashed"], make_picture(32, 32)
    expected = theirs(directory, picture, backend="torchvision").logits
    ours = answer(load_model(f"hf:{directory}"), picture)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.scheme("hf", "preprocessing")
def test_a_processor_that_does_something_else_is_refused(saved, copy):
    settings = json.loads((copy / "preprocessor_config.json").read_text())
    settings |= {"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.6}
    settings |= {"do_center_crop": True, "crop_size": square(32), "do_resize": True}
    (copy / "preprocessor_config.json").write_text(json.dumps(settings))
    assert "is not a resize, a centre crop" in refusal(f"hf:{copy}")


def test_placeholders_are_no_names_and_imagenets_names_bring_its_folders(tmp_path):
    import transformers as tf

    processor = tf.ViTImageProcessor(size=square(32))
    vit(32, num_labels=3).save_pretrained(tmp_path / "three")
    names = [f"{name}, some more" for name in imagenet_table().names]
    vit(32, id2label=dict(enumerate(names))).save_pretrained(tmp_path / "thousand")
    for name in ("three", "thousand"):
        processor.save_pretrained(tmp_path / name)
    assert load_model(f"hf:{tmp_path}/three").class_names is None
    model = load_model(f"hf:{tmp_path}/thousand")
    assert (model.class_names[99], model.class_folders[99]) == ("goose, some more", "n01855672")


def test_half_precision_and_weights_of_ones_own(copy):
    half = spread_out(vit(32, **LABELS), 2.0).half()
    half.save_pretrained(copy)
    model = load_model(f"hf:{copy}")
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    other = spread_out(vit(32, **LABELS), 5.0)
    torch.save(other.state_dict(), copy / "own.pth")
    own = load_model(f"hf:{copy}?weights={copy}/own.pth&mean=0.1&std=0.2")
    assert torch.equal(own.module.network.classifier.weight, other.classifier.weight)
    assert own.mean.flatten().tolist() == pytest.approx([0.1] * 3)


@pytest.mark.scheme("hf", "loads")
def test_the_command_line_runs_a_model_in_the_hubs_cache(saved, tmp_path, monkeypatch, capsys):
    cache = tmp_path / "hub" / "models--me--tiny"
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    for file in saved["deit squashed and cropped"].iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    images = save_pictures(tmp_path / "photos", 6)
    assert doctor("hf:me/tiny", images, capsys)["classes"] == 3
    work = ["--sources", "2", "--targets-per-source", "1", "--set", "max_steps=2"]
    work += ["--method", "reference", "--keep", "none", "--quiet"]
    arguments = ["--model", "hf:me/tiny", "--images", images, "--out", str(tmp_path / "run")]
    assert call(["run", *arguments, *work]) == 0, capsys.readouterr().err
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("kind", ["vit squashed", "dinov2", "convnext of 384 pixels"])
def test_a_file_that_transformers_saved_is_weights_of_ones_own(saved, kind):
    directory, picture = saved[kind], make_picture()
    expected = answer(load_model(f"hf:{directory}"), picture)
    other = load_model(f"hf:{directory}?weights={directory}/model.safetensors")
    torch.testing.assert_close(answer(other, picture), expected)


def test_weights_of_ones_own_that_do_not_fit_are_refused_by_their_names(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["vit.encoder.layer.0.attention.attention.key.bias"]
    save_file(weights, copy / "own.safetensors")
    said = refusal(f"hf:{copy}?weights={copy}/own.safetensors")
    assert "do not fit" in said
    assert "vit.encoder.layer.0.attention.attention.key.weight" in said
    other = {**weights, "classifier.weight": torch.zeros(5, 16)}
    save_file(other, copy / "own.safetensors")
    assert "classifier.weight is 5×16 instead of 3×16" in refusal(
        f"hf:{copy}?weights={copy}/own.safetensors"
    )


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.scheme("hf", "broken")
@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("model.safetensors", None, "cannot be loaded"),
        ("model.safetensors", b"hello", "cannot be loaded"),
        ("config.json", b"{broken", "not a valid JSON file"),
        ("config.json", b"{}", "cannot be loaded"),
        ("preprocessor_config.json", b"{broken", "cannot be loaded"),
    ],
)
def test_a_broken_file_is_refused(copy, file, content, says):
    whole = (copy / file).read_bytes()
    (copy / file).write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert says in refusal(f"hf:{copy}")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_missing_file_is_refused(copy, file):
    (copy / file).unlink()
    assert "save_pretrained wrote" in refusal(f"hf:{copy}")


def test_without_a_processor_the_spec_must_say_how_images_are_seen(copy):
    expected = answer(load_model(f"hf:{copy}"), make_picture(32, 32))
    (copy / "preprocessor_config.json").unlink()
    assert "or say size=, mean= and std=" in refusal(f"hf:{copy}?size=32&mean=0.5")
    model = load_model(f"hf:{copy}?size=32&mean=0.5&std=0.5")
    torch.testing.assert_close(answer(model, make_picture(32, 32)), expected)


def test_weights_that_would_be_random_are_refused(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 of its model's weights (classifier.weight)" in refusal(f"hf:{copy}")


def test_a_pickle_is_never_run(copy):
    class Bomb:
        def __reduce__(self):
            return (open, (str(copy / "exploded"), "w"))

    (copy / "model.safetensors").unlink()
    torch.save({"x": Bomb()}, copy / "pytorch_model.bin")
    # Python 3.13 calls the function _io.open.
    assert re.search(r"not weights only \(needs _?io\.open\)", refusal(f"hf:{copy}"))
    assert not (copy / "exploded").exists()


def unpickled_model(directory, modern, nest):
    """Turn a directory's weights into an old checkpoint, beside arguments of the training."""
    from safetensors.torch import load_file

    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    content = {nest: weights} if nest else weights
    made = {**content, "args": argparse.Namespace(lr=1)}
    file = directory / "pytorch_model.bin"
    torch.save(made, file, _use_new_zipfile_serialization=modern)
    return file


def as_told(said, folder, monkeypatch, **names):
    """The model that a refusal's own conversion and spec give, typed in that folder."""
    monkeypatch.chdir(folder)
    command = re.search(r"convert it once: (torch\.save\(.*'weights\.pth'\)), or", said)[1]
    exec(command, {"torch": torch, **names})
    return load_model(said.rpartition("then type ")[2])


@pytest.mark.scheme("hf", "broken")
@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("nest", [None, "model"])
def test_an_old_pickle_is_refused_with_a_conversion_that_works(copy, monkeypatch, modern, nest):
    expected = answer(load_model(f"hf:{copy}"), make_picture())
    file = unpickled_model(copy, modern, nest)
    said = refusal(f"hf:{copy}")
    assert f"{file} is not weights only (needs argparse.Namespace)" in said
    converted = as_told(said, copy, monkeypatch, FILE=file)
    torch.testing.assert_close(answer(converted, make_picture()), expected)


@pytest.mark.scheme("hf", "broken")
def test_an_old_pickle_in_parts_is_refused_with_a_conversion_that_works(copy, monkeypatch):
    from safetensors.torch import load_file

    expected = answer(load_model(f"hf:{copy}"), make_picture())
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    files = [copy / f"pytorch_model-0000{part}-of-00002.bin" for part in (1, 2)]
    for part, file in enumerate(files):
        own = dict(list(weights.items())[part::2])
        torch.save({**own, "args": argparse.Namespace(lr=1)}, file)
    places = {name: files[place % 2].name for place, name in enumerate(weights)}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    said = refusal(f"hf:{copy}")
    assert f"{files[0]}, {files[1]} are not weights only (needs argparse.Namespace)" in said
    converted = as_told(said, copy, monkeypatch, FILES=files)
    torch.testing.assert_close(answer(converted, make_picture()), expected)


def test_an_old_pickle_in_the_hubs_cache_is_refused_by_its_class(copy, tmp_path, monkeypatch):
    unpickled_model(copy, modern=True, nest=None)
    (tmp_path / "hub").mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    lay(tmp_path / "hub", "me/old", copy)
    said = refusal("hf:me/old")
    assert "needs argparse.Namespace" in said
    assert said.endswith("then type hf:me/old?weights=weights.pth")


CODE = """
from transformers import PretrainedConfig, PreTrainedModel
import torch

class OwnConfig(PretrainedConfig):
    model_type = "own"

class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.head = torch.nn.Linear(3, 3)
        self.post_init()

    def forward(self, pixel_values):
        from transformers.modeling_outputs import ImageClassifierOutput
        return ImageClassifierOutput(logits=self.head(pixel_values.mean((2, 3))))
"""


def test_code_that_comes_with_a_model_runs_only_with_trust(copy, monkeypatch, capsys, tmp_path):
    from safetensors.torch import save_file

    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    (copy / "own.py").write_text(CODE)
    autos = {"AutoConfig": "own.OwnConfig", "AutoModelForImageClassification": "own.OwnModel"}
    config = {
        "model_type": "own",
        "auto_map": autos,
        "architectures": ["OwnForImageClassification"],
    }
    (copy / "config.json").write_text(json.dumps(config | LABELS))
    head = {"head.weight": torch.eye(3), "head.bias": torch.zeros(3)}
    save_file(head, copy / "model.safetensors", metadata={"format": "pt"})
    assert "add --trust-remote-code" in refusal(f"hf:{copy}")
    model = load_model(f"hf:{copy}", trust_remote_code=True)
    assert torch.equal(model.module.network.head.weight, torch.eye(3))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hf:nobody/nothing", "run once with a network"),
        ("hf:./nothing", "there is no directory './nothing'"),
        ("hf:", "there is no directory"),
        ("hf:nobody/nothing?trust_remote_code=true", "type --trust-remote-code"),
    ],
)
def test_a_wrong_spec_is_refused(spec, says):
    assert says in refusal(spec)


def test_a_wrong_key_is_refused(saved):
    assert "depth= is no key" in refusal(f"hf:{saved['vit squashed']}?depth=3")
    assert "expected 0, for the embedding" in refusal(f"hf:{saved['vit squashed']}?num_classes=5")


@pytest.mark.scheme("hf", "extra")
@pytest.mark.scheme("clip", "extra")
@pytest.mark.scheme("robustbench", "extra")
def test_a_missing_library_is_named_with_the_command_that_installs_it(saved, monkeypatch):
    for name in ("transformers", "robustbench"):
        monkeypatch.setitem(sys.modules, name, None)
    directory = saved["vit squashed"]
    for scheme in ("hf", "clip"):
        said = refusal(f"{scheme}:{directory}")
        assert "needs transformers" in said
        assert "pip install 'blindspots[hf]'" in said
    said = refusal("robustbench:Rice2020?dataset=cifar10")
    assert "RobustBench's package, which has more, cannot be imported" in said
