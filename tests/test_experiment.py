"""The main job through the command line, on the embedded model and images."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import blindspots as bs
from blindspots.cli.app import call
from blindspots.experiment import Experiment
from blindspots.plan import seeded_order
from blindspots.records import PAIRS, TRIANGLES
from blindspots.run_reader import Run
from blindspots.store import Store

MODEL = "zoo:shapes-resnet"
SMALL = [
    "--model",
    MODEL,
    "--images",
    "sample:shapes?n=30",
    "--method",
    "reference",
    "--set",
    "max_steps=6",
]
TIMES = {"seconds"}


def run(out, *options, sources=4):
    given = ["--out", str(out), "--quiet", "--sources", str(sources), *options]
    return call(["run", *SMALL, *given])


def rows(path, table="pairs"):
    key = "pair_id" if table == "pairs" else "target_1"
    stored = pq.read_table(path / f"{table}.parquet").to_pylist()
    ordered = sorted(stored, key=lambda row: (row["model"], row["source_id"], row[key]))
    return [{k: v for k, v in row.items() if k not in TIMES} for row in ordered]


def assert_same_rows(one, two, table="pairs"):
    for a, b in zip(rows(one, table), rows(two, table), strict=True):
        for name, value in a.items():
            if isinstance(value, float | list) and value:
                assert b[name] == pytest.approx(value, abs=1e-3), name
            else:
                assert b[name] == value, name


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    assert run(path) == 0
    return path


@pytest.fixture(autouse=True)
def _no_figures(finished, monkeypatch):
    """One run draws its figures; the others are about rows."""
    monkeypatch.setattr("blindspots.outcome.write_figures", lambda *_: [])


def test_every_column_of_the_contract_is_there_with_its_type(finished):
    assert pq.read_schema(finished / "pairs.parquet").equals(PAIRS)
    assert pq.read_schema(finished / "triangles.parquet").equals(TRIANGLES)
    assert len(rows(finished)) == 8
    assert len(rows(finished, "triangles")) == 4
    for row in rows(finished):
        assert row["ending"] == "finished"
        assert row["steps"] == 6
        assert row["evaluations"] == 7.5
        assert len(row["segment_confidence"]) == 101
        assert len(row["path_step"]) == len(row["path_confidence"]) == 7
        assert {name for name, value in row.items() if value is None} <= {"lpips", "source_lpips"}


def test_the_rows_say_what_the_files_hold(finished):
    """Recomputed by hand from the saved images: no code of the run is used."""
    images, model = bs.load_images("sample:shapes?n=30", bs.load_model(MODEL)), bs.load_model(MODEL)
    for row in rows(finished):
        found = _found(finished, row)
        source, target = (_image(finished, row[k]) for k in ("source_id", "target_id"))
        assert torch.equal(source, images.images[images.ids.index(row["source_id"])])
        assert row["rmse"] == pytest.approx(
            float((found - target).square().mean().sqrt()), abs=1e-6
        )
        assert row["linf"] == pytest.approx(float((found - target).abs().max()), abs=1e-6)
        with torch.no_grad():
            p = model.eval()(torch.stack((source, found))).softmax(1)[:, row["source_class"]]
        assert [row["p_source"], row["p_found"]] == pytest.approx(p.tolist(), abs=1e-4)
        line = torch.stack([source + i / 100 * (found - source) for i in range(101)])
        with torch.no_grad():
            along = model(line).softmax(1)[:, row["source_class"]]
        assert row["segment_mean"] == pytest.approx(float(along[::10].mean()), abs=1e-4)
        assert row["segment_min"] <= float(along.min()) + 1e-4
        assert row["segment_inside"] == (row["segment_min"] >= row["p_source"] - 0.2)
        assert row["p_path_min"] <= min(row["path_confidence"])
        rounded = np.asarray(Image.open(finished / "found" / f"{row['pair_id']}.png"))
        assert np.abs(rounded / 255 - found.permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6


def _found(path, row):
    return torch.from_numpy(Store(path).load_found(row["pair_id"]))


def _image(path, name):
    pixels = np.asarray(Image.open(path / "images" / f"{name}.png"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def test_a_finished_run_has_tables_figures_report_and_facts(finished):
    info = json.loads((finished / "run.json").read_text())
    assert info["finished"]
    assert info["plan"]["method"]["max_steps"] == 6
    assert info["models"][0]["preflight"]["accuracy"] > 0.9
    assert torch.__version__.startswith(info["versions"]["torch"])
    assert (finished / "report.html").stat().st_size > 10_000
    assert list((finished / "figures").glob("*.png"))
    assert {p.name for p in (finished / "tables").iterdir()} >= {"distance.csv", "confidence.tex"}
    assert not list((finished / "parts").iterdir())


def test_the_same_command_again_changes_nothing(finished):
    before = (finished / "pairs.parquet").read_bytes()
    started = json.loads((finished / "run.json").read_text())["started"]
    assert run(finished) == 0
    assert (finished / "pairs.parquet").read_bytes() == before
    assert json.loads((finished / "run.json").read_text())["started"] == started


class Cut(BaseException):
    """A kill, seen from inside."""


@pytest.mark.parametrize(
    ("where", "after"),
    [
        ("append", 0),
        ("append", 1),
        ("save_found", 3),
        ("save_path", 0),
        ("compact", 0),
        ("write_info", 1),
    ],
)
def test_a_run_cut_anywhere_resumes_to_the_same_rows(tmp_path, monkeypatch, finished, where, after):
    whole, calls = getattr(Store, where), []

    def cut(self, *arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise Cut
        return whole(self, *arguments)

    monkeypatch.setattr(Store, where, cut)
    with pytest.raises(Cut):
        run(tmp_path / "run", "--batch-size", "3")
    monkeypatch.undo()
    kept = Store(tmp_path / "run").present("pairs")
    redone = []
    monkeypatch.setattr(Store, "save_found", lambda s, i, *a: (redone.append(i), SAVE(s, i, *a)))
    assert run(tmp_path / "run", "--batch-size", "3") == 0
    assert not {("shapes-resnet", i) for i in redone} & {(m.split(":")[-1], i) for m, i in kept}
    assert_same_rows(finished, tmp_path / "run")
    assert_same_rows(finished, tmp_path / "run", "triangles")


SAVE = Store.save_found


def test_verify_agrees_and_notices_a_changed_image(tmp_path, capsys):
    path = tmp_path / "run"
    assert run(path, "--targets-per-source", "1", sources=2) == 0
    assert call(["verify", str(path), "--quiet"]) == 0
    assert "agrees" in capsys.readouterr().out
    name = rows(path)[0]["pair_id"]
    Store(path).save_found(name, np.zeros((3, 64, 64), np.float32), np.zeros((3, 64, 64), np.uint8))
    assert call(["verify", str(path), "--quiet"]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keep", "found", "paths"), [("none", 0, 0), ("found", 12, 0), ("path", 12, 6)]
)
def test_keep_says_what_stays(tmp_path, keep, found, paths):
    path = tmp_path / "run"
    assert run(path, "--keep", keep, sources=3) == 0
    assert len(list((path / "found").iterdir())) == found
    assert len(list((path / "path").iterdir())) == paths
    assert len(rows(path, "triangles")) == 3
    assert run(path, "--keep", keep, sources=3) == 0


def test_pairs_may_be_given(tmp_path, finished):
    images = bs.load_images("sample:shapes?n=30")
    file = tmp_path / "pairs.csv"
    file.write_text(
        f"source,target\n{images.names[3]},{images.ids[8]}\n{images.ids[3]},{images.ids[5]}\n"
    )
    assert run(tmp_path / "run", "--pairs", str(file)) == 0
    assert {(r["source_id"], r["target_id"]) for r in rows(tmp_path / "run")} == {
        (images.ids[3], images.ids[8]),
        (images.ids[3], images.ids[5]),
    }
    assert len(rows(tmp_path / "run", "triangles")) == 1


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, capsys):
    assert run(tmp_path / "run", "--dry-run") == 0
    assert "8 pairs of 4 sources" in capsys.readouterr().out
    assert run(tmp_path / "run", "--dry-run", "--json") == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert list(cost["pairs"].values()) == [8]
    assert cost["evaluations"] == 8 * 7
    assert not (tmp_path / "run").exists()


def test_results_are_json_where_asked_for(finished, capsys):
    assert run(finished, "--json") == 0
    published = json.loads(capsys.readouterr().out)
    assert published["report"] == str(finished / "report.html")
    assert set(published["tables"]) == {"distance", "confidence"}
    assert call(["table", str(finished), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"distance", "confidence"}


def test_every_model_works_on_the_same_pairs_and_misses_are_rows(tmp_path):
    """A second model that cannot name the first source's class: rows without pairs."""
    images = bs.load_images("sample:shapes?n=30", bs.load_model(MODEL))
    unnamed = int(images.labels[seeded_order(images.ids, 0)[0]])
    factory = tmp_path / "blind.py"
    factory.write_text(BLIND.replace("CLASS", str(unnamed)))
    blind = f"file:{factory}:blind_to_one"
    assert run(tmp_path / "run", "--model", blind, sources=3) == 0
    by_model = {}
    for row in Run(tmp_path / "run").pair_rows(started=True):
        by_model.setdefault(row["model"], set()).add((row["source_id"], row["target_id"]))
    first, second = by_model.values()
    assert first == second
    missed = Run(tmp_path / "run").pair_rows(started=False)
    assert missed
    assert {row["ending"] for row in missed} == {"source_misclassified"}
    assert {row["source_class"] for row in missed} == {unnamed}
    assert all(row["target_id"] is None and row["p_source"] < 0.5 for row in missed)


