"""Specs: `scheme:name?key=value&key=value`, read and written."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindspots.errors import UsageError
from blindspots.images import load_images
from blindspots.models.load import load_model
from blindspots.models.spec_options import misspelt, model_options, parse_setting
from blindspots.specs import Spec, nearest_names, parse_spec
from tests.images.material import write
from tests.support.texts import texts

SCHEMES = ("timm", "folder")
EXAMPLE = "timm:resnet50"

names, values = (
    st.tuples(texts, st.text(special), texts).map("".join) for special in ("?%235fF", "&=%?#+")
)
keys = st.text(f"{string.ascii_lowercase}_{string.digits}", min_size=1).filter(str.isidentifier)


@given(scheme=st.sampled_from(SCHEMES), name=names, options=st.dictionaries(keys, values))
def test_a_written_spec_reads_back_as_itself(scheme, name, options):
    spec = Spec(scheme, name, options)
    assert parse_spec(str(spec), SCHEMES, EXAMPLE) == spec


def test_only_the_first_colon_and_question_mark_separate():
    spec = parse_spec("folder:a:b?split=x?y", SCHEMES, EXAMPLE)
    assert (spec.name, spec.options) == ("a:b", {"split": "x?y"})


def test_nearest_names_are_one_phrase():
    assert nearest_names("resnet51", ["resnet50", "vit"]) == "did you mean resnet50?"
    assert nearest_names("zzz", ["resnet50", "vit"]) == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-1e-3", -1e-3),
        ("true", True),
        ("False", False),
        ("none", None),
        ("same", "same"),
        ("2,2,x", (2, 2, "x")),
    ],
)
def test_architecture_settings_are_read_by_kind(text, value):
    assert parse_setting(text) == value
    assert type(parse_setting(text)) is type(value)


def test_model_options_are_typed_and_the_rest_goes_to_the_architecture():
    text = "timm:x?weights=a.pth&mean=0.5&std=0.1,0.2,0.3&size=192x256&depth=3"
    options = model_options(parse_spec(text, SCHEMES, EXAMPLE))
    assert options.weights is not None
    assert options.weights.name == "a.pth"
    assert options.mean == (0.5, 0.5, 0.5)
    assert options.std == (0.1, 0.2, 0.3)
    assert options.size == (192, 256)
    assert options.classes is None
    assert options.architecture == {"depth": 3}


@pytest.mark.parametrize("key", ["img_size", "num_classes", "init_weights", "patch_size", "stem"])
def test_what_an_architecture_takes_is_no_misspelt_key(key):
    assert misspelt(model_options(Spec("timm", "resnet10t", {key: "1"}))) == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("folder:what%3F", "what?"),
        ("folder:what%3f", "what?"),
        ("folder:what%253F", "what%3F"),
        ("folder:50%25 off%2C", "50%25 off%2C"),
    ],
)
def test_a_question_mark_in_a_name_has_a_code(text, name):
    assert parse_spec(text, SCHEMES, EXAMPLE).name == name


def test_a_folder_of_that_name_is_read(tmp_path):
    write(tmp_path / "what?" / "a.png")
    images = load_images(f"folder:{tmp_path}/what%3F")
    assert images.names == ["a.png"]
    assert load_images(images.spec).ids == images.ids


@pytest.mark.parametrize("load", [load_model, load_images])
@pytest.mark.parametrize("spec", ["folder:~/x", "hf:~/x", "files:~/x", "parquet:~/x", "clip:~/x"])
def test_a_home_that_is_not_known_is_refused(monkeypatch, load, spec):
    def unknown(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    with pytest.raises(UsageError, match=r"no home directory is known|names no known scheme"):
        load(spec)
