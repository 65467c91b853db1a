"""Which class of a model images are of: said, evident, or refused."""

import json
from functools import cache

import pytest

from blindspots.errors import UsageError
from blindspots.images import ImageSet, load_images
from blindspots.images.classes import ClassTable, imagenet_table, read_class_table, read_mapping
from blindspots.images.listing import Item, Listing, distinct_names
from tests.images.material import Model, noise


def class_file(tmp_path, content, name="classes.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


TABLES = {
    "pairs": ([["n1", "dog"], ["n2", "bird"], ["n3", "cat"]], "classes.json"),
    "names": (["dog", "bird", "cat"], "classes.json"),
    "lines": ("dog\nbird\n\ncat\n", "classes.txt"),
    "indexed": ({"0": "dog", "2": "cat", "1": "bird"}, "classes.json"),
    "indexed pairs": ({"1": ["n2", "bird"], "0": ["n1", "dog"], "2": ["n3", "cat"]}, "index.json"),
}


@pytest.mark.parametrize("case", TABLES)
def test_class_files_of_every_form(photos, tmp_path, case):
    path = class_file(tmp_path, *TABLES[case])
    images = load_images(f"folder:{photos}", classes=path)
    assert images.labels.tolist() == [2, 2, 0]
    assert images.class_names == ("dog", "bird", "cat")


def test_folders_of_a_table_map_by_position(photos, tmp_path):
    (photos / "cat").rename(photos / "n2")
    (photos / "dog").rename(photos / "n3")
    path = class_file(tmp_path, TABLES["pairs"][0])
    assert load_images(f"folder:{photos}", classes=str(path)).labels.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1, 2]", "is not a list of names"),
        ("{not json", "not valid JSON"),
        ("[]", "is not a list of names"),
        ([["a", "x"], ["a", "y"]], "gives the folder 'a' two classes"),
    ],
)
def test_a_malformed_class_file_is_refused(tmp_path, content, says):
    with pytest.raises(UsageError, match=says):
        read_class_table(class_file(tmp_path, content))


def test_a_missing_or_binary_class_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_class_table(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_class_table(tmp_path / "binary.json")


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        (Model(names=("dog", "cat", "bird")), [1, 1, 0]),
        (Model(names=("Dog", "CAT")), [1, 1, 0]),
        (Model(names=("x", "y", "z"), folders=("dog", "bird", "cat")), [2, 2, 0]),
        (Model(count=2), [0, 0, 1]),
    ],
)
def test_labels_come_from_the_models_own_classes_or_the_order(photos, model, labels):
    images = load_images(f"folder:{photos}", model)
    assert images.labels.tolist() == labels
    by_order = model.class_names is None
    assert any("sorted order" in note for note in images.notes) == by_order


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Model(count=10), "--classes FILE"),
        (Model(names=("a", "b", "c")), "--classes FILE"),
        (Model(names=("first", "second")), r"none of the 2 folders \(cat, dog\) is one of toy's 2"),
        (
            Model(names=("0", "1")),
            r"classes \(0, 1\); say which is which by --classes FILE, .* map=",
        ),
        (Model(names=("cat", "hound")), r"1 of 2 folders are no class of toy's classes \(dog\)"),
        (Model(names=("cat", "dogs", "bird")), "did you mean dogs"),
    ],
)
def test_a_mapping_that_would_be_a_guess_is_refused(photos, model, says):
    with pytest.raises(UsageError, match=says):
        load_images(f"folder:{photos}", model)


def test_a_table_of_another_length_than_the_model_is_refused(photos):
    with pytest.raises(UsageError, match="has 2 classes, but toy has 10"):
        load_images(f"folder:{photos}", Model(count=10), classes=ClassTable(("cat", "dog")))


def test_an_empty_class_folder_counts_in_the_order(photos):
    (photos / "ape").mkdir()
    assert load_images(f"folder:{photos}", Model(count=3)).labels.tolist() == [1, 1, 2]


def test_imagenet_folders_map_by_their_wnids(photos):
    (photos / "cat").rename(photos / "n02123045")
    (photos / "dog").rename(photos / "n01855672")
    images = load_images(f"folder:{photos}", Model(count=1000))
    assert sorted(images.labels.tolist()) == [99, 281, 281]
    assert images.class_names is not None
    assert images.class_names[99] == "goose"


