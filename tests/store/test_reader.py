"""A run directory is read as it is: finished, in parts, with pieces missing; else refused."""

import json
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindspots.errors import UsageError
from blindspots.reporting.selection import most_representative, nearest_believed
from blindspots.store import parquet, writer
from blindspots.store.reader import Run, reached_target, read_rows
from blindspots.store.writer import Store
from tests.support.run_factory import Factory, pair_row, simplex_row, triangle_row, write_rows

FEW = ("model", "pair_id", "ending")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return Factory(size=16, sources=2, frames=3).write(tmp_path_factory.mktemp("run"))


def test_rows_and_facts_of_a_finished_run(path):
    run = Run(path)
    assert run.finished
    assert run.labelled
    assert run.delta == 0.2
    assert run.pairs.num_rows == 2 * (2 * 2 + 1)
    assert run.triangles.num_rows == 2 * 2
    assert [facts.name for facts in run.models] == ["zoo:shapes-resnet", "zoo:shapes-resnet-at"]
    assert run.models[0].training_epsilon is None
    assert run.models[1].training_epsilon == pytest.approx(8 / 255)
    assert run.models[0].size == (16, 16)


def test_pictures_come_as_pixels_and_missing_ones_as_none(path):
    run = Run(path)
    row = run.pair_rows(started=True)[0]
    assert run.found(row["pair_id"]).shape == (16, 16, 3)
    assert run.image(row["source_id"], row["model"]).dtype == np.uint8
    frames = run.frames(row["pair_id"], 3)
    assert [frame.shape for frame in frames] == [(16, 16, 3)] * 3
    assert run.found("nothing") is None
    assert run.frames("nothing", 3) == []


def test_rows_still_in_parts_are_read_and_a_row_written_twice_counts_once(tmp_path):
    Factory(size=8, sources=2, finished=False, keep="none").write(tmp_path)
    run = Run(tmp_path)
    assert not run.finished
    assert run.pairs.num_rows == 10
    rows, triangles = run.pairs.to_pylist(), run.triangles.to_pylist()
    write_rows(tmp_path, rows, triangles)
    assert Run(tmp_path).pairs.num_rows == 10
    assert Run(tmp_path).triangles.num_rows == 4


def test_a_run_that_is_read_while_its_driver_joins_it_is_whole(tmp_path, monkeypatch):
    """A driver appends, gathers and compacts; whatever was stored before a read is in it."""
    monkeypatch.setattr(parquet, "GATHERED", 4)
    monkeypatch.setattr(parquet, "PAUSE", 0.0)
    monkeypatch.setattr(writer, "GATHERED", 4)
    store, stored, done = Store(tmp_path), [0], threading.Event()

    def drive():
        for number in range(96):
            row = {"model": "m", "pair_id": f"{number:04d}", "ending": "finished"}
            store.append("pairs", [row])
            stored[0] = number + 1
            if number % 4 == 3:
                store.gather()
            if number % 12 == 11:
                store.compact()
        done.set()

    driver = threading.Thread(target=drive)
    driver.start()
    reads = 0
    try:
        while not done.is_set():
            least = stored[0]
            rows = read_rows(tmp_path, "pairs", FEW)
            assert len(rows) >= least
            reads += 1
    finally:
        # It would go on in the next test.
        driver.join()
    assert reads > 10
    assert len(read_rows(tmp_path, "pairs", FEW)) == 96


