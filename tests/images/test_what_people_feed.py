"""Class files, folders and tables as people have them: read as they mean it, or a sentence."""

import io
import json
import os
import re
import shutil
import sys
import tarfile
from decimal import Decimal
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from blindspots import load_images
from blindspots.errors import UsageError
from blindspots.images.classes import read_class_table, read_mapping
from tests.images.material import Model, encoded, noise, write
from tests.support.tiny import draw

NAMES = ("tench", "goldfish, carp", "café")
WNIDS = ("n01440764", "n01443537", "n01484850")
FILES = {
    "names.txt": "\n".join(NAMES),
    "names.json": json.dumps(NAMES),
    "class_to_idx.json": json.dumps({name: NAMES.index(name) for name in reversed(NAMES)}),
    "label2id of texts.json": json.dumps({name: str(n) for n, name in enumerate(NAMES)}),
    "config.json": json.dumps({"id2label": dict(enumerate(NAMES)), "architectures": ["Any"]}),
    "label2id.json": json.dumps({name: index for index, name in enumerate(NAMES)}, indent=2),
    "id2label.json": json.dumps(dict(enumerate(NAMES))),
    "clsidx_to_labels.txt": str(dict(enumerate(NAMES))).replace(", 1", ",\n 1"),
    "LOC_synset_mapping.txt": "\n".join(map("{} {}".format, WNIDS, NAMES)),
    "imagenet_class_index.json": json.dumps(dict(enumerate(zip(WNIDS, NAMES, strict=True)))),
}
FOLDERS = ("LOC_synset_mapping.txt", "imagenet_class_index.json")


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", FILES)
def test_a_class_file_of_any_form_and_mark_gives_the_names_in_order(tmp_path, name, coding):
    (tmp_path / name).write_text(normalize("NFD", FILES[name]), encoding=coding)
    table = read_class_table(tmp_path / name)
    assert table.names == NAMES
    assert table.folders == (WNIDS if name in FOLDERS else None)


@pytest.mark.parametrize(
    "text",
    [
        '{"cat": 0, "dog": 2}',
        '{"cat": true, "dog": 0}',
        "[" * 100_000,
        f"[{'9' * 5000}]",
        '["\\ud800", "b"]',
        "{0: 'cat', 1: open('x')}",
    ],
)
def test_a_class_file_that_lies_is_refused_with_its_name(tmp_path, text):
    path = write(tmp_path / "names.json", text.encode())
    with pytest.raises(UsageError, match=r"^the class file .*names\.json is not "):
        read_class_table(path)


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"cat": {"9" * 5000}}}', '{"a": "\\ud800"}'])
def test_a_map_that_lies_is_refused_with_its_name(tmp_path, text):
    path = write(tmp_path / "map.json", text.encode())
    with pytest.raises(UsageError, match=r"^map=.*map\.json is not valid JSON"):
        read_mapping(str(path))


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_lists_and_maps_may_begin_with_a_mark(tmp_path, coding):
    write(tmp_path / "d" / "cat" / "0.png")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/d/cat/0.png\n", encoding=coding)
    (tmp_path / "map.json").write_text('{"cat": 1}', encoding=coding)
    assert len(load_images(f"files:@{tmp_path}/list.txt")) == 1
    images = load_images(f"folder:{tmp_path}/d?map={tmp_path}/map.json", Model(count=2))
    assert images.labels.tolist() == [1]


def numbered(tmp_path, names):
    for seed, name in enumerate(names):
        write(tmp_path / "d" / name / "0.png", seed=seed)
    return f"folder:{tmp_path}/d"


TWELVE = [str(number) for number in range(12)]


@pytest.mark.parametrize("known", [None, tuple(f"kind {n}" for n in TWELVE)])
@pytest.mark.parametrize("mapping", ["", "?map=identity"])
@pytest.mark.parametrize("width", [1, 4])
def test_folder_10_is_class_10(tmp_path, known, mapping, width):
    spec = numbered(tmp_path, [name.zfill(width) for name in TWELVE])
    images = load_images(spec + mapping, Model(names=known, count=12))
    assert {int(name): index for name, index in images.class_map.items()} == {
        number: number for number in range(12)
    }