def test_imagenet_names_are_unique():
    table = imagenet_table()
    assert len(set(table.names)) == len(table) == 1000
    assert table.index("crane") is None
    assert table.index("Goose") == 99


def test_a_name_two_classes_share_stands_for_neither():
    assert ClassTable(("crane", "crane", "goose")).index("crane") is None


# ---------------------------------------------------------------- data sets of other classes

IMAGENETTE = {
    "n01440764": ("tench", 0),
    "n02102040": ("English springer", 217),
    "n02979186": ("cassette player", 482),
    "n03000684": ("chain saw", 491),
    "n03028079": ("church", 497),
    "n03394916": ("French horn", 566),
    "n03417042": ("garbage truck", 569),
    "n03425413": ("gas pump", 571),
    "n03445777": ("golf ball", 574),
    "n03888257": ("parachute", 701),
}


@cache
def long_names():
    """ImageNet's classes as checkpoints on the hub call them: all synonyms, commas between."""
    from timm.data.imagenet_info import ImageNetInfo

    return tuple(ImageNetInfo().label_descriptions())


def listing(classes, kind="names"):
    items = [
        Item(f"{i}", f"{i}.png", name, (8, 8), f"{i}", noise) for i, name in enumerate(classes)
    ]
    return Listing("parquet:data", items, tuple(classes), kind)


def labelled(called, model=None, kind="names", **options):
    """(labels, notes) of one image a class."""
    images = ImageSet(listing(called, kind), model, **options)
    return images.labels.tolist(), images.notes


@pytest.mark.parametrize("kind", ["names", "folders"])
@pytest.mark.parametrize("called", ["wnids", "names", "shouted", "long"])
@pytest.mark.parametrize("model", ["unnamed", "short", "long"])
def test_imagenette_maps_into_the_thousand(called, model, kind):
    spelt = {
        "wnids": list(IMAGENETTE),
        "names": [name for name, _ in IMAGENETTE.values()],
        "shouted": [name.upper().replace(" ", "_") for name, _ in IMAGENETTE.values()],
        "long": [long_names()[index] for _, index in IMAGENETTE.values()],
    }
    models = {
        "unnamed": Model(count=1000),
        "short": Model(names=imagenet_table().names),
        "long": Model(names=long_names()),
    }
    labels, (note,) = labelled(spelt[called], models[model], kind)
    assert labels == [index for _, index in IMAGENETTE.values()]
    assert note.startswith("10 classes of parquet:data map to these of toy: ")
    assert f"{spelt[called][0]} → 0 tench" in note


def test_names_in_the_models_order_need_no_note():
    model = Model(names=("airplane", "car, automobile"))
    assert labelled(["Airplane", "automobile"], model) == ([0, 1], [])


def test_classes_of_one_name_are_told_apart_by_their_places():
    thousand = distinct_names(long_names())
    assert len(set(long_names())) < len(set(thousand)) == 1000
    for names in (imagenet_table().names, long_names()):
        assert labelled(thousand, Model(names=names)) == (list(range(1000)), [])


def test_a_synonym_of_two_classes_stands_for_neither():
    model = Model(names=("crane, bird", "crane, machine", "goose"))
    with pytest.raises(UsageError, match=r"1 of 2 classes of the images are no class .*\(crane\)"):
        labelled(["crane", "goose"], model)
    assert labelled(["crane, machine", "goose"], model)[0] == [1, 2]


@pytest.mark.parametrize("model", [Model(count=3), Model(names=("a", "b", "c"))])
def test_as_many_integers_as_the_model_has_classes_are_its_own(model):
    labels, (note,) = labelled(["0", "1", "2"], model, "numbers")
    assert labels == [0, 1, 2]
    assert "3 integer labels of parquet:data are taken as toy's classes in their own order" in note


def test_without_a_model_integers_are_labels_and_names_keep_their_order():
    assert labelled(["0", "1"], kind="numbers") == ([0, 1], [])
    images = ImageSet(listing(["dog", "cat"]))
    assert (images.labels.tolist(), images.class_names) == ([0, 1], ("dog", "cat"))


