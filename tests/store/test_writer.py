import errno
import fcntl
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import blindspots as bs
from blindspots.schema import PREDICTIONS
from blindspots.store import atomic
from blindspots.store.atomic import PARTIAL, SyncWriter, write_text, write_whole
from blindspots.store.lock import LOCK
from blindspots.store.paths import check_writable
from blindspots.store.prediction_rows import read_predictions
from blindspots.store.writer import Store, check_own
from tests.support.tiny import run


def row(name, **columns):
    return {"model": "m", "pair_id": name, "ending": "finished", **columns}


def stored(store):
    return pq.read_table(store.path / "pairs.parquet").to_pylist()


def test_rows_are_there_once_they_were_appended_and_once_only(tmp_path):
    store = Store(tmp_path)
    store.append("pairs", [row("b", rmse=0.5), row("a")])
    store.append("pairs", [row("c", ending="delta_vacuous")])
    assert Store(tmp_path).present("pairs") == {("m", "a"), ("m", "b"), ("m", "c")}
    assert set(Store(tmp_path).started_pairs("m").to_pylist()) == {"a", "b"}
    store.compact()
    assert [r["pair_id"] for r in stored(store)] == ["a", "b", "c"]
    assert stored(store)[1]["rmse"] == 0.5
    assert stored(store)[0]["rmse"] is None
    assert not list((tmp_path / "parts").iterdir())


def test_rows_wait_for_the_files_that_belong_to_them(tmp_path, monkeypatch):
    """As in an object store, which takes long to write: a row that is there has its files."""
    waiting, there = [], set()

    class Slow(SyncWriter):
        def write(self, path, content):
            waiting.append((path, content))

        def flush(self):
            while waiting:
                super().write(*waiting.pop())

    def appended(*_):
        there.update(file.name for file in (tmp_path / "found").iterdir())

    monkeypatch.setattr("blindspots.store.writer.writer_for", lambda _: Slow())
    monkeypatch.setattr("blindspots.store.writer.write_part", appended)
    store = Store(tmp_path)
    store.save_found("a", np.zeros((3, 4, 4), np.float32), np.zeros((3, 4, 4), np.uint8))
    assert len(waiting) == 2
    store.append("pairs", [row("a")])
    assert there == {"a.safetensors", "a.png"}


def test_a_source_has_one_simplex_and_the_table_is_there_without_any(tmp_path):
    store = Store(tmp_path)
    store.compact()
    assert pq.read_table(tmp_path / "simplices.parquet").num_rows == 0
    one = {"model": "m", "source_id": "s", "k": 3, "samples": 2000, "fraction": 0.5}
    store.append("simplices", [one])
    store.append("simplices", [{**one, "source_id": "t"}])
    assert Store(tmp_path).present("simplices") == {("m", "s"), ("m", "t")}
    store.compact()
    rows = pq.read_table(tmp_path / "simplices.parquet").to_pylist()
    assert [(row["source_id"], row["k"], row["low"]) for row in rows] == [
        ("s", 3, None),
        ("t", 3, None),
    ]


def test_compacting_again_after_a_kill_between_writing_and_removing_loses_nothing(tmp_path):
    store = Store(tmp_path)
    store.append("pairs", [row("a"), row("b")])
    kept = {p.name: p.read_bytes() for p in (tmp_path / "parts").iterdir()}
    store.compact()
    for name, content in kept.items():
        (tmp_path / "parts" / name).write_bytes(content)
    store.append("pairs", [row("c")])
    Store(tmp_path).compact()
    assert [r["pair_id"] for r in stored(store)] == ["a", "b", "c"]


@pytest.mark.parametrize("moment", ["write", "sync", "rename"])
def test_a_cut_at_any_moment_leaves_whole_files_only(tmp_path, monkeypatch, moment):
    """The store's level of a kill: stop before the bytes, before the sync, before the rename."""

    class Cut(BaseException):
        pass

    def cut(*_args, **_kwargs):
        raise Cut

    store = Store(tmp_path)
    store.append("pairs", [row("a")])
    if moment == "write":
        monkeypatch.setattr(pq, "write_table", cut)
    elif moment == "sync":
        monkeypatch.setattr(atomic, "_sync", cut)
    else:
        monkeypatch.setattr(atomic.Path, "replace", cut)
    with pytest.raises(Cut):
        store.append("pairs", [row("b")])
    monkeypatch.undo()
    again = Store(tmp_path)
    assert again.present("pairs") == {("m", "a")}
    again.append("pairs", [row("b")])
    again.compact()
    assert [r["pair_id"] for r in stored(again)] == ["a", "b"]


def test_what_a_killed_writer_left_is_ignored_and_swept(tmp_path):
    store = Store(tmp_path)
    store.append("pairs", [row("a")])
    torn = tmp_path / "parts" / f"pairs-0.parquet.{77:012x}{PARTIAL}"
    torn.write_bytes(b"PAR1 torn")
    assert store.present("pairs") == {("m", "a")}
    again = Store(tmp_path)
    assert again.present("pairs") == {("m", "a")}
    assert torn.exists(), "another process may be writing it"
    again.sweep()
    assert not torn.exists()
    assert again.present("pairs") == {("m", "a")}


