"""`webdataset:` on shards that the `webdataset` library writes, and reads for comparison."""

import sys
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from blindspots.errors import UsageError
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
)

SCHEME = "images:webdataset"


def write_shard(path, samples):
    import webdataset

    with webdataset.TarWriter(str(path)) as shard:
        for sample in samples:
            shard.write(sample)
    return path


def numbered(rows):
    return [
        {"__key__": name.removesuffix(".png"), "png": data, "cls": label}
        for name, label, data in rows
    ]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The spec of three shards."""
    root, rows = tmp_path_factory.mktemp("shards"), shapes()
    for shard in range(3):
        write_shard(root / f"shapes-{shard:03d}.tar", numbered(rows[7 * shard : 7 * shard + 7]))
    return f"webdataset:{root}/shapes-{{000..002}}.tar"


@pytest.mark.scheme(SCHEME, "loads")
def test_a_run_takes_the_samples_with_their_labels(shards, capsys):
    status, said = dry_run(shards, capsys)
    assert status == 0
    assert clean_accuracy(said) > 90
    assert "integer labels" in said


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_pixels_and_labels_are_those_the_library_reads(shards):
    import webdataset

    urls = shards.removeprefix("webdataset:")
    theirs = list(
        webdataset.WebDataset(urls, shardshuffle=False).decode("pil").to_tuple("png", "cls")
    )
    model = Model(count=10, size=48)
    images = load_images(shards, model)
    assert images.labels.tolist() == [label for _, label in theirs]
    for index in (19, 0, 7):
        expected = model.preprocessing(theirs[index][0])
        assert np.array_equal(images.uint8(index), np.asarray(expected))


def test_one_shard_and_a_star_do_too(shards):
    start = shards.partition("{")[0]
    assert len(load_images(f"{start}000.tar")) == 7
    assert load_images(f"{start}*.tar").ids == load_images(shards).ids


LABELS = {
    "json": ({"json": {"label": "dog"}}, "", ("cat", "dog"), [1, 0]),
    "text": ({"cls": "dog"}, "", ("cat", "dog"), [1, 0]),
    "own key": ({"json": {"kind": "dog"}}, "?label=json.kind", ("cat", "dog"), [1, 0]),
    "own suffix": ({"kind.txt": "dog"}, "?label=kind.txt", ("cat", "dog"), [1, 0]),
    "none": ({"txt": "a dog"}, "", None, [-1, -1]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_stand_where_they_usually_do_or_are_said(tmp_path, case):
    first, options, names, labels = LABELS[case]
    second = {
        key: dict.fromkeys(value, "cat") if isinstance(value, dict) else "cat"
        for key, value in first.items()
    }
    samples = [
        {"__key__": f"deep/{place}", "jpg": encoded(noise(seed=place), "JPEG"), **said}
        for place, said in enumerate((first, second))
    ]
    images = load_images(f"webdataset:{write_shard(tmp_path / 'a.tar', samples)}{options}")
    assert (images.class_names, images.labels.tolist()) == (names, labels)
    assert images.names[1] == "a.tar/deep/1.jpg"


def test_of_several_images_of_a_sample_the_plain_one_is_taken_or_the_said(tmp_path):
    sample = {"__key__": "a", "seg.png": encoded(noise(seed=1)), "webp": encoded(noise(), "WEBP")}
    spec = f"webdataset:{write_shard(tmp_path / 'a.tar', [sample])}"
    assert load_images(spec).names == ["a.tar/a.webp"]
    assert load_images(f"{spec}?image=seg.png").names == ["a.tar/a.seg.png"]


def test_no_extra_is_needed(shards, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    assert len(load_images(shards)) == 20


@pytest.mark.scheme(SCHEME, "broken")
def test_broken_shards_are_refused(shards, tmp_path, capsys):
    start = shards.partition("{")[0]
    data = Path(f"{start.removeprefix('webdataset:')}000.tar").read_bytes()
    cut = write(tmp_path / "cut.tar", data[: len(data) // 2])
    assert "cut.tar is" in refusal(f"webdataset:{cut}", capsys)
    words = write(tmp_path / "words.tar", b"no tar file at all")
    assert "no whole, uncompressed tar file" in refusal(f"webdataset:{words}", capsys)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(words, "a.jpg")
    assert "unpack it first, as by gunzip" in refusal(f"webdataset:{tmp_path}/a.tar.gz", capsys)
    assert "there is no file" in refusal(f"{start}{{000..003}}.tar", capsys)
    assert "no sample has a file .jpgg; expected one of cls, png" in refusal(
        f"{start}000.tar?image=jpgg", capsys
    )
    text = write_shard(tmp_path / "text.tar", [{"__key__": "a", "txt": "words"}])
    assert "holds no image" in refusal(f"webdataset:{text}", capsys)
    bad = [{"__key__": "a", "png": encoded(noise()), "json": b"{"}]
    with tarfile.open(tmp_path / "json.tar", "w") as tar:
        for suffix in ("png", "json"):
            tar.add(write(tmp_path / f"a.{suffix}", bad[0][suffix]), f"a.{suffix}")
    assert "json.tar is not valid JSON" in refusal(f"webdataset:{tmp_path}/json.tar", capsys)


def headers(data):
    """Where the headers of a tar file's members begin."""
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        return [member.offset for member in tar.getmembers()]


@pytest.mark.parametrize("member", [1, 5, -1])
def test_a_flipped_bit_in_a_header_leaves_no_sample_out_in_silence(shards, tmp_path, member):
    start = shards.partition("{")[0]
    data = bytearray(Path(f"{start.removeprefix('webdataset:')}000.tar").read_bytes())
    data[headers(data)[member] + 20] ^= 1
    shard = write(tmp_path / "flipped.tar", bytes(data))
    with pytest.raises(UsageError, match=r"is damaged behind .*: the [\d,]+ bytes that follow"):
        load_images(f"webdataset:{shard}")


def test_a_shard_without_its_end_is_cut_short(shards, tmp_path):
    start = shards.partition("{")[0]
    data = Path(f"{start.removeprefix('webdataset:')}000.tar").read_bytes()
    end = max(place for place in range(0, len(data), 512) if any(data[place : place + 512])) + 512
    for cut in (headers(data)[4], end, end + 512):
        shard = write(tmp_path / "cut.tar", data[:cut])
        with pytest.raises(UsageError, match="two empty blocks that end a tar file are missing"):
            load_images(f"webdataset:{shard}")
    whole = write(tmp_path / "whole.tar", data[: end + 1024])
    assert len(load_images(f"webdataset:{whole}")) == 7


def test_what_follows_the_end_of_a_shard_is_refused(shards, tmp_path):
    start = shards.partition("{")[0]
    data = Path(f"{start.removeprefix('webdataset:')}000.tar").read_bytes()
    shard = write(tmp_path / "joined.tar", data + data)
    with pytest.raises(UsageError, match="is damaged behind"):
        load_images(f"webdataset:{shard}")


def test_a_shard_of_names_maps_by_name(tmp_path):
    samples = [
        {"__key__": f"{index}", "png": data, "cls": CLASS_NAMES[label]}
        for index, (_, label, data) in enumerate(shapes(5))
    ]
    images = load_images(
        f"webdataset:{write_shard(tmp_path / 'a.tar', samples)}", Model(names=CLASS_NAMES)
    )
    assert images.labels.tolist() == [0, 1, 2, 3, 4]
