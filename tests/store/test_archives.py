import subprocess
import sys
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from blindspots.errors import UsageError
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
    with pytest.raises(UsageError, match="damaged"):
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


def repacked(archive, kind):
    """The archive with its members compressed."""
    with zipfile.ZipFile(archive) as whole:
        members, comment = {name: whole.read(name) for name in whole.namelist()}, whole.comment
    with zipfile.ZipFile(archive, "w", kind) as packed:
        packed.comment = comment
        for name, content in members.items():
            packed.writestr(name, content)


def encrypted(content):
    flagged = bytearray(content)
    flagged[6] |= 1
    directory = content.index(b"PK\x01\x02")
    flagged[directory + 8] |= 1
    return bytes(flagged)


def longer(content):
    """Whose first member says that it is 4 GB long."""
    told, directory = bytearray(content), content.index(b"PK\x01\x02")
    told[directory + 20 : directory + 28] = b"\xf0\xff\xff\xff" * 2
    return bytes(told)


HOSTILE = {
    "deflate": lambda file: repacked(file, zipfile.ZIP_DEFLATED),
    "lzma": lambda file: repacked(file, zipfile.ZIP_LZMA),
    "encrypted": lambda file: file.write_bytes(encrypted(file.read_bytes())),
    "longer": lambda file: file.write_bytes(longer(file.read_bytes())),
    "no directory": lambda file: file.write_bytes(
        file.read_bytes().replace(b"PK\x01\x02", b"....")
    ),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_what_a_zip_reader_raises_is_one_sentence_with_the_name_of_the_file(tmp_path, change):
    fill(tmp_path, "ab")
    Archives(tmp_path).pack("ab")
    (archive,) = tmp_path.iterdir()
    change(archive)
    with pytest.raises(UsageError, match=f"{archive.name} is damaged .*; remove it"):
        Archives(tmp_path).read("a.png")


def test_each_byte_of_an_archive_may_be_another(tmp_path):
    fill(tmp_path, "a")
    Archives(tmp_path).pack("a")
    (archive,) = tmp_path.iterdir()
    whole = archive.read_bytes()
    for place in range(len(whole)):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 0x91]) + whole[place + 1 :])
        with suppress(UsageError):
            assert Archives(tmp_path).read("a.png") in (b"picture a", None)
        list(Archives(tmp_path).damaged())


def test_a_list_of_members_that_is_no_text_and_a_folder_in_an_archives_place_are_damage(tmp_path):
    fill(tmp_path, "ab")
    Archives(tmp_path).pack("ab")
    (archive,) = tmp_path.iterdir()
    archive.write_bytes(archive.read_bytes()[:-3] + b"\xffab")
    folder = tmp_path / "0123456789abcdef.zip"
    folder.mkdir()
    assert set(Archives(tmp_path).damaged()) == {archive, folder}
    assert Archives(tmp_path).read("a.png") is None


def test_a_damaged_archive_of_a_run_is_refused_whatever_is_asked_of_it(tmp_path):
    run = Run(Factory(sources=2).write(tmp_path / "run"))
    row = run.pair_rows(started=True)[0]
    Store(run.path).save_found(row["pair_id"], np.zeros((3, 4, 4)), np.zeros((3, 4, 4), np.uint8))
    Store(run.path).pack(1)
    for archive in run.path.rglob("*.zip"):
        repacked(archive, zipfile.ZIP_DEFLATED)
    for ask in (
        lambda run: run.image(row["source_id"], row["model"]),
        lambda run: run.image_content(row["source_id"], row["model"]),
        lambda run: run.found(row["pair_id"]),
        lambda run: run.exact(row["pair_id"]),
        lambda run: run.frames(row["pair_id"], 11),
    ):
        with pytest.raises(UsageError, match="damaged"):
            ask(Run(run.path))