FOREIGN = ("notes.partial", "film.mkv.77.partial", "x.ABCDEFABCDEF.partial", "images/holiday.png")
FOREIGN += ("images/holiday.zip", "found/0123456789abcde0.txt", "path/a.partial", "tables/mine.csv")
FOREIGN += (f"deep/er/mine.{1:012x}.partial", f"damaged/mine.{1:012x}.partial")


def test_nothing_but_own_names_in_own_folders_is_swept_packed_or_set_aside(tmp_path):
    store = Store(tmp_path)
    store.append("pairs", [row("0123456789abcde0", source_id="s", target_id="t")])
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"the user's")
    leftovers = [f"run.json.{3:012x}.partial", f"found/a.png.{3:012x}.partial"]
    leftovers += [f"figures/f.svg.{3:012x}.partial", f"tables/t.csv.{3:012x}.partial"]
    for name in leftovers:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"torn")
    for name in ("s", "s-1", "t"):
        store.save_image(name, np.zeros((2, 2, 3), np.uint8))
    store.sweep()
    assert list(store.set_aside_damaged({})) == []
    store.pack(1)
    store.drop_found(["0123456789abcde0"])
    store.compact()
    for name in FOREIGN:
        assert (tmp_path / name).read_bytes() == b"the user's"
    assert not [name for name in leftovers if (tmp_path / name).exists()]
    assert {f.name for f in (tmp_path / "images").glob("*.png")} == {"holiday.png"}
    assert store.image_names() == {"s", "s-1", "t", "holiday"}


@pytest.mark.parametrize("name", ["notes.txt", "images/holiday.png", ".hidden", "parts.partial"])
def test_a_directory_that_is_not_empty_and_no_run_is_refused(tmp_path, tiny_images, capsys, name):
    (tmp_path / "mine" / name).parent.mkdir(parents=True)
    (tmp_path / "mine" / name).write_text("the user's")
    assert run(tiny_images, tmp_path / "mine") == 2
    assert "is not empty and holds no run" in capsys.readouterr().err
    assert [f.name for f in tmp_path.rglob("*") if f.is_file()] == [name.rpartition("/")[2]]


def test_a_directory_that_a_killed_driver_left_is_a_run(tmp_path):
    check_own(tmp_path / "new")
    check_own(tmp_path)
    Store(tmp_path)
    for name in (LOCK, f"{LOCK}.takeover", f"run.json.{1:012x}.partial"):
        (tmp_path / name).write_text("")
    check_own(tmp_path)


def test_a_failing_write_leaves_the_old_file_and_no_leftover(tmp_path):
    path = write_text(tmp_path / "run.json", "old")

    def fail(aside):
        aside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_images_come_back_to_the_bit(tmp_path):
    store, random = Store(tmp_path), np.random.default_rng(0)
    pixels = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    store.save_image("x", pixels)
    assert (np.asarray(Image.open(tmp_path / "images" / "x.png")) == pixels).all()
    exact = random.random((3, 6, 5), dtype=np.float32)
    store.save_found("p", exact, (exact * 255).round().astype(np.uint8))
    assert (store.load_found("p") == exact).all()
    frames = random.integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
    store.save_path("p", frames)
    strip = np.asarray(Image.open(tmp_path / "path" / "p.png"))
    assert (strip[:, 5:10] == frames[1].transpose(1, 2, 0)).all()
    store.drop_found(["p", "never there"])
    assert not list((tmp_path / "found").iterdir())


def test_predictions_come_back(tmp_path):
    store = Store(tmp_path)
    assert not len(read_predictions(tmp_path))
    said = {"model": "m", "image_id": "i", "predicted": 3, "confidence": 0.5, "p_label": 0.25}
    store.write_predictions(pa.Table.from_pylist([said], PREDICTIONS))
    assert read_predictions(tmp_path).to_pylist() == [said]


def test_a_row_of_the_wrong_type_is_not_stored(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(pa.ArrowException):
        store.append("pairs", [row("a", steps="many")])
    assert store.present("pairs") == set()


def test_a_file_in_the_place_of_a_run_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "run"):
        with pytest.raises(bs.Refused, match="is a file"):
            check_writable(path)


def test_a_read_only_directory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(bs.Refused, match="read-only"):
        check_writable(tmp_path / "run")


def test_what_is_synced_is_open_for_writing(tmp_path, monkeypatch):
    """As Windows asks for."""
    modes = []
    monkeypatch.setattr(
        "os.fsync", lambda one: modes.append(fcntl.fcntl(one, fcntl.F_GETFL) & os.O_ACCMODE)
    )
    write_text(tmp_path / "a.txt", "a")
    assert set(modes) == {os.O_RDWR}
