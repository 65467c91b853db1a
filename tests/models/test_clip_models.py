"""`clip:`: zero-shot logits and embeddings are those of transformers' own CLIP."""

import json

import pytest
import torch
from huggingface_hub import constants

from blindspots.errors import UsageError
from blindspots.models.load import load_model
from blindspots.models.schemes.clip import PUBLISHED, TEMPLATES
from tests.support.pictures import answer, doctor, make_picture, save_pictures, spread_out

NAMES = ("egg", "ham", "spring water")
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def tokenizer():
    import transformers as tf

    letters = "abcdefghijklmnopqrstuvwxyz.-"
    entries = [*letters, *(f"{letter}</w>" for letter in letters), "e g", "eg g</w>"]
    entries = [entry.replace(" ", "") for entry in entries] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    return tf.CLIPTokenizer(vocab=vocabulary, merges=[("e", "g"), ("eg", "g</w>")])


@pytest.fixture(scope="module", autouse=True)
def offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A directory with a tiny CLIP, as transformers saves it, and a file of class names."""
    return save_clip(tmp_path_factory.mktemp("clip") / "model")


def save_clip(directory):
    import transformers as tf

    words = tokenizer()
    ends = {"eos_token_id": words.eos_token_id, "bos_token_id": words.bos_token_id}
    text = {**SIZES, "vocab_size": len(words), "max_position_embeddings": 40, **ends}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    config = tf.CLIPConfig(
        text_config={**text, "intermediate_size": 24, "pad_token_id": words.pad_token_id},
        vision_config={**vision, "intermediate_size": 24},
        projection_dim=12,
    )
    clip = spread_out(tf.CLIPModel(config), 2.0)
    with torch.no_grad():
        clip.logit_scale.fill_(2.5)
    clip.save_pretrained(directory)
    pictures = tf.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    tf.CLIPProcessor(image_processor=pictures, tokenizer=words).save_pretrained(directory)
    (directory / "names.txt").write_text("\n".join(NAMES))
    (directory / "one.txt").write_text("a photo of a {}.\n")
    return directory


@pytest.fixture(scope="module")
def library(saved):
    """transformers' own model and processor."""
    import transformers as tf

    processor = tf.CLIPProcessor(
        image_processor=tf.AutoImageProcessor.from_pretrained(saved, backend="pil"),
        tokenizer=tf.AutoTokenizer.from_pretrained(saved),
    )
    return tf.CLIPModel.from_pretrained(saved).eval(), processor


def refusal(spec):
    with pytest.raises(UsageError) as caught:
        load_model(spec)
    return str(caught.value)


@pytest.mark.scheme("clip", "logits")
@pytest.mark.scheme("clip", "preprocessing")
@pytest.mark.parametrize("shape", [(331, 180), (97, 250)])
def test_one_template_gives_the_librarys_own_logits_per_image(saved, library, shape):
    model = load_model(f"clip:{saved}?classes={saved}/names.txt&templates={saved}/one.txt")
    (clip, processor), picture = library, make_picture(*shape)
    texts = [f"a photo of a {name}." for name in NAMES]
    inputs = processor(text=texts, images=picture, return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = clip(**inputs).logits_per_image
    assert expected.std() > 0.05
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert model.class_names == NAMES


@pytest.mark.scheme("clip", "logits")
def test_several_templates_are_the_mean_of_their_normalised_embeddings(saved, library):
    model, (clip, processor) = load_model(f"clip:{saved}?classes={saved}/names.txt"), library
    picture, classes = make_picture(), []
    with torch.no_grad():
        for name in NAMES:
            means = []
            for template in TEMPLATES:
                inputs = processor(text=template.format(name), return_tensors="pt")
                pooled = clip.text_model(**inputs).pooler_output
                text = clip.text_projection(pooled)[0]
                means.append(text / text.norm())
            mean = torch.stack(means).mean(0)
            classes.append(mean / mean.norm())
        seen = processor(images=picture, return_tensors="pt")
        image = clip.visual_projection(clip.vision_model(**seen).pooler_output)[0]
        cosines = torch.stack([image @ text / image.norm() for text in classes])
        expected = clip.logit_scale.exp() * cosines[None]
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)


def test_without_class_names_it_embeds_images(saved, library):
    model, (clip, processor), picture = load_model(f"clip:{saved}"), library, make_picture()
    with torch.no_grad():
        output = clip.vision_model(**processor(images=picture, return_tensors="pt"))
        expected = clip.visual_projection(output.pooler_output)
    torch.testing.assert_close(answer(model, picture), expected, atol=1e-4, rtol=1e-4)
    assert (model.embeds, model.features, model.class_names) == (True, 12, None)


def test_the_texts_are_part_of_the_models_identity(saved):
    names, template = f"classes={saved}/names.txt", f"templates={saved}/one.txt"
    one, other = (load_model(f"clip:{saved}?{names}{more}") for more in ("", f"&{template}"))
    assert one.fingerprint() != other.fingerprint()
    assert one.fingerprint() == load_model(f"clip:{saved}?{names}").fingerprint()
    assert "texts" in dict(one.module.named_buffers())


@pytest.mark.scheme("clip", "loads")
def test_the_command_line_takes_the_class_names_as_a_flag(saved, tmp_path, capsys):
    images = save_pictures(tmp_path / "photos")
    said = doctor(f"clip:{saved}", images, capsys, "--classes", str(saved / "names.txt"))
    assert (said["model"], said["classes"]) == (f"clip:{saved.name}", 3)


@pytest.mark.scheme("clip", "broken")
@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_broken_file_is_refused(saved, tmp_path, file):
    for whole in saved.iterdir():
        content = whole.read_bytes()
        half = content[: len(content) // 2] if whole.name == file else content
        (tmp_path / whole.name).write_bytes(half)
    assert "cannot be loaded" in refusal(f"clip:{tmp_path}?classes={tmp_path}/names.txt")


def test_templates_and_names_that_do_not_fit_are_refused(saved, tmp_path):
    (tmp_path / "bad.txt").write_text("a photo of a {}.\na photo.\n")
    spec = f"clip:{saved}?classes={saved}/names.txt&templates={tmp_path}"
    assert "the line 'a photo.'" in refusal(f"{spec}/bad.txt")
    assert "cannot be read" in refusal(f"{spec}/none.txt")
    assert "add classes=FILE" in refusal(f"clip:{saved}?templates={tmp_path}/bad.txt")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("clip:ViT-B-32:laion", "it has openai, laion2b_s34b_b79k"),
        ("clip:ViT-B-33:openai", "did you mean ViT-B-32:openai"),
        ("clip:ViT-B-32", "clip:ViT-B-32 is neither a directory here nor whole"),
        ("clip:nobody/nothing", "run once with a network"),
    ],
)
def test_a_wrong_or_absent_model_is_refused(spec, says):
    assert says in refusal(spec)


def test_another_kind_of_model_is_refused_and_leads_to_its_scheme(saved, tmp_path):
    config = json.loads((saved / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "vit"}))
    assert "type hf:" in refusal(f"clip:{tmp_path}")
    assert f"type clip:{saved}?classes=FILE" in refusal(f"hf:{saved}")


def test_openclips_names_lead_to_repositories():
    assert all(name.count(":") == 1 and place.count("/") == 1 for name, place in PUBLISHED.items())
