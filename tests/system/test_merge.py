"""What can be merged and what is refused, on shards of a made-up run."""

import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

import blindspots as bs
from blindspots.schema import PAIRS, TRIANGLES
from blindspots.store.merge import merge_shards
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, write_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two models and four sources, and its three shards."""
    folder = tmp_path_factory.mktemp("made")
    whole = Run(Factory(targets=2, size=16, frames=2).write(folder / "whole"))
    for number in (1, 2, 3):
        shard(whole, folder / f"shard-{number}", number, 3)
    return folder


@pytest.fixture
def shards(made, tmp_path):
    """Copies of the three, beside one of the whole."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return [tmp_path / f"shard-{number}" for number in (1, 2, 3)]


def shard(whole, path, number, of):
    names = sorted({row["source_id"] for row in whole.pair_rows(started=True)})
    own = names[number - 1 :: of]
    rows = [r for r in whole.pairs.to_pylist() if r["source_id"] in own]
    rows = [r for r in rows if r["target_id"] or number == 1]
    hulls = [r for r in whole.triangles.to_pylist() if r["source_id"] in own]
    for folder in ("images", "found", "path", "parts"):
        (path / folder).mkdir(parents=True)
    write_rows(path, rows, hulls)
    kept = {r["pair_id"] for r in rows} | {r["source_id"] for r in rows}
    for folder in ("images", "found", "path"):
        for file in (whole.path / folder).iterdir():
            if folder == "images" or file.stem in kept:
                shutil.copy(file, path / folder)
    planned = {
        facts.name: sum(r["model"] == facts.name and bool(r["target_id"]) for r in rows)
        for facts in whole.models
    }
    facts = {
        "shard": {"number": number, "of": of},
        "pairs": planned,
        "pairs_hash": "1234",
        "found_dropped": False,
        "seconds": 10.0 * number,
    }
    write_info(path, {**stored_info(whole.path), **facts})
    return path


def write_info(path, info):
    (path / "run.json").write_text(json.dumps(info))


def stored_info(path):
    return json.loads((path / "run.json").read_text())


def change(path, **facts):
    write_info(path, {**stored_info(path), **facts})


def rows(path, table="pairs"):
    return sorted(pq.read_table(path / f"{table}.parquet").to_pylist(), key=str)


def change_pair(path, **columns):
    """Give a shard's first pair other columns, and its found image other bytes."""
    table = pq.read_table(path / "pairs.parquet")
    changed = table.to_pylist()
    changed[0].update(columns)
    pq.write_table(table.from_pylist(changed, table.schema), path / "pairs.parquet")
    name = changed[0]["pair_id"]
    file = path / "found" / f"{name}.png"
    file.unlink()
    file.write_bytes(b"computed anew")
    return name


def of_pair(path, name):
    (row,) = [row for row in rows(path) if row["pair_id"] == name]
    return row


def test_what_a_shard_computed_anew_takes_the_place_of_an_earlier_merge(shards, tmp_path):
    out = tmp_path / "merged"
    merge_shards(shards, out)
    name = change_pair(shards[0], rmse=0.123, seconds=77.0)
    with pytest.warns(UserWarning, match="1 pairs of an earlier merge were replaced"):
        merge_shards(shards, out)
    assert of_pair(out, name)["rmse"] == 0.123
    assert (out / "found" / f"{name}.png").read_bytes() == b"computed anew"
    assert any("earlier merge were replaced" in note for note in Run(out).info.notes)
    assert Run(out).finished


def test_a_finished_pair_is_kept_where_its_shard_cannot_read_it_any_more(shards, tmp_path):
    out = tmp_path / "merged"
    merge_shards(shards, out)
    before = rows(out)
    name = change_pair(shards[0], ending="unreadable", seconds=0.0, rmse=None)
    with pytest.warns(UserWarning, match="1 pairs of an earlier merge were kept"):
        merge_shards(shards, out)
    assert rows(out) == before
    assert of_pair(out, name)["ending"] != "unreadable"


def test_rows_and_files_of_all_shards_come_together(shards, tmp_path):
    assert merge_shards(shards, tmp_path / "out", "the command") == []
    for table, schema in (("pairs", PAIRS), ("triangles", TRIANGLES)):
        assert rows(tmp_path / "out", table) == rows(tmp_path / "whole", table)
        assert pq.read_schema(tmp_path / "out" / f"{table}.parquet").equals(schema)
    for folder in ("images", "found", "path"):
        there = {f.name: f.read_bytes() for f in (tmp_path / "out" / folder).iterdir()}
        assert there == {f.name: f.read_bytes() for f in (tmp_path / "whole" / folder).iterdir()}
    info = Run(tmp_path / "out").info
    assert info.seconds == 60
    assert info.command == "the command"
    assert info.pairs == {facts.name: 8 for facts in Run(tmp_path / "whole").models}


