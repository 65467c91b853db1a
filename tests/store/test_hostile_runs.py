"""A run directory is data from a stranger: whatever it holds ends in a sentence.

Its own name is the user's: whatever that holds, it works.
"""

import math
import os
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.fuzz import FORMATS, fuzz
from blindspots.cli.main import call
from blindspots.errors import UsageError, visible
from blindspots.schema import PREDICTIONS
from blindspots.store.manifest import MANIFEST, renew_entries
from blindspots.store.reader import Run
from blindspots.store.run_info import RunInfo
from blindspots.store.writer import Store, check_own
from blindspots.study.survey import read_model_predictions
from tests.support.run_factory import Factory
from tests.support.runs import rows as rows_of

MUTATIONS, SEED = 40, 7
NAMES = ("x:y", "a b?", "#50%20", "new\nline", "😀", "q\"uo'te", "back\\slash", "k=v")
ALL_AT_ONCE = "x:y ?#%20 \n😀'\"\\ k=v"


@pytest.fixture(autouse=True)
def quick(no_figures):
    """Figures take longer than all the rest."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return FORMATS["run"].make(tmp_path_factory.mktemp("clean"))


@pytest.mark.faults
def test_changed_runs_end_in_sentences_and_touch_nothing_outside(clean):
    assert list(map(str, fuzz(FORMATS["run"], clean, range(SEED, SEED + MUTATIONS), 2))) == []


@pytest.fixture
def stranger(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text("the user's")
    return Factory(sources=2, models=("one",)).write(tmp_path / "run")


ODD = {"ending": "nonsense", "model": None, "rmse": 1e300, "segment_confidence": []}


@pytest.mark.parametrize(("column", "value"), ODD.items(), ids=ODD)
def test_a_value_that_no_run_writes_is_refused_and_named(stranger, column, value):
    file = stranger / "pairs.parquet"
    table = pq.read_table(file)
    values = [value, *table[column].to_pylist()[1:]]
    place = table.column_names.index(column)
    kind = table.schema.field(column).type
    pq.write_table(table.set_column(place, column, pa.array(values, kind)), file)
    with pytest.raises(UsageError, match=re.escape(f"has the {column} {value!r}")):
        Run(stranger).pair_rows()


def replace(run, name, make):
    place = run / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    make(place)


@pytest.mark.parametrize("name", ["run.json", "pairs.parquet", "images", "tables", "report.html"])
def test_a_link_that_leads_out_of_a_run_is_refused(stranger, name):
    aim = stranger.parent / "secret"
    replace(stranger, name, lambda p: p.symlink_to(aim if "." not in name else aim / "key.txt"))
    with pytest.raises(UsageError, match="a link that leads out of the run"):
        Run(stranger)


def test_a_linked_picture_is_refused_and_one_inside_is_read(stranger):
    first, second = sorted((stranger / "images").iterdir())[:2]
    first.unlink()
    first.symlink_to(second)
    assert Run(stranger).image(first.stem, "one") is not None
    first.unlink()
    first.symlink_to(stranger.parent / "secret" / "key.txt")
    with pytest.raises(UsageError, match="remove it, or put a copy"):
        Run(stranger)


def test_what_is_no_file_is_not_waited_for(stranger):
    replace(stranger, "nulls.parquet", os.mkfifo)
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        Run(stranger)


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to(p.parents[2] / "secret")])
def test_a_run_is_not_gone_on_with_where_what_is_no_file_lies_in_it(stranger, make):
    file = sorted((stranger / "found").iterdir())[0]
    replace(stranger, f"found/{file.name}", make)
    with pytest.raises(UsageError, match="expected the files that blindspots run wrote"):
        check_own(stranger)


STEERS = "\x1b]0;title\x07\x9b2J"


@pytest.mark.parametrize("command", ["table", "check", "compare", "report", "verify", "plot"])
def test_no_name_in_a_run_steers_the_terminal_of_who_opens_it(tmp_path, capfd, command):
    run = Factory(sources=2, models=(f"one{STEERS}",)).write(tmp_path / "run")
    others = {"compare": [str(run)], "check": ["--max", "reach=1"]}
    call([command, str(run), *others.get(command, [])])
    said = "".join(capfd.readouterr())
    assert said
    assert visible(said) == said


def test_a_run_that_lies_behind_a_link_is_read(stranger, tmp_path):
    (tmp_path / "link").symlink_to(stranger)
    assert Run(tmp_path / "link").pair_rows()


@pytest.fixture(params=[True, False], ids=["absolute", "relative"])
def lay(request, tmp_path, clean, monkeypatch):
    """Makes a copy of a run under a name; its path, as it is typed."""
    monkeypatch.chdir(tmp_path)

    def copy(name):
        shutil.copytree(clean, tmp_path / name)
        return str(tmp_path / name) if request.param else name

    return copy


def test_a_run_is_reported_and_verified_in_a_directory_of_every_such_name(lay):
    path = lay(ALL_AT_ONCE)
    assert call(["report", path]) == 0
    assert call(["verify", path, "--trust-run-code"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_run_directory_may_have_any_name(tmp_path, lay, name):
    path = lay(name)
    assert call(["table", path]) == 0
    store = Store(path)
    store.append(
        "pairs", [{**row, "pair_id": f"{i:016x}"} for i, row in enumerate(Run(path).pair_rows())]
    )
    store.compact()
    store.write_info(RunInfo(finished="now"))
    assert len(rows_of(tmp_path / name)) == 16


def test_a_whole_run_is_done_in_a_directory_of_every_such_name(tmp_path, tiny_images, monkeypatch):
    from tests.support.tiny import run

    monkeypatch.chdir(tmp_path)
    few = ("--sources", "2", "--targets-per-source", "1")
    assert run(tiny_images, ALL_AT_ONCE, *few) == 0
    assert run(tiny_images, ALL_AT_ONCE, *few) == 0
    assert {file.name for file in tmp_path.iterdir()} == {ALL_AT_ONCE}


def test_a_manifest_that_is_none_is_left_as_it_is(stranger):
    for name in ("../../secret/key.txt", "x"):
        (stranger / MANIFEST).write_text(f"{'0' * 64} {name}\n")
        renew_entries(stranger, ["nulls.parquet"])
        assert (stranger / MANIFEST).read_text().endswith(f" {name}\n")


@pytest.mark.parametrize("number", [None, math.nan, math.inf])
@pytest.mark.parametrize("column", ["confidence", "p_label"])
def test_an_answer_that_no_model_gives_is_asked_for_again(column, number):
    said = {"model": "m", "image_id": "b", "predicted": 2, "confidence": 0.7, "p_label": 0.7}
    other = {**said, "image_id": "c", column: number}
    rows = pa.Table.from_pylist([said, other], PREDICTIONS)
    assert read_model_predictions(rows, "m", ["a", "b", "c"]).asked.tolist() == [False, True, False]
