"""The contract of backends: whichever does the work, the run directory is the same."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from blindspots.cli.main import call
from blindspots.schema import TABLES
from blindspots.store.reader import Run
from blindspots.study.backends.ray_pool import Ray, _connected, _pool
from tests.support import sleeping_model
from tests.support.sleeping_model import model_spec, save_pictures
from tests.support.thread_pool import ThreadCrew

FEW = ["--batch-size", "4", "--quiet"]
# A source with a simplex, one with a triangle, one with neither; by the names of their files.
TARGETS = {0: (1, 2, 4), 4: (5, 6), 7: (8,)}
REFERENCE = ["--method", "reference", "--set", "max_steps=3", "--keep", "path"]
FAN = ["--method", "fan", "--set", "max_steps=2"]
ONE = ["--model", model_spec()]
TWO = [*ONE, "--model", model_spec("wary")]
PROCESSES = ["--backend", "processes"]


@pytest.fixture(autouse=True)
def few(monkeypatch, rows_alone):
    """One thread per worker: tests share the cores."""
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")


def run(out, *options, models=TWO):
    return call(["run", *models, *FEW, *options, "--out", str(out)])


def write_pairs(file):
    lines = [f"{source},{target}" for source, own in TARGETS.items() for target in own]
    file.write_text("\n".join(["source,target", *lines, ""]))
    return ["--pairs", str(file)]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Images and pairs of them."""
    folder = tmp_path_factory.mktemp("given")
    return ["--images", save_pictures(folder / "photos", 12), *write_pairs(folder / "pairs.csv")]


@pytest.fixture(scope="module")
def serial(tmp_path_factory, given):
    folder = tmp_path_factory.mktemp("serial")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
        assert run(folder / "reference", *given, *REFERENCE) == 0
        assert run(folder / "fan", *given, *FAN, models=ONE) == 0
    return folder


@pytest.fixture(scope="module")
def ray():
    """Ray, started once as a run starts it, and stopped as a run stops it."""
    import ray

    with Ray(workers=2)._opened():
        yield
    assert not ray.is_initialized()


def keyed(path, table):
    key = TABLES[table][1]
    rows = pq.read_table(path / f"{table}.parquet").to_pylist()
    found = {tuple(row[name] for name in key): row for row in rows}
    assert len(found) == len(rows), "a row is there twice"
    return found


def assert_same_run(one, two, tables=tuple(TABLES)):
    """Every row of every table, and the names of all files; images within float noise."""
    for table in tables:
        first, second = keyed(one, table), keyed(two, table)
        assert first.keys() == second.keys()
        assert first
        for key, row in first.items():
            assert_same_row(row, second[key])
    for folder in ("images", "found", "path"):
        names = {file.name for file in (one / folder).iterdir()}
        assert names == {file.name for file in (two / folder).iterdir()}
    for name, row in keyed(one, "pairs").items():
        if row["target_id"]:
            a, b = (Run(path).exact(name[1]) for path in (one, two))
            assert abs(a - b).max() < 1e-3


def assert_same_row(one, two):
    for name, value in one.items():
        if name == "seconds":
            continue
        if isinstance(value, float | list) and value:
            assert two[name] == pytest.approx(value, abs=1e-3), name
        else:
            assert two[name] == value, name


def assert_same_plan(one, two):
    one, two = Run(one).info, Run(two).info
    assert one.plan_hash == two.plan_hash
    assert one.tables.keys() == two.tables.keys()
    assert two.finished


@pytest.mark.faults
@pytest.mark.parametrize("backend", ["processes", "ray"])
def test_every_backend_writes_the_serial_ones_run_and_a_warning_of_workers_once(
    tmp_path, serial, given, capsys, request, backend
):
    if backend == "ray":
        request.getfixturevalue("ray")
    capsys.readouterr()
    assert run(tmp_path / "run", *given, *REFERENCE, "--backend", backend, "--workers", "2") == 0
    assert capsys.readouterr().err == "warning: a worker is at work\n"
    assert_same_run(serial / "reference", tmp_path / "run")
    assert_same_plan(serial / "reference", tmp_path / "run")


@pytest.mark.parametrize(("method", "models"), [("reference", TWO), ("fan", ONE)])
def test_workers_write_the_serial_run_with_every_kind_of_method(
    tmp_path, serial, given, monkeypatch, method, models
):
    """As threads of this process; how tasks and messages reach other processes is not looked at."""
    monkeypatch.setattr("blindspots.study.backends.process_pool.ProcessWorkerPool", ThreadCrew)
    options = [*given, *(REFERENCE if method == "reference" else FAN), *PROCESSES]
    assert run(tmp_path / "run", *options, "--workers", "2", models=models) == 0
    assert_same_run(serial / method, tmp_path / "run")
    assert_same_plan(serial / method, tmp_path / "run")


