"""Folders of every layout, and what lies about in them."""

import os
import re

import pytest
from hypothesis import given

from blindspots.errors import UsageError
from blindspots.images import load_images
from blindspots.images.listing import image_id
from tests.images.material import (
    Model,
    clean_accuracy,
    dry_run,
    encoded,
    noise,
    write,
    write_shape_folders,
)
from tests.support.texts import texts


@pytest.mark.scheme("images:folder", "loads")
def test_a_folder_lists_its_classes(photos):
    images = load_images(f"folder:{photos}")
    assert images.names == ["cat/Tom & friends.png", "cat/deep/b.JPG", "dog/b.png"]
    assert images.labels.tolist() == [0, 0, 1]
    assert images.class_names == ("cat", "dog")
    assert images.skipped == images.converted == []
    assert images.images.shape == (3, 3, 48, 64)
    assert images.spec == f"folder:{photos}"
    assert "cat/notes.txt" in images.notes[0]


def test_a_flat_folder_has_no_labels_but_its_models_names(photos):
    images = load_images(f"folder:{photos / 'dog'}", Model(names=("a", "b")))
    assert images.labels.tolist() == [-1]
    assert images.class_names == ("a", "b")
    assert load_images(f"folder:{photos / 'dog'}").class_names is None


def test_ids_are_safe_and_know_only_name_and_content(photos, tmp_path):
    ids = load_images(f"folder:{photos}").ids
    assert ids[0].startswith("Tom-friends-")
    assert all(re.fullmatch(r"[\w.-]+-[0-9a-f]{8}", one) for one in ids)
    moved = photos.rename(tmp_path / "elsewhere")
    assert load_images(f"folder:{moved}").ids == ids
    (moved / "dog" / "b.png").rename(moved / "dog" / "c.png")
    renamed = load_images(f"folder:{moved}").ids[2]
    assert renamed == "c" + ids[2].removeprefix("b")


@given(texts.filter(bool))
def test_an_id_is_a_file_name_whatever_the_file_was_called(name):
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,40}-[0-9a-f]{8}", image_id(name, "0123456789abcdef"))
    assert image_id(name, "0123456789abcdef")[0] not in ".-"


@pytest.mark.scheme("images:folder", "broken")
def test_bad_files_are_skipped_with_a_reason_and_good_ones_kept(photos):
    write(photos / "cat" / "cut.png", encoded(noise(seed=6))[:-300])
    write(photos / "cat" / "empty.jpg", b"")
    write(photos / "dog" / "prose.jpg", b"once upon a time")
    (photos / "dog" / "gone.png").symlink_to(photos / "nowhere.png")
    write(photos / "stray.png", seed=7)
    os.mkfifo(photos / "dog" / "pipe.png")
    images = load_images(f"folder:{photos}")
    reasons = {row["name"]: row["reason"] for row in images.skipped}
    assert len(images) == 3
    assert list(reasons) == sorted(reasons)
    assert "damaged" in reasons["cat/cut.png"]
    assert "0 bytes" in reasons["cat/empty.jpg"]
    assert "no image" in reasons["dog/prose.jpg"]
    assert "missing" in reasons["dog/gone.png"]
    assert "no regular file" in reasons["dog/pipe.png"]
    assert "beside the class folders" in reasons["stray.png"]


def test_what_was_converted_is_listed(photos):
    write(photos / "dog" / "grey.png", encoded(noise(seed=8).convert("L")))
    images = load_images(f"folder:{photos}")
    assert images.converted == [{"name": "dog/grey.png", "reason": "greyscale converted to RGB"}]


def test_a_second_file_of_the_same_content_is_skipped_and_still_found(photos):
    write(photos / "dog" / "copy.png", (photos / "cat" / "Tom & friends.png").read_bytes())
    images = load_images(f"folder:{photos}")
    assert len(images) == 3
    assert images.skipped == [
        {"name": "dog/copy.png", "reason": "it has the same content as cat/Tom & friends.png"}
    ]
    assert images.find("copy.png") == 0


def test_links_into_circles_end(photos):
    (photos / "cat" / "again").symlink_to(photos, target_is_directory=True)
    assert len(load_images(f"folder:{photos}")) == 3


@pytest.mark.scheme("images:folder", "loads")
def test_a_run_takes_folders_with_their_labels(tmp_path, capsys):
    status, said = dry_run(f"folder:{write_shape_folders(tmp_path)}", capsys)
    assert status == 0
    assert clean_accuracy(said) > 90


@pytest.mark.scheme("images:folder", "broken")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "holds no image; expected files that end in .jpg"),
        ({"a.png": b"", "b.jpg": b"x"}, "no readable image .*a.png"),
    ],
)
def test_nothing_to_read_is_refused(tmp_path, content, says):
    for name, data in content.items():
        write(tmp_path / name, data)
    with pytest.raises(UsageError, match=says):
        load_images(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("folder:no/such/place", "no directory"),
        ("foldr:photos", "did you mean folder:"),
        ("folder:.?n=3", "no option 'n'"),
        ("sample:shapes?sede=3", "no option 'sede'; expected split, n, seed, map; did you mean"),
        ("sample:circles", "type sample:shapes"),
        ("sample:shapes?n=0", "not a whole number from 1"),
        ("sample:shapes?split=tset", "did you mean test"),
    ],
)
def test_a_wrong_spec_is_refused(spec, says):
    with pytest.raises(UsageError, match=says):
        load_images(spec)


def test_what_a_run_saved_among_the_images_is_passed_over_with_a_note(photos):
    before = load_images(f"folder:{photos}")
    write(photos / "run" / "run.json", b"{}")
    write(photos / "run" / "parts" / "pairs.parquet", b"")
    write(photos / "run" / "images" / "cat.png", seed=7)
    images = load_images(f"folder:{photos}")
    assert images.ids == before.ids
    assert images.class_names == before.class_names
    assert "1 folders were passed over, being runs of blindspots: run" in images.notes