def test_some_numbered_folders_are_classes_where_that_is_said(tmp_path):
    spec, model = numbered(tmp_path, ["3", "10"]), Model(count=12)
    with pytest.raises(UsageError, match=r"numbers \(3, 10\) .* add map=identity"):
        load_images(spec, model)
    assert load_images(f"{spec}?map=identity", model).labels.tolist() == [10, 3]
    with pytest.raises(UsageError, match="labels up to 10 and the model 4 classes"):
        load_images(f"{spec}?map=identity", Model(count=4))


def labelled_text(tmp_path, source, labels):
    """The spec of one image per label, each written as that text, or as the folder's name."""
    pictures = [encoded(noise(seed=seed)) for seed in range(len(labels))]
    match source:
        case "folder" | "hf":
            return numbered(tmp_path, labels).replace("folder:", f"{source}:")
        case "parquet":
            pq.write_table(pa.table({"image": pictures, "label": labels}), tmp_path / "a.parquet")
            return f"parquet:{tmp_path}/a.parquet"
        case "webdataset":
            with tarfile.open(tmp_path / "a.tar", "w") as shard:
                for index, data in enumerate(pictures):
                    for suffix, held in (("png", data), ("cls", labels[index].encode())):
                        member = tarfile.TarInfo(f"{index}.{suffix}")
                        member.size = len(held)
                        shard.addfile(member, io.BytesIO(held))
            return f"webdataset:{tmp_path}/a.tar"
    for index, data in enumerate(pictures):
        write(tmp_path / "m" / f"{index}.png", data)
    rows = "".join(f"{index}.png,{label}\n" for index, label in enumerate(labels))
    (tmp_path / "m" / "metadata.csv").write_text(f"file_name,label\n{rows}")
    return f"folder:{tmp_path}/m"


TEXTS = ("parquet", "webdataset", "metadata")


@pytest.mark.parametrize("labels", [["0", "1", "10"], ["007", "001", "010"]])
@pytest.mark.parametrize("source", ["folder", "hf", *TEXTS])
def test_identity_is_the_same_for_every_source(tmp_path, source, labels):
    spec = labelled_text(tmp_path, source, labels)
    images = load_images(f"{spec}?map=identity", Model(count=20))
    assert sorted(images.labels.tolist()) == sorted(map(int, labels))


@pytest.mark.parametrize("source", TEXTS)
def test_numbers_as_text_are_numbers_and_texts_are_none(tmp_path, source):
    spec = labelled_text(tmp_path, source, ["0.0", "10.0", "2.0", "-1"])
    assert load_images(spec, Model(count=11)).labels.tolist() == [0, 10, 2, -1]
    spec = labelled_text(tmp_path, source, ["cat", "dog"])
    with pytest.raises(UsageError, match=r"are no numbers .*cat.* expected map=FILE"):
        load_images(f"{spec}?map=identity", Model(count=2))


def test_folders_from_1_are_no_classes_from_0(tmp_path):
    with pytest.raises(UsageError, match="map=FILE"):
        load_images(numbered(tmp_path, ["1", "2", "3"]), Model(count=3))


def test_a_class_file_names_numbered_folders_in_their_order(tmp_path):
    spec = numbered(tmp_path, TWELVE)
    names = write(tmp_path / "names.txt", "\n".join(f"kind {n}" for n in TWELVE).encode())
    images = load_images(spec, Model(count=12), classes=names)
    assert images.class_map["10"] == 10
    assert images.class_names[10] == "kind 10"


def test_what_systems_lay_beside_folders_is_no_class(tmp_path):
    for junk in ("__MACOSX", "@eaDir", "cat/@eaDir", "#recycle", "lost+found", "$RECYCLE.BIN"):
        write(tmp_path / "d" / junk / "thumb.jpg", encoded(noise(seed=9), "JPEG"))
    images = load_images(numbered(tmp_path, ["cat", "dog"]), Model(count=2))
    assert images.names == ["cat/0.png", "dog/0.png"]
    assert images.class_map == {"cat": 0, "dog": 1}


def test_a_folder_without_images_is_named_and_needs_no_class(tmp_path):
    (tmp_path / "d" / "notes").mkdir(parents=True)
    images = load_images(numbered(tmp_path, ["cat", "dog"]), Model(names=("cat", "dog", "emu")))
    assert images.labels.tolist() == [0, 1]
    assert "1 folders hold no image: notes" in images.notes