def test_images_are_linked_and_stay_when_the_shards_go(shards, tmp_path):
    merge_shards(shards, tmp_path / "out")
    found = next((shards[0] / "found").iterdir())
    assert found.samefile(tmp_path / "out" / "found" / found.name)
    for path in shards:
        shutil.rmtree(path)
    assert all(Run(tmp_path / "out").kept(row["pair_id"]) for row in started(tmp_path / "out"))


def started(path):
    return Run(path).pair_rows(started=True)


def test_images_are_copied_where_links_cannot_be(shards, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    merge_shards(shards, tmp_path / "out")
    assert all(Run(tmp_path / "out").kept(row["pair_id"]) for row in started(tmp_path / "out"))


def test_missing_shards_and_pairs_are_named(shards, tmp_path):
    model = Run(shards[0]).models[0].name
    table = pq.read_table(shards[2] / "pairs.parquet")
    pq.write_table(table.slice(1), shards[2] / "pairs.parquet")
    change(shards[2], finished=None)
    with pytest.raises(bs.Refused) as refusal:
        merge_shards([shards[0], shards[2]], tmp_path / "out")
    assert "shard 2 of 3 not given" in str(refusal.value)
    assert f"shard 3/3 in {shards[2]} lacks 1 of 2 pairs of {model}" in str(refusal.value)
    assert not (tmp_path / "out").exists()
    missing = merge_shards([shards[0], shards[2]], tmp_path / "out", allow_missing=True)
    assert len(missing) == 2
    info = Run(tmp_path / "out").info
    assert info.finished is None
    assert set(missing) <= set(info.notes)
    change(shards[2], finished="2025-01-01T00:00:00+00:00")
    pq.write_table(table, shards[2] / "pairs.parquet")
    assert merge_shards(shards, tmp_path / "out") == []
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    assert Run(tmp_path / "out").info.finished


def test_a_shard_that_was_not_finished_is_missing(shards, tmp_path):
    change(shards[1], finished=None)
    with pytest.raises(bs.Refused, match=r"shard 2/3 in .* is not finished"):
        merge_shards(shards, tmp_path / "out")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"plan_hash": "another", "plan": {"seed": 1}}, "hold different plans"),
        ({"pairs_hash": "another"}, "planned different pairs.*--predictions"),
        ({"shard": {"number": 2, "of": 4}}, "same number of shards"),
        ({"shard": {"number": 1, "of": 3}}, "shard 1/3 is given more than once"),
        ({"shard": None}, "is a whole run and no shard"),
    ],
)
def test_what_is_no_shard_of_the_same_plan_is_refused(shards, tmp_path, facts, says):
    change(shards[1], **facts)
    with pytest.raises(bs.Refused, match=says):
        merge_shards(shards, tmp_path / "out", allow_missing=True)
    assert not (tmp_path / "out").exists()


def test_a_pair_in_two_shards_is_refused(shards, tmp_path):
    shutil.copy(shards[0] / "pairs.parquet", shards[1] / "pairs.parquet")
    with pytest.raises(bs.Refused, match="rows of pairs are in more than one shard"):
        merge_shards(shards, tmp_path / "out", allow_missing=True)


def test_a_damaged_file_of_rows_is_refused(shards, tmp_path):
    file = shards[1] / "triangles.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(bs.Refused, match=r"shard-2/triangles.parquet is damaged"):
        merge_shards(shards, tmp_path / "out", allow_missing=True)


def test_a_directory_that_holds_another_run_is_not_written_to(shards, tmp_path):
    for out in (tmp_path / "whole", shards[0]):
        with pytest.raises(bs.Refused, match="holds another run"):
            merge_shards(shards, out)


def test_versions_and_devices_that_differ_are_noted(shards, tmp_path):
    change(shards[2], versions={"torch": "3.0", "python": "3.11.7"}, device="cuda", keep="found")
    merge_shards(shards, tmp_path / "out")
    info = Run(tmp_path / "out").info
    assert "different versions of torch: 2.10.0 in 1, 2; 3.0 in 3" in " ".join(info.notes)
    assert info.device == "cpu, cuda"
    assert info.keep == "found"
