"""A run in shards, and what merging them gives, through the command line."""

import pytest

from blindspots.cli.main import call
from blindspots.settings import Shard
from blindspots.store.reader import Run
from blindspots.study import prepare
from tests.support.runs import assert_same_run
from tests.support.tiny import MODEL, spec, without_figures, write_images
from tests.support.tiny import run as run_tiny

pytestmark = pytest.mark.usefixtures("no_figures")
# One that misses a class, so that there are misses.
BLIND = spec("blind?to=0")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A whole run of two models and its three shards, and these merged."""
    folder = tmp_path_factory.mktemp("shards")
    write_images(folder / "images")
    with without_figures():
        assert run(folder, "whole") == 0
        for number in (1, 2, 3):
            assert run(folder, f"{number}", "--shard", f"{number}/3") == 0
        shards = [str(folder / str(number)) for number in (2, 1, 3)]
        assert call(["merge", *shards, "--out", str(folder / "merged"), "--quiet"]) == 0
    return folder


def run(folder, out, *options, images="images"):
    counts = ("--sources", "6", "--targets-per-source", "3")
    shared = ("--predictions", str(folder / "predictions.parquet"))
    given = (*counts, *shared, *options)
    return run_tiny(f"folder:{folder / images}", folder / out, *given, models=(MODEL, BLIND))


def keys(path, table="pairs"):
    names = ("source_id", "target_id") if table == "pairs" else ("source_id", "target_1")
    rows = getattr(Run(path), table).to_pylist()
    return [(row["model"], *(row[name] for name in names)) for row in rows]


def test_shards_merged_are_the_whole_run_and_none_has_what_another_has(place):
    assert_same_run(place / "whole", place / "merged")
    for table in ("pairs", "triangles"):
        each = [key for number in "123" for key in keys(place / number, table)]
        assert sorted(each, key=str) == sorted(keys(place / "whole", table), key=str)
    assert any(row["ending"] == "source_misclassified" for row in Run(place / "merged").pair_rows())


def test_a_source_is_in_one_shard_with_all_its_targets_and_simplex(place):
    for number in "123":
        started = Run(place / number).pair_rows(started=True)
        counted = [row["source_id"] for row in started if row["model"] == started[0]["model"]]
        assert {counted.count(source) for source in counted} == {3}
        simplices = Run(place / number).simplices.to_pylist()
        assert {row["source_id"] for row in simplices} == {row["source_id"] for row in started}
        assert {row["k"] for row in simplices} == {3}


def test_shards_have_the_plan_of_the_whole_and_say_which_they_are(place):
    whole, third, merged = (Run(place / name).info for name in ("whole", "3", "merged"))
    assert whole.plan_hash == third.plan_hash == merged.plan_hash
    assert third.shard == Shard(3, 3)
    assert whole.shard is merged.shard is None
    assert whole.pairs == merged.pairs
    assert [shard.number for shard in merged.shards] == [1, 2, 3]
    assert merged.seconds == pytest.approx(sum(shard.seconds for shard in merged.shards))
    assert merged.finished


def test_a_merged_run_has_its_tables_and_report_and_can_be_verified(place):
    assert (place / "merged" / "report.html").stat().st_size > 10_000
    assert (place / "merged" / "tables" / "distance.csv").is_file()
    assert not (place / "1" / "report.html").exists()
    assert call(["verify", str(place / "merged"), "--quiet", "--trust-run-code"]) == 0


def test_a_merged_run_is_one_that_can_be_resumed(place, monkeypatch):
    monkeypatch.setattr("blindspots.store.writer.Store.save_found", None)
    before = (place / "merged" / "pairs.parquet").read_bytes()
    assert run(place, "merged") == 0
    assert (place / "merged" / "pairs.parquet").read_bytes() == before


def test_another_shard_in_the_same_directory_is_refused(place, capsys):
    assert run(place, "1", "--shard", "2/3") == 2
    assert "holds shard 1/3 of this plan and shard 2/3 of this plan was" in capsys.readouterr().err
    assert run(place, "1") == 2
    assert "resume with --shard 1/3" in capsys.readouterr().err


def test_more_shards_than_sources_are_refused(place, capsys):
    assert run(place, "new", "--shard", "7/7") == 2
    assert "the plan has 6 sources" in capsys.readouterr().err
    assert not (place / "new").exists()


def test_predictions_are_asked_once_and_shared(place, monkeypatch, capsys):
    asked = []
    whole = prepare.survey

    def counted(*given):
        asked.append(sum(int(own.asked.sum()) for own in given[3].values()))
        return whole(*given)

    monkeypatch.setattr(prepare, "survey", counted)
    assert run(place, "new", "--dry-run", "--json") == 0
    assert asked == [2 * 15]
    write_images(place / "more", per_class=6)
    assert run(place, "new", images="more") == 2
    assert "is of another plan" in capsys.readouterr().err
