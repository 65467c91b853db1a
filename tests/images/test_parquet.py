"""`parquet:` against the `datasets` library, which writes such files and reads them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from blindspots.images import load_images
from blindspots.images.shapes import CLASS_NAMES
from blindspots.images.sources import parquet_files
from tests.images.material import (
    Model,
    clean_accuracy,
    dry_run,
    encoded,
    noise,
    refusal,
    shapes,
    write,
)

SCHEME = "images:parquet"


def write_dataset(path, rows, names=CLASS_NAMES, **options):
    """A Parquet file as the `datasets` library writes it."""
    import datasets

    images = [{"bytes": data, "path": name} for name, _, data in rows]
    kind = datasets.ClassLabel(names=list(names)) if names else datasets.Value("int64")
    features = datasets.Features({"image": datasets.Image(), "label": kind})
    table = {"image": images, "label": [label for _, label, _ in rows]}
    datasets.Dataset.from_dict(table, features=features).to_parquet(str(path), **options)
    return path


def write_table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_dataset(
        tmp_path_factory.mktemp("parquet") / "shapes.parquet", shapes(), batch_size=7
    )


@pytest.mark.scheme(SCHEME, "loads")
def test_a_run_takes_the_rows_with_their_labels(written, capsys):
    status, said = dry_run(f"parquet:{written}", capsys)
    assert status == 0
    assert clean_accuracy(said) > 90


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_pixels_and_labels_are_those_the_library_reads(written):
    import datasets

    theirs = datasets.Dataset.from_parquet(str(written))
    model = Model(names=CLASS_NAMES, size=48)
    images = load_images(f"parquet:{written}", model)
    assert images.labels.tolist() == theirs["label"]
    for index in (19, 0, 8):
        expected = model.preprocessing(theirs[index]["image"])
        assert np.array_equal(images.uint8(index), np.asarray(expected))


@pytest.mark.parametrize("largest", [0, 2**20])
def test_a_row_is_read_from_its_row_group_however_large(written, monkeypatch, largest):
    monkeypatch.setattr(parquet_files, "_LARGEST_KEPT", largest)
    monkeypatch.setattr(parquet_files, "_BATCH", 3)
    images = load_images(f"parquet:{written}")
    assert pq.ParquetFile(written).num_row_groups == 3
    for index, (_, _, data) in enumerate(shapes()):
        with Image.open(pa.BufferReader(data)) as image:
            assert np.array_equal(images.uint8(index), np.asarray(image))


@pytest.mark.scheme(SCHEME, "loads")
def test_plain_columns_of_bytes_and_names_do_too(tmp_path):
    data = [encoded(noise(seed=seed)) for seed in range(3)]
    path = write_table(tmp_path / "plain.parquet", picture=data, label=["dog", "cat", None])
    images = load_images(f"parquet:{path}")
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [1, 0, -1]
    assert images.names[2] == "plain.parquet/000002"
    assert all(one.startswith("image-") and len(one) == len("image-") + 16 for one in images.ids)


def test_shards_of_a_data_set_are_one(tmp_path):
    rows = shapes()
    for shard in range(2):
        write_dataset(tmp_path / f"train-{shard:05d}-of-00002.parquet", rows[shard::2])
    braces = load_images(f"parquet:{tmp_path}/train-{{00000..00001}}-of-00002.parquet")
    star = load_images(f"parquet:{tmp_path}/train-*.parquet")
    assert braces.ids == star.ids
    assert len(braces) == len(rows)


def test_images_kept_as_paths_are_read_beside_the_file(tmp_path):
    write(tmp_path / "pictures" / "a.png", seed=1)
    cells = [{"bytes": None, "path": "pictures/a.png"}, {"bytes": None, "path": None}]
    path = write_table(tmp_path / "paths.parquet", image=cells)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(cells, kind)}), path)
    images = load_images(f"parquet:{path}")
    assert np.array_equal(images.uint8(0), np.asarray(noise(seed=1)))
    assert "neither bytes nor a path" in images.skipped[0]["reason"]


def test_no_extra_is_needed(written, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    assert len(load_images(f"parquet:{written}")) == 20


BROKEN = {
    "cut": (lambda data: data[:-50], "no whole Parquet file"),
    "empty": (lambda _: b"", "no whole Parquet file"),
    "other": (lambda _: b"PAR1" * 20, "no whole Parquet file"),
    "inside": (lambda data: data[:4] + bytes(30) + data[34:], "is damaged in its row group 0"),
}


@pytest.mark.scheme(SCHEME, "broken")
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(written, tmp_path, capsys, case):
    change, says = BROKEN[case]
    path = write(tmp_path / "broken.parquet", change(written.read_bytes()))
    assert says in refusal(f"parquet:{path}", capsys)


def test_wrong_columns_are_refused(written, tmp_path, capsys):
    spec = f"parquet:{written}"
    assert "image=label is not one of them" in refusal(f"{spec}?image=label", capsys)
    assert "did you mean label?" in refusal(f"{spec}?label=lable", capsys)
    assert "did you mean label?" in refusal(f"{spec}?labell=label", capsys)
    assert "did you mean shapes.parquet?" in refusal(
        f"parquet:{written.parent}/shape.parquet", capsys
    )
    one = encoded(noise())
    several = write_table(tmp_path / "several.parquet", left=[one], right=[one])
    assert "say which by image=left" in refusal(f"parquet:{several}", capsys)
    assert len(load_images(f"parquet:{several}?image=right")) == 1
    none = write_table(tmp_path / "none.parquet", a=[1])
    assert "no column of images among a" in refusal(f"parquet:{none}", capsys)
    empty = write_dataset(tmp_path / "empty.parquet", [])
    assert "holds no image; expected rows" in refusal(f"parquet:{empty}", capsys)
    wild = write_dataset(tmp_path / "wild.parquet", shapes(4), names=None)
    table = pq.read_table(wild)
    named = pq.read_schema(written).metadata
    column = pa.array([0, 1, 2, 10])
    pq.write_table(table.set_column(1, "label", column).replace_schema_metadata(named), wild)
    assert "has a label 10" in refusal(f"parquet:{wild}", capsys)
    both = f"parquet:{tmp_path}/{{wild,empty}}.parquet"
    pq.write_table(table, wild)
    assert "has other columns or classes" in refusal(both, capsys)
