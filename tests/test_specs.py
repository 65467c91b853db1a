"""Specs: `scheme:name?key=value&key=value`, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindspots.models.spec_options import misspelt, model_options, parse_setting
from blindspots.specs import Spec, nearest_names, parse_spec

SCHEMES = ("timm", "folder")
EXAMPLE = "timm:resnet50"

names = st.text(st.characters(exclude_characters="?", exclude_categories=["Cs"]))
keys = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs"]))


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