def test_a_name_is_the_same_however_its_accents_are_stored(tmp_path):
    spec = numbered(tmp_path, [normalize("NFD", "café"), "dog"])
    images = load_images(spec, Model(names=("dog", normalize("NFC", "café"))))
    assert images.labels.tolist() == [1, 0]
    (tmp_path / "map.json").write_text('{"café": 7, "dog": 8}', encoding="utf-8")
    images = load_images(f"{spec}?map={tmp_path}/map.json", Model(count=10))
    assert images.labels.tolist() == [7, 8]


def flat(tmp_path, text):
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        write(tmp_path / "d" / name, seed=seed)
    write(tmp_path / "d" / "metadata.csv", text.encode("utf-8-sig"))
    return load_images(f"folder:{tmp_path}/d", Model(names=("cat", "dog")))


def test_metadata_beside_flat_images_says_their_classes(tmp_path):
    images = flat(tmp_path, "file_name,label\nb.png,cat\na.png,dog\nc.png,\n")
    assert images.labels.tolist() == [1, 0, -1]
    assert images.notes[-1].startswith("1 of 3 images of ")
    assert images.notes[-1].endswith("none is in metadata.csv")


def test_metadata_names_files_as_people_write_them_and_no_class_is_taken_in_silence(tmp_path):
    rows = "./a.png,dog\n.\\b.png,cat\nc.png,dog\nc.png,cat\ngone.png,cat\n"
    images = flat(tmp_path, f"file_name,label\n{rows}")
    assert images.labels.tolist() == [1, 0, -1]
    said = " ".join(images.notes)
    assert "1 files have several classes in metadata.csv, so none of them has one: c.png" in said
    assert "1 files of metadata.csv are not there: gone.png" in said


def test_metadata_that_says_no_class_is_named(tmp_path):
    images = flat(tmp_path, "file_name,caption\nb.png,x\n")
    assert images.labels.tolist() == [-1] * 3
    assert "metadata.csv has the columns file_name, caption, not file_name and" in images.notes[0]


def test_metadata_that_is_no_csv_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"metadata\.csv is no CSV file"):
        flat(tmp_path, f"file_name,label\na.png,{'x' * 200_000}\n")


def table(tmp_path, column, name="label"):
    data = pa.array([encoded(noise(seed=seed)) for seed in range(4)], pa.binary())
    pq.write_table(pa.table({"image": data, name: column}), tmp_path / "t.parquet")
    return f"parquet:{tmp_path}/t.parquet"


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array([0.0, None, 1.0, float("nan")]), [0, -1, 1, -1]),
        (pa.array([True, False, None, True]), [1, 0, -1, 1]),
        (pa.array([Decimal(1), Decimal(0), None, Decimal(1)]), [1, 0, -1, 1]),
        (pa.array(["b", "a", None, "b"], pa.string_view()), [1, 0, -1, 1]),
        (pa.array(["b", "a", None, "b"], pa.large_string()), [1, 0, -1, 1]),
        (pa.array([1, 0, None, 1]).dictionary_encode(), [1, 0, -1, 1]),
    ],
)
def test_labels_of_a_table_are_read_whatever_their_type(tmp_path, column, labels):
    images = load_images(table(tmp_path, column), Model(count=2))
    assert images.labels.tolist() == labels
    assert images.notes[-1].endswith("have no class: none is in the column label")


@pytest.mark.parametrize(
    "column",
    [pa.array([None] * 4, pa.int64()), pa.array([-1.0] * 4), pa.array(["", " ", None, ""])],
)
def test_a_column_without_any_class_is_named(tmp_path, column):
    images = load_images(table(tmp_path, column), Model(count=2))
    assert images.labels.tolist() == [-1] * 4
    (note,) = (one for one in images.notes if "4 of 4" in one)
    assert note.endswith("have no class: none is in the column label")


@pytest.mark.parametrize(
    ("column", "name", "says"),
    [
        (pa.array([[1], [0], [1], [0]]), "label", r"the column label \(list<.*> *\) holds neither"),
        (pa.array(["a", "b", "a", "b"]), "breed", "add label=breed"),
        (pa.array([None] * 4), "label", r"the column label \(null\)"),
    ],
)
def test_a_column_that_is_not_read_is_named(tmp_path, column, name, says):
    images = load_images(table(tmp_path, column, name), Model(names=("a", "b")))
    assert images.labels.tolist() == [-1] * 4
    (note,) = images.notes
    assert re.search(says, note)