def test_parts_are_listed_before_the_file_that_they_are_joined_to(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.append("pairs", [{"model": "m", "pair_id": "a", "ending": "finished"}])
    listing = Path.glob

    def joined_meanwhile(self, pattern):
        found = list(listing(self, pattern))
        monkeypatch.setattr(Path, "glob", listing)
        store.compact()
        return found

    monkeypatch.setattr(Path, "glob", joined_meanwhile)
    assert len(read_rows(tmp_path, "pairs", FEW)) == 1


def test_a_listing_while_a_driver_joins_is_never_empty(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.append("pairs", [{"model": "m", "pair_id": "a", "ending": "finished"}])
    listing = Path.glob

    def joined_just_before(self, pattern):
        monkeypatch.setattr(Path, "glob", listing)
        store.compact()
        return listing(self, pattern)

    monkeypatch.setattr(Path, "glob", joined_just_before)
    assert [file.name for file in parquet.row_files(tmp_path, "pairs")] == ["pairs.parquet"]


def test_rows_that_vanish_again_and_again_are_no_other_out(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "PATIENCE", 0.1)
    monkeypatch.setattr(parquet, "row_files", lambda path, _table: [path / "gone.parquet"])
    with pytest.raises(UsageError, match="type the same again"):
        read_rows(tmp_path, "pairs", FEW)


@pytest.mark.parametrize("finished", [True, False])
def test_a_source_with_more_than_two_targets_has_a_simplex(tmp_path, finished):
    Factory(size=8, sources=2, targets=3, keep="none", finished=finished).write(tmp_path)
    run = Run(tmp_path)
    assert len(run.simplex_rows()) == 2 * 2
    (first, second) = run.simplex_rows("zoo:shapes-resnet-at")
    assert first["source_id"] != second["source_id"]
    assert first["k"] == 3
    write_rows(tmp_path, run.pairs.to_pylist(), [], run.simplex_rows())
    assert len(Run(tmp_path).simplex_rows()) == 4


def test_a_run_without_the_table_of_simplices_has_none(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    row = pair_row(model="m", pair_id="1", source_id="s", target_id="t")
    write_rows(tmp_path, [row], [], [simplex_row([row] * 3)])
    assert len(Run(tmp_path).simplex_rows("m")) == 1
    (tmp_path / "simplices.parquet").unlink()
    assert Run(tmp_path).simplex_rows("m") == []


def test_a_run_without_rows_is_empty_not_broken(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    run = Run(tmp_path)
    assert run.pairs.num_rows == 0
    assert run.models == ()
    assert run.plan == {}
    assert run.delta is None


def test_a_model_only_known_from_its_rows_is_listed(tmp_path):
    (tmp_path / "run.json").write_text('{"format": 1}')
    write_rows(tmp_path, [pair_row(model="own", pair_id="1")], [])
    assert [facts.name for facts in Run(tmp_path).models] == ["own"]


def test_triangles_of_pairs_that_did_not_start_are_left_out(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    common = {"model": "m", "source_id": "s"}
    first = pair_row(**common, pair_id="1", target_id="a", ending="delta_vacuous")
    second = pair_row(**common, pair_id="2", target_id="b")
    write_rows(tmp_path, [first, second], [triangle_row(first, second)])
    assert Run(tmp_path).triangle_rows() == []


@pytest.mark.parametrize("content", ["not json", '["a list"]', '{"format": 99}'])
def test_what_is_not_a_run_of_this_format_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match="blindspots run"):
        _ = Run(tmp_path).info


@pytest.mark.parametrize("name", [".", "missing"])
def test_a_directory_without_a_run_is_refused_with_what_to_type(tmp_path, name):
    with pytest.raises(UsageError, match="blindspots demo"):
        Run(tmp_path / name)


def test_a_table_with_other_columns_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "run.json").write_text(json.dumps({"format": 1}))
    pq.write_table(pa.table({"other": [1]}), tmp_path / "pairs.parquet")
    with pytest.raises(UsageError, match=r"pairs\.parquet"):
        _ = Run(tmp_path).pairs


def test_the_most_representative_pair_is_the_nearest_of_the_believed():
    rows = [
        {"name": "near", "rmse": 0.01, "p_found": 0.95},
        {"name": "nearer but doubted", "rmse": 0.001, "p_found": 0.5},
        {"name": "far", "rmse": 0.1, "p_found": 0.99},
        {"name": "nothing", "rmse": None, "p_found": None},
    ]
    assert nearest_believed(rows)["name"] == "near"
    assert nearest_believed(rows[1:2])["name"] == "nearer but doubted"
    assert nearest_believed(rows[3:]) is None


@pytest.mark.parametrize(
    ("rmse", "source_rmse", "there"),
    [(0.1, 0.3, True), (0.2, 0.3, False), (0.1, None, True), (None, None, False)],
)
def test_a_found_image_has_arrived_where_it_is_twice_as_near_to_its_target(
    rmse, source_rmse, there
):
    assert reached_target({"rmse": rmse, "source_rmse": source_rmse}) is there


numbers = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(numbers, numbers), max_size=12), st.integers(1, 3))
def test_the_most_telling_of_columns_is_that_of_rows(drawn, count):
    rows = [{"rmse": rmse, "p_found": believed} for rmse, believed in drawn]
    columns = pa.table(
        {name: pa.array([row[name] for row in rows], pa.float64()) for name in ("rmse", "p_found")}
    )
    places = most_representative(columns, 0.9, count)
    best = nearest_believed(rows, 0.9)
    assert (rows[places[0]] if len(places) else None) == best
    assert len(places) <= count
