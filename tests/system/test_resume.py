"""A run that is cut anywhere goes on where it was: the same rows, and nothing is done twice."""

import json
import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blindspots as bs
from blindspots.measure.measurer import Measurer
from blindspots.schema import TABLES
from blindspots.store.reader import Run
from blindspots.store.writer import Store
from blindspots.study.run import Experiment
from tests.support.runs import Cut, assert_same_rows, assert_same_run
from tests.support.tiny import MODEL, run, without_figures
from tests.support.tiny_model import NAMES

pytestmark = pytest.mark.usefixtures("rows_alone")
# Two sources with a simplex each, by their places among the images.
TARGETS = {0: (6, 7, 12), 5: (1, 8, 13)}


@pytest.fixture(scope="module", autouse=True)
def _few_samples():
    """Small batches make more to cut; 500 samples of a simplex in them are 125 forwards."""
    whole = Measurer.simplices
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Measurer, "simplices", lambda *given: whole(*given, samples=60))
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_images):
    """A folder with the file of pairs and the whole run of them."""
    folder = tmp_path_factory.mktemp("resume")
    ids = bs.load_images(tiny_images, bs.load_model(MODEL)).ids
    lines = [f"{ids[s]},{ids[t]}" for s, own in TARGETS.items() for t in own]
    (folder / "pairs.csv").write_text("\n".join(["source,target", *lines, ""]))
    with without_figures():
        assert resume(tiny_images, folder, "whole") == 0
    return folder


@pytest.fixture
def whole(place):
    return place / "whole"


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def resume(images, place, out, *options):
    usual = ("--pairs", str(place / "pairs.csv"), "--keep", "path", "--batch-size", "4")
    return run(images, place / out, *usual, *options)


def cut_after(patch, name, count, table=None):
    """Every call of a method of the store, of one table alone, is a kill behind the first few."""
    original, calls = getattr(Store, name), []

    def cut(self, *given):
        calls.extend([1] * (table is None or given[0] == table))
        if len(calls) > count:
            raise Cut
        return original(self, *given)

    patch.setattr(Store, name, cut)


def recorded(patch):
    """The keys of the rows that are appended from now on, by table."""
    whole, keys = Store.append, {name: [] for name in TABLES}

    def append(self, table, rows):
        keys[table] += [tuple(row[name] for name in TABLES[table][1]) for row in rows]
        whole(self, table, rows)

    patch.setattr(Store, "append", append)
    return keys


def stored_keys(path, table):
    """The keys of the rows in a table's file and its parts; no code of the product is used."""
    files = [path / f"{table}.parquet", *(path / "parts").glob(f"{table}-*.parquet")]
    rows = [row for file in files if file.is_file() for row in pq.read_table(file).to_pylist()]
    return {tuple(row[name] for name in TABLES[table][1]) for row in rows}


# What is cut, behind how many calls of it, and the table whose rows are counted.
CUTS = [
    *(("append", 0, table) for table in TABLES),
    ("append", 1, "pairs"),
    ("append", 1, "triangles"),
    ("append", 1, "simplices"),
    ("append", 1, "nulls"),
    ("save_found", 3, None),
    ("save_path", 0, None),
    ("compact", 0, None),
    ("write_info", 1, None),
]


@pytest.mark.parametrize(("where", "after", "table"), CUTS)
def test_a_run_cut_anywhere_resumes_to_the_same_rows_and_writes_none_again(
    tmp_path, tiny_images, place, whole, monkeypatch, where, after, table
):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        cut_after(patch, where, after, table)
        with pytest.raises(Cut):
            resume(tiny_images, place, out)
    kept = {name: stored_keys(out, name) for name in TABLES}
    with monkeypatch.context() as patch:
        written = recorded(patch)
        assert resume(tiny_images, place, out) == 0
    for name, keys in written.items():
        assert len(set(keys)) == len(keys)
        assert not set(keys) & kept[name], name
    assert_same_run(whole, out)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_lost_is_made_again_and_no_other(
    tiny_images, place, copy, whole, monkeypatch, table
):
    """As a run of an older version, which had fewer tables; pairs are what all others are of."""
    (copy / f"{table}.parquet").unlink()
    written = recorded(monkeypatch)
    assert resume(tiny_images, place, copy) == 0
    assert {name for name, keys in written.items() if keys} == {table}
    assert_same_rows(whole, copy, table)