@pytest.mark.parametrize(
    ("classes", "kind", "model", "says"),
    [
        (["0", "1"], "numbers", Model(count=1000), "add map=identity"),
        (["0", "1"], "numbers", Model(names=("a", "b", "c")), r"map=FILE, a JSON object"),
        (["cat", "dog"], "names", Model(names=("a", "b")), "none of the 2 classes of the images"),
        (["cat", "dgo"], "names", Model(names=("cat", "dog", "c")), "did you mean dog"),
        (["n00000000", "tench"], "folders", Model(count=1000), "none of the 2 folders"),
    ],
)
def test_what_would_be_a_guess_is_refused_with_what_to_type(classes, kind, model, says):
    with pytest.raises(UsageError, match=says):
        labelled(classes, model, kind)


def test_integers_look_a_class_file_up(tmp_path):
    pairs = class_file(tmp_path, [["2", "dog"], ["0", "cat"], ["1", "bird"]])
    numbers = ["0", "1", "2"]
    assert labelled(numbers, kind="numbers", classes=read_class_table(pairs))[0] == [1, 2, 0]
    names = read_class_table(class_file(tmp_path, ["dog", "cat", "bird"]))
    assert labelled(numbers, kind="numbers", classes=names)[0] == [0, 1, 2]
    with pytest.raises(UsageError, match="add map=identity"):
        labelled(numbers[:2], kind="numbers", classes=names)


def test_a_map_says_which_is_which(photos, tmp_path):
    path = class_file(tmp_path, {"cat": 281, "dog": "Scotch terrier"}, "map.json")
    images = load_images(f"folder:{photos}?map={path}", Model(names=imagenet_table().names))
    assert images.labels.tolist() == [281, 281, 199]
    assert images.class_map == {"cat": 281, "dog": 199}
    assert "cat → 281 tabby, dog → 199 Scotch terrier" in images.notes[-1]
    assert load_images(f"folder:{photos}?map=none", Model(count=3)).labels.tolist() == [-1] * 3


def test_a_map_by_identity_takes_the_images_own_integers():
    said = {"mapping": read_mapping("identity")}
    assert labelled(["0", "1"], Model(count=1000), "numbers", **said)[0] == [0, 1]
    assert labelled(["cat", "dog"], Model(names=("a", "b")), **said)[0] == [0, 1]
    with pytest.raises(UsageError, match="labels up to 2 and the model 2 classes"):
        labelled(["0", "1", "2"], Model(count=2), "numbers", **said)
    with pytest.raises(UsageError, match=r"parquet:data are no numbers \(cat, dog\)"):
        labelled(["cat", "dog"], Model(count=2), "folders", **said)
    with pytest.raises(UsageError, match=r"parquet:data are no numbers \(cat, dog\)"):
        labelled(["cat", "dog"], Model(count=2), "texts", **said)


@pytest.mark.parametrize("kind", ["folders", "names", "texts"])
@pytest.mark.parametrize("called", [["0", "1", "10"], ["000", "001", "010"]])
def test_classes_called_by_numbers_are_these_wherever_they_come_from(called, kind):
    said = {"mapping": read_mapping("identity")}
    assert labelled(called, Model(count=20), kind, **said)[0] == [0, 1, 10]
    with pytest.raises(UsageError, match=r"are numbers .* add map=identity"):
        labelled(called, Model(count=3), kind)
    backwards = [str(number) for number in reversed(range(3))]
    assert labelled(backwards, Model(count=3), kind)[0] == [2, 1, 0]
    assert labelled(backwards, kind=kind, classes=ClassTable(("a", "b", "c")))[0] == [2, 1, 0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"cat": 0}, r"says nothing of 1 of 2 folders \(dog\)"),
        ({"cat": 0, "dog": 3}, "names the class 3; expected an index from 0 to 2"),
        ({"cat": 0, "dog": "hond"}, "names the class 'hond', which is none of the model's"),
        ({"cat": 0, "dog": "brid"}, "did you mean bird"),
        ({"cat": True, "dog": 1}, "does not hold a JSON object"),
        ({}, "does not hold a JSON object"),
        ("[", "is not valid JSON"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(photos, tmp_path, content, says):
    path = class_file(tmp_path, content, "map.json")
    with pytest.raises(UsageError, match=says):
        load_images(f"folder:{photos}?map={path}", Model(names=("cat", "bird", "x")))
