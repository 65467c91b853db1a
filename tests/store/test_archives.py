import subprocess
import sys
import zipfile

import numpy as np
import pytest

from blindspots.store.archives import PICTURES, UNIT, Archives
from blindspots.store.reader import Run
from blindspots.store.writer import Store
from tests.support.run_factory import Factory


def fill(folder, stems):
    folder.mkdir(exist_ok=True)
    for stem in stems:
        (folder / f"{stem}.png").write_bytes(f"picture {stem}".encode())
        (folder / f"{stem}.safetensors").write_bytes(f"exact {stem}".encode() * 50)


def test_packed_files_are_read_as_loose_ones_are(tmp_path):
    stems = [f"a.{i:04d}-é" for i in range(UNIT + 5)]
    fill(tmp_path, stems)
    archives = Archives(tmp_path)
    assert archives.loose(".png") == set(stems)
    archives.pack(stems)
    assert len(list(tmp_path.iterdir())) == 2
    assert archives.loose() == set()
    fill(tmp_path, ["later"])
    for reader in (archives, Archives(tmp_path)):
        assert reader.stems(".png") == {*stems, "later"}
        assert reader.read(f"{stems[3]}.png") == f"picture {stems[3]}".encode()
        assert reader.read("later.safetensors") == b"exact later" * 50
        assert reader.has(f"{stems[-1]}.png")
        assert not reader.has("never.png")
        assert reader.read("never.png") is None
        assert reader.read(f"{stems[3]}.txt") is None


def test_a_reader_sees_what_is_packed_after_it_looked(tmp_path):
    fill(tmp_path, "ab")
    reader = Archives(tmp_path)
    assert reader.read("a.png") == b"picture a"
    Archives(tmp_path).pack("ab")
    assert reader.read("a.png") == b"picture a"


def test_archives_are_plain_zip_files(tmp_path):
    fill(tmp_path, "ab")
    Archives(tmp_path).pack("ab")
    (archive,) = tmp_path.iterdir()
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-t", str(archive)], capture_output=True, text=True
    )
    assert "Done testing" in listed.stdout
    with zipfile.ZipFile(archive) as opened:
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
        assert opened.read("a.safetensors") == b"exact a" * 50


def test_a_kill_between_packing_and_removing_leaves_nothing_out(tmp_path):
    fill(tmp_path, "ab")
    Archives(tmp_path).pack("ab")
    fill(tmp_path, "b")
    archives = Archives(tmp_path)
    assert archives.stems(".png") == {"a", "b"}
    archives.pack("b")
    assert archives.read("b.png") == b"picture b"


def test_torn_archives_are_known_and_flipped_bits_are_noticed(tmp_path):
    fill(tmp_path, "ab")
    archives = Archives(tmp_path)
    archives.pack("ab")
    (archive,) = tmp_path.iterdir()
    content = archive.read_bytes()
    assert list(archives.damaged()) == []
    for end in (0, 10, len(content) // 2, len(content) - 1):
        archive.write_bytes(content[:end])
        assert list(archives.damaged()) == [archive]
    place = content.index(b"exact a") + 20
    archive.write_bytes(content[:place] + b"!" + content[place + 1 :])
    with pytest.raises(OSError, match="damaged"):
        Archives(tmp_path).read("a.safetensors")


def test_what_is_not_kept_is_removed_with_its_archive(tmp_path):
    fill(tmp_path, "ab")
    archives = Archives(tmp_path)
    archives.pack("ab")
    fill(tmp_path, "c")
    archives.drop("ac")
    assert archives.stems(".png") == {"a", "b"}
    archives.drop("ab")
    assert archives.stems(".png") == set()
    assert not list(tmp_path.iterdir())


def test_a_packed_run_shows_the_same_pictures(tmp_path):
    run = Run(Factory(sources=2).write(tmp_path / "run"))
    rows = run.pair_rows(started=True)
    store, exact = Store(run.path), np.random.default_rng(0).random((3, 4, 4), dtype=np.float32)
    name = rows[0]["pair_id"]
    store.save_found(name, exact, np.zeros((3, 4, 4), np.uint8))
    loose = [pictures(run, row) for row in rows]
    store.pack(1)
    assert {file.suffix for name in PICTURES for file in (run.path / name).iterdir()} == {".zip"}
    packed = Run(run.path)
    for row, before in zip(rows, loose, strict=True):
        assert packed.kept(row["pair_id"])
        for one, other in zip(pictures(packed, row), before, strict=True):
            assert np.array_equal(one, other)
    assert (store.load_found(name) == exact).all()
    assert (packed.exact(name) == exact).all()
    assert packed.exact("y") is None


def pictures(run, row):
    return [
        run.image(row["source_id"], row["model"]),
        run.found(row["pair_id"]),
        *run.frames(row["pair_id"], 11),
    ]