def test_the_same_command_again_changes_nothing(tiny_images, place, copy, monkeypatch):
    monkeypatch.setattr(Store, "save_found", None)
    before = {name: (copy / f"{name}.parquet").read_bytes() for name in TABLES}
    started = Run(copy).info.started
    assert resume(tiny_images, place, copy) == 0
    assert {name: (copy / f"{name}.parquet").read_bytes() for name in TABLES} == before
    assert Run(copy).info.started == started


def test_damaged_rows_are_told_of_set_aside_and_done_again(tiny_images, place, copy, whole, capsys):
    table = copy / "pairs.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 3] ^= 1
    table.write_bytes(bytes(content))
    assert resume(tiny_images, place, copy) == 0
    assert "its checksum is another" in capsys.readouterr().err
    assert (copy / "damaged" / "pairs.parquet").exists()
    assert_same_run(whole, copy)


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), OSError(5, "Input/output error")]
)
def test_a_full_disk_keeps_what_is_finished_and_says_how_to_go_on(
    tmp_path, tiny_images, place, monkeypatch, capsys, failure
):
    whole, calls = Store.append, []

    def full(self, table, rows):
        calls.append(table)
        if len(calls) > 2:
            raise failure
        whole(self, table, rows)

    monkeypatch.setattr(Store, "append", full)
    assert resume(tiny_images, place, tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert "finished pairs are kept" in error
    assert "resumes" in error
    assert "Traceback" not in error
    assert 0 < len(Store(tmp_path / "run").present("pairs")) < 6


def test_an_interrupt_is_130_and_keeps_what_is_finished(
    tmp_path, tiny_images, place, monkeypatch, capsys
):
    monkeypatch.setattr(Experiment, "execute", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert resume(tiny_images, place, tmp_path / "run") == 130
    assert "the same command resumes" in capsys.readouterr().err


def test_other_pairs_of_the_same_plan_are_not_gone_on_with(tiny_images, place, copy, capsys):
    """Predictions that were lost and come out otherwise would choose other sources."""
    info = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**info, "pairs_hash": "0" * 16}))
    assert resume(tiny_images, place, copy) == 2
    assert "holds other pairs of the same plan" in capsys.readouterr().err


def test_another_plan_or_shard_in_the_directory_is_refused_with_the_difference(
    tiny_images, place, whole, capsys
):
    assert resume(tiny_images, place, whole, "--delta", "0.3", "--seed", "2") == 2
    error = capsys.readouterr().err
    assert "method.delta is 0.2 there and 0.3 here" in error
    assert "seed is 0 there and 2 here" in error
    assert resume(tiny_images, place, whole, "--shard", "1/3") == 2
    assert "holds the whole plan" in capsys.readouterr().err


def test_a_run_whose_own_tables_its_pattern_of_images_matches_goes_on(
    tmp_path, monkeypatch, tiny_images
):
    """`*/*.parquet` is data/all.parquet at first, and run/pairs.parquet too when it resumes."""
    monkeypatch.chdir(tmp_path)
    files = sorted(Path(tiny_images.removeprefix("folder:")).rglob("*.png"))
    labels = [NAMES.index(file.parent.name) for file in files]
    table = pa.table({"image": [file.read_bytes() for file in files], "label": labels})
    Path("data").mkdir()
    pq.write_table(table, "data/all.parquet")
    for _ in range(2):
        assert run("parquet:*/*.parquet", "run", "--sources", "4", "--targets-per-source", "1") == 0


@pytest.mark.parametrize("most", [0, 2, 4])
def test_a_system_that_starts_no_more_threads_ends_the_run_in_a_sentence_and_it_resumes(
    place, whole, tmp_path, tiny_images, monkeypatch, capsys, most
):
    shutil.copy(place / "pairs.csv", tmp_path)
    original, started = threading.Thread.start, []

    def start(thread):
        started.append(thread)
        if len(started) > most:
            raise RuntimeError("can't start new thread")
        original(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert resume(tiny_images, tmp_path, "run") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "start no more threads; mend that, then the same command goes on" in said
    assert "Traceback" not in said
    assert resume(tiny_images, tmp_path, "run") == 0
    assert_same_run(tmp_path / "run", whole)
