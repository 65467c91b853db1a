"""The contract of backends: whichever does the work, the run directory is the same."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from PIL import Image

from blindspots.cli.app import call
from blindspots.images import load_images
from blindspots.models.sources import load_model
from blindspots.run_reader import Run
from blindspots.store import TABLES

FEW = ["--batch-size", "4", "--quiet"]
# A source with a simplex, one with a triangle, one with neither; by their places in the sample.
TARGETS = {0: (1, 2, 3), 4: (5, 6), 7: (8,)}
REFERENCE = ["--method", "reference", "--set", "max_steps=3", "--keep", "path"]
FAN = ["--method", "fan", "--set", "max_steps=2"]
ONE = ["--model", "zoo:shapes-resnet"]
TWO = [*ONE, "--model", "zoo:shapes-resnet-at"]
PROCESSES, RAY = ["--backend", "processes"], ["--backend", "ray"]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """No figures, and few samples of a simplex: this is about rows and files."""
    monkeypatch.setattr("blindspots.outcome.write_figures", lambda *_: [])


def run(out, *options, images="sample:shapes?n=12", models=TWO):
    return call(["run", *models, "--images", images, *FEW, *options, "--out", str(out)])


@pytest.fixture(scope="module")
def sample():
    return load_images("sample:shapes?n=12", load_model("zoo:shapes-resnet"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, sample):
    file = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    lines = [f"{sample.ids[s]},{sample.ids[t]}" for s, own in TARGETS.items() for t in own]
    file.write_text("\n".join(["source,target", *lines, ""]))
    return ["--pairs", str(file)]


@pytest.fixture(scope="module")
def serial(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("serial")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.outcome.write_figures", lambda *_: [])
        assert run(folder / "reference", *pairs, *REFERENCE) == 0
        assert run(folder / "fan", *pairs, *FAN, models=ONE) == 0
    return folder


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


@pytest.mark.parametrize("method", ["reference", "fan"])
@pytest.mark.parametrize("backend", [PROCESSES, RAY], ids=["processes", "ray"])
def test_every_backend_writes_the_serial_ones_run(tmp_path, serial, pairs, backend, method):
    settings, models = (REFERENCE, TWO) if method == "reference" else (FAN, ONE)
    options = [*pairs, *settings, *backend, "--workers", "2"]
    assert run(tmp_path / "run", *options, models=models) == 0
    assert_same_run(serial / method, tmp_path / "run")
    one, two = (Run(path).info for path in (serial / method, tmp_path / "run"))
    assert one["plan_hash"] == two["plan_hash"]
    assert one["tables"].keys() == two["tables"].keys()
    assert two["finished"]


def test_what_one_backend_began_another_ends(tmp_path, serial, pairs):
    out = tmp_path / "run"
    shutil.copytree(serial / "reference", out)
    for table, lost in (("pairs", 4), ("nulls", 6)):
        rows = pq.read_table(out / f"{table}.parquet").sort_by("source_id")
        pq.write_table(rows.slice(lost), out / f"{table}.parquet")
    info = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**info, "tables": {}}))
    assert run(out, *pairs, *REFERENCE, *PROCESSES) == 0
    assert_same_run(serial / "reference", out)


def test_a_finished_run_starts_no_worker(serial, pairs, monkeypatch):
    def hire(_crew):
        pytest.fail("a worker was hired")

    monkeypatch.setattr("blindspots.backends.processes.ProcessCrew.hire", hire)
    assert run(serial / "reference", *pairs, *REFERENCE, *PROCESSES) == 0


def test_workers_find_the_images_of_a_relative_folder(tmp_path, sample, monkeypatch):
    """As the user wrote it, from where the user stood; `file:` models likewise."""
    (tmp_path / "photos").mkdir()
    for index, label in enumerate(sample.labels.tolist()):
        folder = tmp_path / "photos" / sample.class_names[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(sample.uint8(index)).save(folder / f"{index}.png")
    (tmp_path / "pairs.csv").write_text("source,target\n0,1\n0,2\n4,5\n")
    options = ["--pairs", "pairs.csv", *REFERENCE]
    (tmp_path / "own.py").write_text(
        "import blindspots as bs\n\n\ndef model():\n    return bs.load_model('zoo:shapes-resnet')\n"
    )
    monkeypatch.chdir(tmp_path)
    given = {"images": "folder:photos", "models": ["--model", "file:own.py:model"]}
    assert run("one", *options, **given) == 0
    assert run("two", *options, *PROCESSES, **given) == 0
    assert_same_run(tmp_path / "one", tmp_path / "two", ("pairs", "triangles", "nulls"))


def test_what_workers_warn_of_is_told_once_in_a_line(tmp_path, pairs, capsys):
    (tmp_path / "wary.py").write_text(
        "import multiprocessing\nimport warnings\n\nimport torch\n\nimport blindspots as bs\n\n\n"
        "class Wary(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.whole = bs.load_model('zoo:shapes-resnet')\n\n"
        "    def forward(self, images):\n"
        "        if multiprocessing.parent_process():\n"
        "            warnings.warn('a worker is\\nat work')\n"
        "        return self.whole(images)\n\n\n"
        "def model():\n"
        "    names = bs.load_model('zoo:shapes-resnet').class_names\n"
        "    return bs.Classifier(Wary(), size=64, class_names=names)\n"
    )
    models = ["--model", f"file:{tmp_path / 'wary.py'}:model"]
    options = [*pairs, *REFERENCE, *RAY, "--workers", "2"]
    assert run(tmp_path / "run", *options, models=models) == 0
    assert capsys.readouterr().err == "warning: a worker is at work\n"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--workers", "2"], "--backend processes"),
        (["--backend", "processes", "--workers", "0"], "at least 1"),
        (["--address", "auto"], "--backend ray"),
        (["--gpus-per-worker", "1"], "--backend ray"),
        (["--device", "cpu,cpu", "--workers", "3"], "one process each"),
        (["--backend", "ray", "--workers", "2", "--gpus-per-worker", "4"], "GPUs"),
        (["--backend", "ray", "--address", "127.0.0.1:1"], "ray start --head"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, pairs, capsys, options, what):
    assert run(tmp_path / "run", *pairs, *REFERENCE, *options) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert what in error
    assert "Traceback" not in error
    assert not (tmp_path / "run" / "pairs.parquet").exists()
