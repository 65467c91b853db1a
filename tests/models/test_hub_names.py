"""Names of the hub, with the hub switched off: its cache on the disk gives what the library says.

One run of models and a data set that lie in the cache alone.
"""

import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from blindspots.cli.main import call
from tests.models.test_clip_models import NAMES, SIZES, TEMPLATES, tokenizer
from tests.support.hub_cache import lay
from tests.support.pictures import make_picture, spread_out
from tests.support.tiny import without_figures

PICTURES, SIDE = 12, 32
TIMM = "test_vit.r160_in1k"
SPECS = {
    "vit": "hf:me/tiny-vit",
    "clip": "clip:me/tiny-clip?classes={names}",
    "openclip": "clip:ViT-B-32:openai?classes={names}",
    "timm": f"timm:{TIMM}",
}
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8}


def vit(directory):
    import transformers as tf

    labels = {"id2label": {0: "egg", 1: "ham", 2: "jam"}}
    config = tf.ViTConfig(image_size=SIDE, intermediate_size=24, **VIT, **labels)
    spread_out(tf.ViTForImageClassification(config), 1.5).save_pretrained(directory)
    tf.ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(directory)


def clip(directory, scale):
    import transformers as tf

    words = tokenizer()
    ends = {"eos_token_id": words.eos_token_id, "bos_token_id": words.bos_token_id}
    text = {**SIZES, "vocab_size": len(words), "max_position_embeddings": 40, **ends}
    config = tf.CLIPConfig(
        text_config={**text, "intermediate_size": 24, "pad_token_id": words.pad_token_id},
        vision_config={**SIZES, "image_size": SIDE, "patch_size": 8, "intermediate_size": 24},
        projection_dim=12,
    )
    network = spread_out(tf.CLIPModel(config), scale)
    with torch.no_grad():
        network.logit_scale.fill_(4.0)
    network.save_pretrained(directory)
    pictures = tf.CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    tf.CLIPProcessor(image_processor=pictures, tokenizer=words).save_pretrained(directory)


def timms(directory):
    import timm

    directory.mkdir()
    network = spread_out(timm.create_model(TIMM), 3.0)
    save_file(network.state_dict(), directory / "model.safetensors")


def photos(directory):
    """A data set of two splits, one of them in two files, as `push_to_hub` names them."""
    import datasets

    def split(seeds):
        table = {"image": [make_picture(90, 70, seed) for seed in seeds]}
        features = datasets.Features({"image": datasets.Image()})
        return datasets.Dataset.from_dict(table, features)

    (directory / "data").mkdir(parents=True)
    (directory / "README.md").write_text("---\nlicense: mit\n---\nPhotos.\n")
    split([99]).to_parquet(directory / "data" / "train-00000-of-00001.parquet")
    for shard in range(2):
        seeds = range(shard * PICTURES // 2, (shard + 1) * PICTURES // 2)
        split(seeds).to_parquet(directory / "data" / f"test-0000{shard}-of-00002.parquet")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home of the hub's libraries, with all that the specs name in the hub's cache."""
    made = tmp_path_factory.mktemp("made")
    vit(made / "vit")
    clip(made / "clip", 2.0)
    clip(made / "openclip", 3.0)
    timms(made / "timm")
    photos(made / "photos")
    home = tmp_path_factory.mktemp("home") / ".cache" / "huggingface"
    lay(home / "hub", "me/tiny-vit", made / "vit")
    lay(home / "hub", "me/tiny-clip", made / "clip")
    lay(home / "hub", "openai/clip-vit-base-patch32", made / "openclip")
    lay(home / "hub", f"timm/{TIMM}", made / "timm")
    lay(home / "hub", "me/photos", made / "photos", kind="datasets")
    return home


@pytest.fixture(scope="module")
def said(home, tmp_path_factory):
    """What a run says of every picture: model → [(predicted, confidence)] in the order of seeds."""
    place = tmp_path_factory.mktemp("run")
    (place / "names.txt").write_text("\n".join(NAMES))
    # Random models may give all pictures one class, among which no targets are drawn.
    (place / "pairs.csv").write_text("source,target\n000000,000001\n")
    specs = {key: spec.format(names=place / "names.txt") for key, spec in SPECS.items()}
    models = [word for spec in specs.values() for word in ("--model", spec)]
    given = ["--images", "hf:me/photos:test", "--out", str(place / "out"), "--keep", "none"]
    given += ["--pairs", str(place / "pairs.csv"), "--method", "reference", "--set", "max_steps=1"]
    with pytest.MonkeyPatch.context() as patch, without_figures():
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        assert call(["run", *models, *given, "--quiet"]) == 0
    rows = pq.read_table(place / "out" / "predictions.parquet").to_pylist()
    return {key: of_model(rows, spec) for key, spec in specs.items()}


def of_model(rows, spec):
    own = [row for row in rows if row["model"] == spec.partition("?")[0]]
    assert len(own) == PICTURES, {row["model"] for row in rows}
    return [(row["predicted"], row["confidence"]) for row in own]


def vits_logits(hub, pictures):
    import transformers as tf

    where = {"cache_dir": hub, "local_files_only": True}
    processor = tf.AutoImageProcessor.from_pretrained("me/tiny-vit", backend="pil", **where)
    network = tf.AutoModelForImageClassification.from_pretrained("me/tiny-vit", **where)
    return network(**processor(pictures, return_tensors="pt")).logits


def clips_logits(name):
    import transformers as tf

    def logits(hub, pictures):
        where = {"cache_dir": hub, "local_files_only": True}
        images = tf.AutoImageProcessor.from_pretrained(name, backend="pil", **where)
        words = tf.AutoTokenizer.from_pretrained(name, **where)
        network = tf.CLIPModel.from_pretrained(name, **where).eval()
        texts = [template.format(one) for one in NAMES for template in TEMPLATES]
        tokens = words(texts, return_tensors="pt", padding=True)
        output = network(**images(pictures, return_tensors="pt"), **tokens)
        means = output.text_embeds.view(len(NAMES), len(TEMPLATES), -1).mean(1)
        classes = means / means.norm(dim=1, keepdim=True)
        return network.logit_scale.exp() * output.image_embeds @ classes.T

    return logits


def timms_logits(hub, pictures):
    import timm

    (weights,) = hub.glob("models--timm--*/snapshots/*/model.safetensors")
    network = timm.create_model(TIMM, checkpoint_path=str(weights)).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    return network(torch.stack([transform(picture) for picture in pictures]))


LIBRARIES = {
    "vit": vits_logits,
    "clip": clips_logits("me/tiny-clip"),
    "openclip": clips_logits("openai/clip-vit-base-patch32"),
    "timm": timms_logits,
}


@pytest.mark.scheme("hf", "logits")
@pytest.mark.scheme("clip", "logits")
@pytest.mark.scheme("timm", "logits")
@pytest.mark.scheme("images:hf", "loads")
@pytest.mark.parametrize("key", SPECS)
def test_a_name_of_the_hub_says_what_the_library_says(home, said, key):
    pictures = [make_picture(90, 70, seed) for seed in range(PICTURES)]
    with torch.no_grad():
        expected = LIBRARIES[key](home / "hub", pictures).log_softmax(1)
    predicted, confidence = zip(*said[key], strict=True)
    assert list(predicted) == expected.argmax(1).tolist()
    logs = torch.tensor(confidence, dtype=torch.float64).log()
    assert logs.std() > 0.005
    torch.testing.assert_close(logs, expected.max(1).values.double(), atol=1e-4, rtol=1e-4)
