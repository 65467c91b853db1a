"""Runs of an earlier version still open: those in `support/old_run` were written by commit 682a269.

There lie a finished run with every table and kept paths, the same run cut after its first pairs,
and its two shards; its model and images beside it, so that its specs are relative.
"""

import json
import shutil
from pathlib import Path

import pytest

from blindspots.cli.main import call
from blindspots.schema import SIMPLEX_COUNTS, TABLES
from blindspots.store.reader import Run
from blindspots.store.writer import Store
from tests import support
from tests.support.runs import ALL, assert_same_run, rows

pytestmark = pytest.mark.usefixtures("no_figures")
OLD = Path(support.__file__).with_name("old_run")
MODEL = "file:model.py:build"
METHOD = ("--method", "reference", "--set", "max_steps=2", "--set", "step_size=0.1")
PAIRS = ("--sources", "6", "--targets-per-source", "3")
TRUSTED = ("--quiet", "--trust-run-code")
EACH = {"pairs": 18, "triangles": 18, "simplices": 6, "nulls": 18}


@pytest.fixture(autouse=True)
def old(tmp_path, monkeypatch):
    """The place of the old runs, to be changed; specs are relative to it."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resume(out, keep, *options):
    given = ("--model", MODEL, "--images", "folder:images", "--out", out, "--keep", keep)
    return call(["run", *given, *METHOD, *PAIRS, "--quiet", *options])


def pieces(path):
    return {name: (path / f"{name}.parquet").read_bytes() for name in TABLES}


@pytest.mark.parametrize("kind", ["distance", "confidence", "summary"])
def test_its_tables_are_made(capsys, kind):
    assert call(["table", "whole", "--table", kind, "--format", "json"]) == 0
    assert MODEL in json.dumps(json.loads(capsys.readouterr().out))


def test_every_row_and_picture_of_it_is_read(old):
    run = Run(old / "whole")
    assert run.finished
    assert run.facts(MODEL).size == (12, 12)
    assert {name: getattr(run, name).num_rows for name in EACH} == EACH
    for row in run.pair_rows(started=True):
        assert len(run.frames(row["pair_id"], len(row["path_step"]))) == 3
        assert run.exact(row["pair_id"]).shape == (3, 12, 12)
        assert run.image(row["source_id"], MODEL) is not None


def test_its_report_is_written(old):
    assert call(["report", "whole", "--quiet"]) == 0
    assert MODEL in (old / "whole" / "report.html").read_text()


def test_all_of_it_is_computed_again_and_agrees(capsys):
    assert call(["verify", "whole", "--json", *TRUSTED]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == sum(EACH.values())
    assert "an earlier version wrote it" in str(told["unproved"])
    assert call(["verify", "whole", *TRUSTED]) == 0
    assert "not proved: an earlier version wrote it" in capsys.readouterr().out


def test_all_of_what_was_cut_agrees_so_far_and_proves_nothing(capsys):
    assert call(["verify", "unfinished", *TRUSTED]) == 1
    assert "the run is not finished, which proves nothing" in capsys.readouterr().err


def test_its_command_again_changes_no_row(old, monkeypatch):
    monkeypatch.setattr(Store, "save_found", None)
    before, started = pieces(old / "whole"), Run(old / "whole").info.started
    assert resume("whole", "path") == 0
    assert pieces(old / "whole") == before
    assert Run(old / "whole").info.started == started


def test_what_was_cut_is_gone_on_with_to_the_same_rows(old):
    kept = Store("unfinished").present("pairs")
    assert len(kept) == 3
    assert not Run("unfinished").finished
    assert resume("unfinished", "path") == 0
    assert Run("unfinished").finished
    assert kept < Store("unfinished").present("pairs")
    assert_same_run(
        old / "whole", old / "unfinished", tuple(one for one in ALL if one != "simplices")
    )
    # It sampled 2,000 points of each simplex, and what goes on with it samples fewer.
    before, after = (rows(old / name, "simplices") for name in ("whole", "unfinished"))
    assert before.keys() == after.keys()
    for key, row in before.items():
        assert after[key]["samples"] in SIMPLEX_COUNTS
        assert after[key]["fraction"] == pytest.approx(row["fraction"], abs=0.1)
        assert after[key]["mean"] == pytest.approx(row["mean"], abs=0.1)


def test_its_shards_are_merged_to_the_same_rows(old):
    assert call(["merge", "shard-1", "shard-2", "--out", "merged", "--quiet"]) == 0
    assert Run("merged").finished
    for table in TABLES:
        one, two = (rows(old / name, table) for name in ("whole", "merged"))
        assert one.keys() == two.keys()
    assert call(["verify", "merged", *TRUSTED]) == 0


def test_another_plan_is_refused_with_the_difference(capsys):
    assert resume("unfinished", "path", "--seed", "1") == 2
    assert "seed is 0 there and 1 here" in capsys.readouterr().err
