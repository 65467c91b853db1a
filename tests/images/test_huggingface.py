"""`hf:` on data sets that the `datasets` library writes, and that it reads for comparison."""

import sys

import numpy as np
import pytest

from blindspots.images import load_images
from blindspots.images.shapes import CLASS_NAMES
from tests.images.material import (
    Model,
    clean_accuracy,
    dry_run,
    encoded,
    noise,
    refusal,
    shapes,
    write,
    write_shape_folders,
)
from tests.support.hub_cache import lay

SCHEME = "images:hf"


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory):
    """The hub is switched off, and the library's cache lies where the tests write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


def made(count=20, **columns):
    import datasets

    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASS_NAMES))}
    rows = shapes(count)
    table = {
        "image": [{"bytes": data, "path": name} for name, _, data in rows],
        "label": [label for _, label, _ in rows],
    }
    kinds = {name: datasets.ClassLabel(names=["a", "b"]) for name in columns}
    return datasets.Dataset.from_dict(table | columns, datasets.Features(features | kinds))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One split and two, as `save_to_disk` lays them."""
    import datasets

    root = tmp_path_factory.mktemp("saved")
    made().save_to_disk(root / "one")
    datasets.DatasetDict(train=made(4), test=made()).save_to_disk(root / "two")
    return root


@pytest.mark.scheme(SCHEME, "loads")
@pytest.mark.parametrize("name", ["one", "two:test", "two?split=test"])
def test_a_run_takes_a_saved_data_set(saved, capsys, name):
    status, said = dry_run(f"hf:{saved}/{name}", capsys)
    assert status == 0
    assert clean_accuracy(said) > 90


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_pixels_and_labels_are_those_the_library_reads(saved):
    import datasets

    theirs = datasets.load_from_disk(saved / "one")
    model = Model(names=CLASS_NAMES, size=48)
    images = load_images(f"hf:{saved}/one", model)
    assert images.labels.tolist() == theirs["label"]
    for index in (19, 0):
        expected = model.preprocessing(theirs[index]["image"])
        assert np.array_equal(images.uint8(index), np.asarray(expected))


@pytest.mark.scheme(SCHEME, "loads")
def test_folders_of_images_and_parquet_files_are_data_sets_too(tmp_path):
    folders = write_shape_folders(tmp_path / "folders" / "train")
    made().to_parquet(str(tmp_path / "parquet" / "data" / "test-00000-of-00001.parquet"))
    by_folder = load_images(f"hf:{folders.parent}")
    by_parquet = load_images(f"hf:{tmp_path}/parquet")
    assert by_folder.class_names == by_parquet.class_names == CLASS_NAMES
    assert set(by_folder.ids) == set(by_parquet.ids) == set(load_images(f"folder:{folders}").ids)
    assert by_folder.names[0].startswith("train/apple/")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.scheme(SCHEME, "loads")
@pytest.mark.scheme(SCHEME, "preprocessing")
def test_a_name_is_found_in_the_hubs_cache_as_the_directory_it_was_laid_from(tmp_path, hub):
    made(8).to_parquet(str(tmp_path / "tables" / "data" / "test-00000-of-00001.parquet"))
    made(4).to_parquet(str(tmp_path / "tables" / "data" / "train-00000-of-00001.parquet"))
    write_shape_folders(tmp_path / "folders" / "train")
    model = Model(names=CLASS_NAMES, size=48)
    for name, split in (("tables", ":test"), ("folders", "")):
        lay(hub, f"me/{name}", tmp_path / name, kind="datasets")
        named = load_images(f"hf:me/{name}{split}", model)
        expected = load_images(f"hf:{tmp_path}/{name}{split}", model)
        assert (named.ids, named.names) == (expected.ids, expected.names)
        assert named.labels.tolist() == expected.labels.tolist()
        assert all(np.array_equal(named.uint8(i), expected.uint8(i)) for i in range(len(named.ids)))


@pytest.mark.scheme(SCHEME, "broken")
def test_a_split_that_is_not_there_and_half_a_download_are_refused(tmp_path, hub, capsys):
    made(4).to_parquet(str(tmp_path / "data" / "test-00000-of-00001.parquet"))
    snapshot = lay(hub, "me/whole", tmp_path / "data", kind="datasets")
    assert "did you mean test?" in refusal("hf:me/whole:tset", capsys)
    (snapshot / "test-00000-of-00001.parquet").unlink()
    assert "nor does its cache here" in refusal("hf:me/whole:test", capsys)


@pytest.mark.scheme(SCHEME, "extra")
def test_a_missing_library_is_named_with_its_command(saved, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install 'blindspots[datasets]'" in refusal(f"hf:{saved}/one", capsys)


@pytest.mark.scheme(SCHEME, "broken")
def test_what_is_not_there_or_broken_is_refused(saved, tmp_path, capsys):
    assert "the hub does not give" in refusal("hf:nobody/nothing:test", capsys)
    assert "did you mean test?" in refusal(f"hf:{saved}/two:tset", capsys)
    assert f"type hf:{saved}/two:test" in refusal(f"hf:{saved}/two", capsys)
    assert "says two splits" in refusal(f"hf:{saved}/two:test?split=train", capsys)
    assert "holds one split" in refusal(f"hf:{saved}/one:test", capsys)
    write(tmp_path / "words" / "a.json", b"{")
    assert "datasets cannot read the directory" in refusal(f"hf:{tmp_path}/words", capsys)
    made(4).save_to_disk(tmp_path / "cut")
    (arrow,) = (tmp_path / "cut").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:-2000])
    assert "datasets cannot read the directory" in refusal(f"hf:{tmp_path}/cut", capsys)


def test_columns_that_are_not_evident_must_be_said(tmp_path, capsys):
    two = made(4, coarse=[0, 1, 0, 1]).rename_column("label", "fine")
    two.save_to_disk(tmp_path / "two")
    assert "say which by label=fine" in refusal(f"hf:{tmp_path}/two", capsys)
    assert load_images(f"hf:{tmp_path}/two?label=coarse").class_names == ("a", "b")


def test_labels_that_are_not_known_are_none(tmp_path):
    import datasets

    rows = {"image": [{"bytes": encoded(noise()), "path": None}], "label": [-1]}
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    datasets.Dataset.from_dict(rows, datasets.Features(kinds)).save_to_disk(tmp_path / "test")
    assert load_images(f"hf:{tmp_path}/test").labels.tolist() == [-1]
