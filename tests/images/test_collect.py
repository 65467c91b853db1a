"""What every source shares: ids, damage that is found late, progress, many images."""

import io
import re
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from blindspots.cli.main import call
from blindspots.errors import UsageError, WorkFailed
from blindspots.images import collect, load_images
from blindspots.images.collect import Entry
from blindspots.images.decode import decode, examine
from blindspots.progress import Reporter, silent
from blindspots.store.reader import Run
from tests.images.material import KNOWN, Model, encoded, noise, write, write_shape_folders
from tests.images.test_parquet import write_table

PICTURES = [(f"{'abcdef'[seed]}.png", encoded(noise(6, 5, seed=seed))) for seed in range(6)]


def listed(entries):
    return collect.collect("folder:x", entries, len(entries), silent())


def entries(rows, place="", **options):
    return [Entry(f"{place}{name}", None, lambda data=data: data, **options) for name, data in rows]


@given(st.permutations(PICTURES), st.sampled_from(["", "deep/er/", "shard-000.tar/"]))
def test_ids_know_neither_place_nor_order(rows, place):
    ids = {item.id for item in listed(entries(rows, place)).items}
    assert ids == {item.id for item in listed(entries(PICTURES)).items}
    unnamed = {item.id for item in listed(entries(rows, place, unnamed=True)).items}
    assert unnamed == {item.id for item in listed(entries(PICTURES, unnamed=True)).items}
    assert len(ids) == len(unnamed) == len(PICTURES)


def test_an_image_has_one_id_in_every_kind_of_source(tmp_path):
    import webdataset

    for name, data in PICTURES:
        write(tmp_path / "folder" / name, data)
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as shard:
        for name, data in PICTURES:
            shard.write({"__key__": name.removesuffix(".png"), "png": data})
    cells = [{"bytes": data, "path": name} for name, data in reversed(PICTURES)]
    write_table(tmp_path / "a.parquet", image=cells)
    files = ",".join(str(tmp_path / "folder" / name) for name, _ in PICTURES)
    specs = ("folder:{0}/folder", "webdataset:{0}/a.tar", "parquet:{0}/a.parquet")
    found = [sorted(load_images(spec.format(tmp_path)).ids) for spec in specs]
    assert found == [sorted(load_images(f"files:{files}").ids)] * 3


def test_ids_whose_hashes_begin_alike_are_told_apart(monkeypatch):
    first, second = PICTURES[:2]
    monkeypatch.setattr(collect, "image_id", lambda *_: "same")
    ids = [item.id for item in listed(entries([first, second])).items]
    assert all(re.fullmatch(r"[ab]-[0-9a-f]{16}", one) for one in ids)
    assert ids[0] != ids[1]


def spoiled_png():
    """A PNG whose checksums are right and whose pixels end early, so that only decoding tells."""
    data = encoded(noise())
    place = data.index(b"IDAT")
    length = int.from_bytes(data[place - 4 : place])
    pixels = data[place + 4 : place + 4 + length]
    spoiled = pixels[:200] + bytes([0xFF]) * (length - 200)
    crc = zlib.crc32(b"IDAT" + spoiled).to_bytes(4)
    return data[: place + 4] + spoiled + crc + data[place + 8 + length :]


def test_listing_does_not_decode_what_looks_whole(tmp_path):
    write(tmp_path / "a.png", seed=1)
    write(tmp_path / "spoiled.png", spoiled_png())
    images = load_images(f"folder:{tmp_path}", Model(size=8))
    assert images.names == ["a.png", "spoiled.png"]
    assert images.skipped == []
    readable, pixels = images.take_readable([1, 0])
    assert readable == [0]
    assert pixels.shape == (1, 3, 8, 8)
    assert images.skipped[0]["name"] == "spoiled.png"
    assert "damaged" in images.skipped[0]["reason"]
    for take in (images.take, lambda indices: images.uint8(indices[0])):
        with pytest.raises(WorkFailed, match=r"spoiled.png of folder:.* is damaged"):
            take([1])
    checked = images.for_model(Model(size=4)).checked()
    assert checked.names == ["a.png"]
    assert checked.images.shape == (1, 3, 4, 4)
    assert checked.skipped == images.skipped
    (tmp_path / "a.png").unlink()
    with pytest.raises(UsageError, match="no readable image"):
        load_images(f"folder:{tmp_path}").checked()


def test_a_run_leaves_out_what_does_not_decode_and_resumes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
    folder = write_shape_folders(tmp_path / "photos", 12)
    write(folder / "apple" / "spoiled.png", spoiled_png())
    command = ["run", "--model", KNOWN, "--images", f"folder:{folder}", "--quiet"]
    command += ["--sources", "2", "--targets-per-source", "1"]
    command += ["--method", "paper", "--set", "max_steps=1", "--out"]
    assert call([*command, str(tmp_path / "out")]) == 0
    info = Run(tmp_path / "out").info
    assert [row["name"] for row in info.images.skipped] == ["apple/spoiled.png"]
    assert info.images.count == 13
    assert call([*command, str(tmp_path / "out"), "--dry-run"]) == 0
    assert "skipped apple/spoiled.png: it is damaged" in capsys.readouterr().err
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,target\nspoiled.png,car-002.png\n")
    assert call([*command, str(tmp_path / "new"), "--pairs", str(pairs)]) == 2
    assert "names apple/spoiled.png, which cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_png_may_say_its_orientation_behind_its_pixels():
    tags = Image.Exif()
    tags[0x0112] = 6
    plain, block = encoded(noise(20, 10)), tags.tobytes().removeprefix(b"Exif\0\0")
    chunk = len(block).to_bytes(4) + b"eXIf" + block + zlib.crc32(b"eXIf" + block).to_bytes(4)
    late = plain[:-12] + chunk + plain[-12:]
    found = decode(late)
    assert found.image.size == examine(late).size == (10, 20)
    assert found.converted == examine(late).converted
    expected = noise(20, 10).transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(found.image), np.asarray(expected))


def test_a_long_listing_shows_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "LEAST_SHOWN", 3)
    for name, data in PICTURES[:4]:
        write(tmp_path / name, data)
    reporter = Reporter()
    reporter.console = Console(file=io.StringIO(), soft_wrap=True)
    load_images(f"folder:{tmp_path}", reporter=reporter)
    assert f"listing folder:{tmp_path}: 4 images" in reporter.console.file.getvalue()
