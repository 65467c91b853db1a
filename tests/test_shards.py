"""A run in shards, and what merging them gives, through the command line."""

import json

import pytest

from blindspots import planning
from blindspots.cli.app import call
from blindspots.run_reader import Run
from tests.test_experiment import BLIND, SMALL, assert_same_rows

WHAT = [*SMALL[:-1], "max_steps=2", "--sources", "5", "--targets-per-source", "3", "--quiet"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A whole run and its three shards; the second model misses a class, so there are misses."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "blind.py").write_text(BLIND.replace("CLASS", "3"))
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        assert run(folder, "whole") == 0
        for number in (1, 2, 3):
            assert run(folder, f"{number}", "--shard", f"{number}/3") == 0
        shards = [str(folder / str(number)) for number in (2, 1, 3)]
        assert call(["merge", *shards, "--out", str(folder / "merged"), "--quiet"]) == 0
    return folder


def few(patch):
    """No figures, and few samples of a simplex: this is about rows and files."""
    patch.setattr("blindspots.outcome.write_figures", lambda *_: [])
    patch.setattr("blindspots.measure.SIMPLEX_SAMPLES", 50)


def run(folder, out, *options):
    blind = ["--model", f"file:{folder / 'blind.py'}:blind_to_one"]
    shared = ["--predictions", str(folder / "predictions.parquet")]
    return call(["run", *WHAT, *blind, *shared, "--out", str(folder / out), *options])


def keys(path, table="pairs"):
    names = ("source_id", "target_id") if table == "pairs" else ("source_id", "target_1")
    rows = getattr(Run(path), table).to_pylist()
    return [(row["model"], *(row[name] for name in names)) for row in rows]


@pytest.mark.parametrize("table", ["pairs", "triangles"])
def test_shards_merged_are_the_whole_run(place, table):
    assert_same_rows(place / "whole", place / "merged", table)
    each = [key for number in "123" for key in keys(place / number, table)]
    assert sorted(each, key=str) == sorted(keys(place / "whole", table), key=str)
    assert any(row["ending"] == "source_misclassified" for row in Run(place / "merged").pair_rows())


def test_a_source_is_in_one_shard_with_all_its_targets_and_simplex(place):
    for number in "123":
        started = Run(place / number).pair_rows(started=True)
        counted = [row["source_id"] for row in started if row["model"] == "zoo:shapes-resnet"]
        assert {counted.count(source) for source in counted} == {3}
        simplices = Run(place / number).simplices.to_pylist()
        assert {row["source_id"] for row in simplices} == {row["source_id"] for row in started}
        assert {row["k"] for row in simplices} == {3}


def test_shards_have_the_plan_of_the_whole_and_say_which_they_are(place):
    whole, third, merged = (Run(place / name).info for name in ("whole", "3", "merged"))
    assert whole["plan_hash"] == third["plan_hash"] == merged["plan_hash"]
    assert third["shard"] == {"number": 3, "of": 3}
    assert whole["shard"] is merged["shard"] is None
    assert whole["pairs"] == merged["pairs"]
    assert [shard["number"] for shard in merged["shards"]] == [1, 2, 3]
    assert merged["seconds"] == pytest.approx(sum(shard["seconds"] for shard in merged["shards"]))
    assert merged["finished"]


def test_a_merged_run_has_its_files_tables_and_report_and_can_be_verified(place, monkeypatch):
    for folder in ("images", "found", "path"):
        names = {file.name for file in (place / "whole" / folder).iterdir()}
        assert {file.name for file in (place / "merged" / folder).iterdir()} == names
    assert (place / "merged" / "report.html").stat().st_size > 10_000
    assert (place / "merged" / "tables" / "distance.csv").is_file()
    assert not (place / "1" / "report.html").exists()
    few(monkeypatch)
    assert call(["verify", str(place / "merged"), "--quiet"]) == 0


def test_a_merged_run_is_one_that_can_be_resumed(place, monkeypatch):
    few(monkeypatch)
    monkeypatch.setattr("blindspots.store.Store.save_found", None)
    before = (place / "merged" / "pairs.parquet").read_bytes()
    assert run(place, "merged") == 0
    assert (place / "merged" / "pairs.parquet").read_bytes() == before


def test_another_shard_in_the_same_directory_is_refused(place, capsys):
    assert run(place, "1", "--shard", "2/3") == 2
    assert "holds shard 1/3 of this plan and shard 2/3 of this plan was" in capsys.readouterr().err
    assert run(place, "1") == 2
    assert "resume with --shard 1/3" in capsys.readouterr().err
    assert run(place, "whole", "--shard", "1/3") == 2
    assert "holds the whole plan" in capsys.readouterr().err


def test_more_shards_than_sources_are_refused(place, capsys):
    assert run(place, "new", "--shard", "6/6") == 2
    assert "the plan has 5 sources" in capsys.readouterr().err
    assert not (place / "new").exists()


def test_predictions_are_asked_once_and_shared(place, monkeypatch, capsys):
    asked = []
    whole = planning.survey

    def counted(*given):
        asked.append(sum(int(own.asked.sum()) for own in given[3].values()))
        return whole(*given)

    monkeypatch.setattr(planning, "survey", counted)
    assert run(place, "new", "--dry-run", "--json") == 0
    assert asked == [60]
    other = ["--images", "sample:shapes?n=31"]
    given = [text for text in WHAT if text not in SMALL[2:4]]
    shared = ["--predictions", str(place / "predictions.parquet")]
    assert call(["run", *given, *other, *shared, "--out", str(place / "new")]) == 2
    assert "is of another plan" in capsys.readouterr().err


def test_other_pairs_of_the_same_plan_are_not_gone_on_with(place, tmp_path, capsys):
    """Predictions that were lost and come out otherwise would choose other sources."""
    info = json.loads((place / "1" / "run.json").read_text())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({**info, "pairs_hash": "0" * 16}))
    assert run(place, tmp_path / "run", "--shard", "1/3") == 2
    assert "holds other pairs of the same plan" in capsys.readouterr().err
