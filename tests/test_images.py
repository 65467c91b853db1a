"""Image files of every kind, folders of every layout, and the labels they get."""

import json
import os
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from timm.data.transforms_factory import create_transform

from blindspots.errors import Refused, WorkFailed
from blindspots.images import ImageSet, Preprocessing, load_images
from blindspots.images.classes import ClassTable, imagenet_table, read_class_table
from blindspots.images.decode import SUFFIXES, Unreadable, decode, examine
from blindspots.images.listing import image_id


class Model:
    """As much of a classifier as images need."""

    def __init__(self, names=None, *, count=10, folders=None, size=8, preprocessing=None):
        self.name = "toy"
        self.class_names = names
        self.class_folders = folders
        self.num_classes = count if names is None else len(names)
        self.preprocessing = preprocessing or Preprocessing(size=(size, size))


def encoded(image, kind="PNG", **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def flat_array(value, dtype):
    return Image.fromarray(np.full((6, 4), value, dtype))


def palette():
    image = Image.new("P", (4, 6), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


def frames(*colours):
    first, *rest = [Image.new("RGB", (4, 6), colour) for colour in colours]
    return encoded(first, "GIF", save_all=True, append_images=rest)


def deep_colour():
    """A PNG of 16-bit RGB, which Pillow reads and does not write: 1 × 1, value 0xABCD."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + b"\xab\xcd" * 3))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


RED = Image.new("RGB", (4, 6), (255, 0, 0))
DECODED = {
    "rgb": (encoded(RED), (255, 0, 0), ""),
    "bmp": (encoded(RED, "BMP"), (255, 0, 0), ""),
    "webp": (encoded(RED, "WEBP", lossless=True), (255, 0, 0), ""),
    "grey": (encoded(Image.new("L", (4, 6), 77)), (77, 77, 77), "greyscale"),
    "grey jpeg": (encoded(Image.new("L", (4, 6), 77), "JPEG"), (77, 77, 77), "greyscale"),
    "bilevel": (encoded(Image.new("1", (4, 6), 1)), (255, 255, 255), "greyscale"),
    "palette": (encoded(palette()), (10, 20, 30), ""),
    "palette, clear": (encoded(palette(), transparency=1), (255, 255, 255), "on white"),
    "clear": (encoded(Image.new("RGBA", (4, 6), (255, 0, 0, 0))), (255, 255, 255), "on white"),
    "half clear": (
        encoded(Image.new("RGBA", (4, 6), (255, 0, 0, 51))),
        (255, 204, 204),
        "on white",
    ),
    "grey, clear": (encoded(Image.new("LA", (4, 6), (0, 0))), (255, 255, 255), "on white"),
    "cmyk tiff": (
        encoded(Image.new("CMYK", (4, 6), (0, 255, 255, 0)), "TIFF"),
        (255, 0, 0),
        "CMYK converted",
    ),
    "16-bit top": (encoded(flat_array(65535, np.uint16)), (255, 255, 255), "16-bit"),
    "16-bit mid": (encoded(flat_array(32896, np.uint16)), (128, 128, 128), "16-bit"),
    "16-bit low": (encoded(flat_array(300, np.uint16)), (1, 1, 1), "16-bit"),
    "16-bit tiff": (encoded(flat_array(32896, np.uint16), "TIFF"), (128, 128, 128), "16-bit"),
    "16-bit colour": (deep_colour(), (0xAB, 0xAB, 0xAB), "16-bit"),
    "32-bit": (encoded(flat_array(65535, np.int32), "TIFF"), (255, 255, 255), "16-bit"),
    "float": (encoded(flat_array(0.5, np.float32), "TIFF"), (128, 128, 128), "greyscale"),
    "animated": (frames("blue", "red"), (0, 0, 255), "first of 2 frames"),
}


@pytest.mark.parametrize("case", DECODED)
def test_every_kind_of_file_becomes_the_right_rgb(case):
    data, pixel, said = DECODED[case]
    found = decode(data)
    assert found.image.mode == "RGB"
    assert found.image.getpixel((0, 0)) == pixel
    assert said in "; ".join(found.converted)
    assert bool(said) == bool(found.converted)
    assert examine(data) == (found.image.size, found.converted)


def test_a_cmyk_jpeg_keeps_its_colours():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = decode(data).image.getpixel((8, 8))
    assert red > 240
    assert max(green, blue) < 16


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation, kind):
    upright = Image.new("RGB", (32, 48), "white")
    upright.paste("black", (0, 0, 16, 16))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    data = encoded(stored, kind, exif=exif(orientation))
    found = decode(data)
    assert found.image.size == upright.size == examine(data).size
    assert np.abs(np.asarray(found.image, float) - np.asarray(upright, float)).max() < 40
    assert bool(found.converted) == (orientation > 1)


def noise(width=64, height=48, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"hello, I am no image", "no image"),
    "cut jpeg": (encoded(noise(), "JPEG")[:-400], "damaged"),
    "cut png": (encoded(noise())[:-400], "damaged"),
    "cut in the header": (encoded(noise())[:20], "damaged"),
    "cut gif": (encoded(noise(), "GIF")[:-400], "damaged"),
    "float out of range": (encoded(flat_array(2.0, np.float32), "TIFF"), "expected 0 to 1"),
    "int out of range": (encoded(flat_array(70000, np.int32), "TIFF"), "expected 0 to 65535"),
    "bomb": (encoded(Image.new("1", (15000, 15000))), "million pixels"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("read", [decode, examine])
def test_what_cannot_be_read_says_why(case, read):
    data, reason = DAMAGED[case]
    with pytest.raises(Unreadable, match=reason):
        read(data)


@given(st.integers(0, 3000), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "GIF", "TIFF"]))
def test_a_damaged_byte_is_decoded_or_unreadable_and_nothing_else(place, value, kind):
    data = bytearray(encoded(noise(24, 16), kind))
    data[place % len(data)] = value
    try:
        size = decode(bytes(data)).image.size
    except Unreadable:
        return
    assert examine(bytes(data)).size == size


# ------------------------------------------------------------------------------------- geometry

GEOMETRIES = [
    ((64, 48), 40, 32),
    ((47, 91), 36, 32),
    ((500, 375), 256, 224),
    ((101, 33), 33, 32),
    ((30, 20), 36, 32),
]


@pytest.mark.parametrize(("shape", "resize", "size"), GEOMETRIES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_geometry_equals_timms_evaluation_transform(shape, resize, size, interpolation):
    image = noise(*shape)
    theirs = create_transform(
        (3, size, size), interpolation=interpolation, crop_pct=size / resize, mean=0.0, std=1.0
    )
    ours = Preprocessing(size=(size, size), resize=resize, interpolation=interpolation)
    expected = (theirs(image).permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(np.asarray(ours(image)), expected)


def test_squashing_keeps_the_whole_image():
    theirs = create_transform(
        (3, 32, 32), interpolation="bicubic", crop_pct=1, crop_mode="squash", mean=0.0, std=1.0
    )
    image = noise()
    expected = (theirs(image).permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(np.asarray(Preprocessing(size=(32, 32), squash=True)(image)), expected)


def test_an_image_of_the_right_size_is_left_alone():
    image = noise(32, 32)
    assert Preprocessing(size=(32, 32), resize=40)(image) is image


def test_without_a_resize_the_image_covers_a_size_of_any_shape():
    tall = Preprocessing(size=(40, 10))(noise(64, 48))
    assert tall.size == (10, 40)


# -------------------------------------------------------------------------------------- folders


def write(path: Path, content=None, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(noise(seed=seed)) if content is None else content)
    return path


@pytest.fixture
def photos(tmp_path):
    """Two classes, three images, and what tends to lie about."""
    root = tmp_path / "photos"
    write(root / "cat" / "Tom & friends.png", seed=1)
    write(root / "cat" / "deep" / "b.JPG", encoded(noise(seed=2), "JPEG"))
    write(root / "dog" / "b.png", seed=3)
    write(root / "cat" / ".hidden.png", seed=4)
    write(root / ".cache" / "x.png", seed=5)
    write(root / "cat" / "notes.txt", b"mine")
    return root


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


@given(st.text(min_size=1))
def test_an_id_is_a_file_name_whatever_the_file_was_called(name):
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,40}-[0-9a-f]{8}", image_id(name, "0123456789abcdef"))
    assert image_id(name, "0123456789abcdef")[0] not in ".-"


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


@pytest.mark.parametrize(
    ("content", "says"),
    [({}, "holds no image; expected files that end in .jpg"), ({"a.png": b"", "b.jpg": b"x"}, "no readable image .*a.png")],
)
def test_nothing_to_read_is_refused(tmp_path, content, says):
    for name, data in content.items():
        write(tmp_path / name, data)
    with pytest.raises(Refused, match=says):
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
    with pytest.raises(Refused, match=says):
        load_images(spec)


def test_suffixes_are_lower_case_because_they_are_compared_so():
    assert all(suffix == suffix.lower() for suffix in SUFFIXES)


# --------------------------------------------------------------------------------------- pixels


def test_pixels_are_exact_at_the_models_geometry(photos):
    images = load_images(f"folder:{photos}", Model(size=8, count=2))
    exact = images.uint8(0)
    expected = Preprocessing(size=(8, 8))(Image.open(photos / "cat" / "Tom & friends.png"))
    assert exact.dtype == np.uint8
    assert np.array_equal(exact, np.asarray(expected))
    taken = images.take([2, 0])
    assert taken.dtype == torch.float32
    assert torch.equal((taken[1] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(exact))
    assert images.take([]).shape == (0, 3, 8, 8)


def test_another_model_sees_the_same_listing_without_reading_a_file(photos, monkeypatch):
    images = load_images(f"folder:{photos}", Model(size=8, count=2))
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("a file was read"))
    other = images.for_model(Model(names=("dog", "x", "cat"), size=16))
    assert other.ids == images.ids
    assert other.labels.tolist() == [2, 2, 0]
    monkeypatch.undo()
    assert other.take([1]).shape == (1, 3, 16, 16)


def test_a_listing_holds_no_pixels(photos, monkeypatch):
    calls = []
    images = load_images(f"folder:{photos}")
    original = ImageSet._decoded
    monkeypatch.setattr(ImageSet, "_decoded", lambda s, i: calls.append(i) or original(s, i))
    images.take([1])
    assert calls == [1]


def test_several_sizes_need_a_model(photos):
    write(photos / "dog" / "small.png", encoded(noise(20, 10, seed=9)))
    images = load_images(f"folder:{photos}")
    with pytest.raises(Refused, match="2 sizes"):
        _ = images.images
    assert images.take([0, 1]).shape == (2, 3, 48, 64)
    assert images.for_model(Model(count=2)).images.shape == (4, 3, 8, 8)


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_file_that_changes_after_listing_is_not_used_silently(photos, change):
    images = load_images(f"folder:{photos}")
    path = photos / "dog" / "b.png"
    path.unlink() if change == "gone" else write(path, seed=99)
    with pytest.raises(WorkFailed, match="listed"):
        images.uint8(2)


# ----------------------------------------------------------------------------------------- find


@pytest.mark.parametrize("text", ["cat/deep/b.JPG", "b.JPG", "{root}/cat/deep/b.JPG"])
def test_an_image_is_found_by_path_or_name(photos, text):
    assert load_images(f"folder:{photos}").find(text.format(root=photos)) == 1


def test_an_image_is_found_by_id_and_by_stem(photos):
    images = load_images(f"folder:{photos}")
    assert [images.find(one) for one in images.ids] == [0, 1, 2]
    assert images.find("Tom & friends") == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b", "any of cat/deep/b.JPG, dog/b.png"),
        ("Tom & freinds", "did you mean"),
        ("?", "there are cat/"),
    ],
)
def test_an_unknown_or_ambiguous_name_is_refused(photos, text, says):
    with pytest.raises(Refused, match=says):
        load_images(f"folder:{photos}").find(text)


# --------------------------------------------------------------------------------------- labels


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
    with pytest.raises(Refused, match=says):
        read_class_table(class_file(tmp_path, content))


def test_a_missing_or_binary_class_file_is_refused(tmp_path):
    with pytest.raises(Refused, match="no such file"):
        read_class_table(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="not UTF-8"):
        read_class_table(tmp_path / "binary.json")


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        (Model(names=("dog", "cat", "bird")), [1, 1, 0]),
        (Model(names=("Dog", "CAT")), [1, 1, 0]),
        (Model(names=("x", "y", "z"), folders=("dog", "bird", "cat")), [2, 2, 0]),
        (Model(count=2), [0, 0, 1]),
        (Model(names=("first", "second")), [0, 0, 1]),
    ],
)
def test_labels_come_from_the_models_own_classes_or_the_order(photos, model, labels):
    images = load_images(f"folder:{photos}", model)
    assert images.labels.tolist() == labels
    by_order = model.class_names in (None, ("first", "second"))
    assert any("sorted order" in note for note in images.notes) == by_order


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Model(count=10), "--classes FILE"),
        (Model(names=("a", "b", "c")), "--classes FILE"),
        (Model(names=("cat", "hound")), r"1 of 2 folders are no class of toy's classes \(dog\)"),
        (Model(names=("cat", "dogs", "bird")), "did you mean dogs"),
    ],
)
def test_a_mapping_that_would_be_a_guess_is_refused(photos, model, says):
    with pytest.raises(Refused, match=says):
        load_images(f"folder:{photos}", model)


def test_a_table_of_another_length_than_the_model_is_refused(photos):
    with pytest.raises(Refused, match="has 2 classes, but toy has 10"):
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


# --------------------------------------------------------------------------------------- shapes


def test_shapes_are_labelled_and_named():
    images = load_images("sample:shapes?n=12&seed=1")
    assert len(images) == 12
    assert images.class_names is not None
    assert images.labels.tolist() == [*range(10), 0, 1]
    assert images.names[0] == f"test/{images.class_names[0]}-00000.png"
    assert images.images.shape == (12, 3, 64, 64)
    assert images.ids == load_images("sample:shapes?n=12&seed=1").ids
    assert images.find(f"{images.class_names[3]}-00003") == 3


def test_shapes_map_by_name_to_a_model_that_knows_them():
    names = load_images("sample:shapes?n=10").class_names
    assert names is not None
    images = load_images("sample:shapes?n=10", Model(names=(*reversed(names), "other")))
    assert images.labels.tolist() == list(reversed(range(10)))


def test_shapes_have_no_labels_for_a_model_of_other_classes():
    images = load_images("sample:shapes?n=2", Model(names=("a", "b")))
    assert images.labels.tolist() == [-1, -1]
    assert "other classes" in images.notes[0]