def test_following_the_note_reads_the_column(tmp_path):
    spec = table(tmp_path, pa.array(["a", "b", "a", "b"]), "breed")
    images = load_images(f"{spec}?label=breed", Model(names=("a", "b")))
    assert images.labels.tolist() == [0, 1, 0, 1]


def test_labels_that_are_no_numbers_and_no_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"its column label holds the label 0\.5; expected a name"):
        load_images(table(tmp_path, pa.array([0.5, 1, 2, 3])), Model(count=4))


def test_columns_whose_names_are_no_text_are_refused(tmp_path):
    spec = table(tmp_path, pa.array([0, 1, 0, 1]), "name")
    path = tmp_path / "t.parquet"
    path.write_bytes(path.read_bytes().replace(b"name", b"\xffame"))
    with pytest.raises(UsageError, match=r"t\.parquet "):
        load_images(spec, Model(count=2))


@pytest.mark.parametrize(
    "labels", [[1, 0, -1], [1.0, 0.0, float("nan")], np.array([1, 0, -1]), torch.tensor([1, 0, -1])]
)
def test_labels_in_memory_are_numbers_of_any_type(labels):
    images = load_images((torch.rand(3, 3, 8, 8), labels), Model(count=2))
    assert images.labels.tolist() == [1, 0, -1]


def test_names_in_memory_are_looked_up_among_the_models():
    images = load_images((torch.rand(2, 3, 8, 8), ["cat", "dog"]), Model(names=("dog", "cat")))
    assert images.labels.tolist() == [1, 0]


def test_half_a_label_in_memory_is_refused():
    with pytest.raises(UsageError, match=r"image 1 holds the label 0\.7"):
        load_images((torch.rand(2, 3, 8, 8), [1.0, 0.7]), Model(count=2))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_that_are_no_utf8_are_shown_with_their_bytes_escaped(tmp_path):
    folder = tmp_path / "photos" / os.fsdecode(b"menu\xe9")
    folder.mkdir(parents=True)
    for number in range(3):
        draw(0, number).save(tmp_path / "one.png")
        shutil.copy(tmp_path / "one.png", folder / os.fsdecode(b"%d\xe8.png" % number))
    (tmp_path / "photos" / "apple").mkdir()
    draw(1, 0).save(tmp_path / "photos" / "apple" / "a.png")
    cut = folder / os.fsdecode(b"cut\xe9.png")
    cut.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
    images = load_images(f"folder:{tmp_path / 'photos'}")
    assert images.class_names == ("apple", "menu\\xe9")
    assert images.names == ["apple/a.png", *(f"menu\\xe9/{n}\\xe8.png" for n in range(3))]
    assert [one["name"] for one in images.skipped] == ["menu\\xe9/cut\\xe9.png"]
    for text in (*images.names, *images.ids, *images.class_names, *images.notes):
        text.encode()
    assert len(images.take(range(len(images)))) == 4


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_letters_without_a_mark_are_no_names(tmp_path, coding):
    (tmp_path / "names.txt").write_text("cat\ndog\n", encoding=coding)
    with pytest.raises(UsageError, match=r"names\.txt cannot be read: it is not UTF-8 text"):
        read_class_table(tmp_path / "names.txt")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    "line", ["{n} {name}", "{n}: {name}", "{n}\t{name}", "{name},{n}", "n0144075{n} {n} {name}"]
)
def test_lines_with_their_numbers_are_in_that_order(tmp_path, line, first):
    lines = [line.format(n=n + first, name=name) for n, name in enumerate(NAMES)]
    path = write(tmp_path / "n.txt", "\n".join(reversed(lines)).encode())
    table = read_class_table(path)
    assert table.names == NAMES
    assert (table.folders is None) == (line[0] != "n")


def test_names_that_begin_with_any_number_are_names(tmp_path):
    path = write(tmp_path / "n.txt", b"7 up\n3 musketeers\n")
    assert read_class_table(path).names == ("7 up", "3 musketeers")


def test_a_lone_column_that_holds_no_labels_is_named(tmp_path):
    spec = table(tmp_path, pa.array([b"a", b"b", b"a", b"b"], pa.binary()), "breed")
    (note,) = load_images(f"{spec}?image=image", Model(names=("a", "b"))).notes
    assert "the column breed (binary) holds neither names nor whole numbers" in note
