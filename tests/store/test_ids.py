"""Ids become names of files, so no id of a stranger's run leads out of its folders."""

import inspect
import json

import pyarrow.parquet as pq
import pytest

from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.explorer.save_case import _new_directory
from blindspots.store.archives import Archives
from blindspots.store.paths import inside
from blindspots.store.reader import Run
from blindspots.store.writer import TABLES, Store
from tests.support.run_factory import Factory

HOSTILE = ("../../x", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "a\nb", "", "x" * 300)
COMMANDS = (["table"], ["report"], ["check", "--max", "rmse=1"], ["verify"], ["plot"])


@pytest.fixture
def run(tmp_path):
    return Factory(size=8, sources=2, targets=3, frames=3).write(tmp_path / "run")


def rename(file, column, name):
    """Give the first row of a table another id."""
    rows = pq.read_table(file)
    changed = rows.to_pylist()
    changed[0][column] = name
    pq.write_table(type(rows).from_pylist(changed, rows.schema), file)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_id_that_is_no_name_of_a_file_is_refused_where_rows_are_read(run, name):
    rename(run / "pairs.parquet", "source_id", name)
    for read in (
        lambda: Run(run).pair_rows(),
        lambda: Run(run).columns.pairs,
        lambda: Run(run).pairs_from(name),
        lambda: Store(run).stored("pairs", "zoo:shapes-resnet", ["source_id"]),
    ):
        with pytest.raises(UsageError, match="source_id"):
            read()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("pairs", "pair_id"),
        ("pairs", "target_id"),
        ("triangles", "target_2"),
        ("simplices", "source_id"),
        ("nulls", "target_id"),
    ],
)
def test_every_id_of_every_table_is_looked_at(run, table, column):
    rename(run / f"{table}.parquet", column, "../x")
    with pytest.raises(UsageError, match=column):
        getattr(Run(run), table)
    schema, _ = TABLES[table]
    with pytest.raises(UsageError, match=column):
        Store(run).stored(table, "zoo:shapes-resnet", schema.names)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_run_with_such_an_id_is_refused_and_nothing_is_written(run, capsys, words):
    rename(run / "pairs.parquet", "source_id", "../../x")
    before = sorted(run.parent.rglob("*"))
    figure = ["--figure", "grid"] if words[0] == "plot" else []
    assert call([words[0], str(run), *words[1:], *figure]) == 2
    assert "'../../x'" in capsys.readouterr().err
    assert sorted(run.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "..", "a/../../secret.png"])
def test_no_name_leads_out_of_a_folder(tmp_path, name):
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "images").mkdir()
    archives = Archives(tmp_path / "images")
    for reach in (archives.read, archives.has, lambda name: inside(archives.folder, name)):
        with pytest.raises(UsageError, match="no name of a file"):
            reach(name)


def test_the_suffix_that_a_run_gives_its_images_leads_nowhere_else(run):
    info = json.loads((run / "run.json").read_text())
    info["models"][0]["image_suffix"] = "/../../../secret"
    (run / "run.json").write_text(json.dumps(info))
    read = Run(run)
    row = read.pair_rows()[0]
    for reach in (read.image, read.image_content, read.image_path):
        with pytest.raises(UsageError, match="no name of a file"):
            reach(row["source_id"], row["model"])


def test_a_saved_case_lies_in_its_folder(tmp_path):
    class Found:
        source, target = "../../x", "y"

    with pytest.raises(UsageError, match="no name of a file"):
        inspect.unwrap(_new_directory)(tmp_path / "cases", Found)
    assert not list(tmp_path.iterdir())
