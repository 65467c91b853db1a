"""Runs in an object store: an S3 server on this machine, asked as a real one is."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from upath import UPath

import blindspots as bs
from blindspots.cli.main import call
from blindspots.store.archives import Archives
from blindspots.store.atomic import MOST_WAITING, UploadWriter, write_bytes
from blindspots.store.lock import LOCK, SILENT, Holder, hold, read_holder
from blindspots.store.paths import create, find_place
from blindspots.store.reader import Run
from tests.support import tiny
from tests.support.object_store import fetch, forget_connections, names
from tests.support.refusal_sites import raised
from tests.support.runs import assert_same_run

WHAT = ["--sources", "3", "--keep", "path"]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """One figure: this is about rows and files."""
    monkeypatch.setattr("blindspots.reporting.figures.run_figures._drawings", _one_drawing)


def _one_drawing(_run):
    import matplotlib.pyplot as plt

    yield "grid", plt.subplots()[1]


@pytest.fixture(scope="module")
def run(tiny_images):
    def execute(out, *options):
        return tiny.run(tiny_images, out, *WHAT, *options)

    return execute


@pytest.fixture(scope="module")
def local(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("local") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.reporting.figures.run_figures._drawings", _one_drawing)
        assert run(out) == 0
    return out


def put(folder, place):
    """All that lies below a folder, in a store."""
    for file in (file for file in folder.rglob("*") if file.is_file()):
        write_bytes(find_place(place) / str(file.relative_to(folder)), file.read_bytes())


@pytest.mark.parametrize("text", ["run", "../run", "a:b", "C:/run"])
def test_a_path_is_a_path(text):
    assert find_place(text) == Path(text)


def test_addresses(tmp_path):
    assert find_place(f"file://{tmp_path}") == tmp_path
    assert isinstance(find_place("s3://bucket/run"), UPath)
    assert str(find_place("s3://bucket/run") / "parts") == "s3://bucket/run/parts"


@pytest.mark.faults
@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_a_run_in_a_store_is_the_run_on_a_disk(tmp_path, run, local, bucket, backend, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--backend", backend, *(["--workers", "1"] if backend == "processes" else [])]
    assert run(f"{bucket}/run", *options) == 0
    assert not list(tmp_path.iterdir()), "something was written here"
    files = names(f"{bucket}/run")
    assert files == {str(f.relative_to(local)) for f in local.rglob("*") if f.is_file()}
    assert_same_run(local, fetch(f"{bucket}/run", tmp_path / "copy"), ("pairs", "triangles"))


@pytest.mark.faults
def test_what_reads_runs_reads_them_there(tmp_path, local, bucket, capsys):
    out = f"{bucket}/deep/er/run"
    put(local, out)
    capsys.readouterr()
    for command in (
        ["table", out],
        ["check", out, "--min", "rmse=0"],
        ["compare", out, str(local), "--html", f"{bucket}/pages/compare.html"],
        ["verify", out, "--quiet", "--trust-run-code"],
        ["report", out],
        ["plot", out, "--figure", "grid", "--format", "svg"],
        ["transfer", out, "--model", tiny.SMOOTH, "--quiet", "--trust-run-code"],
        ["widths", out, "--directions", "4", "--points", "3", "--quiet", "--trust-run-code"],
    ):
        assert call(command) == 0, (command, capsys.readouterr())
        if command[0] == "table":
            there = capsys.readouterr().out
            assert call(["table", str(local)]) == 0
            assert there == capsys.readouterr().out
    new = {"transfer.parquet", "widths.parquet", "tables/transfer.csv"}
    new |= {"figures/grid-1-column.svg", "figures/transfer.png"}
    assert new <= names(out)
    for page in (f"{out}/report.html", f"{bucket}/pages/compare.html"):
        assert find_place(page).read_bytes().startswith(b"<!doctype html>")


@pytest.mark.faults
def test_a_run_resumes_there_and_does_damaged_rows_again(tmp_path, run, local, bucket, capsys):
    out = f"{bucket}/run"
    put(local, out)
    table = find_place(out) / "pairs.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 3] ^= 1
    table.write_bytes(bytes(content))
    capsys.readouterr()
    assert run(out) == 0
    assert "its checksum is another" in capsys.readouterr().err
    assert "damaged/pairs.parquet" in names(out)
    assert_same_run(local, fetch(out, tmp_path / "copy"), ("pairs", "triangles"))
    assert run(out, "--seed", "5") == 2
    assert "holds another plan" in capsys.readouterr().err


@pytest.mark.faults
def test_shards_of_a_store_are_merged_there(tmp_path, run, local, bucket):
    shards = [f"{bucket}/{number}" for number in (1, 2)]
    shared = ["--predictions", f"{bucket}/predictions.parquet"]
    for number, shard in enumerate(shards, 1):
        assert run(shard, "--shard", f"{number}/2", *shared) == 0
    assert call(["merge", *shards, "--out", f"{bucket}/merged", "--quiet"]) == 0
    assert_same_run(local, fetch(f"{bucket}/merged", tmp_path / "copy"), ("pairs", "triangles"))


def test_images_are_packed_and_found_in_archives(bucket):
    folder = find_place(f"{bucket}/found")
    for name in ("a", "b"):
        write_bytes(folder / f"{name}.png", name.encode())
    archives = Archives(folder)
    archives.pack(["a", "b"])
    assert {name.rpartition(".")[2] for name in names(folder)} == {"zip"}
    again = Archives(folder)
    assert (again.read("a.png"), again.read("c.png"), again.has("b.png")) == (b"a", None, True)
    assert again.stems(".png") == {"a", "b"}
    again.drop(["a", "b"])
    assert not names(folder)


def test_only_one_of_many_makes_an_object(bucket):
    place = find_place(f"{bucket}/run.lock")
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: create(place, str(n).encode()), range(8)))
    assert sum(made) == 1
    assert place.read_bytes() == str(made.index(True)).encode()


def test_the_second_driver_is_refused_and_a_dead_or_copied_lock_is_not(bucket):
    run, copy = find_place(f"{bucket}/run"), find_place(f"{bucket}/copy")
    with hold(run):
        with pytest.raises(bs.Refused, match=f"process {os.getpid()} on"), hold(run):
            pass
        write_bytes(copy / LOCK, (run / LOCK).read_bytes())
        with hold(copy):
            assert read_holder(copy).place == str(copy)
    assert not names(bucket)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = {**vars(Holder.here(place=str(run))), "pid": process.pid}
    write_bytes(run / LOCK, json.dumps(dead).encode())
    with hold(run):
        assert read_holder(run).pid == os.getpid()


def test_a_silent_lock_of_another_machine_is_taken_over(bucket, monkeypatch):
    run = find_place(f"{bucket}/run")
    other = {**vars(Holder.here(place=str(run))), "host": "elsewhere"}
    write_bytes(run / LOCK, json.dumps(other).encode())
    with pytest.raises(bs.Refused, match="elsewhere"), hold(run):
        pass
    monkeypatch.setattr("blindspots.store.lock.SILENT", -SILENT)
    with hold(run):
        assert read_holder(run).pid == os.getpid()


def test_uploads_are_there_once_settled_and_failures_are_told(bucket):
    uploads, folder = UploadWriter(), find_place(f"{bucket}/many")
    wanted = {str(number) for number in range(2 * MOST_WAITING)}
    for name in wanted:
        uploads.write(folder / name, name.encode())
    uploads.flush()
    assert names(folder) == wanted
    uploads.write(find_place("s3://there-is-none/file"), b"")
    with pytest.raises(OSError, match="does not exist"):
        uploads.flush()
    uploads.flush()


@pytest.mark.parametrize(
    ("out", "what"),
    [
        ("s3://there-is-no-such-bucket/run", "no bucket s3://there-is-no-such-bucket"),
        ("ftps3://bucket/run", "as s3://bucket/run"),
    ],
)
def test_a_place_that_is_none_is_refused(run, server, capsys, out, what):
    assert run(out) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert what in error
    assert "Traceback" not in error


def test_a_run_that_is_not_there_is_refused(bucket, capsys):
    assert call(["table", f"{bucket}/run"]) == 2
    assert f"{bucket}/run" in capsys.readouterr().err.replace("\n", "")


@pytest.fixture
def nobody_answers(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget_connections()
    yield
    forget_connections()


def test_a_store_that_does_not_answer_is_refused(nobody_answers, capsys):
    for command in (["table", "s3://bucket/other"], ["report", "s3://bucket/other"]):
        assert call(command) == 2
        error = " ".join(capsys.readouterr().err.split())
        assert "cannot be reached" in error
        assert "AWS_ENDPOINT_URL" in error


def test_what_the_refusal_of_a_store_says_to_do_succeeds(run, server, monkeypatch, followed):
    """The environment names the store; the bucket is made."""
    with monkeypatch.context() as wrong, raised() as refused:
        wrong.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        wrong.setenv("AWS_MAX_ATTEMPTS", "1")
        forget_connections()
        assert call(["table", "s3://made-later/run"]) == 2
        unreachable = refused[-1]
    forget_connections()
    with raised() as refused:
        assert run("s3://made-later/run") == 2
    boto3.client("s3").create_bucket(Bucket="made-later")
    assert run("s3://made-later/run") == 0
    assert call(["table", "s3://made-later/run"]) == 0
    for refusal in (unreachable, refused[-1]):
        followed(refusal, "tests/store/test_paths.py")


def test_a_missing_package_is_named(monkeypatch, capsys):
    def missing(_place):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(UPath, "fs", property(missing))
    assert call(["table", "s3://bucket/run"]) == 2
    assert "pip install 'blindspots[s3]'" in " ".join(capsys.readouterr().err.split())


def test_a_run_in_a_store_is_told_by_its_name(bucket):
    write_bytes(find_place(f"{bucket}/audit/run.json"), b'{"format": 1}')
    assert Run(f"{bucket}/audit").name == "audit"