@pytest.mark.faults
def test_what_one_backend_began_another_ends_with_paths_as_the_user_wrote_them(
    tmp_path, monkeypatch
):
    """Images and model are named from where the user stands, and so workers must find them."""
    save_pictures(tmp_path / "photos", 12)
    shutil.copy(sleeping_model.__file__, tmp_path / "own.py")
    monkeypatch.chdir(tmp_path)
    options = ["--images", "folder:photos", *write_pairs(tmp_path / "pairs.csv"), *REFERENCE]
    models = ["--model", "file:own.py:build", "--model", "file:own.py:other"]
    assert run("one", *options, models=models) == 0
    shutil.copytree("one", "two")
    for table, lost in (("pairs", 4), ("nulls", 6)):
        rows = pq.read_table(f"two/{table}.parquet").sort_by("source_id")
        pq.write_table(rows.slice(lost), f"two/{table}.parquet")
    info = json.loads((tmp_path / "two" / "run.json").read_text())
    (tmp_path / "two" / "run.json").write_text(json.dumps({**info, "tables": {}}))
    assert run("two", *options, *PROCESSES, "--workers", "1", models=models) == 0
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_a_finished_run_starts_no_worker(serial, given, monkeypatch):
    def start(_pool):
        pytest.fail("a worker was started")

    monkeypatch.setattr("blindspots.study.backends.process_pool.ProcessWorkerPool.start", start)
    assert run(serial / "reference", *given, *REFERENCE, *PROCESSES) == 0


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--workers", "2"], "--backend processes"),
        (["--backend", "processes", "--workers", "0"], "at least 1"),
        (["--address", "auto"], "--backend ray"),
        (["--gpus-per-worker", "1"], "--backend ray"),
        (["--device", "cpu,cpu", "--workers", "3"], "one process each"),
        pytest.param(
            ["--backend", "ray", "--workers", "2", "--gpus-per-worker", "4"],
            "GPUs",
            marks=pytest.mark.faults,
        ),
        (["--backend", "ray", "--address", "127.0.0.1:1"], "ray start --head"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, given, capsys, request, options, what):
    if what == "GPUs":
        request.getfixturevalue("ray")
        capsys.readouterr()
    assert run(tmp_path / "run", *given, *REFERENCE, *options) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert what in error
    assert "Traceback" not in error
    assert not (tmp_path / "run" / "pairs.parquet").exists()


@pytest.mark.parametrize(
    ("options", "status", "what"),
    [([], 1, "--backend processes"), (["--address", "auto"], 2, "ray start --head")],
)
def test_a_ray_that_does_not_start_says_what_to_type(
    tmp_path, given, capsys, monkeypatch, options, status, what
):
    pytest.importorskip("ray")

    def late(**_):
        raise Exception("The current node timed out during startup.\nSee the logs.")

    monkeypatch.setattr("ray.init", late)
    assert run(tmp_path / "run", *given, *REFERENCE, "--backend", "ray", *options) == status
    error = " ".join(capsys.readouterr().err.split())
    assert what in error
    assert "timed out during startup" in error
    assert "Traceback" not in error


def test_a_connection_that_breaks_while_ray_works_is_not_a_ray_that_is_not_there(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("ray.init", lambda **_: None)
    with pytest.raises(ConnectionError), _connected("auto", None):
        raise ConnectionError("the object store went away")


@pytest.mark.parametrize(
    ("nodes", "asked", "workers", "cpus"),
    [
        ([{"CPU": 8}], None, 4, 2),
        ([{"CPU": 1}, {"CPU": 1}], None, 1, 1),
        ([{"CPU": 1}, {"CPU": 1}], 2, 2, 1),
        ([{"CPU": 6}, {"CPU": 2}], 3, 3, 2),
        ([{"CPU": 4, "GPU": 2}, {"CPU": 1, "GPU": 2}], None, 3, 1),
        ([{"CPU": 4, "GPU": 2}, {}], 2, 2, 1),
    ],
)
def test_a_worker_is_given_no_more_than_a_node_has(monkeypatch, nodes, asked, workers, cpus):
    pytest.importorskip("ray")
    said = [{"Alive": True, "Resources": has} for has in nodes]
    gone = {"Alive": False, "Resources": {"CPU": 64}}
    monkeypatch.setattr("ray.nodes", lambda: [*said, gone])
    pool = _pool(asked, None)
    assert (pool.workers, pool.cpus) == (workers, cpus)