BLIND = """
import torch
from blindspots import Classifier, load_model


class Blind(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.whole = load_model("zoo:shapes-resnet")

    def forward(self, images):
        keep = torch.ones(10)
        keep[CLASS] = 0
        return self.whole(images) * keep - 50 * (1 - keep)


def blind_to_one():
    names = load_model("zoo:shapes-resnet").class_names
    return Classifier(Blind(), size=64, class_names=names)
"""


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), OSError(5, "Input/output error")]
)
def test_a_full_disk_keeps_what_is_finished_and_says_how_to_go_on(
    tmp_path, monkeypatch, capsys, failure
):
    whole, calls = Store.append, []

    def full(self, table, table_rows):
        calls.append(table)
        if len(calls) > 2:
            raise failure
        whole(self, table, table_rows)

    monkeypatch.setattr(Store, "append", full)
    assert run(tmp_path / "run", "--batch-size", "3") == 1
    error = capsys.readouterr().err
    assert "finished pairs are kept" in error
    assert "resumes" in error
    assert "Traceback" not in error
    monkeypatch.undo()
    assert len(Store(tmp_path / "run").present("pairs")) == 3


def test_an_interrupt_is_130_and_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Experiment, "execute", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(tmp_path / "run") == 130
    assert "the same command resumes" in capsys.readouterr().err


def test_another_plan_in_the_directory_is_refused_with_the_difference(finished, capsys):
    assert run(finished, "--delta", "0.3", "--seed", "2") == 2
    error = capsys.readouterr().err
    assert "method.delta is 0.2 there and 0.3 here" in error
    assert "seed is 0 there and 2 here" in error
